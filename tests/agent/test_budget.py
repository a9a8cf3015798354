"""What a build may spend and how it ends when it is spent."""

from __future__ import annotations

import pytest

from agent.budget import Budget, BudgetSpent, Spending
from agent.models.base import Usage

USAGE = Usage(input_tokens=90, output_tokens=10, cached_tokens=50, dollars=0.5)


def spending(**fields: float) -> Spending:
    spent = Spending(clock=lambda: 0.0, **fields)  # type: ignore[arg-type]
    spent.add(USAGE)
    return spent


def test_without_limits_nothing_is_spent() -> None:
    Budget().check(spending(submissions=99, seconds_before=1e9))


@pytest.mark.parametrize(
    ("budget", "which"),
    [
        (Budget(turns=1), "turns"),
        (Budget(tokens=100), "tokens"),
        (Budget(dollars=0.5), "dollars"),
        (Budget(minutes=2), "minutes"),
        (Budget(submissions=3), "submissions"),
        (Budget(turns=0), "turns"),
    ],
)
def test_each_limit_ends_the_build_by_its_name(budget: Budget, which: str) -> None:
    spent = spending(seconds_before=120, submissions=3)
    with pytest.raises(BudgetSpent, match=which) as end:
        budget.check(spent)
    assert end.value.which == which
    assert end.value.spent >= end.value.limit


def test_below_its_limits_a_build_goes_on() -> None:
    spent = spending(seconds_before=119, submissions=2)
    Budget(turns=2, tokens=101, dollars=0.51, minutes=2, submissions=3).check(spent)


def test_a_query_without_price_counts_no_dollars_but_is_remembered() -> None:
    spent = Spending()
    spent.add(Usage(input_tokens=1, output_tokens=1))
    spent.add(Usage())
    assert (spent.dollars, spent.unpriced, spent.turns) == (0, 1, 2)


def test_time_left_counts_earlier_runs_and_never_goes_below_zero() -> None:
    now = [100.0]
    spent = Spending(seconds_before=30, clock=lambda: now[0])
    now[0] = 120
    assert Budget(minutes=1).seconds_left(spent) == pytest.approx(10)
    now[0] = 900
    assert Budget(minutes=1).seconds_left(spent) == 0
    assert Budget().seconds_left(spent) is None

"""Intervals, paired tests and repeated attempts, against values known from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from evals.formula import resistance
from evals.statistics import (
    clustered_bootstrap,
    g_mean,
    paired_permutation,
    pass_at_1,
    pass_hat_k,
    wilson,
)


def test_wilson_gives_the_published_interval() -> None:
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(0, 0) == (0, 1)


def test_who_refuses_or_accepts_everything_has_nothing() -> None:
    assert g_mean(0.0, 1.0) == g_mean(1.0, 0.0) == 0
    assert g_mean(0.5, None) == 0.5
    assert g_mean(0.25, 1.0) == 0.5


def mean(means: Sequence[float | None]) -> float:
    return means[0] or 0.0


def test_items_of_one_repository_count_as_one_observation() -> None:
    apart = {str(n): [n % 2] for n in range(20)}
    together = {"a": [1.0] * 10, "b": [0.0] * 10}
    low, high = clustered_bootstrap([apart], mean)
    assert 0.25 < low < 0.35 < 0.65 < high < 0.75
    low_two, high_two = clustered_bootstrap([together], mean)
    assert low_two < 0.1 < 0.9 < high_two, "two repositories tell next to nothing"
    assert clustered_bootstrap([apart], mean) == (low, high), "the same results, the same interval"


@pytest.mark.parametrize(("n", "low"), [(1, 0.1466), (9, 0.7623), (20, 0.8834)])
def test_a_perfect_record_is_no_certainty(n: int, low: float) -> None:
    # The quantile 0.025 of the Beta distribution with n + 1/2 and 1/2.
    perfect = {str(number): [1.0] for number in range(n)}
    assert clustered_bootstrap([perfect], mean) == (pytest.approx(low, abs=0.03), 1.0)
    hopeless = {name: [0.0] for name in perfect}
    assert clustered_bootstrap([hopeless], mean) == (0.0, pytest.approx(1 - low, abs=0.03))


def test_the_permutation_test_is_exact_for_few_repositories() -> None:
    assert paired_permutation({"a": [0.5], "b": [0.2], "c": [0.9]}) == 2 / 8
    assert paired_permutation({"a": [0.5, 0.4, 0.3]}) == 1, "one repository proves nothing"
    assert paired_permutation({"a": [0.0], "b": [0.0]}) == 1
    many = {str(n): [0.1] for n in range(30)}
    assert paired_permutation(many) < 0.001


def test_repeated_attempts() -> None:
    attempts = [[True, True, False, False], [True, True, True, True]]
    assert pass_at_1(attempts) == 0.75
    assert pass_hat_k(attempts, 2) == pytest.approx((1 / 6 + 1) / 2)
    assert pass_hat_k(attempts, 5) is None


def test_one_hole_in_a_verifier_costs_half_and_four_nearly_all() -> None:
    tried = [True] * 16
    assert resistance(tried) == 1
    assert resistance([False, *tried[1:]]) == pytest.approx(0.5)
    assert resistance([False] * 4 + tried[4:]) == pytest.approx(495 / 12870)
    assert resistance([False] * 9 + tried[9:]) == 0
    assert resistance([True, False]) == 0
    assert resistance([]) is None

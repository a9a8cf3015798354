"""What a build may spend, what it has spent, and the exception that ends it.

A spent budget is a clean end, not an error: everything made so far is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from agent.models.base import Usage


class BudgetSpent(Exception):
    """A limit is reached.

    Attributes:
        which: name of the limit, as in `Budget`.
        spent: how much was spent.
        limit: how much there was.
    """

    def __init__(self, which: str, spent: float, limit: float) -> None:
        super().__init__(f"The budget of {limit:g} {which} is spent ({spent:.4g} used).")
        self.which = which
        self.spent = spent
        self.limit = limit


@dataclass(frozen=True)
class Budget:
    """Limits of one build; None means no limit.

    Attributes:
        turns: queries to the model.
        tokens: tokens read and written, cached ones included.
        dollars: USD by list price; queries without a known price count nothing.
        minutes: wall-clock minutes of the build, commands and gate included.
        submissions: times the gate judges a draft that the model submitted.
    """

    turns: int | None = None
    tokens: int | None = None
    dollars: float | None = None
    minutes: float | None = None
    submissions: int | None = None

    def check(self, spending: Spending, *names: str) -> None:
        """Raise when a limit is reached.

        Args:
            spending: what was spent so far.
            names: the limits to look at; none means all.

        Raises:
            BudgetSpent: naming the first limit that is reached.
        """
        for which in names or ("submissions", "turns", "tokens", "dollars", "minutes"):
            limit, spent = getattr(self, which), getattr(spending, which)
            if limit is not None and spent >= limit:
                raise BudgetSpent(which, spent, limit)

    def seconds_left(self, spending: Spending) -> float | None:
        """Seconds until `minutes` is reached, at least 0; None without such a limit."""
        if self.minutes is None:
            return None
        return max(0.0, (self.minutes - spending.minutes) * 60)


@dataclass
class Spending:
    """What a build has spent, over all its runs.

    Attributes:
        turns: queries answered.
        input_tokens: tokens read, cached ones included.
        output_tokens: tokens written.
        cached_tokens: the part of `input_tokens` read from the provider's cache.
        dollars: USD of the queries with a known price.
        unpriced: queries that used tokens and have no known price.
        submissions: drafts judged by the gate.
        seconds_before: wall-clock seconds of the earlier runs.
        clock: a monotonic clock, in seconds.
    """

    turns: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    dollars: float = 0.0
    unpriced: int = 0
    submissions: int = 0
    seconds_before: float = 0.0
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._began = self.clock()

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.input_tokens + self.output_tokens

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of all runs, this one included."""
        return self.seconds_before + self.clock() - self._began

    @property
    def minutes(self) -> float:
        """Wall-clock minutes of all runs, this one included."""
        return self.seconds / 60

    def add(self, usage: Usage) -> None:
        """Count one answered query."""
        self.turns += 1
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.cached_tokens += usage.cached_tokens
        if usage.dollars is not None:
            self.dollars += usage.dollars
        elif usage.input_tokens or usage.output_tokens:
            self.unpriced += 1

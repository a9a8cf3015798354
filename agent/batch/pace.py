"""Patience with a provider, shared by all workers: when one is refused, all wait.

One row of the database says until when. A worker that is refused moves it, never nearer; every
worker looks at it before it asks. So a rate limit costs one refusal and not one for each worker,
and a provider that is down is asked by nobody until the time has passed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sqlalchemy import case, select

from agent.queue.database import Database
from agent.queue.entries import plain
from agent.queue.schema import Provider

LOOK_S = 2.0
"""What the database said stays good for so long: queries to a model take seconds themselves."""
LONGEST_S = 15 * 60.0
"""Nobody waits longer than this for a word of the database: a clock that jumped back would
otherwise stop everything for as long as it jumped."""


class SharedPace:
    """Patience with one provider; see `agent.models.retry.Pace`.

    Args:
        database: the queue's.
        provider: a name for whoever sets the limit, such as the model's spec.
        stop: ends a wait.
        tell: told in one line when a wait begins.
    """

    def __init__(
        self,
        database: Database,
        provider: str,
        *,
        stop: threading.Event | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._provider = provider[:200]
        self._stop = stop or threading.Event()
        self._tell = tell
        self._looked = float("-inf")

    def ready(self) -> None:
        """Wait until the provider may be asked, or until stopped."""
        while not self._stop.is_set():
            if time.monotonic() - self._looked < LOOK_S:
                return
            wait = self.wait_s()
            if wait <= 0:
                self._looked = time.monotonic()
                return
            self._tell(f"{self._provider} asked for patience; all workers wait {wait:.0f} s")
            self._stop.wait(min(wait, LONGEST_S))

    def wait_s(self) -> float:
        """Seconds until the provider may be asked; 0 when it may be now."""
        query = select(Provider.not_before - self._database.now)
        found = self._database.one(
            lambda c: c.execute(query.where(Provider.name == self._provider)).scalar_one_or_none()
        )
        return min(LONGEST_S, max(0.0, float(found))) if found is not None else 0.0

    def refused(self, wait_s: float, why: str) -> None:
        """Let all workers wait."""
        until = self._database.now + min(wait_s, LONGEST_S)
        values = {"name": self._provider, "not_before": until, "reason": plain(why)}
        new = self._database.upsert(Provider).values(values)
        later = case(
            (Provider.not_before > new.excluded.not_before, Provider.not_before),
            else_=new.excluded.not_before,
        )
        # A time that lies further ahead than anybody may wait was written by another clock.
        sane = case(
            (Provider.not_before > self._database.now + LONGEST_S, new.excluded.not_before),
            else_=later,
        )
        change = new.on_conflict_do_update(
            index_elements=["name"], set_={"not_before": sane, "reason": values["reason"]}
        )
        self._database.one(lambda c: c.execute(change))
        self._looked = float("-inf")


def waits(database: Database) -> list[tuple[str, float, str]]:
    """Providers that are being waited for: name, seconds left, what they said."""
    left = (Provider.not_before - database.now).label("left")
    query = select(Provider.name, left, Provider.reason).where(left > 0)
    return database.one(lambda c: [(n, float(s), r) for n, s, r in c.execute(query)])

"""Drives a batch from its beginning to its end, whatever its workers are.

The crew watches the queue, tells its hands to drain or to stop, and ends when they have ended. What
a hand is, a process of this machine or a task of a cluster, is `Hands`' to know.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from agent.batch.settings import BatchSettings, end
from agent.batch.watcher import Listener, Watcher, sweep
from agent.queue.database import Database, DatabaseGone

LOOK_S = 0.5
"""Between two looks at workers and queue."""
EARLY_DEATHS = 5
"""Workers in a row that may die without having finished anything before the batch gives up."""
ENDING_S = 30.0
"""For workers to end after a stop before they are killed."""
DRAIN, STOP = "drain", "stop"


class Hands(Protocol):
    """The workers of one batch.

    Attributes:
        size: how many there should be.
    """

    size: int

    def mend(self, watcher: Watcher, *, more: bool) -> int:
        """Take leave of workers that ended and, with `more`, put others in their place.

        Returns:
            How many there are.

        Raises:
            KettleError: workers die as soon as they are started.
        """

    def say(self, word: str) -> None:
        """Tell all workers to `DRAIN` or to `STOP`."""

    def wait(self, seconds: float) -> None:
        """Wait for so long, or until a worker ends."""

    def kill(self) -> None:
        """End all workers at once."""

    def close(self) -> None:
        """Let go of what the workers needed, once they have ended."""


class Crew:
    """One batch and its workers.

    Args:
        database: the queue's.
        settings: the batch's.
        batch: its number.
        hands: its workers.
        until_empty: end when no session is left to work on.
        listener: gets events and snapshots.
    """

    def __init__(
        self,
        database: Database,
        settings: BatchSettings,
        batch: int,
        hands: Hands,
        *,
        until_empty: bool,
        listener: Listener,
    ) -> None:
        self._database = database
        self._settings = settings
        self._batch = batch
        self._hands = hands
        self._until_empty = until_empty
        self._watcher = Watcher(database, settings, batch, listener, workers=hands.size)
        self._draining = False
        self._stopping_since: float | None = None
        self._asked: list[int] = []

    def run(self) -> bool:
        """Drain the queue.

        Returns:
            True when it ended by itself; False when a person ended it.

        Raises:
            KettleError: workers die as soon as they are started.
        """
        self._watcher.begin()
        began = time.monotonic()
        minutes = self._settings.batch_minutes
        with _asked_to_end(self._asked):
            try:
                while self._hands.mend(self._watcher, more=not self._draining):
                    with contextlib.suppress(DatabaseGone):
                        snapshot = self._watcher.look()
                        if self._until_empty and not snapshot.open:
                            self.drain("the queue is empty")
                        elif self._until_empty and snapshot.spent_out:
                            self.drain("the budget is spent")
                    while self._asked:
                        self._asked.pop()
                        self._person()
                    if minutes is not None and time.monotonic() - began >= minutes * 60:
                        self.stop(f"{minutes:g} minutes are over")
                    late = self._stopping_since
                    if late is not None and time.monotonic() - late > ENDING_S:
                        self._hands.kill()
                    # Ends early when a worker does, so that another takes its place at once.
                    self._hands.wait(LOOK_S)
            finally:
                self._hands.kill()
                self._end()
        return not self._watcher.interrupted

    def drain(self, why: str) -> None:
        """Let the workers finish what they do and claim nothing more."""
        if not self._draining:
            self._draining = True
            self._watcher.note(f"{why}; the workers finish what they do")
            self._hands.say(DRAIN)

    def stop(self, why: str) -> None:
        """Stop the workers where they stand; their sessions are taken up by the next batch."""
        self._draining = True
        if self._stopping_since is None:
            self._stopping_since = time.monotonic()
            self._watcher.stopping = True
            self._watcher.note(f"{why}; the workers stop")
            self._hands.say(STOP)

    def _person(self) -> None:
        """A person asked for the end: once to drain, twice to stop."""
        self._watcher.interrupted = True
        if self._draining:
            self.stop("asked again")
        else:
            self.drain("asked to end (once more stops them)")

    def _end(self) -> None:
        self._hands.close()
        with contextlib.suppress(DatabaseGone):
            self._watcher.end()
            sweep(self._database, self._settings.work_folder)
            end(self._database, self._batch)


@contextmanager
def _asked_to_end(asked: list[int]) -> Iterator[None]:
    """Within it, signals to end are noted in the list, to be heeded between two looks."""

    def heard(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    before = {number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

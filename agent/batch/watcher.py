"""Watches a batch from outside its workers: frees silent leases, tells what happens.

It needs the database alone, so it serves workers of this machine and of any other. What it tells
are events, each once, and snapshots, from which a live table is drawn.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from agent.batch.pace import waits
from agent.batch.settings import BatchSettings
from agent.queue import entries, ledger
from agent.queue.database import Database
from agent.queue.leases import Leases, Observer
from agent.queue.schema import OPEN_STATES, Attempt, Entry
from sandbox import reaper

LIMIT = 500
"""Attempts read at a time."""
RESTS = 20
"""Times as long as it took to count the queue passes until it is counted again: with millions of
entries counting takes a second, and nobody needs it twice a second."""


@dataclass
class Snapshot:
    """How a batch stands.

    Attributes:
        counts: entries by state and kind, of the whole queue.
        running: entries under way, of all batches.
        open: entries that have work left.
        finished: entries that this batch brought to an end.
        accepted: those of them that became environments.
        dollars: spent by this batch.
        reserved: set aside by its running attempts.
        seconds: since it began.
        rate: entries a minute that it finishes.
        seconds_left: until the queue is empty at this rate; None when nobody can say.
        dollars_to_go: for what is open, at the average so far.
        waits: providers that asked for patience: name, seconds left, what they said.
        workers: how many there should be.
        spent_out: nothing more can be claimed for want of money.
    """

    counts: dict[str, dict[str, int]]
    running: list[dict[str, Any]]
    open: int
    finished: int
    accepted: int
    dollars: float
    reserved: float
    seconds: float
    rate: float
    seconds_left: float | None
    dollars_to_go: float
    waits: list[tuple[str, float, str]]
    workers: int
    spent_out: bool
    notes: list[str] = field(default_factory=list)


class Listener:
    """Hears of a batch; the base hears nothing."""

    def event(self, name: str, **facts: Any) -> None:
        """Something happened."""

    def snapshot(self, snapshot: Snapshot) -> None:
        """How it stands now."""


class Watcher:
    """Watches one batch.

    Args:
        database: the queue's.
        settings: the batch's.
        batch: its number.
        listener: hears events and snapshots.
        workers: how many there should be.
        clock: a monotonic clock, in seconds.

    Attributes:
        finished: entries that the batch brought to an end so far.
        interrupted: whether a person asked for the end.
        stopping: whether the workers were told to stop where they stand.
    """

    def __init__(
        self,
        database: Database,
        settings: BatchSettings,
        batch: int,
        listener: Listener,
        *,
        workers: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._settings = settings
        self._batch = batch
        self._listener = listener
        self._workers = workers
        self._leases = Leases(database, max_attempts=settings.max_attempts)
        self._observer = Observer(self._leases, lease_s=settings.lease_s, clock=clock)
        self._clock = clock
        self._began = clock()
        self._last_attempt = 0
        self._known: dict[int, tuple[str, str]] = {}
        self.finished = self._accepted = 0
        self._notes: list[str] = []
        self._counts: dict[str, dict[str, int]] = {}
        self._count_again = float("-inf")
        self.interrupted = False
        self.stopping = False

    def begin(self) -> None:
        """Free what dead workers of this machine held, and say that the batch begins."""
        newest = select(func.max(Attempt.id))
        self._last_attempt = self._database.one(lambda c: c.execute(newest).scalar_one()) or 0
        sweep(self._database, self._settings.work_folder)
        for row in self._leases.running():
            if reaper.is_dead(row["worker"].partition("#")[2]):
                self._leases.died(row["worker"], "its process was gone when a batch began")
                self._listener.event("freed", entry=row["id"], why="its worker is gone")
        self._listener.event("begin", batch=self._batch, **self._settings.without_secrets())

    def look(self) -> Snapshot:
        """Look once, and tell what is new."""
        running = self._leases.running()
        for number in self._observer.look(running):
            self._listener.event("freed", entry=number, why="its worker was silent")
        self._tell_running(running)
        self._tell_finished()
        snapshot = self._snapshot(running)
        self._listener.snapshot(snapshot)
        return snapshot

    def died(self, pid: int, why: str) -> int:
        """Free what a worker process of this machine held; how many entries that were.

        A worker that did not end in time when it was told to stop has failed at nothing.
        """
        freed = free_dead(self._leases, pid, why, counts=not self.stopping)
        for number in freed:
            self._listener.event("freed", entry=number, why=f"its worker died: {why}")
        return len(freed)

    def holding(self) -> int:
        """How many entries workers of this batch hold."""
        return sum(row["batch"] == self._batch for row in self._leases.running())

    def note(self, text: str) -> None:
        """Tell a person something."""
        self._notes.append(text)
        self._listener.event("note", text=text)

    def end(self) -> None:
        """Tell what is left to tell."""
        self._count_again = float("-inf")
        snapshot = self.look()
        self._listener.event(
            "end",
            batch=self._batch,
            counts={state: sum(kinds.values()) for state, kinds in snapshot.counts.items()},
            finished=snapshot.finished,
            accepted=snapshot.accepted,
            dollars=round(snapshot.dollars, 4),
            seconds=round(snapshot.seconds, 1),
        )

    def _tell_running(self, running: list[dict[str, Any]]) -> None:
        known: dict[int, tuple[str, str]] = {}
        for row in running:
            now = (row["worker"], row["state"])
            known[row["id"]] = now
            before = self._known.get(row["id"])
            if before is None or before[0] != now[0]:
                self._listener.event("started", entry=row["id"], worker=now[0], state=now[1])
            elif before[1] != now[1]:
                self._listener.event("phase", entry=row["id"], state=now[1])
        self._known = known

    def _tell_finished(self) -> None:
        while rows := self._new_attempts():
            for row in rows:
                self._last_attempt = row["id"]
                final = row["state"] not in OPEN_STATES
                self.finished += final
                self._accepted += row["state"] == "accepted"
                self._listener.event(
                    "finished" if final else "again",
                    entry=row["entry"],
                    state=row["state"],
                    kind=row["kind"],
                    reason=row["reason"],
                    dollars=row["dollars"],
                    seconds=round(row["ended"] - row["began"], 2),
                )

    def _new_attempts(self) -> Sequence[Any]:
        query = (
            select(Attempt.__table__)
            .where(Attempt.id > self._last_attempt, Attempt.batch == self._batch)
            .order_by(Attempt.id)
            .limit(LIMIT)
        )
        return self._database.one(lambda c: c.execute(query).mappings().all())

    def _snapshot(self, running: list[dict[str, Any]]) -> Snapshot:
        counts = self._counted()
        seconds = self._clock() - self._began
        left = entries.open_count(counts)
        rate = self.finished / seconds * 60 if seconds else 0.0
        dollars, reserved = ledger.spent(self._database, f"batch:{self._batch}")
        each = dollars / self.finished if self.finished else 0.0
        return Snapshot(
            counts=counts,
            running=running,
            open=left,
            finished=self.finished,
            accepted=self._accepted,
            dollars=dollars,
            reserved=reserved,
            seconds=seconds,
            rate=rate,
            seconds_left=left / rate * 60 if rate else None,
            dollars_to_go=each * left,
            waits=waits(self._database),
            workers=self._workers,
            spent_out=not running and self._spent_out(dollars),
            notes=self._notes[-3:],
        )

    def _counted(self) -> dict[str, dict[str, int]]:
        """Entries by state and kind, not older than counting them is worth."""
        began = self._clock()
        if began >= self._count_again:
            self._counts = entries.counts(self._database)
            ended = self._clock()
            self._count_again = ended + RESTS * (ended - began)
        return self._counts

    def _spent_out(self, dollars: float) -> bool:
        """Whether no attempt fits into what is left."""
        limits = self._settings.limits
        need = max(limits.item or 0.0, ledger.ROUNDING)
        now = self._database.one(self._database.time)
        left = [limits.batch - dollars] if limits.batch is not None else []
        if limits.day is not None:
            left.append(limits.day - ledger.spent(self._database, ledger.day_of(now))[0])
        return any(amount + ledger.ROUNDING < need for amount in left)


def free_dead(leases: Leases, pid: int, why: str, *, counts: bool = True) -> list[int]:
    """Free what a dead worker process of this machine held.

    Args:
        leases: of the queue.
        pid: the process.
        why: what it died of.
        counts: whether that is a failed attempt.

    Returns:
        The entries that it held.
    """
    freed: list[int] = []
    for row in leases.running():
        name = row["worker"]
        if f"/{pid}-" in name and reaper.is_dead(name.partition("#")[2]):
            leases.died(name, f"its worker died: {why}", counts=counts)
            freed.append(row["id"])
    return freed


def sweep(database: Database, work: Path) -> int:
    """Delete folders of entries that are gone or accepted and that nobody holds; how many."""
    folders = [f for f in work.glob("*") if f.name.isdigit()] if work.is_dir() else []
    if not folders:
        return 0
    numbers = [int(folder.name) for folder in folders]
    kept = select(Entry.id).where(
        Entry.id.in_(numbers), (Entry.state != "accepted") | Entry.worker.is_not(None)
    )
    needed = set(database.one(lambda c: c.execute(kept).scalars().all()))
    unneeded = [folder for folder in folders if int(folder.name) not in needed]
    for folder in unneeded:
        shutil.rmtree(folder, ignore_errors=True)
    return len(unneeded)

"""Leases: a worker claims an entry, says that it lives, and ends its attempt; or is found dead.

A claim is one statement, so no two workers get the same entry. It raises the entry's `token`, and
everything that a worker writes carries its token: one that was thought dead and comes back writes
nothing any more. Whether a holder is alive is told without any clock that is shared: whoever
watches counts, by its own monotonic clock, for how long a lease's `beat` has not moved. So clocks
that jump, or differ between machines, end no lease.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlalchemy import exists, insert, select, true, update

from agent.errors import KettleError
from agent.queue import ledger
from agent.queue.consent import holds
from agent.queue.database import Database
from agent.queue.entries import plain
from agent.queue.ledger import Limits
from agent.queue.schema import Attempt, Consent, Entry, Kind, State

BEAT_S = 5.0
"""Between two heartbeats."""
LEASE_S = 60.0
"""A lease whose beat has stood still for so long is lost: twelve beats, so that neither a database
that restarts nor a machine under load costs a live worker its work."""
MAX_ATTEMPTS = 3
"""Failed attempts after which an entry is set aside with its error."""
AGAIN_AFTER_S = 30.0
"""Wait before a second attempt; doubles with each."""

_COLUMNS = (
    Entry.id,
    Entry.token,
    Entry.digest,
    Entry.path,
    Entry.format,
    Entry.repository,
    Entry.source,
    Entry.contributor,
    Entry.consent,
    Entry.worth,
    Entry.state,
    Entry.verdict,
    Entry.approved,
    Entry.environment,
    Entry.attempts,
    Entry.reserved,
    Entry.dollars,
    Entry.minutes,
    Entry.claimed_at,
)


class LeaseLost(KettleError):
    """The worker does not hold its entry any more; what it was doing must stop.

    Attributes:
        gone: whether the entry itself is gone, or its consent: nothing of it may be kept.
    """

    def __init__(self, message: str, *, gone: bool) -> None:
        super().__init__(message)
        self.gone = gone


@dataclass(frozen=True)
class Claim:
    """An entry that a worker holds.

    Attributes:
        id: the entry.
        token: what the worker's writes carry.
        worker: who holds it.
        batch: for which batch.
        allowed: dollars that this attempt may spend; None without limit.

    The other attributes are those of `schema.Entry` when it was claimed.
    """

    id: int
    token: int
    worker: str
    batch: int | None
    allowed: float | None
    digest: str
    path: str
    format: str
    repository: str
    source: str
    contributor: str
    consent: int
    worth: float
    state: str
    verdict: str | None
    approved: bool
    environment: str | None
    attempts: int
    reserved: float
    dollars: float
    minutes: float
    claimed_at: float


class Leases:
    """Hands out entries.

    Args:
        database: the queue's.
        max_attempts: failed attempts after which an entry is set aside.
    """

    def __init__(self, database: Database, *, max_attempts: int = MAX_ATTEMPTS) -> None:
        self._database = database
        self._max_attempts = max_attempts
        next_one = (
            select(Entry.id)
            .where(Entry.waiting == true(), Entry.not_before <= database.now)
            .order_by(Entry.worth.desc(), Entry.id)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        self._claim = (
            update(Entry)
            .where(Entry.id == next_one)
            .values(
                waiting=False,
                token=Entry.token + 1,
                beat=Entry.beat + 1,
                spending=0.0,
                claimed_at=database.now,
                worker=sqlalchemy.bindparam("by"),
                batch=sqlalchemy.bindparam("for_batch"),
                reserved=sqlalchemy.bindparam("aside"),
            )
            .returning(*_COLUMNS)
        )

    def claim(
        self, worker: str, *, batch: int | None = None, limits: Limits | None = None
    ) -> Claim | None:
        """Take the worthiest entry that waits.

        Args:
            worker: who asks.
            batch: for which batch.
            limits: money to set aside for the attempt.

        Returns:
            The claim; None when nothing waits, or when the money is set aside or spent.
        """
        given = {"by": worker, "for_batch": batch, "aside": 0.0}
        item = limits.item if limits else None
        if limits is None or batch is None or not limits.counted:
            row = self._database.one(lambda c: c.execute(self._claim, given).one_or_none())
            allowed = item
        else:
            found = self._database.run(lambda c: self._claim_for(c, given, limits))
            row, allowed = found if found else (None, None)
        if row is None:
            return None
        return Claim(worker=worker, batch=batch, allowed=allowed, **row._mapping)

    def _claim_for(
        self, connection: sqlalchemy.Connection, given: dict[str, Any], limits: Limits
    ) -> tuple[Any, float] | None:
        with connection.begin_nested() as attempt:
            allowed = ledger.set_aside(self._database, connection, given["for_batch"], limits)
            if allowed is not None:
                row = connection.execute(self._claim, given | {"aside": allowed}).one_or_none()
                if row is not None:
                    return row, allowed
            attempt.rollback()
        return None

    def beat(self, claim: Claim, *, dollars: float = 0.0) -> None:
        """Say that the worker lives, and what its attempt has spent so far.

        Raises:
            LeaseLost: it must stop.
        """
        self._write(claim, {"beat": Entry.beat + 1, "spending": dollars})

    def enter(self, claim: Claim, state: State, **values: Any) -> None:
        """Begin a phase, if the lease and the consent still hold.

        Args:
            claim: the worker's.
            state: the phase.
            values: further columns to write.

        Raises:
            LeaseLost: it must stop.
        """
        beat = {"beat": Entry.beat + 1, "changed_at": self._database.now}
        self._write(claim, {"state": state, **beat, **values})

    def finish(
        self,
        claim: Claim,
        state: State,
        *,
        kind: str | None = None,
        reason: str | None = None,
        environment: str | None = None,
        dollars: float = 0.0,
        phases: Mapping[str, float] | None = None,
    ) -> None:
        """End the attempt and the entry with it.

        Raises:
            LeaseLost: somebody else has the entry, or it is gone.
        """
        values = {
            "state": state,
            "kind": kind,
            "reason": plain(reason) if reason else None,
            "environment": environment or claim.environment,
        }
        self._end(claim, values, dollars, phases or {})

    def again(
        self,
        claim: Claim,
        kind: Kind,
        reason: str,
        *,
        counts: bool = True,
        after_s: float | None = None,
        dollars: float = 0.0,
        phases: Mapping[str, float] | None = None,
    ) -> State | None:
        """End the attempt and let another one go on from the last finished phase.

        Args:
            claim: the worker's.
            kind: what went wrong.
            reason: one line for a person.
            counts: whether it counts against the entry; after `max_attempts` such failures the
                entry is set aside with its error.
            after_s: seconds until the next attempt; None doubles with each that counted.
            dollars: what was spent.
            phases: seconds by phase.

        Returns:
            `failed` when it was set aside, else None.

        Raises:
            LeaseLost: somebody else has the entry, or it is gone.
        """
        attempts = claim.attempts + counts
        values = {"kind": kind, "reason": plain(reason), "attempts": attempts}
        if counts and attempts >= self._max_attempts:
            self._end(claim, values | {"state": "failed"}, dollars, phases or {})
            return "failed"
        wait = AGAIN_AFTER_S * 2.0 ** (attempts - 1) if after_s is None else after_s
        values |= {"waiting": True, "not_before": self._database.now + wait}
        self._end(claim, values, dollars, phases or {})
        return None

    def died(self, worker: str, reason: str, *, counts: bool = True) -> int:
        """Free what a dead worker held.

        Args:
            worker: its name.
            reason: what it died of.
            counts: whether it is a failed attempt at the entry; not when a person ended the worker.

        Returns:
            How many entries it held.
        """
        return self._freed((Entry.worker == worker,), reason, counts=counts)

    def running(self) -> list[dict[str, Any]]:
        """Every entry that a worker holds now."""
        columns = (*_COLUMNS, Entry.worker, Entry.beat, Entry.spending, Entry.batch)
        query = select(*columns).where(Entry.worker.is_not(None)).order_by(Entry.worker)
        return self._database.one(lambda c: [dict(row) for row in c.execute(query).mappings()])

    def _freed(self, which: tuple[Any, ...], reason: str, *, counts: bool = True) -> int:
        columns = (*_COLUMNS, Entry.worker, Entry.batch, Entry.spending)

        def work(connection: sqlalchemy.Connection) -> int:
            rows = connection.execute(select(*columns).where(*which).with_for_update()).all()
            for row in rows:
                attempts = row.attempts + counts
                poison = counts and attempts >= self._max_attempts
                values = {
                    "kind": "worker-died",
                    "reason": reason,
                    "attempts": attempts,
                    "waiting": not poison,
                    "state": "failed" if poison else row.state,
                }
                # A new token, so that a worker that only seemed dead finds out.
                values["token"] = row.token + 1
                self._close(connection, row, values)
            return len(rows)

        return self._database.run(work)

    def _write(self, claim: Claim, values: dict[str, Any]) -> None:
        agreed = exists().where(Consent.id == Entry.consent, holds(self._database))
        change = update(Entry).where(_mine(claim), agreed).values(values)
        if not self._database.one(lambda c: c.execute(change).rowcount):
            raise self._lost(claim)

    def _end(
        self, claim: Claim, values: dict[str, Any], dollars: float, phases: Mapping[str, float]
    ) -> None:
        """End the attempt of a claim: the entry, its ledgers and the record, all or nothing."""
        database = self._database
        ended = (
            update(Entry)
            .where(_mine(claim))
            .values(**self._ended(dollars, Entry.claimed_at), **values)
            .returning(Entry.id, Entry.state)
        )
        record = self._record(claim, values, dollars, phases)

        def work(connection: sqlalchemy.Connection) -> bool:
            row = connection.execute(ended).first()
            if row is None:
                return False
            known = {"entry": row.id, "state": row.state}
            connection.execute(insert(Attempt).values(record | known))
            ledger.settle(database, connection, claim, dollars)
            return True

        if claim.reserved or dollars or database.is_sqlite:
            written = database.run(work)
        else:
            # One statement, one round trip: PostgreSQL lets an INSERT read from an UPDATE.
            row = ended.cte("ended")
            known = record | {"entry": row.c.id, "state": row.c.state}
            columns = select(*map(_literal, known.values()))
            both = insert(Attempt).from_select(list(known), columns).returning(Attempt.id)
            written = database.one(lambda c: c.execute(both).first()) is not None
        if not written:
            raise self._lost(claim)

    def _close(self, connection: sqlalchemy.Connection, row: Any, values: dict[str, Any]) -> None:
        """End the attempt of a worker that does not do it itself; `row` is locked."""
        change = update(Entry).where(Entry.id == row.id)
        ended = self._ended(row.spending, Entry.claimed_at)
        connection.execute(change.values(**ended, **values))
        record = self._record(row, values, row.spending, {})
        known = {"entry": row.id, "state": values.get("state", row.state)}
        connection.execute(insert(Attempt).values(record | known))
        ledger.settle(self._database, connection, row, row.spending)

    def _ended(self, dollars: float, claimed_at: Any) -> dict[str, Any]:
        now = self._database.now
        return {
            "worker": None,
            "reserved": 0.0,
            "spending": 0.0,
            "dollars": Entry.dollars + dollars,
            "minutes": Entry.minutes + (now - claimed_at) / 60,
            "changed_at": now,
        }

    def _record(
        self, of: Any, values: dict[str, Any], dollars: float, phases: Mapping[str, float]
    ) -> dict[str, Any]:
        return {
            "batch": of.batch,
            "worker": of.worker,
            "began": of.claimed_at,
            "ended": self._database.now,
            "kind": values.get("kind"),
            "reason": values.get("reason"),
            "dollars": dollars,
            "phases": json.dumps({name: round(s, 3) for name, s in phases.items()}),
        }

    def _lost(self, claim: Claim) -> LeaseLost:
        """Why a write was refused."""
        query = (
            select(Entry.token, Entry.worker, holds(self._database).label("agreed"))
            .join(Consent, Consent.id == Entry.consent)
            .where(Entry.id == claim.id)
        )
        row = self._database.one(lambda c: c.execute(query).one_or_none())
        if row is None:
            return LeaseLost("The entry was removed from the queue.", gone=True)
        if not row.agreed:
            return LeaseLost("The consent for this session has ended.", gone=True)
        return LeaseLost("Another worker has the entry now, or it begins again.", gone=False)


class Observer:
    """Finds leases whose holder is silent, by this process's own clock.

    Args:
        leases: of the queue that is watched.
        lease_s: seconds of silence after which a lease is lost.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        leases: Leases,
        *,
        lease_s: float = LEASE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leases = leases
        self._lease_s = lease_s
        self._clock = clock
        self._seen: dict[tuple[int, int], tuple[int, float]] = {}

    def look(self, running: list[dict[str, Any]]) -> list[int]:
        """Compare with what was seen before and free what has been silent for too long.

        Args:
            running: what `Leases.running` found.

        Returns:
            The entries that were freed.
        """
        now = self._clock()
        seen: dict[tuple[int, int], tuple[int, float]] = {}
        silent: list[int] = []
        for row in running:
            held = (row["id"], row["token"])
            beat, since = self._seen.get(held, (row["beat"], now))
            if beat != row["beat"]:
                beat, since = row["beat"], now
            if now - since >= self._lease_s:
                reason = f"worker {row['worker']} was silent for {self._lease_s:g} s"
                same = (Entry.id == row["id"], Entry.token == row["token"])
                if self._leases._freed((*same, Entry.beat == beat), reason):
                    silent.append(row["id"])
            else:
                seen[held] = (beat, since)
        self._seen = seen
        return silent


def _literal(value: Any) -> Any:
    return value if isinstance(value, sqlalchemy.ColumnElement) else sqlalchemy.literal(value)


def _mine(claim: Claim) -> Any:
    held = (Entry.id == claim.id, Entry.token == claim.token, Entry.worker == claim.worker)
    return sqlalchemy.and_(*held)

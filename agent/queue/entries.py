"""The queue's entries: put in, looked at, tried again, taken out. Working on them is `leases`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy
from sqlalchemy import delete, func, insert, select, update

from agent.errors import InputError
from agent.queue.consent import Agreement
from agent.queue.database import Database
from agent.queue.ledger import settle_entries
from agent.queue.schema import OPEN_STATES, STATES, Attempt, Entry

MAX_REASON_CHARS = 2_000
"""Of a reason in the database; the whole log lies in the build's folder."""
ADD_AT_ONCE = 500
"""Rows of one INSERT; SQLite allows 32,766 values in a statement."""

Added = Literal["added", "known", "grown", "older"]
"""What became of a session: new, there already, in place of a shorter copy, or itself shorter than
the copy that is there."""


@dataclass(frozen=True)
class Candidate:
    """A session on its way into the queue.

    Attributes:
        digest: SHA-256 of its raw bytes.
        key: what it keeps while it grows.
        path: where it lies.
        format: the tool that wrote it.
        turns: how many messages it has; of two copies the longer one is the newer.
        worth: in [0, 1].
        consent: what lets it in.
    """

    digest: str
    key: str
    path: str
    format: str
    turns: int
    worth: float
    consent: Agreement


def add(database: Database, candidate: Candidate) -> Added:
    """Put one session in; the same session again changes nothing.

    A session that grew takes the place of its older copy: work on that copy is stopped, and what
    was made of it is replaced when the new one is accepted.
    """
    new = {**_values(candidate), "added_at": database.now, "changed_at": database.now}
    fresh = database.upsert(Entry).values(new).on_conflict_do_nothing().returning(Entry.id)
    if database.one(lambda connection: connection.execute(fresh).first()):
        return "added"
    return database.run(lambda connection: _add(database, connection, candidate))


def add_many(database: Database, candidates: Iterable[Candidate]) -> dict[Added, int]:
    """Put many sessions in, in one transaction."""
    waiting = list(candidates)

    def work(connection: sqlalchemy.Connection) -> dict[Added, int]:
        counts: dict[Added, int] = {}
        known = set(connection.scalars(select(Entry.key))) if len(waiting) > ADD_AT_ONCE else None
        fresh: list[dict[str, Any]] = []
        for candidate in waiting:
            if known is not None and candidate.key not in known:
                known.add(candidate.key)
                fresh.append(_values(candidate))
            else:
                result = _add(database, connection, candidate)
                counts[result] = counts.get(result, 0) + 1
        for first in range(0, len(fresh), ADD_AT_ONCE):
            rows = fresh[first : first + ADD_AT_ONCE]
            now = connection.scalar(select(database.now))
            stamped = [row | {"added_at": now, "changed_at": now} for row in rows]
            connection.execute(insert(Entry), stamped)
        if fresh:
            counts["added"] = counts.get("added", 0) + len(fresh)
        return counts

    return database.run(work)


def _add(database: Database, connection: sqlalchemy.Connection, new: Candidate) -> Added:
    same = (Entry.digest == new.digest) | (Entry.key == new.key)
    columns = (Entry.id, Entry.digest, Entry.turns)
    found = connection.execute(select(*columns).where(same).with_for_update()).all()
    if any(row.digest == new.digest for row in found):
        return "known"
    if found:
        if max(row.turns for row in found) > new.turns:
            return "older"
        settle_entries(database, connection, Entry.id == found[0].id)
        # The row stays, so that what was published under it is found and replaced.
        connection.execute(
            update(Entry)
            .where(Entry.id == found[0].id)
            .values(
                **_values(new),
                **_fresh(database),
                state="queued",
                verdict=None,
                approved=False,
                token=Entry.token + 1,
            )
        )
        return "grown"
    row = {**_values(new), "added_at": database.now, "changed_at": database.now}
    connection.execute(insert(Entry).values(row))
    return "added"


def _values(new: Candidate) -> dict[str, Any]:
    return {
        "digest": new.digest,
        "key": new.key,
        "path": new.path,
        "format": new.format,
        "turns": new.turns,
        "worth": new.worth,
        "repository": new.consent.repository,
        "source": new.consent.source,
        "contributor": new.consent.contributor,
        "consent": new.consent.id,
    }


def _fresh(database: Database) -> dict[str, Any]:
    """What an entry is set to when it begins again."""
    return {
        "kind": None,
        "reason": None,
        "attempts": 0,
        "waiting": True,
        "worker": None,
        "reserved": 0.0,
        "spending": 0.0,
        "not_before": 0.0,
        "changed_at": database.now,
    }


def counts(database: Database) -> dict[str, dict[str, int]]:
    """How many entries there are, by state and by kind ("" without one)."""
    query = select(Entry.state, Entry.kind, func.count()).group_by(Entry.state, Entry.kind)
    found: dict[str, dict[str, int]] = {}
    for state, kind, number in database.one(lambda c: c.execute(query).all()):
        found.setdefault(state, {})[kind or ""] = number
    return found


def listed(
    database: Database,
    *,
    states: Sequence[str] = (),
    repository: str | None = None,
    contributor: str | None = None,
    kind: str | None = None,
    ids: Sequence[int] | None = None,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """Entries, the worthiest first.

    Raises:
        InputError: there is no such state.
    """
    if unknown := set(states) - set(STATES):
        raise InputError(f"There is no state {unknown.pop()!r}; there are {', '.join(STATES)}.")
    query = select(Entry.__table__).order_by(Entry.worth.desc(), Entry.id)
    if states:
        query = query.where(Entry.state.in_(states))
    for column, value in (
        (Entry.repository, repository),
        (Entry.contributor, contributor),
        (Entry.kind, kind),
    ):
        if value is not None:
            query = query.where(column == value)
    if ids is not None:
        query = query.where(Entry.id.in_(ids))
    rows = database.one(lambda c: c.execute(query.limit(limit)).mappings().all())
    return [dict(row) for row in rows]


def shown(database: Database, number: int) -> dict[str, Any]:
    """Everything about one entry, its attempts included.

    Raises:
        InputError: there is no such entry.
    """
    found = listed(database, ids=[number])
    if not found:
        raise InputError(f"There is no entry {number}; `queue list` shows what there is.")
    query = select(Attempt.__table__).where(Attempt.entry == number).order_by(Attempt.id)
    tried = database.one(lambda c: [dict(row) for row in c.execute(query).mappings()])
    verdict = json.loads(found[0]["verdict"]) if found[0]["verdict"] else None
    return found[0] | {"verdict": verdict, "tried": tried}


def retry(database: Database, ids: Sequence[int], *, approve: bool = False) -> int:
    """Let entries that are done begin again; returns how many.

    Args:
        database: the queue's.
        ids: which.
        approve: build them whatever the evidence says.
    """
    values: dict[str, Any] = _fresh(database) | {"state": "queued", "verdict": None}
    if approve:
        values["approved"] = True
    done = Entry.state.not_in(OPEN_STATES) | Entry.worker.is_(None)
    change = update(Entry).where(Entry.id.in_(ids), done).values(values)
    return database.run(lambda c: int(c.execute(change).rowcount))


def remove(database: Database, ids: Sequence[int]) -> int:
    """Take entries out, with the record of their attempts; returns how many.

    Work on them stops with the next heartbeat.
    """

    def work(connection: sqlalchemy.Connection) -> int:
        settle_entries(database, connection, Entry.id.in_(ids))
        connection.execute(delete(Attempt).where(Attempt.entry.in_(ids)))
        return int(connection.execute(delete(Entry).where(Entry.id.in_(ids))).rowcount)

    return database.run(work)


def plain(text: str, limit: int = MAX_REASON_CHARS) -> str:
    """A text that every database takes: no NUL, no half characters, not too long."""
    clean = text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def open_count(found: Mapping[str, Mapping[str, int]]) -> int:
    """Of `counts`: how many entries still have work to do."""
    return sum(sum(found.get(state, {}).values()) for state in OPEN_STATES)

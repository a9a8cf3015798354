"""Money across workers: what a batch and a day may spend, set aside before it is spent.

A claim sets aside what its attempt may spend at most; the end of the attempt turns that into what
it did spend. So no number of workers can spend more than there is, and one that dies holds nothing
back for longer than its lease.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy
from sqlalchemy import select, update

from agent.queue.database import Database
from agent.queue.schema import Entry, Ledger

ROUNDING = 1e-9
"""Dollars; sums of floats may differ by this."""


@dataclass(frozen=True)
class Limits:
    """What may be spent, in dollars; None means without limit.

    Attributes:
        item: by one attempt at one session.
        day: by all batches on this queue from midnight to midnight in UTC.
        batch: by one batch.
    """

    item: float | None = None
    day: float | None = None
    batch: float | None = None

    @property
    def counted(self) -> bool:
        """Whether money has to be set aside at all."""
        return self.day is not None or self.batch is not None


def set_aside(
    database: Database, connection: sqlalchemy.Connection, batch: int, limits: Limits
) -> float | None:
    """Set aside money for one attempt.

    Returns:
        How much it may spend; None when there is not enough left. Without a limit for one item,
        an attempt takes all that is left, so the next one waits for its end.
    """
    now = database.time(connection)
    names = {f"batch:{batch}": limits.batch, day_of(now): limits.day}
    left = [limits.item] if limits.item is not None else []
    for name, limit in names.items():
        _open(database, connection, name)
        if limit is not None:
            row = connection.execute(
                select(Ledger.dollars, Ledger.reserved).where(Ledger.name == name).with_for_update()
            ).one()
            left.append(max(0.0, limit - row.dollars - row.reserved))
    amount = min(left)
    wanted = limits.item if limits.item is not None else 0.0
    if amount + ROUNDING < wanted or (amount <= ROUNDING and wanted == 0.0):
        return None
    for name in names:
        more = update(Ledger).where(Ledger.name == name)
        connection.execute(more.values(reserved=Ledger.reserved + amount))
    return amount


def settle(database: Database, connection: sqlalchemy.Connection, row: Any, dollars: float) -> None:
    """Turn what was set aside for an attempt into what it spent.

    Args:
        database: the queue's.
        connection: within a transaction that also ends the attempt.
        row: the entry, with `reserved`, `batch` and `claimed_at`.
        dollars: what was spent.
    """
    if not row.reserved and not dollars:
        return
    for name in _names(row):
        _open(database, connection, name)
        change = update(Ledger).where(Ledger.name == name)
        connection.execute(
            change.values(reserved=Ledger.reserved - row.reserved, dollars=Ledger.dollars + dollars)
        )


def settle_entries(database: Database, connection: sqlalchemy.Connection, where: Any) -> None:
    """Settle the running attempts of entries that are about to go or to begin again."""
    columns = (Entry.reserved, Entry.batch, Entry.claimed_at, Entry.spending)
    query = select(*columns).where(where, Entry.worker.is_not(None)).with_for_update()
    for row in connection.execute(query).all():
        settle(database, connection, row, row.spending)


def spent(database: Database, name: str) -> tuple[float, float]:
    """Dollars spent and set aside of one ledger."""
    query = select(Ledger.dollars, Ledger.reserved).where(Ledger.name == name)
    row = database.one(lambda c: c.execute(query).one_or_none())
    return (row.dollars, row.reserved) if row else (0.0, 0.0)


def day_of(seconds: float) -> str:
    """Name of a day's ledger."""
    return f"day:{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


def _names(row: Any) -> Iterator[str]:
    if row.batch is not None:
        yield f"batch:{row.batch}"
    if row.claimed_at is not None:
        yield day_of(row.claimed_at)


def _open(database: Database, connection: sqlalchemy.Connection, name: str) -> None:
    """Make a ledger that is not there."""
    values = {"name": name, "dollars": 0.0, "reserved": 0.0}
    connection.execute(database.upsert(Ledger).values(values).on_conflict_do_nothing())

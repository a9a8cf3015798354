"""What one batch is to do; kept with it in the database."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update

from agent.gate.settings import FULL
from agent.queue.database import Database, work_dir
from agent.queue.leases import LEASE_S, MAX_ATTEMPTS
from agent.queue.ledger import Limits
from agent.queue.schema import Batch

BUILD = "build"
"""The job that makes environments; the other one stands in for it in tests and benches."""
ITEM_MINUTES = 60.0
"""Of one build, as for `build`."""
GATE_MINUTES = 20.0
"""Twice what `build` gives it: nobody waits, and suites of real projects take a quarter of a
minute, a hundred times."""
TURNS = 100
SUBMISSIONS = 5
LEAST_FREE_BYTES = 5 << 30
"""On the disks of the work folder and of the container engine: less, and no build is begun."""
LEAST_FREE_MEMORY_BYTES = 1 << 30
"""Of memory: less, and no build is begun; the kernel would end what runs already."""


@dataclass(frozen=True)
class BatchSettings:
    """How a batch works; every worker of it gets the same.

    Attributes:
        queue: URL of the queue's database.
        out: folder or object store of finished environments.
        work: folder of builds under way; on many machines one that they share.
        model: the builder; None chooses by the keys that are set.
        job: which job: `build`, or a stand-in.
        turns: replies of the model for one session.
        submissions: drafts that the gate judges for one session.
        item_dollars: for one session; None means no limit.
        item_minutes: for one session, over all attempts.
        day_dollars: by all batches on the queue in one UTC day.
        batch_dollars: by this batch.
        batch_minutes: until this batch ends.
        repeats: how often the gate grades nop and oracle.
        depth: how thorough the gate is that accepts.
        gate_minutes: of each run of the gate.
        max_attempts: failed attempts before a session is set aside.
        lease_s: seconds of silence after which a worker counts as dead.
        least_free_bytes: on the disks of `work` and of the engine: less, and nothing is begun.
        least_free_memory_bytes: of memory: less, and nothing is begun.
    """

    queue: str
    out: str
    work: str = ""
    model: str | None = None
    job: str = BUILD
    turns: int | None = TURNS
    submissions: int | None = SUBMISSIONS
    item_dollars: float | None = None
    item_minutes: float | None = ITEM_MINUTES
    day_dollars: float | None = None
    batch_dollars: float | None = None
    batch_minutes: float | None = None
    repeats: int = 3
    depth: str = FULL
    gate_minutes: float = GATE_MINUTES
    max_attempts: int = MAX_ATTEMPTS
    lease_s: float = LEASE_S
    least_free_bytes: int = LEAST_FREE_BYTES
    least_free_memory_bytes: int = LEAST_FREE_MEMORY_BYTES

    @property
    def limits(self) -> Limits:
        """The money, as the ledgers know it."""
        return Limits(item=self.item_dollars, day=self.day_dollars, batch=self.batch_dollars)

    @property
    def work_folder(self) -> Path:
        """Where builds lie while they are under way."""
        return Path(self.work) if self.work else work_dir(self.queue)

    def without_secrets(self) -> dict[str, Any]:
        """As a record for people: the queue's URL may hold a password."""
        return {k: v for k, v in asdict(self).items() if k != "queue"} | {
            "work": str(self.work_folder)
        }


def begin(database: Database, settings: BatchSettings) -> int:
    """Record a new batch; its number."""
    values = {"began": database.now, "settings": json.dumps(settings.without_secrets())}
    new = insert(Batch).values(values).returning(Batch.id)
    return database.run(lambda c: int(c.execute(new).scalar_one()))


def end(database: Database, batch: int) -> None:
    """Record that a batch is over."""
    change = update(Batch).where(Batch.id == batch).values(ended=database.now)
    database.run(lambda c: c.execute(change))


def newest(database: Database) -> int | None:
    """The batch that began last."""
    query = select(Batch.id).order_by(Batch.id.desc()).limit(1)
    return database.one(lambda c: c.execute(query).scalar_one_or_none())

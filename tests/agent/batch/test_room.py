"""A machine that has no room for a build leaves the sessions to the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.batch.settings import BatchSettings
from agent.batch.worker import Control, Worker
from agent.queue import entries
from agent.queue.database import Database
from tests.agent.batch.conftest import fill

FAR_TOO_MUCH = 1 << 60


@pytest.mark.parametrize(
    ("least", "said"),
    [
        ({"least_free_memory_bytes": FAR_TOO_MUCH}, "of memory are free"),
        ({"least_free_bytes": FAR_TOO_MUCH}, "nearly full"),
        ({"least_free_memory_bytes": 0, "least_free_bytes": 0}, ""),
    ],
)
def test_a_worker_without_room_claims_nothing(
    least: dict[str, int], said: str, database: Database, tmp_path: Path
) -> None:
    fill(database, 1, tmp_path)
    settings = BatchSettings(
        queue=database.url, out=str(tmp_path / "out"), job="stand-in:0.1", **least
    )
    control = Control()
    control.drain.set()  # so that it does not wait for room
    told: list[str] = []
    worked = Worker(settings, 1, control, tell=told.append).once()
    assert worked is not bool(said)
    assert said in "".join(told)
    state = "queued" if said else "accepted"
    assert entries.counts(database) == {state: {"": 1}}

"""Workers that are killed again and again lose nothing, do nothing twice and leave nothing."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from pathlib import Path

from sqlalchemy import func, select

from agent.batch.stand_in import STEPS
from agent.queue import entries
from agent.queue.artefacts import FolderStore
from agent.queue.database import Database
from agent.queue.schema import Attempt
from tests.agent.batch.conftest import Batch, Start, fill, pid_of

SESSIONS = 200
WORKERS = 8
KILLS = 100
BUILD_S = 0.5


def alive(batch: Batch) -> list[int]:
    """Worker processes that are known to the database's events and still there."""
    pids = {pid_of(event["worker"]) for event in batch.events if event["event"] == "started"}
    return [pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and not _zombie(pid)]


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_hundred_kills_at_random_moments(
    database: Database, start: Start, tmp_path: Path
) -> None:
    fill(database, SESSIONS, tmp_path)
    chance = random.Random(6)  # noqa: S311 (moments that can be repeated)
    batch = start(
        *("--workers", str(WORKERS), "--job", f"stand-in:{BUILD_S}", "--until-empty"),
        *("--max-attempts", "100", "--item-minutes", "5"),
    )
    batch.until_event("started")
    killed = 0
    while killed < KILLS and batch.process.poll() is None:
        # The pause is what makes the moments random; nothing is waited for.
        time.sleep(chance.uniform(0.0, 0.12))
        if pids := alive(batch):
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(pids), signal.SIGKILL)
                killed += 1
    assert batch.ended() == 0, batch.said()
    assert killed == KILLS

    assert entries.counts(database) == {"accepted": {"": SESSIONS}}
    accepted = select(Attempt.entry, func.count()).where(Attempt.state == "accepted")
    ended = database.one(lambda c: c.execute(accepted.group_by(Attempt.entry)).all())
    assert len(ended) == SESSIONS
    assert all(count == 1 for _, count in ended)
    store = FolderStore(batch.out)
    assert len(store.names()) == len(list(batch.out.iterdir())) == SESSIONS
    for name in store.names():
        journal = (batch.out / name / "journal").read_text().split()
        assert journal == [str(step) for step in range(STEPS)], "each step once, none lost"
    left = [path for path in batch.work.rglob("*") if path.name != "workers.log"]
    assert left == []
    assert alive(batch) == []
    resumed = [e for e in batch.events if e["event"] == "started" and e["state"] != "queued"]
    assert resumed, "work went on where it had stopped"

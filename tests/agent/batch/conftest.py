"""A queue with sessions for a batch to drain, and the batch as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.queue import consent, entries
from agent.queue.database import Database, work_dir
from agent.queue.entries import Candidate
from agent.queue.intake import take
from tests.agent.projects import Project

ROOT = Path(__file__).parents[3]
REPOSITORY = "https://example.org/dana/voice"
WHO = "dana@example.org"
PATIENCE_S = 500
"""Until a test gives up: the first build on a machine makes the workbench's image."""


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KETTLE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("KETTLE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(str(tmp_path / "queue.db"), patience_s=PATIENCE_S)
    yield opened
    opened.close()


def fill(database: Database, count: int, folder: Path) -> None:
    agreement = consent.grant(database, REPOSITORY, WHO)
    some = [
        Candidate(
            f"{n:064x}"[::-1], f"k{n}", str(folder / str(n)), "codex", 1, n / count, agreement
        )
        for n in range(count)
    ]
    entries.add_many(database, some)


def take_in(database: Database, project: Project, *more: Path) -> None:
    """A project's session and more about it in the queue, with a consent and a person's approval.

    Each of `more` is written as another session of the same content.
    """
    source = str(project.repository)
    consent.grant(database, source, WHO)
    for place in more:
        place.write_bytes(project.session.read_bytes().replace(b"5f0c1d2e", b"00000000"))
    for session in (project.session, *more):
        assert take(database, session, WHO, source).result == "added"
    entries.retry(database, [row["id"] for row in entries.listed(database)], approve=True)


class Batch:
    """A batch in a process of its own, with its events as they come."""

    def __init__(self, database: Database, out: Path, *arguments: str) -> None:
        self.out = out
        self.work = work_dir(database.url)
        command = ["batch", "--json", "--queue", database.url, "--out", str(out), *arguments]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agent", *command],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.events: list[dict[str, Any]] = []
        self._came = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._came:
                self.events.append(json.loads(line))
                self._came.notify_all()
        with self._came:
            self.events.append({"event": "over"})
            self._came.notify_all()

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for an event."""

        def found() -> dict[str, Any] | None:
            return next((event for event in list(self.events) if wanted(event)), None)

        def over() -> bool:
            return any(event["event"] == "over" for event in self.events)

        with self._came:
            assert self._came.wait_for(lambda: found() or over(), PATIENCE_S), self.events
            event = found()
            assert event is not None, (self.events, self.said())
            return event

    def until_event(self, name: str, **facts: object) -> dict[str, Any]:
        """Wait for an event with a name and facts."""
        return self.until(
            lambda e: e["event"] == name and all(e.get(k) == v for k, v in facts.items())
        )

    def ended(self) -> int:
        """Wait for the end; the exit code."""
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return code

    def said(self) -> str:
        """What it said to a person."""
        assert self.process.stderr is not None
        return self.process.stderr.read()


Start = Callable[..., Batch]


@pytest.fixture
def start(database: Database, tmp_path: Path) -> Iterator[Start]:
    """Starts batches, and ends those that a test leaves."""
    batches: list[Batch] = []

    def begin(*arguments: str) -> Batch:
        batches.append(Batch(database, tmp_path / "out", *arguments))
        return batches[-1]

    yield begin
    for batch in batches:
        batch.process.kill()
        batch.process.wait()
        for stream in (batch.process.stdout, batch.process.stderr):
            if stream is not None:
                stream.close()


def pid_of(worker: str) -> int:
    """The process of a worker, from its name."""
    return int(worker.rpartition("/")[2].partition("-")[0])

"""A queue on each database, and sessions to put into it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.queue import consent
from agent.queue.consent import Agreement
from agent.queue.database import Database
from sandbox.install import SetupError, apt_install
from tests import postgres

REPOSITORY = "https://example.org/dana/voice"
WHO = "dana@example.org"

Write = Callable[..., Path]


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Postgres]:
    """PostgreSQL, installed if need be; where that cannot be done, tests say so and are skipped."""
    if not postgres.installed():
        try:
            apt_install(["postgresql"])
        except SetupError as error:
            pytest.skip(f"PostgreSQL cannot be installed here: {error}")
    with postgres.running() as found:
        yield found


_names = itertools.count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty database, on each kind of it."""
    if request.param == "sqlite":
        return str(tmp_path / "queue.db")
    server: postgres.Postgres = request.getfixturevalue("server")
    return server.fresh(f"queue{next(_names)}")


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Kettle's own folders, apart from the user's."""
    monkeypatch.setenv("KETTLE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("KETTLE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "data"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = Database(url)
    yield opened
    opened.close()


@pytest.fixture
def agreement(database: Database) -> Agreement:
    return consent.grant(database, REPOSITORY, WHO)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a session in Claude Code's format."""

    def session(name: str = "s1", *, turns: int = 2, folder: Path | None = None) -> Path:
        place = (folder or tmp_path / "sessions") / f"{name}.jsonl"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("".join(line + "\n" for line in lines(name, turns)))
        return place

    return session


def lines(name: str, turns: int, cwd: str = "/home/dana/voice") -> Iterator[str]:
    for number in range(turns):
        role = "assistant" if number % 2 else "user"
        text = f"please fix `shout` in voice.py, it fails ({number})"
        message: dict[str, object] = {"role": role, "content": text}
        if role == "assistant":
            message = {
                **message,
                "content": [{"type": "text", "text": "Done."}],
                "id": f"msg_{number}",
                "type": "message",
                "model": "claude-test",
            }
        yield json.dumps(
            {
                "type": role,
                "message": message,
                "uuid": f"{name}-{number}",
                "parentUuid": f"{name}-{number - 1}" if number else None,
                "timestamp": f"2025-03-01T11:00:{number:02d}.000Z",
                "sessionId": name,
                "cwd": cwd,
                "version": "2.0.0",
                "isSidechain": False,
            }
        )

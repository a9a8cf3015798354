"""Small real git repositories, made by the test, and sessions about them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.repo import Repository
from agent.session.model import Command, Edit, FileView, GitFacts, Session, ToolCall, Turn

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
ROOT = "/home/somebody/project"


class Project:
    """A work tree in which a test commits files at chosen times."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, at: datetime = NOON, committed: datetime | None = None) -> str:
        env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("GIT_")},
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_AUTHOR_NAME": "A. Author",
            "GIT_AUTHOR_EMAIL": "author@example.org",
            "GIT_COMMITTER_NAME": "A. Author",
            "GIT_COMMITTER_EMAIL": "author@example.org",
            "GIT_AUTHOR_DATE": at.isoformat(),
            "GIT_COMMITTER_DATE": (committed or at).isoformat(),
        }
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=env, check=True, capture_output=True
        )
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def commit(
        self,
        files: Mapping[str, bytes | str | None],
        message: str = "work",
        *,
        minutes: float = 0,
        committed: float | None = None,
    ) -> str:
        for name, content in files.items():
            path = self.path / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "-A")
        at = NOON + timedelta(minutes=minutes)
        later = None if committed is None else NOON + timedelta(minutes=committed)
        self.git("commit", "-q", "--allow-empty", "-m", message, at=at, committed=later)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def opened(project: Project, cache: Path) -> Repository:
    return Repository.open(project.path, cache=cache)


def view(path: str, text: str, start: int = 1, *, whole: bool = True) -> ToolCall:
    seen = FileView(path=f"{ROOT}/{path}", text=text, start_line=start, whole=whole)
    return ToolCall(tool="Read", views=[seen])


def edit(path: str, old: str, new: str, before: str | None = None) -> ToolCall:
    return ToolCall(
        tool="Edit", edits=[Edit(path=f"{ROOT}/{path}", old=old, new=new, before=before)]
    )


def write(path: str, new: str) -> ToolCall:
    return ToolCall(
        tool="Write", edits=[Edit(path=f"{ROOT}/{path}", new=new, before=None, kind="write")]
    )


def ran(command: str, output: str = "", exit_code: int | None = 0) -> ToolCall:
    done = Command(command=command, cwd=ROOT, exit_code=exit_code, output=output)
    return ToolCall(tool="Bash", command=done)


def session(
    calls: Sequence[ToolCall],
    *,
    minutes: float = 60,
    prompt: str = "make the greeting friendlier",
    git: GitFacts | None = None,
    more: Sequence[Turn] = (),
) -> Session:
    """A session that begins some minutes after NOON and makes the calls in one turn."""
    at = NOON + timedelta(minutes=minutes)
    turns = [
        Turn(role="user", text=prompt, timestamp=at),
        Turn(role="agent", text="done", calls=list(calls), timestamp=at + timedelta(minutes=5)),
        *more,
    ]
    return Session(
        format="test",
        path=Path("session"),
        digest="0" * 64,
        cwd=ROOT,
        started=at,
        ended=at + timedelta(minutes=5),
        turns=turns,
        git=git or GitFacts(),
    )

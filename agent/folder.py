"""A build's own folder: what survives an interruption, and the lock that keeps a second build out.

OUT/.builds/<repository>-<session digest>-<builder>/
    lock               held while a build runs
    trajectory.jsonl   the conversation, written as it happens
    draft.tar          the last draft that was tried
    environment/       the last draft as an environment, with its gate report
    build.json         how the last build ended
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.errors import InputError

MAX_NAME_CHARS = 60
"""Of each part of a folder's name; file systems stop at 255."""


@dataclass(frozen=True)
class BuildFolder:
    """A locked build folder.

    Attributes:
        path: the folder.
    """

    path: Path

    @classmethod
    @contextmanager
    def open(cls, out: Path, name: str, *, fresh: bool) -> Iterator[BuildFolder]:
        """Lock a build's folder, making it when it is not there.

        Args:
            out: folder of finished environments.
            name: the build's name; made safe here.
            fresh: forget what an earlier build left.

        Raises:
            InputError: another build of the same session runs, or the folder cannot be made.
        """
        path = out / ".builds" / safe_name(name)
        try:
            path.mkdir(parents=True, exist_ok=True)
            handle = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise InputError(f"The folder {path} cannot be used: {error.strerror}.") from error
        with os.fdopen(handle, "r+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = lock.read(20).strip()
                raise InputError(
                    f"This session is being built already (process {holder or 'unknown'}, folder "
                    f"{path}). Wait for it, or give another --out or --model."
                ) from error
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            if fresh:
                for entry in path.iterdir():
                    if entry.name != "lock":
                        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            yield cls(path)

    @property
    def environment(self) -> Path:
        """Where the last draft lies as an environment."""
        return self.path / "environment"

    @property
    def trajectory(self) -> Path:
        """Where the conversation is written."""
        return self.path / "trajectory.jsonl"

    def write(self, name: str, data: bytes) -> Path:
        """Write a file of the folder, whole or not at all."""
        handle, temporary = tempfile.mkstemp(dir=self.path, prefix=".")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(temporary, self.path / name)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        return self.path / name

    def result(self) -> dict[str, Any]:
        """How the last build ended; {} when none did."""
        try:
            value = json.loads((self.path / "build.json").read_text())
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}


def safe_name(text: str) -> str:
    """A text as one component of a path, on any file system."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-")[: MAX_NAME_CHARS * 2] or "unnamed"

"""Where Kettle keeps what it can make again: one folder a user, and locks between processes.

`KETTLE_CACHE` names the folder; without it, it is `kettle` in the user's cache folder
(`XDG_CACHE_HOME`, else `~/.cache`). Deleting it loses nothing but time.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_dir() -> Path:
    """Gives the folder, made if need be and open to this user only."""
    named = os.environ.get("KETTLE_CACHE")
    user = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(named) if named else Path(user) / "kettle"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Holds a lock that other processes of this user wait for; it ends with the process.

    Args:
        name: of what is being made, a plain file name.
    """
    folder = cache_dir() / "locks"
    folder.mkdir(exist_ok=True)
    with (folder / name).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

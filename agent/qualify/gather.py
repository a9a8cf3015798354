"""Which sessions are meant: files, folders of sessions, patterns."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from agent.errors import InputError, SessionError
from agent.session import formats
from agent.session.raw import Raw

MAX_LOOKED_AT = 200_000
"""Files looked into below the named folders, so that naming `/` by mistake ends."""
SUBAGENTS = "subagents"
"""Folder of a Claude Code session's subagents; they belong to the session beside it."""


def gather(named: Sequence[Path]) -> list[Path]:
    """The sessions that a user's arguments mean, each once, in order.

    A file means itself, even when it turns out to be no session. A folder means itself when a tool
    keeps one session in it, else every session below it. What does not exist is a pattern.

    Args:
        named: files, folders or patterns such as `logs/**/*.jsonl`.

    Raises:
        InputError: there is nothing of a name, or no session below a folder.
    """
    found: dict[Path, None] = {}
    for path in named:
        if path.is_dir() and not _is_session(path):
            within = list(_below(path))
            if not within:
                raise InputError(f"There is no session below {path} of a kind that Kettle knows.")
            found |= dict.fromkeys(within)
        elif path.exists():
            found[path] = None
        else:
            fit = sorted(glob.glob(str(path.expanduser()), recursive=True))
            if not fit:
                raise InputError(f"There is no file, folder or match of {path}.")
            found |= dict.fromkeys(gather([Path(name) for name in fit]))
    return list(found)


def _below(folder: Path) -> Iterator[Path]:
    """Sessions below a folder; a folder that is a session is not looked into."""
    looked = 0
    for top, folders, files in os.walk(folder):
        here = Path(top)
        whole = {name for name in folders if name != SUBAGENTS and _is_session(here / name)}
        yield from (here / name for name in sorted(whole))
        folders[:] = sorted(n for n in folders if n not in whole and n != SUBAGENTS)
        for name in sorted(files):
            looked += 1
            if looked > MAX_LOOKED_AT:
                raise InputError(f"There are more than {MAX_LOOKED_AT} files below {folder}.")
            if _is_session(here / name):
                yield here / name


def _is_session(path: Path) -> bool:
    """True when a format knows what lies there; a folder must be one session as a whole."""
    try:
        raw = Raw(path)
        return any(m.matches(raw) for m in formats.modules())
    except (SessionError, OSError):
        return False

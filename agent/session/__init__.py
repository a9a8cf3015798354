"""Recorded sessions of coding agents, whatever tool wrote them.

    session = load(Path("~/.claude/projects/…/….jsonl"))

`load` recognises the format from the content and returns a `Session`; whatever is wrong with the
input, it raises nothing but `SessionError`.
"""

from __future__ import annotations

import gc
from pathlib import Path

from agent.errors import SessionError
from agent.session import formats
from agent.session.model import Session
from agent.session.raw import Raw

MAX_LOOKED_AT = 200
"""Files of an unknown folder that are looked into, so that naming a home folder ends soon."""

__all__ = ["Session", "load"]


def load(path: Path) -> Session:
    """Read a recorded session.

    Args:
        path: the file that the tool wrote, or the folder of one task or session.

    Returns:
        The session. Places that could not be read are listed in `damaged`.

    Raises:
        SessionError: there is nothing there, it is no session, or it is two tools' at once.
    """
    collecting = gc.isenabled()
    # Loading makes many small objects and no garbage cycles: looking for them costs a third.
    gc.disable()
    try:
        return _load(Raw(path))
    except (OSError, RecursionError, MemoryError, UnicodeError) as error:
        raise SessionError(
            f"{path} cannot be read as a session ({type(error).__name__}: {error}). "
            "Check that the file is whole and readable, or export the session again."
        ) from error
    finally:
        if collecting:
            gc.enable()


def _load(raw: Raw) -> Session:
    found = [m for m in formats.modules() if not getattr(m, "FALLBACK", False) and m.matches(raw)]
    if len(found) > 1:
        names = " and ".join(m.NAME for m in found)
        raise SessionError(
            f"{raw.path} looks like sessions of several tools at once ({names}). "
            "Part it into one file per session, and name one of them."
        )
    if not found:
        found = [m for m in formats.modules() if getattr(m, "FALLBACK", False) and m.matches(raw)]
    if not found and raw.is_folder:
        within = _sessions_within(raw)
        if len(within) == 1:
            return _load(Raw(raw.path / within[0]))
    if found:
        session = found[0].load(raw)
        assert isinstance(session, Session)  # noqa: S101 (narrowing: modules are untyped)
        return session
    raise SessionError(_unrecognised(raw))


def _sessions_within(raw: Raw) -> list[str]:
    """Names of the files in a folder that are sessions by themselves."""
    within: list[str] = []
    for name in raw.names[:MAX_LOOKED_AT]:
        try:
            inner = Raw(raw.path / name)
            if any(m.matches(inner) for m in formats.modules()):
                within.append(name)
        except SessionError:
            continue
    return within


def _unrecognised(raw: Raw) -> str:
    known = ", ".join(m.NAME for m in formats.modules())
    if raw.is_folder:
        if not raw.names:
            return f"The folder {raw.path} holds no files, so there is no session in it."
        within = _sessions_within(raw)
        if len(within) > 1:
            some = ", ".join(within[:5]) + (" …" if len(within) > 5 else "")
            return f"The folder {raw.path} holds {len(within)} sessions ({some}). Name one of them."
        return (
            f"The folder {raw.path} holds no session of a kind that Kettle knows "
            f"(it knows {known}). Name the session's own file or folder."
        )
    assert raw.file is not None  # noqa: S101 (not a folder)
    if raw.file.size == 0 or not raw.file.head.strip():
        return f"{raw.path} is empty, so there is no session in it."
    if raw.file.looks_binary:
        return (
            f"{raw.path} is a binary file, not a session. Name the transcript that your coding "
            f"agent wrote (Kettle knows {known})."
        )
    return (
        f"{raw.path} is no session of a kind that Kettle knows (it knows {known}). "
        "If a tool that is on the list wrote it, its beginning may be missing."
    )

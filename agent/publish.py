"""Puts an accepted environment into its place: whole or not at all."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from pathlib import Path

from agent.environment import TASK
from agent.errors import InputError

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
"""Of renameat2(2)."""


def publish(folder: Path, to: Path) -> Path:
    """Copy an environment into its final place by a rename.

    Args:
        folder: what to publish; it stays where it is.
        to: the directory to appear; an environment that is there already is replaced, and at no
            moment missing.

    Returns:
        `to`.

    Raises:
        InputError: something that is no environment is in the way.
        OSError: the disk is full; nothing appeared.
    """
    if to.exists() and not (to / TASK).is_file():
        raise InputError(f"{to} is in the way: it is no environment. Move it, or choose --out.")
    to.parent.mkdir(parents=True, exist_ok=True)
    new, old = to.with_name(f".new-{to.name}"), to.with_name(f".old-{to.name}")
    try:
        # What a run left here that was killed while it published the same environment.
        _remove(new, old)
        shutil.copytree(folder, new, symlinks=True)
        _put_in_place(new, to, old)
    finally:
        _remove(new, old)
    return to


def _put_in_place(new: Path, to: Path, old: Path) -> None:
    """Rename a folder to where another may be, which goes to `old`.

    Where the file system cannot exchange two names, the place is empty between two renames.
    """
    if not to.exists():
        os.rename(new, to)
        return
    try:
        _exchange(new, to)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EINVAL):
            raise
        os.rename(to, old)
        os.rename(new, to)
    else:
        os.rename(new, old)


def _exchange(one: Path, other: Path) -> None:
    """Exchange two names in one step, with Linux's renameat2(2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    names = [os.fsencode(path) for path in (one, other)]
    if libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(one), None, str(other))


def _remove(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)

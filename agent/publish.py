"""Puts an accepted environment into its place: whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from agent.environment import Environment
from agent.errors import InputError


def publish(environment: Environment, to: Path) -> Path:
    """Copy an environment into its final place by a rename.

    Args:
        environment: what to publish; it stays where it is.
        to: the directory to appear; an environment that is there already is replaced.

    Returns:
        `to`.

    Raises:
        InputError: something that is no environment is in the way.
    """
    if to.exists() and not (to / "task.toml").is_file():
        raise InputError(f"{to} is in the way: it is no environment. Move it, or choose --out.")
    to.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=to.parent, prefix=f".{to.name}."))
    try:
        shutil.copytree(environment.root, aside / "new", symlinks=True)
        if to.exists():
            os.rename(to, aside / "old")
        os.rename(aside / "new", to)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return to

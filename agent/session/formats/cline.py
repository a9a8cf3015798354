"""Cline's task folders (`tasks/<id>/`), or one of their files.

Git facts stand in `environment_details`: since late 2025 the address of the repository and the
latest commit are recorded there.
"""

from __future__ import annotations

from agent.session import tasks
from agent.session.model import Session
from agent.session.raw import Raw

NAME = "cline"


def matches(raw: Raw) -> bool:
    """True for a folder or file with Cline's messages and no sign of Roo."""
    found = tasks.files(raw)
    return (found.ui is not None or found.history is not None) and found.item is None


def load(raw: Raw) -> Session:
    """Read one task."""
    return tasks.load(NAME, raw, tasks.files(raw))

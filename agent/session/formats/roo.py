"""Roo Code's task folders: Cline's layout with `history_item.json` beside it."""

from __future__ import annotations

from agent.session import tasks
from agent.session.model import Session
from agent.session.raw import Raw

NAME = "roo"


def matches(raw: Raw) -> bool:
    """True for a task folder that holds its own entry of the index."""
    found = tasks.files(raw)
    return (found.ui is not None or found.history is not None) and found.item is not None


def load(raw: Raw) -> Session:
    """Read one task."""
    return tasks.load(NAME, raw, tasks.files(raw))

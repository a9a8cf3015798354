"""How thorough the gate is, as an option of several commands."""

from __future__ import annotations

from enum import StrEnum


class Depth(StrEnum):
    """How thorough the gate is."""

    core = "core"
    full = "full"

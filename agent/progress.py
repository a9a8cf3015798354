"""What a build tells while it runs, beside the loop's own events."""

from __future__ import annotations

from dataclasses import dataclass

from agent import loop


@dataclass(frozen=True)
class PhaseStarted:
    """A phase of the build began."""

    name: str
    detail: str = ""


@dataclass(frozen=True)
class GateProgress:
    """A check of the gate has its verdict."""

    check: str
    verdict: str
    summary: str


@dataclass(frozen=True)
class Note:
    """Something a person may want to know, in one line."""

    text: str


Event = PhaseStarted | GateProgress | Note | loop.Event

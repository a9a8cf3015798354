"""What a build tells while it runs, as small values; who listens decides how to show them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """Something happened."""


@dataclass(frozen=True)
class PhaseStarted(Event):
    """A phase of the build began."""

    name: str
    detail: str = ""


@dataclass(frozen=True)
class TurnStarted(Event):
    """The model is asked.

    Attributes:
        turn: from 1.
        spent: what was spent so far, in words.
        left: what is left of each limited budget, in words.
    """

    turn: int
    spent: str
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class CommandStarted(Event):
    """The model runs a command in its sandbox."""

    command: str


@dataclass(frozen=True)
class GateProgress(Event):
    """A check of the gate has its verdict."""

    check: str
    verdict: str
    summary: str


@dataclass(frozen=True)
class Note(Event):
    """Something a person may want to know, in one line."""

    text: str

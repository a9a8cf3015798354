"""What a check function answers, before the runner adds its name and time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.gate.model import CheckVerdict

PARAGRAPH_CHARS = 4000
"""Kept of one paragraph of evidence: a screenful or two."""
MORE_TIME = (
    "Nothing of this is proven. Give the gate more time: `check DIR --budget SECONDS`, or "
    "`build --gate-minutes MINUTES`."
)
LISTED = 20
"""Items of a list that are shown; the rest are counted."""


@dataclass(frozen=True)
class Said:
    """A verdict with its evidence; see `agent.gate.model.Check`."""

    verdict: CheckVerdict
    summary: str
    evidence: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)


def passed(summary: str, *evidence: str, **details: Any) -> Said:
    """The check holds."""
    return Said(CheckVerdict.PASS, summary, _bounded(evidence), details)


def failed(summary: str, *evidence: str, **details: Any) -> Said:
    """The environment falls short."""
    return Said(CheckVerdict.FAIL, summary, _bounded(evidence), details)


def not_applicable(summary: str, *evidence: str, **details: Any) -> Said:
    """The check says nothing about an environment of this kind."""
    return Said(CheckVerdict.NOT_APPLICABLE, summary, _bounded(evidence), details)


def untried(summary: str, *evidence: str, **details: Any) -> Said:
    """The check could not be tried, because of another one or of the budget."""
    return Said(CheckVerdict.UNTRIED, summary, _bounded(evidence), details)


def out_of_time(summary: str, missing: Sequence[str], *evidence: str, **details: Any) -> Said:
    """The budget was spent before all was tried: what held so far proves nothing of the rest.

    Args:
        summary: what was seen until then.
        missing: what was not tried.
        evidence: paragraphs for a person.
        details: the same for a machine.
    """
    left = listing(missing, "Not tried, because the budget was spent:")
    return untried(f"{summary}; {len(missing)} not tried", *evidence, left, MORE_TIME, **details)


def clip(text: str, limit: int = PARAGRAPH_CHARS) -> str:
    """A text's beginning and end, when it is longer than the limit; the end weighs more."""
    if len(text) <= limit:
        return text
    head, tail = limit // 4, limit - limit // 4
    return f"{text[:head]}\n[… {len(text) - limit} characters left out …]\n{text[-tail:]}"


def listing(items: Sequence[str], title: str = "") -> str:
    """A bounded list, one item a line."""
    lines = [f"  {item}" for item in items[:LISTED]]
    if len(items) > LISTED:
        lines.append(f"  … and {len(items) - LISTED} more")
    return "\n".join([title, *lines] if title else lines)


def _bounded(paragraphs: Iterable[str]) -> tuple[str, ...]:
    return tuple(clip(p) for p in paragraphs if p)

"""What a session's work looks like, so that commits can be compared with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from agent.origin.attempt import Attempt
from agent.origin.contents import text_lines
from agent.origin.evidence import Evidence
from agent.origin.start import StartState
from agent.repo import Repository
from agent.session.model import Session

MAX_LINE_CHARS = 2_000
"""How much of one line is compared; longer lines are data."""
MIN_LINE_CHARS = 4
"""Shorter lines (braces, `else`) are in every file."""

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]{2,}")
_SYMBOL = re.compile(r"\b(?:[a-z0-9]+_[a-z0-9_]+|[a-z]+[A-Z]\w+|[A-Z][a-z0-9]+[A-Z]\w*|_\w{3,})\b")
_STOP = frozenset(
    re.findall(
        r"\w+",
        "add all also and any are can chore code could docs feat file files fix for from had has "
        "have into its let make more not now only our should some test tests than that the them "
        "then there they this update use used using was were what when which will with would you",
    )
)
"""Words that say nothing about a task."""


@dataclass(slots=True)
class Traits:
    """What the session's work looks like, to find it again in commits."""

    lines: frozenset[tuple[str, str]] = frozenset()
    """Last part of the path, and a line that the session's work leaves there."""
    files: Mapping[str, bytes | None] = field(default_factory=dict)
    edited: frozenset[str] = frozenset()
    mentioned: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    symbols: frozenset[str] = frozenset()
    ended: datetime | None = None
    kept: float = 1.0
    """Share in [0, 1] of the lines that the best single commit has."""


def traits_of(
    session: Session,
    repository: Repository,
    start: StartState,
    seen: Evidence,
    attempt: Attempt,
    until: int | None,
) -> Traits:
    """What a session's first task looks like.

    Args:
        session: the session.
        repository: its repository.
        start: its start state.
        seen: what the session saw and said.
        attempt: its edits, carried out on the start state.
        until: index of the turn at which the task ends; None for the session's end.
    """
    lines: set[tuple[str, str]] = set()
    for path, data in attempt.files.items():
        if data is None:
            continue
        before = start.overlay.get(path)
        if before is None:
            entry = repository.entry(start.tree, path)
            before = repository.blob(entry.sha) if entry else b""
        had = set(text_lines(before))
        lines |= keyed(path, (line for line in text_lines(data) if line not in had))
    if not lines:
        for path, added in attempt.added.items():
            lines |= keyed(path, added)
    turns = session.turns[:until]
    prompts = " ".join(t.text for t in turns if t.role == "user" and not t.sidechain)
    answers = [t.text for t in turns if t.role == "agent" and t.text.strip() and not t.sidechain]
    text = prompts + " " + " ".join(answers)
    return Traits(
        lines=frozenset(lines),
        files=attempt.files,
        edited=frozenset(attempt.added) | frozenset(attempt.files),
        mentioned=frozenset(seen.mentioned),
        words=words_of(prompts + " " + " ".join(answers[-2:])),
        symbols=frozenset(_SYMBOL.findall(text)),
    )


def keyed(path: str, lines: Iterable[str]) -> set[tuple[str, str]]:
    """Lines as they are compared: stripped, none short, with the last part of their path."""
    name = path.rsplit("/", 1)[-1]
    return {
        (name, text)
        for line in lines
        if len(text := line[:MAX_LINE_CHARS].strip()) >= MIN_LINE_CHARS
    }


def words_of(text: str) -> frozenset[str]:
    """The words of a text that may say something about a task, in lower case."""
    return frozenset(w for w in (m.lower() for m in _WORD.findall(text)) if w not in _STOP)

"""What the three sub-agents answer: fixed schemas, and citations that the host checks.

An answer is hostile data, for the model has read a stranger's session. It is parsed strictly, its
size is bounded, and a claim counts only as far as its citations exist: the turn in the session, the
commit in the history, the file in the commit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.errors import RepositoryError
from agent.qualify.reasons import MAX_QUOTE_CHARS, Citation, Code, commit_cited, turn_cited
from agent.repo import Repository
from agent.session.model import Session

MAX_ANSWER_BYTES = 64 * 1024
"""A verdict with its citations has a few kilobytes."""
MAX_FINDINGS = 20
"""More findings are no judgement."""
MAX_TEXT_CHARS = 600
"""Of one sentence or two."""
MAX_CITES = 10
"""Citations of one finding."""

Role = Literal["origins", "journey", "outcome"]
Text = Annotated[str, Field(max_length=MAX_TEXT_CHARS)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Cite(_Strict):
    """A place that the sub-agent points at."""

    turn: int | None = None
    commit: Annotated[str, Field(max_length=64)] = ""
    path: Annotated[str, Field(max_length=MAX_TEXT_CHARS)] = ""


class Finding(_Strict):
    """Something that speaks against the session, or the refutation of a reason of the evidence."""

    code: Code
    text: Text
    cites: Annotated[list[Cite], Field(max_length=MAX_CITES)] = Field(default_factory=list)


class Answer(_Strict):
    """What every sub-agent answers."""

    summary: Text
    """What it found, in a sentence or two."""
    confidence: Annotated[float, Field(ge=0, le=1)]
    against: Annotated[list[Finding], Field(max_length=MAX_FINDINGS)] = Field(default_factory=list)
    """Reasons against the session."""
    refuted: Annotated[list[Finding], Field(max_length=MAX_FINDINGS)] = Field(default_factory=list)
    """Reasons of the evidence that are wrong, and what shows it."""


class OriginsAnswer(Answer):
    """The sub-agent that looked at where the session came from."""

    start_commit: Annotated[str, Field(max_length=64)]
    """The commit that the session started from, as far as can be told."""
    licence: Annotated[str, Field(max_length=100)]
    """SPDX expression of the licence at that commit; "none" without one."""
    builds: Literal["yes", "no", "not tried"]
    """Whether the project was built or its tests ran in the sandbox."""


class JourneyAnswer(Answer):
    """The sub-agent that read how the session went."""

    wanted: Text
    """What the user really wanted."""
    starting_turn: int
    """Index of the turn in which the task was asked for."""
    changed_in: Annotated[list[int], Field(max_length=100)] = Field(default_factory=list)
    """Turns in which the user changed what was wanted."""
    stuck_in: Annotated[list[int], Field(max_length=100)] = Field(default_factory=list)
    """Turns in which the agent was stuck."""
    set_right_by: Literal["agent", "user", "later commit", "nobody", "never stuck"]
    """Who got it out."""


class OutcomeAnswer(Answer):
    """The sub-agent that looked at what solved it in real life."""

    commits: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=20)]
    """The commits that solved it, oldest first; none when nothing did."""
    behaviour_changes: Literal["yes", "no", "not tried"]
    """Whether a test or a command behaves differently in the two states, seen in the sandbox."""
    shown_by: Text = ""
    """The command that showed it."""


SCHEMAS: dict[Role, type[Answer]] = {
    "origins": OriginsAnswer,
    "journey": JourneyAnswer,
    "outcome": OutcomeAnswer,
}


class Opinion(_Strict):
    """What one sub-agent made of the session."""

    role: Role
    answer: OriginsAnswer | JourneyAnswer | OutcomeAnswer | None
    """None when it gave none; `trouble` says why."""
    trouble: str = ""
    turns: int = 0
    tokens: int = 0
    dollars: float = 0.0


def parse(role: Role, data: bytes) -> Answer | str:
    """Read an answer.

    Args:
        role: whose it is.
        data: what the sub-agent wrote.

    Returns:
        The answer, or what is wrong with it in words for the model.
    """
    if len(data) > MAX_ANSWER_BYTES:
        return f"the answer is larger than {MAX_ANSWER_BYTES} bytes"
    try:
        return SCHEMAS[role].model_validate(json.loads(data))
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:10]]
        return "; ".join(wrong)[:2000]
    except (ValueError, RecursionError) as error:
        return f"it is no JSON: {error}"[:500]


def verified(cites: Sequence[Cite], session: Session, repository: Repository) -> list[Citation]:
    """The citations that exist.

    Args:
        cites: what a sub-agent pointed at.
        session: the session that the turns belong to.
        repository: the repository that commits and files belong to.
    """
    return [c for c in (_verified(cite, session, repository) for cite in cites) if c is not None]


def _verified(cite: Cite, session: Session, repository: Repository) -> Citation | None:
    if cite.turn is not None:
        inside = 0 <= cite.turn < len(session.turns)
        return turn_cited(session, cite.turn) if inside else None
    try:
        if not cite.commit:
            return None
        sha = repository.resolve(cite.commit)
        if cite.path and repository.read(sha, cite.path) is None:
            return None
    except RepositoryError:
        return None
    return commit_cited(sha, cite.path[:MAX_QUOTE_CHARS])

"""The verdict on one session, and how reasons become one.

A grave reason rejects; any other reason asks for a person; without one the session is accepted.
Confidence says how far the evidence carries: how well the start fits, how surely the outcome is
the session's, how plainly the licence is stated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.errors import Rejected
from agent.journey import Journey
from agent.origin.licence import Licence
from agent.origin.outcome import OutcomeCandidate
from agent.origin.start import StartState
from agent.project import Project
from agent.qualify.answers import Opinion
from agent.qualify.reasons import Reason
from agent.qualify.trial import Trial

Verdict = Literal["accept", "reject", "needs-a-person"]

REJECT_FLOOR, REJECT_STEP, REJECT_MOST = 0.7, 0.1, 0.95
"""Confidence in a rejection: for no reason, more for each grave one, and at most."""
RECORDED_ORIGIN = 0.95
"""Trust in [0, 1] in a start commit that the session recorded itself."""
UNSEEN_ORIGIN = 0.5
"""Trust in a start commit that only the time speaks for."""
NO_VISIBLE_WORK = 0.35
"""Confidence at most where neither contents nor edits were recorded."""
UNTRIED = 0.9
"""Factor where the outcome's tests, if any, were not run on the two states."""
SHOWN_EVIDENCE = 3
"""Citations of a reason that a person is shown in one line."""
DOUBTED = 0.6
"""Factor where a person must decide."""


class Qualification(BaseModel):
    """The verdict on a session, and what it rests on."""

    model_config = ConfigDict(extra="forbid")

    session: str
    """Path of the session."""
    digest: str = ""
    """SHA-256 (hex) of its raw bytes."""
    verdict: Verdict = "reject"
    confidence: float = 0.0
    """In [0, 1]."""
    worth: float = 0.0
    """In [0, 1]: how much the agent struggled with a task that a person then finished."""
    reasons: list[Reason] = Field(default_factory=list)
    """What speaks against it, the grave ones first."""
    lifted: list[Reason] = Field(default_factory=list)
    """Reasons of the evidence that a sub-agent refuted or softened, with what it cited."""
    repository: str | None = None
    project: Project | None = None
    licence: Licence | None = None
    start: StartState | None = None
    outcomes: list[OutcomeCandidate] = Field(default_factory=list)
    trial: Trial | None = None
    """Whether the outcome's tests tell the two states apart; None when they were not run."""
    journey: Journey
    opinions: list[Opinion] = Field(default_factory=list)
    """What the sub-agents answered; empty without a model."""
    notes: list[str] = Field(default_factory=list)
    seconds: float = 0.0
    judge: str = "evidence"
    """Who decided: `evidence` means that no model took part, else the model's name."""


def heed(result: Qualification, *, anyway: bool, tell: Callable[[str], None]) -> None:
    """Stop a build on a rejection, and say what speaks against the session otherwise.

    Args:
        result: the verdict.
        anyway: go on all the same.
        tell: hears the reasons, in one line each.

    Raises:
        Rejected: it is a rejection, and `anyway` is False.
    """
    lines = [
        f"{reason.code}: {reason.text}"
        + (f" ({'; '.join(map(str, reason.evidence[:SHOWN_EVIDENCE]))})" if reason.evidence else "")
        for reason in result.reasons
    ]
    if result.verdict == "reject" and not anyway:
        why = "\n".join(f"  - {line}" for line in lines)
        raise Rejected(
            f"The evidence speaks against an environment from this session:\n{why}\n"
            "`--anyway` builds one nevertheless; `python -m agent qualify` shows everything."
        )
    tell(f"verdict: {result.verdict}, by {result.judge} (confidence {result.confidence:.2f})")
    for line in lines:
        tell(f"against it: {line}")


def decide(result: Qualification) -> None:
    """Turn the reasons of a qualification into its verdict, its confidence and its order.

    Args:
        result: is completed in place.
    """
    grave = [reason for reason in result.reasons if reason.grave]
    result.reasons.sort(key=lambda reason: not reason.grave)
    if grave:
        result.verdict = "reject"
        result.confidence = round(min(REJECT_MOST, REJECT_FLOOR + REJECT_STEP * len(grave)), 2)
        return
    result.verdict = "needs-a-person" if result.reasons else "accept"
    start, best = result.start, result.outcomes[0] if result.outcomes else None
    if start is None or best is None:
        return
    origin = start.fit if start.observed else UNSEEN_ORIGIN
    origin = RECORDED_ORIGIN if start.method == "recorded" else origin
    licence = result.licence.confidence if result.licence else 0.0
    sure = min(1.0, 2 * best.score) * (0.5 + origin / 2) * (0.5 + licence / 2)
    if start.method == "time" and not result.journey.edits:
        sure = min(sure, NO_VISIBLE_WORK)
    if result.trial is None or not result.trial.tells_apart:
        sure *= UNTRIED
    result.confidence = round(sure * (1 if result.verdict == "accept" else DOUBTED), 2)

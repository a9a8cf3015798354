"""One session on its way to a verdict: what is known of it, computed once and handed on."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from agent.journey import Journey, travel
from agent.origin.evidence import Evidence, Paths, task_end
from agent.origin.licence import Licence
from agent.origin.outcome import OutcomeCandidate
from agent.origin.start import StartState
from agent.project import Project
from agent.qualify.reasons import (
    MAX_QUOTE_CHARS,
    Citation,
    Code,
    Reason,
    commit_cited,
    turn_cited,
)
from agent.qualify.trial import Trial
from agent.repo import Repository
from agent.session.model import Session


@dataclass
class Case:
    """What the three questions (origins, journey, outcome) share.

    Attributes:
        seen: what the session saw and how its paths lie in the repository; None before the
            repository was looked at.
        tree: paths of the start state's files, uncommitted work included.
        reasons: what speaks against the session so far.
    """

    session: Session
    journey: Journey
    repository: Repository | None = None
    address: str | None = None
    seen: tuple[Evidence, Paths] | None = None
    start: StartState | None = None
    tree: frozenset[str] = frozenset()
    licence: Licence | None = None
    project: Project | None = None
    outcomes: list[OutcomeCandidate] = field(default_factory=list)
    trial: Trial | None = None
    reasons: list[Reason] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, session: Session) -> Case:
        """A case of which nothing is known but the session."""
        return cls(session, travel(session))

    @cached_property
    def until(self) -> int | None:
        """Index of the turn that begins another task; None when there is none."""
        return task_end(self.session)

    @property
    def hopeless(self) -> bool:
        """True when a grave reason stands."""
        return any(reason.grave for reason in self.reasons)

    def object(self, code: Code, text: str, *evidence: Citation, grave: bool = True) -> None:
        """Add a reason.

        Args:
            code: which of the closed list.
            text: a sentence for a person.
            evidence: what shows it.
            grave: whether it rejects; else it asks for a person.
        """
        self.reasons.append(Reason(code=code, grave=grave, text=text, evidence=list(evidence)))

    def turn(self, number: int, quote: str = "") -> Citation:
        """A turn of the session, to be cited."""
        return turn_cited(self.session, number, quote)

    def commits(self, *paths: str) -> list[Citation]:
        """The likeliest outcome's commits and files in the last of them, to be cited."""
        shas = self.outcomes[0].commits if self.outcomes else []
        files = [commit_cited(shas[-1], path[:MAX_QUOTE_CHARS]) for path in paths if shas]
        return [*(commit_cited(sha) for sha in shas), *files]

"""A candidate with its grade, and how a check gets many of them graded within the budget."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any

from agent.gate.candidates.given import NOT_APPLIED
from agent.gate.trials import Trials
from agent.grading import PLAIN, Candidate, Conditions, Grade, Grader

ARGUMENTS = "provenance/survivors.md"
"""Where the builder argues that a survivor behaves as the oracle does, by its id in headings."""
MAX_BROKEN = 8
"""Checks of a verifier that are named for one candidate."""
_FAILED_LINE = re.compile(
    r"^(?:FAIL (?P<kit>.{1,300}).*|FAILED (?P<pytest>\S.{0,200}?)(?: - .*)?"
    r"|(?:FAIL|ERROR): (?P<unittest>test\S* \(.{1,160}\)|test\S*)"
    r"|\s*not ok \d+ - (?P<tap>.{1,200}?)(?: # .*)?|\s*✗ (?P<bun>.{1,200}))$",
    re.MULTILINE,
)
"""How the kit and common frameworks name a check that did not hold."""


@dataclass(frozen=True)
class Trial:
    """A candidate with its grade.

    Attributes:
        what: the candidate in words.
        diff: what it changes, for people.
        grade: None when the budget ran out before it was tried.
    """

    candidate: Candidate
    what: str
    diff: str
    grade: Grade | None

    @property
    def verdict(self) -> str:
        """The verdict in a few words."""
        if self.not_applied:
            return NOT_APPLIED
        return self.grade.verdict if self.grade is not None else "untried"

    @property
    def earned(self) -> bool:
        """True for any reward above 0."""
        return self.grade is not None and (self.grade.reward or 0) > 0

    @property
    def not_applied(self) -> bool:
        """True when the candidate's patch does not fit the start state."""
        grade = self.grade
        return grade is not None and NOT_APPLIED in (*grade.log.splitlines()[-3:], *_end(grade))

    @property
    def broken(self) -> list[str]:
        """Names of the verifier's checks that did not hold, from its output."""
        return failed_checks(self.grade.log)[:MAX_BROKEN] if self.grade is not None else []

    def as_dict(self) -> dict[str, Any]:
        """For the report's details."""
        return {
            "what": self.what,
            "verdict": self.verdict,
            "seconds": round(self.grade.seconds, 2) if self.grade else 0.0,
        }


def tried(
    trials: Trials,
    candidates: Iterable[tuple[Candidate, str, str]],
    conditions: Conditions = PLAIN,
    *,
    grader: Grader | None = None,
) -> list[Trial]:
    """Grade candidates side by side; each comes as candidate, words and diff."""
    return awaited(
        trials,
        [(c, w, d, trials.submit(c, conditions, grader, once=True)) for c, w, d in candidates],
    )


def awaited(
    trials: Trials, queued: Iterable[tuple[Candidate, str, str, Future[Grade]]]
) -> list[Trial]:
    """Candidates with their grades, once these are there or the budget is spent."""
    queued = list(queued)
    futures = [future for *_, future in queued]
    wait(futures, timeout=trials.seconds_left)
    # What runs already comes to its end; what waits is not begun any more.
    for future in futures:
        future.cancel()
    return [
        Trial(candidate, what, diff, None if future.cancelled() else future.result())
        for candidate, what, diff, future in queued
    ]


def failed_checks(log: str) -> list[str]:
    """Names of the checks that a verifier's output says did not hold, in order, without twins."""
    found: dict[str, None] = {}
    for match in _FAILED_LINE.finditer(log):
        found.setdefault(next(g for g in match.groups() if g).strip(), None)
    return list(found)


def survivor_id(diff: str) -> str:
    """The name of a survivor, which stays the same from run to run."""
    return hashlib.sha256(diff.encode("utf-8", "replace")).hexdigest()[:8]


def arguments(trials: Trials) -> dict[str, str]:
    """What the builder argues, by the ids in the headings of `ARGUMENTS`."""
    data = trials.environment.read(ARGUMENTS)
    if data is None:
        return {}
    found: dict[str, str] = {}
    for part in re.split(r"^#+\s*", data.decode("utf-8", "replace"), flags=re.MULTILINE)[1:]:
        heading, _, text = part.partition("\n")
        if text.strip():
            found |= {mark: text.strip() for mark in re.findall(r"\b[0-9a-f]{8}\b", heading)}
    return found


def _end(grade: Grade) -> list[str]:
    return grade.solve_log.splitlines()[-3:]

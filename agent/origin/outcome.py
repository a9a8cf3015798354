"""Finds the commits that really solved what a session was about.

Every commit that is younger than the start is compared with the session: the lines that the
session's edits left behind, the files it changed, names it printed of commits it made itself, the
words and identifiers it used, trailers that recording tools write, and the time between. Commits
that together hold the session's work are put together as one candidate; the same change on two
branches counts once. Reasons are sentences that a person can check.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from agent.gitrecords import Commit
from agent.origin.attempt import replay
from agent.origin.candidates import CLOCK_SLACK
from agent.origin.evidence import Evidence, Paths, collect, task_end
from agent.origin.likeness import Judged, judge
from agent.origin.start import StartState, known_paths
from agent.origin.times import began, ended, zone_shift
from agent.origin.together import group_score, group_signals, joined
from agent.origin.traits import Traits, traits_of
from agent.origin.twins import without_twins
from agent.project import is_test_path
from agent.repo import Repository
from agent.session.model import Session

HORIZON = timedelta(days=45)
"""Commits made later than this after the session are hardly its outcome."""
MAX_COMMITS = 1_500
"""Commits looked at, the nearest to the session first."""
SHOWN = 10
"""Candidates returned."""


class OutcomeCandidate(BaseModel):
    """Commits that may be what solved the session's task."""

    model_config = ConfigDict(extra="forbid")

    commits: list[str]
    """Oldest first."""
    subjects: list[str]
    score: float
    """In [0, 1]; how sure the evidence is."""
    reasons: list[str]
    tests: list[str] = Field(default_factory=list)
    """Test files that they change."""
    sources: list[str] = Field(default_factory=list)
    """Other files that they change."""
    same_as: list[str] = Field(default_factory=list)
    """Commits on other branches that make the same change."""
    coverage: float | None = None
    """Share in [0, 1] of the lines that the session left which they add; None without any."""
    precision: float | None = None
    """Share in [0, 1] of the lines that they add which the session left."""
    by_hand: float | None = None
    """Share in [0, 1] of the lines that they add to files the session edited which it did not
    leave there: what a person changed afterwards."""


def find_outcome(
    session: Session,
    repository: Repository,
    start: StartState,
    *,
    evidence: tuple[Evidence, Paths] | None = None,
) -> list[OutcomeCandidate]:
    """Ranks the commits that may have solved the session's first task.

    Args:
        session: the session.
        repository: its repository.
        start: its start state.
        evidence: what `evidence.collect` found, when it is at hand.

    Returns:
        At most SHOWN candidates, the likeliest first; none when no later commit is like it.
    """
    commits = repository.all_commits()
    shift = zone_shift(session, commits)
    when = began(session, shift)
    seen, paths = evidence or collect(session, known_paths(repository, commits, when))
    until = task_end(session)
    attempt = replay(session, repository, start, paths, until_turn=until)
    traits = traits_of(session, repository, start, seen, attempt, until)
    traits.ended = ended(session, until, shift)
    pool = _later(repository, start, when, traits.ended)
    judged = without_twins(judge(session, repository, pool, traits, seen))
    groups = [*joined(judged, traits), *([one] for one in judged)]
    ranked = sorted(groups, key=lambda g: -group_score(g, traits))
    found: list[OutcomeCandidate] = []
    taken: set[frozenset[str]] = set()
    for group in ranked:
        names = frozenset(j.commit.sha for j in group)
        if names not in taken and len(found) < SHOWN:
            taken.add(names)
            found.append(_candidate(group, traits))
    return found


def _later(
    repository: Repository, start: StartState, when: datetime | None, end: datetime | None
) -> list[Commit]:
    commits = [c for c in repository.commits(without=[start.commit]) if len(c.parents) < 2]
    if when is None or end is None:
        return list(reversed(commits))[:MAX_COMMITS]
    after = [c for c in commits if c.authored >= when - CLOCK_SLACK]
    near = [c for c in after if c.authored <= end + HORIZON] or after
    return sorted(near, key=lambda c: abs(c.authored - end))[:MAX_COMMITS]


def _candidate(group: Sequence[Judged], traits: Traits) -> OutcomeCandidate:
    paths = sorted({c.path for one in group for c in one.changes})
    signals = group_signals(group, traits)
    names = {path.rsplit("/", 1)[-1] for path in traits.edited}
    lines = {line for one in group for line in one.lines if line[0] in names}
    by_hand = len(lines - traits.lines) / len(lines) if lines and traits.lines else None
    return OutcomeCandidate(
        commits=[one.commit.sha for one in group],
        subjects=[one.commit.subject[:200] for one in group],
        score=round(group_score(group, traits), 3),
        reasons=_reasons(group, traits),
        tests=[p for p in paths if is_test_path(p)],
        sources=[p for p in paths if not is_test_path(p)],
        same_as=[sha for one in group for sha in one.same_as],
        coverage=_rounded(signals.get("coverage")),
        precision=_rounded(signals.get("precision")),
        by_hand=_rounded(by_hand),
    )


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 3)


def _reasons(group: Sequence[Judged], traits: Traits) -> list[str]:
    signals = group_signals(group, traits)
    reasons = []
    if any(one.own for one in group):
        reasons.append("the session printed it as a commit that it made")
    reasons += [f"it brings the transcript {one.transcript}" for one in group if one.transcript]
    if signals.get("coverage"):
        reasons.append(
            f"adds {signals['coverage']:.0%} of the lines that the session's edits left, "
            f"which are {signals['precision']:.0%} of the lines that it adds"
        )
    if signals.get("equal"):
        reasons.append(f"{signals['equal']:.0%} of the session's final files are exactly so in it")
    if signals.get("files"):
        whose = "edited" if traits.edited else "named"
        reasons.append(f"changes files that the session {whose} ({signals['files']:.0%})")
    if signals.get("symbols", 0.0) >= 0.2:
        reasons.append("its new lines use identifiers that the session talks about")
    if signals.get("subject", 0.0) >= 0.4:
        reasons.append("its subject uses the session's words")
    if traits.ended is not None:
        last = max(one.commit.authored for one in group)
        hours = (last - traits.ended).total_seconds() / 3600
        when = "during the session" if hours <= 0 else f"{hours:.1f} h after the session's end"
        reasons.append(f"written {when}")
    if signals.get("trailer"):
        reasons.append("its message names a coding agent or a recorded checkpoint")
    return reasons

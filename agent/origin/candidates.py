"""Ranks the commits that a session may have started from.

Commits that existed when the session began are compared with what the session saw, from the newest
on and as far back as a better fit can be hoped for. Of equal fits the latest on the session's own
branch wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from agent.gitrecords import Commit
from agent.origin.branches import Branch, branch_of
from agent.origin.carried import carried
from agent.origin.contents import Comparison, Fit
from agent.origin.evidence import Evidence
from agent.repo import Repository
from agent.session.model import Session

CLOCK_SLACK = timedelta(seconds=5)
"""How far the clocks of the recording machine and of a commit may be apart."""
FIRST_COMMITS = 400
"""Commits compared at first: sessions nearly always start within the last few hundred."""
MAX_COMMITS = 6_000
"""Commits compared at most when no nearer one fits; bounds the time in a long history."""
GOOD_FIT = 0.999
"""No older commit can fit better than this, so the search ends."""
FAIR_FIT = 0.7
"""From this fit on, the search ends when older commits bring no better one."""
POOR_FIT = 0.3
"""Below this fit, commits dated after the session are considered too."""
LATE_FIT = 0.9
"""Fit from which such a commit is believed. A smaller one is work that was committed later."""
MIN_LATE_FILES = 2
"""Files that must have been seen for that."""
CLEAR_LIKENESS = 0.1
"""Differences in likeness below this decide nothing."""
MAX_SUBJECT_CHARS = 200
"""How much of a commit's subject a report shows."""


class StartCandidate(BaseModel):
    """A commit that the session may have started from."""

    model_config = ConfigDict(extra="forbid")

    commit: str
    subject: str
    committed: datetime
    fit: float
    """Share in [0, 1] of the files seen whose contents are those of this commit."""
    reasons: list[str] = Field(default_factory=list)


def rank(
    session: Session,
    repository: Repository,
    commits: Sequence[Commit],
    compare: Comparison,
    seen: Evidence,
    when: datetime | None,
    head: str | None = None,
) -> list[StartCandidate]:
    """Ranks the commits that a session may have started from, the likeliest first.

    Args:
        session: the session.
        repository: its repository.
        commits: the repository's commits; at least one.
        compare: what the session saw, ready to be compared.
        seen: the same, as it was collected.
        when: the session's beginning; None when it records no time.
        head: the commit that git named as checked out (see `checked_out`); None when it named none.
    """
    on_time = [c for c in commits if when is None or c.authored <= when + CLOCK_SLACK]
    late = [c for c in commits if when is not None and c.authored > when + CLOCK_SLACK]
    on_time.sort(key=lambda c: min(c.committed, c.authored), reverse=True)
    after = _carriers(session, repository, on_time[:FIRST_COMMITS])
    on_time = [c for c in on_time if c.sha not in after]
    branch = branch_of(session, repository, commits, when)

    def judge(pool: Iterable[Commit]) -> list[_Judged]:
        return [_judge(commit, compare, when, branch, head) for commit in pool]

    judged = judge(on_time[:FIRST_COMMITS])
    at = FIRST_COMMITS
    while compare.observed and at < min(len(on_time), MAX_COMMITS):
        best = max((one.fit.exact for one in judged), default=0.0)
        older = judge(on_time[at : at + FIRST_COMMITS]) if best < GOOD_FIT else []
        judged += older
        at += FIRST_COMMITS
        # Uncommitted work keeps the fit below 1; a good one that does not grow will not.
        if not older or (best >= FAIR_FIT and max(one.fit.exact for one in older) <= best):
            break
    judged = _sorted(judged)
    if not judged or (compare.observed >= MIN_LATE_FILES and judged[0].fit.exact < POOR_FIT):
        # Dates can lie. The list is newest first, so its end is the nearest to the session.
        top = _sorted(judge(late[-FIRST_COMMITS:]))[:1]
        if top and (not judged or top[0].fit.exact >= LATE_FIT):
            top[0].candidate.reasons.append("dated later than the session, but its contents fit")
            judged = [*top, *judged]
    return [one.candidate for one in judged]


def _sorted(judged: list[_Judged]) -> list[_Judged]:
    """The best first: by contents, then by branch and time.

    Likeness of files that do not match exactly is believed only as far as it differs clearly:
    uncommitted work can look a little more like an older or a newer commit than like its own.
    """
    alike: dict[float, float] = {}
    for one in judged:
        exact = round(one.fit.exact, 4)
        alike[exact] = max(alike.get(exact, 0.0), one.fit.alike)

    def key(one: _Judged) -> tuple[float, ...]:
        exact = round(one.fit.exact, 4)
        clear = min(0.0, one.fit.alike - alike[exact] + CLEAR_LIKENESS)
        later = round(one.fit.later, 4)
        return (
            one.head,
            round(one.fit.early, 4),
            exact,
            clear,
            one.timely,
            later,
            one.place,
            one.made.timestamp(),
        )

    return sorted(judged, key=key, reverse=True)


def _carriers(
    session: Session, repository: Repository, commits: Sequence[Commit]
) -> frozenset[str]:
    """The commits that hold the session's own transcript, and all that follow them."""
    first = carried(session, repository, repository.changes(c.sha for c in commits))
    if not first:
        return frozenset()
    known = {c.sha for c in commits}
    after = set(first)
    for commit in sorted(commits, key=lambda c: c.committed):
        if any(parent in after for parent in commit.parents):
            after.add(commit.sha)
    # Everything was made after the session: then its words were written before they were a prompt.
    return frozenset(after) if after != known else frozenset()


@dataclass(frozen=True, slots=True)
class _Judged:
    candidate: StartCandidate
    fit: Fit
    head: bool
    timely: bool
    place: int
    made: datetime


def _judge(
    commit: Commit,
    compare: Comparison,
    when: datetime | None,
    branch: Branch,
    printed: str | None,
) -> _Judged:
    fit = compare.fit(commit.tree)
    # A rebased commit was not there yet when the session began, though its content may have been.
    timely = when is None or commit.committed <= when
    # What git printed later in the session can be a commit of a session that ran beside it.
    head = timely and commit.sha == printed
    place = branch.place(commit.sha)
    reasons = []
    if compare.observed:
        share = f"{fit.exact:.0%}" if fit.exact < GOOD_FIT else "all"
        reasons.append(f"{share} of the contents seen of {compare.observed} files are its own")
    if when is not None:
        age = _span(when - commit.committed)
        reasons.append(f"committed {age} {'before' if timely else 'after'} the session began")
    if place == Branch.ON and branch.said:
        reasons.append(branch.said)
    # A commit counts from when it got there; one that was rebased since, from its first writing.
    made = commit.committed if timely else min(commit.committed, commit.authored)
    return _Judged(candidate_of(commit, fit.exact, reasons), fit, head, timely, place, made)


def candidate_of(commit: Commit, fit: float, reasons: list[str]) -> StartCandidate:
    """A commit as a candidate.

    Args:
        commit: the commit.
        fit: share in [0, 1] of what was seen.
        reasons: sentences for a person.
    """
    return StartCandidate(
        commit=commit.sha,
        subject=commit.subject[:MAX_SUBJECT_CHARS],
        committed=commit.committed,
        fit=round(fit, 4),
        reasons=reasons,
    )


def _span(time: timedelta) -> str:
    minutes = abs(time.total_seconds()) / 60
    if minutes < 120:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 72 * 60 else f"{minutes / 1440:.0f} days"

"""Finds the state of the repository at the moment of a session's first prompt.

A recorded commit is taken at its word when the history has it. Otherwise the commits that existed
when the session began are compared with the file contents that the session saw before it changed
them; the best fit wins, and of equal fits the latest one on the branch that the session names.
Files that differ from the chosen commit when the session first saw them are uncommitted work of
that moment: where their whole content is known, it is laid over the commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.errors import RepositoryError
from agent.origin.carried import carried
from agent.origin.contents import Comparison
from agent.origin.evidence import Evidence, Paths, collect
from agent.origin.overlay import Overlay, overlay_of
from agent.origin.times import began, zone_shift
from agent.repo import Commit, Repository
from agent.session.model import Session

CLOCK_SLACK = timedelta(minutes=2)
"""How far the clocks of the recording machine and of a commit may be apart."""
ZONE_SLACK = timedelta(hours=14)
"""How far a local time without a zone can be off."""
FIRST_COMMITS = 400
"""Commits compared at first: sessions nearly always start within the last few hundred."""
MAX_COMMITS = 6_000
"""Commits compared at most when no nearer one fits; bounds the time in a long history."""
GOOD_FIT = 0.999
"""No older commit can fit better than this, so the search ends."""
FAIR_FIT = 0.7
"""From this fit on, the search ends when older commits bring no better one."""
LATE_FIT_MARGIN = 0.3
"""How much better a commit dated after the session must fit to be believed over its date."""
SHOWN_CANDIDATES = 8
"""Candidates that a report lists."""
MAX_SUBJECT_CHARS = 200
"""How much of a commit's subject a report shows."""


Method = Literal["recorded", "contents", "time"]


class StartCandidate(BaseModel):
    """A commit that the session may have started from."""

    model_config = ConfigDict(extra="forbid")

    commit: str
    subject: str
    committed: datetime
    fit: float
    """Share in [0, 1] of the files seen whose contents are those of this commit."""
    reasons: list[str] = Field(default_factory=list)


class StartState(BaseModel):
    """Where a session started: a commit, and the uncommitted work laid over it."""

    model_config = ConfigDict(extra="forbid")

    commit: str
    tree: str
    method: Method
    """How it was found; `time` means that no content was seen, and the date alone decided."""
    fit: float
    """Share in [0, 1] of the files seen whose contents are those of the commit."""
    observed: int
    """How many files the fit rests on."""
    candidates: list[StartCandidate] = Field(default_factory=list)
    overlay: dict[str, bytes] = Field(default_factory=dict, exclude=True, repr=False)
    """Uncommitted contents by path, in full."""
    recovered: list[str] = Field(default_factory=list)
    """Files of the overlay that were seen before anything could have changed them."""
    guessed: list[str] = Field(default_factory=list)
    """Files of the overlay that were seen later, so that something else may have changed them."""
    unknown: list[str] = Field(default_factory=list)
    """Files that had uncommitted changes which the session does not show in full."""
    reasons: list[str] = Field(default_factory=list)


def find_start(
    session: Session,
    repository: Repository,
    *,
    use_recorded: bool = True,
    evidence: tuple[Evidence, Paths] | None = None,
) -> StartState:
    """Finds the start state of a session.

    Args:
        session: the session.
        repository: its repository.
        use_recorded: False ignores the commit that the session recorded.
        evidence: what `collect` found, when it is at hand.

    Raises:
        RepositoryError: the history has no commit that the session could have started from.
    """
    commits = repository.all_commits()
    if not commits:
        raise RepositoryError(f"{repository.source} has no commit to start from.")
    when = began(session, zone_shift(session, commits))
    seen, paths = evidence or collect(session, known_paths(repository, commits, when))
    compare = Comparison(repository, seen, paths.known)
    by_sha = {commit.sha: commit for commit in commits}
    reasons: list[str] = []
    found: StartState | None = None
    if use_recorded and (recorded := session.git.commit):
        try:
            sha = repository.resolve(recorded, fetch=True)
        except RepositoryError:
            reasons.append(f"the recorded commit {recorded[:12]!r} is not in the history")
        else:
            commit = by_sha.get(sha) or repository.commit(sha)
            if when is not None and commit.committed > when:
                # Read off git's output in mid-session: by then somebody had committed.
                reasons.append(f"commit {sha[:12]} that it names was made after it began")
            else:
                why = [f"the session recorded commit {sha[:12]}"]
                only = _candidate(commit, compare.fit(commit.tree).exact, why)
                found = _state(only, "recorded", compare, [only], commit)
    if found is None:
        ranked = _rank(session, repository, commits, compare, seen, when)
        method: Method = "contents" if compare.observed else "time"
        best = ranked[0]
        best.reasons[:0] = reasons
        found = _state(best, method, compare, ranked, by_sha[best.commit])
    over: Overlay = overlay_of(found.tree, repository, seen, compare)
    found.overlay = over.files
    found.recovered, found.guessed, found.unknown = over.recovered, over.guessed, over.unknown
    return found


def known_paths(
    repository: Repository, commits: Sequence[Commit], when: datetime | None
) -> set[str]:
    """Paths that the repository's files have, or had, around a time.

    Args:
        repository: the repository.
        commits: its commits, newest first.
        when: the time; None for the newest commits.
    """
    before = [c for c in commits if when is None or c.committed <= when + ZONE_SLACK]
    after = [c for c in commits if when is not None and c.committed > when + ZONE_SLACK]
    around = [c.sha for c in (*before[:FIRST_COMMITS], *after[-FIRST_COMMITS:])]
    found = {change.path for changes in repository.changes(around).values() for change in changes}
    for commit in (before or commits)[:1]:
        found.update(repository.tree(commit.sha))
    if (tip := repository.default_branch) is not None:
        found.update(repository.tree(tip))
    return found


def _rank(
    session: Session,
    repository: Repository,
    commits: Sequence[Commit],
    compare: Comparison,
    seen: Evidence,
    when: datetime | None,
) -> list[StartCandidate]:
    on_time = [c for c in commits if when is None or c.authored <= when + CLOCK_SLACK]
    late = [c for c in commits if when is not None and c.authored > when + CLOCK_SLACK]
    on_time.sort(key=lambda c: min(c.committed, c.authored), reverse=True)
    after = _carriers(session, repository, on_time[:FIRST_COMMITS])
    on_time = [c for c in on_time if c.sha not in after]
    branch = _branch(session, repository)
    printed = seen.heads[0] if seen.heads else None

    def judge(pool: Iterable[Commit]) -> list[_Judged]:
        return [_judge(commit, compare, when, branch, printed) for commit in pool]

    judged = judge(on_time[:FIRST_COMMITS])
    at = FIRST_COMMITS
    while compare.observed and at < min(len(on_time), MAX_COMMITS):
        best = max((j[1].fit for j in judged), default=0.0)
        older = judge(on_time[at : at + FIRST_COMMITS]) if best < GOOD_FIT else []
        judged += older
        at += FIRST_COMMITS
        # Uncommitted work keeps the fit below 1; a good one that does not grow will not.
        if not older or (best >= FAIR_FIT and max(j[1].fit for j in older) <= best):
            break
    judged.sort(key=lambda j: j[0], reverse=True)
    if late and (not judged or (compare.observed and judged[0][1].fit < GOOD_FIT)):
        # Dates can lie. The list is newest first, so its end is the nearest to the session.
        top = max(judge(late[-FIRST_COMMITS:]), key=lambda j: j[0])
        if not judged or top[1].fit >= judged[0][1].fit + LATE_FIT_MARGIN:
            top[1].reasons.append("dated later than the session, but its contents fit far better")
            judged.insert(0, top)
    return [candidate for _, candidate in judged]


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


_Judged = tuple[tuple[float, ...], StartCandidate]


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
    head = timely and printed is not None and commit.sha.startswith(printed)
    place = branch.place(commit.sha)
    reasons = []
    if head:
        reasons.append("git printed it as the commit that was checked out")
    if compare.observed:
        share = f"{fit.exact:.0%}" if fit.exact < GOOD_FIT else "all"
        reasons.append(f"{share} of the contents seen of {compare.observed} files are its own")
    if when is not None:
        age = _span(when - commit.committed)
        reasons.append(f"committed {age} {'before' if timely else 'after'} the session began")
    if place == Branch.ON and branch.name:
        reasons.append(f"on the session's branch {branch.name!r}")
    likeness = (round(fit.exact, 4), round(fit.later, 4), round(fit.alike, 4))
    made = min(commit.committed, commit.authored).timestamp()
    key = (head, *likeness, timely, place, made)
    return key, _candidate(commit, fit.exact, reasons)


class Branch:
    """The session's branch, as far as the history still knows it."""

    OFF, MERGED, ON = 0, 1, 2

    def __init__(self, name: str | None, own: frozenset[str], merged: frozenset[str]) -> None:
        self.name = name
        self._own = own
        self._merged = merged

    def place(self, sha: str) -> int:
        """Whether a commit is one of the branch's own, came in by a merge, or is not on it."""
        if sha in self._own:
            return self.ON
        return self.MERGED if sha in self._merged else self.OFF


def _branch(session: Session, repository: Repository) -> Branch:
    name = session.git.branch
    tip = repository.references().get(f"refs/heads/{name}") if name else None
    if tip is None:
        return Branch(None, frozenset(), frozenset())
    own = frozenset(c.sha for c in repository.commits([tip], first_parent=True))
    return Branch(name, own, frozenset(c.sha for c in repository.commits([tip])))


def _state(
    best: StartCandidate,
    method: Method,
    compare: Comparison,
    ranked: list[StartCandidate],
    commit: Commit,
) -> StartState:
    return StartState(
        commit=best.commit,
        tree=commit.tree,
        method=method,
        fit=best.fit,
        observed=compare.observed,
        candidates=ranked[:SHOWN_CANDIDATES],
        reasons=list(best.reasons),
    )


def _candidate(commit: Commit, fit: float, reasons: list[str]) -> StartCandidate:
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

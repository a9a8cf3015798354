"""Finds the state of the repository at the moment of a session's first prompt.

A recorded commit is taken at its word when the history has it. Otherwise the commits that existed
when the session began are compared with the file contents that the session saw before it changed
them; the best fit wins, and of equal fits the latest one on the branch that the session names.
Files that differ from the chosen commit when the session first saw them are uncommitted work of
that moment: where their whole content is known, it is laid over the commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.errors import RepositoryError
from agent.gitrecords import Commit
from agent.origin.candidates import FIRST_COMMITS, StartCandidate, candidate_of, rank
from agent.origin.checkedout import checked_out
from agent.origin.contents import Comparison, holds
from agent.origin.differences import differences
from agent.origin.evidence import Evidence, Paths, collect
from agent.origin.overlay import Overlay, overlay_of
from agent.origin.times import began, zone_shift
from agent.repo import Repository
from agent.scrub import Scrubber
from agent.session.model import Session

ZONE_SLACK = timedelta(hours=14)
"""How far a local time without a zone can be off."""
SHOWN_CANDIDATES = 8
"""Candidates that a report lists."""
SHOWN_FILES = 20
"""Uncommitted files of one kind that a text lists; the JSON has all of them."""


Method = Literal["recorded", "git", "contents", "time"]


class StartState(BaseModel):
    """Where a session started: a commit, and the uncommitted work laid over it."""

    model_config = ConfigDict(extra="forbid")

    commit: str
    tree: str
    method: Method
    """How it was found: recorded by the tool, named by git in the session, told by the contents
    that were seen, or by the date alone where none were."""
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

    @property
    def uncommitted(self) -> str:
        """The uncommitted work in a few words, with numbers; "" when there was none."""
        counts = (
            (len(self.recovered), "recovered"),
            (len(self.guessed), "guessed"),
            (len(self.unknown), "unknown"),
        )
        told = ", ".join(f"{count} {what}" for count, what in counts if count)
        total = sum(count for count, _ in counts)
        return f"{total} uncommitted file{'s' * (total != 1)}: {told}" if told else ""

    @property
    def label(self) -> str:
        """The start state in a few words."""
        dirty = f" with {self.uncommitted}" if self.uncommitted else ""
        return f"{self.commit[:12]}{dirty} ({self.method}, fit {self.fit:.2f})"

    @property
    def uncommitted_lists(self) -> list[str]:
        """A line for each kind of uncommitted file that there was: its number and its files."""
        kinds = (
            ("recovered (uncommitted, seen whole)", self.recovered),
            ("guessed (uncommitted, seen late or in parts)", self.guessed),
            ("unknown (uncommitted, but never seen whole: as committed here)", self.unknown),
        )
        return [
            f"{len(paths)} {title}: {', '.join(paths[:SHOWN_FILES])}"
            + (f" and {len(paths) - SHOWN_FILES} more" if len(paths) > SHOWN_FILES else "")
            for title, paths in kinds
            if paths
        ]


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
    printed = differences(session, paths)
    by_sha = {commit.sha: commit for commit in commits}
    earlier = [c for c in commits if when is None or c.committed <= when]
    # A file that no commit had by then is uncommitted, and says nothing about the commit.
    known = known_paths(repository, earlier or commits, None)
    compare = Comparison(repository, seen, known, printed.committed)
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
                moved = _moved_on(session, repository, commit, earlier, compare)
                if moved is not None:
                    commit, why = moved, [*why, "and moved on from it before the first prompt"]
                only = candidate_of(commit, compare.fit(commit.tree).exact, why)
                found = _state(only, "recorded", compare, [only], commit)
    if found is None:
        head = checked_out(session, repository, when)
        named = head[0].sha if head else None
        ranked = rank(session, repository, commits, compare, seen, when, named)
        method: Method = "contents" if compare.observed else "time"
        best = ranked[0]
        if head is not None and best.commit == named:
            method = "git"
            best.reasons.insert(0, head[1])
        best.reasons[:0] = reasons
        found = _state(best, method, compare, ranked, by_sha[best.commit])
    over: Overlay = overlay_of(found.tree, repository, seen, printed)
    _clean(over, session, repository, found.tree)
    found.overlay = over.files
    found.recovered, found.guessed, found.unknown = over.recovered, over.guessed, over.unknown
    return found


def _clean(over: Overlay, session: Session, repository: Repository, tree: str) -> None:
    """Take secrets and personal data out of uncommitted work: it leaves the machine."""
    scrubber = Scrubber(session, public=lambda value: holds(repository, tree, value))
    for path, content in over.files.items():
        entry = repository.entry(tree, path)
        clean = scrubber.work(content, repository.blob(entry.sha) if entry else None)
        if clean != content:
            over.files[path] = clean
            if path in over.recovered:
                over.recovered.remove(path)
                over.guessed.append(path)


def _moved_on(
    session: Session,
    repository: Repository,
    recorded: Commit,
    earlier: Sequence[Commit],
    compare: Comparison,
) -> Commit | None:
    """A commit made between the tool's start and the first prompt that fits better, if any."""
    best, best_fit = None, compare.fit(recorded.tree).exact
    for commit in earlier if session.started is not None else ():
        if session.started is None or commit.committed <= session.started:
            break  # newest first
        fit = compare.fit(commit.tree).exact
        if fit > best_fit and repository.is_ancestor(recorded.sha, commit.sha):
            best, best_fit = commit, fit
    return best


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
    return found


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

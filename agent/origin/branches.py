"""The branch that a session was on, as far as the history still knows it.

A branch is mostly deleted once its work is merged. Then its line is found again by the merge that
names it, or among the heads of pull requests (and other branches) by the words that its name shares
with the subjects of their commits, near the session in time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from agent.gitrecords import Commit
from agent.repo import Repository
from agent.session.model import Session
from agent.session.raw import word_set

NEAR = timedelta(days=14)
"""A branch that has no commit within this time of the session is another one of like name."""
MIN_WORDS = 2
"""Words that a branch's name must share with the subjects of a line's commits."""
MIN_SHARE = 0.6
"""Share of the name's words that must be found there."""
MAX_LINE = 500
"""Commits of a branch's own that are looked at."""

_MERGE = re.compile(
    r"^Merge (?:pull request #\d+ from [^/\s]+/|(?:remote-tracking )?branch '(?:origin/)?)"
    r"(?P<name>[^'\s]+)"
)
_WORDS = re.compile(r"[a-z]+|\d+")
_EMPTY_WORDS = word_set(
    "feat feature fix bugfix docs doc chore refactor test tests style perf build ci the a an of to"
    " and for in on with add"
)
"""Words that stand in any branch's name."""


class Branch:
    """Tells the commits of the session's branch from others."""

    OFF, MERGED, ON = 0, 1, 2

    def __init__(self, said: str, own: frozenset[str], merged: frozenset[str]) -> None:
        self.said = said
        """For a person: what makes a commit one of the branch; "" for the default one."""
        self._own = own
        self._merged = merged

    def place(self, sha: str) -> int:
        """Whether a commit is one of the branch's own, came in by a merge, or is not on it."""
        if sha in self._own:
            return self.ON
        return self.MERGED if sha in self._merged else self.OFF


def branch_of(
    session: Session, repository: Repository, commits: Sequence[Commit], when: datetime | None
) -> Branch:
    """The session's branch; the default branch when it names none, or none that can be found.

    Args:
        session: the session.
        repository: its repository.
        commits: the repository's commits.
        when: the session's beginning; None when it records no time.
    """
    name = session.git.branch
    references = repository.references()
    tip = references.get(f"refs/heads/{name}") if name else None
    said = f"on the session's branch {name!r}" if tip else ""
    if tip is None and name and (merged := _merged_as(name, commits, when)):
        tip, said = merged, f"on the branch {name!r}, by the merge that names it"
    if tip is None and name and when is not None and (line := _line_of(name, repository, when)):
        tip, said = line, f"on a line of commits whose subjects fit the branch {name!r}"
    if tip is None:
        # Work mostly begins where everybody's work is; a branch that is gone began there too.
        tip = repository.default_branch
    if tip is None:
        return Branch("", frozenset(), frozenset())
    own = frozenset(c.sha for c in repository.commits([tip], first_parent=True))
    return Branch(said, own, frozenset(c.sha for c in repository.commits([tip])))


def _merged_as(name: str, commits: Sequence[Commit], when: datetime | None) -> str | None:
    """The tip of a branch when it was merged, nearest to a time when it was merged often."""
    found = [
        commit
        for commit in commits
        if len(commit.parents) == 2 and (m := _MERGE.match(commit.subject)) and m["name"] == name
    ]
    later = [c for c in found if when is None or c.committed >= when] or found
    best = min(later, key=lambda c: c.committed, default=None)
    return best.parents[1] if best else None


def _line_of(name: str, repository: Repository, when: datetime) -> str | None:
    """The tip of the line whose commits' subjects fit a branch's name best."""
    wanted = _words(name)
    if len(wanted) < MIN_WORDS:
        return None
    default = repository.default_branch
    best, best_score = None, (0.0, 0.0)
    tips = set(repository.references().values()) - {default}
    own = {c.sha: c for c in repository.commits(sorted(tips), without=[default] if default else [])}
    for tip in sorted(tips & own.keys()):
        line: list[Commit] = []
        at: str | None = tip
        while at in own and len(line) < MAX_LINE:
            line.append(own[at])
            at = own[at].parents[0] if own[at].parents else None
        apart = min(abs(c.committed - when) for c in line)
        shared = max(len(wanted & _words(c.subject)) for c in line)
        if apart < NEAR and shared >= MIN_WORDS and shared >= MIN_SHARE * len(wanted):
            score = (shared / len(wanted), -apart.total_seconds())
            if best is None or score > best_score:
                best, best_score = tip, score
    return best


def _words(text: str) -> set[str]:
    return {w.rstrip("s") for w in _WORDS.findall(text.lower())} - _EMPTY_WORDS - {""}

"""Compares what a session saw of files with the files of commits.

Line ends, a byte-order mark and a missing last line end do not count, because tools drop them;
placeholders that a recorder put in place of secrets match anything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from agent.errors import RepositoryError
from agent.gitcommand import GitError
from agent.gitrecords import SYMLINK
from agent.origin.evidence import REDACTED, Evidence, Sighting
from agent.repo import Repository


def holds(repository: Repository, tree: str, value: str) -> bool:
    """True when a text stands somewhere in a tree's files.

    Args:
        repository: the repository.
        tree: full name of the tree.
        value: one line of text.
    """
    try:
        repository.run("grep", "-q", "-F", "-e", value, tree)
    except GitError:
        return False
    return True


class Fit(NamedTuple):
    """How well a tree agrees with what was seen."""

    exact: float
    """Share in [0, 1] of the first task's sightings that match, averaged over the files."""
    later: float
    """The same of what was seen after the first task."""
    early: float
    """The same of what was seen before the second prompt: nobody had time to change it."""
    alike: float
    """Share in [0, 1] of the seen lines that the files hold anywhere, averaged over the files."""


class Comparison:
    """Compares the sightings of one session with trees; each pair of file and blob once."""

    def __init__(
        self,
        repository: Repository,
        seen: Evidence,
        known: Collection[str],
        named: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        """Prepares a comparison.

        Args:
            repository: the repository.
            seen: what the session saw.
            known: paths that commits of the time have.
            named: by path, abbreviated names of the committed content, as git printed them.
        """
        self._repository = repository
        self._named = {path: tuple(names) for path, names in (named or {}).items()}
        first: dict[str, list[Sighting]] = {}
        later: dict[str, list[Sighting]] = {}
        for path, sightings in seen.sightings.items():
            for sighting in sightings if path in known else ():
                (first if sighting.first_task else later).setdefault(path, []).append(sighting)
        for path in self._named:
            first.setdefault(path, [])
        self._early = {
            path: kept
            for path, all_ in first.items()
            if (kept := [s for s in all_ if s.first_prompt]) or path in self._named
        }
        # A session that opens with a commit has seen nothing before its task was done.
        self._first, self._later = (first, later) if first else (later, first)
        self._done: dict[tuple[str, str, str], tuple[float, float]] = {}

    @property
    def observed(self) -> int:
        """How many files of the repository the session saw before it edited them."""
        return len(self._first)

    def fit(self, tree: str) -> Fit:
        """Compares a whole tree, by its full name."""
        exact, alike = self._share(tree, self._first, "first")
        later, _ = self._share(tree, self._later, "later")
        early, _ = self._share(tree, self._early, "early")
        return Fit(exact, later, early, alike)

    def _share(self, tree: str, seen: dict[str, list[Sighting]], part: str) -> tuple[float, float]:
        exact = alike = 0.0
        for path, sightings in seen.items():
            blob = self._blob(tree, path)
            if blob is None:
                continue
            key = (path, blob, part)
            if key not in self._done:
                names = self._named.get(path, ()) if part != "later" else ()
                self._done[key] = self._compare(sightings, blob, names)
            exact += self._done[key][0]
            alike += self._done[key][1]
        return exact / max(1, len(seen)), alike / max(1, len(seen))

    def _blob(self, tree: str, path: str) -> str | None:
        entry = self._repository.entry(tree, path)
        return entry.sha if entry is not None and entry.mode != SYMLINK else None

    def _compare(
        self, sightings: Sequence[Sighting], blob: str, names: Sequence[str]
    ) -> tuple[float, float]:
        if names:
            # Git's own word counts for more than texts, which may be uncommitted work.
            same = float(any(blob.startswith(name) for name in names))
            return same, same
        try:
            lines = text_lines(self._repository.blob(blob))
        except RepositoryError:
            return 0.0, 0.0
        exact = sum(matches(sighting, lines) for sighting in sightings) / len(sightings)
        there = set(lines)
        seen = [line for sighting in sightings for line in sighting.lines]
        return exact, sum(line in there for line in seen) / max(1, len(seen))


def text_lines(data: bytes) -> list[str]:
    """A file's lines without their ends; the last line end counts as no line."""
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    return text.replace("\r\n", "\n").rstrip("\n").split("\n")


def matches(sighting: Sighting, lines: Sequence[str]) -> bool:
    """True when a file with these lines can have been what the session saw."""
    seen = sighting.lines
    if sighting.whole:
        return len(seen) == len(lines) and _same(seen, lines)
    if sighting.start is not None:
        at = sighting.start - 1
        return at >= 0 and _same(seen, lines[at : at + len(seen)])
    # An edit's old text may begin and end in the middle of a line.
    if "\n".join(seen) in "\n".join(lines):
        return True
    return any(
        _same_line(seen[0], line) and _same(seen, lines[at : at + len(seen)])
        for at, line in enumerate(lines)
    )


def _same(seen: Sequence[str], lines: Sequence[str]) -> bool:
    return len(seen) == len(lines) and all(map(_same_line, seen, lines))


def _same_line(seen: str, line: str) -> bool:
    if seen == line or seen.rstrip() == line.rstrip():
        return True
    if "REDACTED" not in seen and "redacted" not in seen and "user_" not in seen:
        return False
    parts = REDACTED.split(seen)
    if len(parts) < 2:
        return False
    if not (line.startswith(parts[0]) and line.endswith(parts[-1])):
        return False
    at = 0
    for part in parts:
        found = line.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return True

"""Compares what a session saw of files with the files of commits.

Line ends, a byte-order mark and a missing last line end do not count, because tools drop them;
placeholders that a recorder put in place of secrets match anything.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from agent.errors import RepositoryError
from agent.origin.evidence import REDACTED, Evidence, Sighting
from agent.repo import SYMLINK, Repository


class Fit(NamedTuple):
    """How well a tree agrees with what was seen."""

    exact: float
    """Share in [0, 1] of the sightings that match, averaged over the files."""
    alike: float
    """Share in [0, 1] of the seen lines that the files hold anywhere, averaged over the files."""


class Comparison:
    """Compares the sightings of one session with trees; each pair of file and blob once."""

    def __init__(self, repository: Repository, seen: Evidence, known: Collection[str]) -> None:
        self._repository = repository
        self._seen = {path: seen.sightings[path] for path in seen.sightings if path in known}
        self._done: dict[tuple[str, str], Fit] = {}

    @property
    def observed(self) -> int:
        """How many files of the repository the session saw before it edited them."""
        return len(self._seen)

    def fit(self, tree: str) -> Fit:
        """Compares a whole tree, by its full name."""
        fits = [self.file(path, self._blob(tree, path)) for path in self._seen]
        count = max(1, len(fits))
        return Fit(sum(f.exact for f in fits) / count, sum(f.alike for f in fits) / count)

    def file(self, path: str, blob: str | None) -> Fit:
        """Compares one file with a blob."""
        if blob is None:
            return Fit(0.0, 0.0)
        known = self._done.get((path, blob))
        if known is None:
            known = self._done[path, blob] = self._compare(self._seen[path], blob)
        return known

    def _blob(self, tree: str, path: str) -> str | None:
        entry = self._repository.entry(tree, path)
        return entry.sha if entry is not None and entry.mode != SYMLINK else None

    def _compare(self, sightings: Sequence[Sighting], blob: str) -> Fit:
        try:
            lines = text_lines(self._repository.blob(blob))
        except RepositoryError:
            return Fit(0.0, 0.0)
        exact = sum(matches(sighting, lines) for sighting in sightings) / len(sightings)
        there = set(lines)
        seen = [line for sighting in sightings for line in sighting.lines]
        return Fit(exact, sum(line in there for line in seen) / max(1, len(seen)))


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
    first = seen[0]
    return any(
        _same_line(first, line) and _same(seen, lines[at : at + len(seen)])
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

"""What the reference solution adds to the start state, as marks by which a copy can be known.

A mark is a line that the oracle adds and that stands nowhere in the start state. Lines that any
project could hold (short ones, lone brackets, plain imports) are no marks. Two marks in one file
are taken for a copy; a single one may be chance, unless the oracle has no other and it is long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from agent.tree import Tree

MIN_MARK_CHARS = 18
"""Shorter lines recur in unrelated code: `return result`, `} catch (error) {`."""
LONE_MARK_CHARS = 45
"""A single line this long is no coincidence: it names several things of the project."""
MAX_MARKS = 40
"""The longest are kept: they are the rarest, and each costs a search through the whole image."""
MIN_NAME_CHARS = 7
"""Shorter identifiers recur in unrelated code."""
MAX_NAMES = 40
MAX_TEXT_BYTES = 2 << 20
"""Larger files are data, not code."""

_NAME = re.compile(rf"[A-Za-z_][A-Za-z0-9_]{{{MIN_NAME_CHARS - 1},}}")
_COMPOUND = re.compile(r"[A-Za-z0-9]_+[A-Za-z0-9]|[a-z0-9][A-Z]")
"""A name of several words; single words (`decimal`, `forward`) recur everywhere."""
_PLAIN = re.compile(
    r"^(import |from \S+ import |#include |use |package |@?(return|else|try|finally|pass)\b.{0,12}$"
    r"|[\W_]+$|</?\w+>$)"
)
TEST_NAME = re.compile(
    rb"\bdef (test_\w+)|\b(?:it|test|describe)(?:\.\w+)*\(\s*['\"`]([^'\"`\n]{6,120})['\"`]"
)


@dataclass(frozen=True)
class Outcome:
    """The difference that the oracle makes.

    Attributes:
        changed: content before and after by path; None where there is no such file.
        marks: lines that only the solution has, the longest first.
        names: identifiers that only the solution has.
        paths: every path of the final tree.
    """

    changed: Mapping[str, tuple[bytes | None, bytes | None]] = field(default_factory=dict)
    marks: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    paths: frozenset[str] = frozenset()

    @property
    def lines_added(self) -> int:
        """How many lines are new, over all files."""
        count = 0
        for before, after in self.changed.values():
            old = set(_lines(before or b""))
            count += sum(line not in old for line in _lines(after or b""))
        return count


def compare(start: Tree, final: Tree) -> Outcome:
    """The outcome as the difference between two trees."""
    delta = start.delta(final)
    changed: dict[str, tuple[bytes | None, bytes | None]] = {}
    for path, entry in delta.put.items():
        if entry.kind == "file":
            before = start.read(path)
            if before != entry.data:
                changed[path] = (before, entry.data)
    gone = [p for p in start.entries if p not in final.entries and start.read(p) is not None]
    changed |= {path: (start.read(path), None) for path in gone}
    added = [line for _, after in changed.values() for line in _lines(after or b"")]
    return Outcome(
        changed=dict(sorted(changed.items())),
        marks=new_lines(added, start),
        names=new_names(added, start),
        paths=frozenset(final.entries),
    )


def from_texts(texts: Iterable[bytes], start: Tree) -> Outcome:
    """The outcome as far as the solution's own files show it, where no trees can be compared."""
    added: list[str] = []
    for text in texts:
        for line in _lines(text):
            if line.startswith("+") and not line.startswith("+++"):
                line = line[1:].strip()
            added.append(line)
    return Outcome(marks=new_lines(added, start), names=new_names(added, start))


def new_lines(lines: Iterable[str], start: Tree) -> tuple[str, ...]:
    """Of some lines those that are marks: distinctive, and nowhere in the start state."""
    wanted = {line for line in lines if len(line) >= MIN_MARK_CHARS and not _PLAIN.match(line)}
    for _, data in start.files():
        if not wanted:
            break
        if len(data) <= MAX_TEXT_BYTES:
            wanted.difference_update(_lines(data))
    return tuple(sorted(wanted, key=lambda line: (-len(line), line))[:MAX_MARKS])


def new_names(lines: Iterable[str], start: Tree) -> tuple[str, ...]:
    """Identifiers in some lines that stand nowhere in the start state."""
    wanted = {n for line in lines for n in _NAME.findall(line) if _COMPOUND.search(n)}
    for _, data in start.files():
        if not wanted:
            break
        if len(data) <= MAX_TEXT_BYTES:
            wanted = {name for name in wanted if name.encode() not in data}
    return tuple(sorted(wanted, key=lambda name: (-len(name), name))[:MAX_NAMES])


def is_copy(found: int, marks: tuple[str, ...]) -> bool:
    """Whether so many marks in one place make it a copy of the solution.

    Args:
        found: distinct marks seen there.
        marks: all marks, the longest first.
    """
    if found >= 2:
        return True
    return found == 1 and len(marks) == 1 and len(marks[0]) >= LONE_MARK_CHARS


def names_of_tests(data: bytes) -> set[str]:
    """Names of the tests that a file of Python or JavaScript defines."""
    found = set()
    for match in TEST_NAME.finditer(data[:MAX_TEXT_BYTES]):
        name = match.group(1) or match.group(2)
        found.add(name.decode("utf-8", "replace"))
    return found


def _lines(data: bytes) -> list[str]:
    if b"\0" in data[:8192]:
        return []
    return [line.strip() for line in data.decode("utf-8", "replace").splitlines()]

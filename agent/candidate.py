"""A candidate: a possible final state of the work tree, and the way to get there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.tree import Entry, Tree

SOLUTION = "/solution"
"""Where the environment's `solution/` lies while an oracle is applied."""


@dataclass(frozen=True)
class Candidate:
    """A possible final state, as a way to get there.

    Attributes:
        name: what reports call it; candidates with the same name are the same.
        script: shell commands run in the work tree as the solver, after `solution` is in place.
        solution: whether the environment's `solution/` lies at /solution meanwhile.
        given: a patch that lies at /solution/given.patch meanwhile.
        changes: files written (bytes) or removed (None) afterwards, by path in the work tree.
        links: symlinks made afterwards: target by path.
    """

    name: str
    script: str = ""
    solution: bool = False
    given: bytes = b""
    changes: Mapping[str, bytes | None] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


NOP = Candidate("nop")
ORACLE = Candidate("oracle", script=f"exec {SOLUTION}/solve.sh", solution=True)


def variant(
    name: str,
    changes: Mapping[str, bytes | None],
    base: Candidate = ORACLE,
    links: Mapping[str, str] | None = None,
) -> Candidate:
    """A candidate that differs from another in some files."""
    return Candidate(
        name,
        base.script,
        base.solution,
        base.given,
        {**base.changes, **changes},
        {**base.links, **(links or {})},
    )


class CandidateFailed(Exception):
    """A candidate could not be applied, or left a tree that cannot be carried.

    Attributes:
        log: the output of its script.
    """

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


def with_links(tree: Tree, links: Mapping[str, str]) -> Tree:
    """A tree with symlinks in place of whatever lies there: target by path."""
    if not links:
        return tree
    entries = {
        path: entry
        for path, entry in tree.entries.items()
        if not any(path == link or path.startswith(link + "/") for link in links)
    }
    sample = next(iter(tree.entries.values()), Entry("file"))
    for path, target in links.items():
        entries[path] = Entry("link", 0o777, target=target, uid=sample.uid, gid=sample.gid)
    return Tree(entries)

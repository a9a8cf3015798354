"""The lines and identifiers that commits add, read for many commits at once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from agent.gitcommand import GitError
from agent.origin.overlay import TOOL_FOLDERS
from agent.origin.traits import MAX_LINE_CHARS, keyed
from agent.repo import Repository

MAX_LINES = 8_000
"""Changed lines read of one commit; more are generated or vendored."""

_IDENTIFIER = re.compile(r"\w+")
_OWN_FOLDERS = tuple(folder.encode() for folder in TOOL_FOLDERS)


@dataclass(frozen=True, slots=True)
class Additions:
    """What a commit adds."""

    lines: frozenset[tuple[str, str]] = frozenset()
    """Last part of the path, and a line."""
    symbols: frozenset[str] = frozenset()


def additions(repository: Repository, commits: Sequence[str]) -> dict[str, Additions]:
    """What commits add against their first parents.

    Args:
        repository: has them.
        commits: their full names.

    Returns:
        By name, for every commit that could be read.
    """
    arguments = ("diff-tree", "--stdin", "-p", "-r", "--root", "-U0", "--no-renames", "--no-color")
    more = ("--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/")

    def read(some: Sequence[str]) -> dict[str, Additions]:
        names = "".join(f"{sha}\n" for sha in some)
        return _parsed(repository.run(*arguments, *more, stdin=names.encode()), some)

    if not commits:
        return {}
    found: dict[str, Additions] = {}
    try:
        found = read(commits)
    except GitError:
        # A clone can lack single objects; they cost only the commits that have them.
        for sha in commits:
            with suppress(GitError):
                found |= read([sha])
    return found


def _parsed(out: bytes, commits: Sequence[str]) -> dict[str, Additions]:
    names = {sha.encode() for sha in commits}
    found: dict[str, Additions] = {}
    at = ""
    added: dict[bytes, list[bytes]] = {}
    path, inside, count = b"", False, 0
    for raw in [*out.split(b"\n"), next(iter(names))]:
        if inside and raw[:1] == b"+":
            if path and count < MAX_LINES:
                added[path].append(raw[1:])
                count += 1
        elif raw[:3] == b"@@ ":
            inside = True
        elif raw[:11] == b"diff --git ":
            inside = False
        elif raw in names:
            if at:
                found[at] = _kept(added)
            at, inside, count, added = raw.decode(), False, 0, {}
        elif not inside and raw[:4] == b"+++ ":
            path = raw[4:].strip(b'"').removeprefix(b"b/")
            path = b"" if path.startswith(_OWN_FOLDERS) else path
            added.setdefault(path, [])
    return found


def _kept(added: Mapping[bytes, list[bytes]]) -> Additions:
    lines: set[tuple[str, str]] = set()
    symbols: set[str] = set()
    for path, raw in added.items():
        text = b"\n".join(line[:MAX_LINE_CHARS] for line in raw).decode("utf-8", "replace")
        lines |= keyed(path.decode("utf-8", "replace"), text.split("\n"))
        symbols.update(_IDENTIFIER.findall(text))
    return Additions(frozenset(lines), frozenset(symbols))

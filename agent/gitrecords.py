"""What git says about a repository, as Python values.

Commands print records; the functions here read them: commits, changed files, trees. Paths are text
in which bytes that are no UTF-8 stand as surrogates, and they may hold newlines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from agent.errors import RepositoryError
from agent.gitcommand import SHA

REGULAR, EXECUTABLE, SYMLINK, SUBMODULE, FOLDER = "100644", "100755", "120000", "160000", "40000"
"""Modes of tree entries."""

REVISION = re.compile(r"\A[A-Za-z0-9_][A-Za-z0-9_./@{}^~+-]{0,250}\Z")
"""A commit's name, whole or abbreviated, or a reference; never an option."""
LOG = (
    "-z",
    "--no-color",
    "--no-show-signature",
    "--no-mailmap",
    "--encoding=UTF-8",
    "--date=raw",
    "--format=%H%x00%T%x00%P%x00%an%x00%ae%x00%ad%x00%ct%x00%B",
)
"""Options of `git log` whose output `commits_in` reads."""
RAW = ("-r", "-z", "--raw", "--no-renames", "--no-abbrev")
"""Options of `git diff-tree` whose output `changes_in` reads."""

_TRAILER = re.compile(r"^([A-Za-z][A-Za-z0-9-]*): +(\S.*)$")
_FIELDS = 8
"""That `LOG` asks for of each commit."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit says about itself; author, dates and message are claims."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: str
    email: str
    authored: datetime
    committed: datetime
    zone: timedelta
    """How far the author's clock was ahead of UTC."""
    subject: str
    body: str

    @property
    def trailers(self) -> list[tuple[str, str]]:
        """`Key: value` lines of the message's last paragraph, such as Co-Authored-By."""
        last = self.body.rstrip().split("\n\n")[-1] if self.body.strip() else ""
        return [(m[1], m[2]) for line in last.splitlines() if (m := _TRAILER.match(line))]


class Change(NamedTuple):
    """One file that a commit changed against its first parent; empty names mean absent."""

    path: str
    old_mode: str
    old: str
    new_mode: str
    new: str


class TreeEntry(NamedTuple):
    """One file of a tree."""

    mode: str
    sha: str


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """One file of a tree with its content; for a symbolic link, `data` is its target."""

    path: str
    mode: str
    data: bytes = field(repr=False)

    @property
    def is_symlink(self) -> bool:
        """True for a symbolic link."""
        return self.mode == SYMLINK


def commits_in(log: bytes) -> list[Commit]:
    """The commits that `git log` printed with the options `LOG`."""
    fields = log.split(b"\0")
    return [_commit(fields[i : i + _FIELDS]) for i in range(0, len(fields) - _FIELDS + 1, _FIELDS)]


def changes_in(out: bytes) -> Iterator[tuple[str, Change]]:
    """The changed files that `git diff-tree` printed with the options `RAW`.

    Yields:
        The commit under which it stands ("" where two trees were compared), and the change.
    """
    commit = ""
    parts = iter(out.split(b"\0"))
    for part in parts:
        if part.startswith(b":"):
            old_mode, new_mode, old, new, _ = part[1:].decode().split(" ")
            there = map(_present, (old_mode, old, new_mode, new))
            yield commit, Change(text_of(next(parts)), *there)
        elif part:
            commit = part.decode().strip()


def tree_in(listing: bytes) -> dict[str, TreeEntry]:
    """The entries that `git ls-tree -z` printed, by path."""
    found: dict[str, TreeEntry] = {}
    for line in listing.split(b"\0"):
        if line:
            head, path = line.split(b"\t", 1)
            mode, _, sha = head.decode().split(" ")
            found[text_of(path)] = TreeEntry(mode, sha)
    return found


def entries_of(tree: bytes, width: int) -> dict[str, TreeEntry]:
    """The entries of a tree object, by name.

    Args:
        tree: the object's content.
        width: bytes of an object's name, 20 or 32.
    """
    found: dict[str, TreeEntry] = {}
    at = 0
    while at < len(tree):
        space = tree.index(b" ", at)
        end = tree.index(b"\0", space)
        found[text_of(tree[space + 1 : end])] = TreeEntry(
            tree[at:space].decode(), tree[end + 1 : end + 1 + width].hex()
        )
        at = end + 1 + width
    return found


def is_safe_path(path: str) -> bool:
    """True when a path of a tree can be unpacked below a folder without leaving it."""
    names = path.split("/")
    return "\0" not in path and not any(
        name in ("", ".", "..") or name.lower().rstrip(". ") == ".git" for name in names
    )


def full_name(sha: str) -> str:
    """The name of an object, if it is a whole one.

    Raises:
        RepositoryError: it is not.
    """
    if not SHA.match(sha):
        raise RepositoryError(f"{sha[:80]!r} is not a full object name.")
    return sha


def revision(rev: str) -> str:
    """A revision, or one with `^` before it, if git cannot take it for anything else.

    Raises:
        RepositoryError: it is none.
    """
    if not REVISION.match(rev.lstrip("^")):
        raise RepositoryError(f"{rev[:80]!r} is not a revision.")
    return rev


def text_of(data: bytes) -> str:
    """What git printed, as text; bytes that are no UTF-8 stand as surrogates."""
    return data.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """The bytes behind a text of `text_of`."""
    return text.encode("utf-8", "surrogateescape")


def _commit(fields: Sequence[bytes]) -> Commit:
    sha, tree, parents, author, email, authored, committed, message = map(text_of, fields)
    subject, _, body = message.strip("\n").partition("\n")
    return Commit(
        sha=sha.strip(),
        tree=tree,
        parents=tuple(parents.split()),
        author=author,
        email=email,
        authored=_time(authored.split(" ")[0]),
        committed=_time(committed),
        zone=_zone(authored),
        subject=subject,
        body=body.strip("\n"),
    )


def _present(name: str) -> str:
    """A mode or an object's name; git writes noughts for what is not there."""
    return "" if set(name) == {"0"} else name


def _time(seconds: str) -> datetime:
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def _zone(raw: str) -> timedelta:
    found = re.search(r" ([+-])(\d\d)(\d\d)$", raw)
    if not found:
        return timedelta()
    ahead = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return ahead if found[1] == "+" else -ahead

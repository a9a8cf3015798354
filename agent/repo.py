"""A repository's history, read as data.

`Repository.open` gets a bare clone from the cache (see `agent.clone`) and reads it: commits, trees,
blobs, differences, archives. Nothing is ever checked out, and nothing of the repository runs.
Bytes go in and come out; paths are text in which bytes that are no UTF-8 stand as surrogates, and
they may hold newlines. Objects that the clone lacks raise `RepositoryError`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import git

from agent.clone import obtain, update
from agent.errors import RepositoryError
from agent.gitcommand import SHA, GitError, git_environment, run_git
from sandbox.cache import cache_dir

MAX_BLOB_BYTES = 64 * 2**20
"""A larger file is not read into memory; sources are far smaller."""
DRAIN_BYTES = 2**20
"""Bytes read at a time of an object that is thrown away."""
MAX_ARCHIVE_FILES = 200_000
"""A tree with more entries is no start state that a container could work with."""
CACHED_TREES = 20_000
"""Tree objects kept parsed: neighbouring commits share nearly all of theirs."""

PRIVATE_REFS = (
    "refs/heads/entire/*",
    "refs/entire/*",
    "refs/kettle/*",
    "refs/notes/*",
    "refs/stash",
    "refs/pull/*/merge",
)
"""References that are no work on the project: tools' transcripts, notes, a host's trial merges."""

REGULAR, EXECUTABLE, SYMLINK, SUBMODULE, FOLDER = "100644", "100755", "120000", "160000", "40000"
"""Modes of tree entries."""

_TRAILER = re.compile(r"^([A-Za-z][A-Za-z0-9-]*): +(\S.*)$")
_REV = re.compile(r"\A[A-Za-z0-9_][A-Za-z0-9_./@{}^~+-]{0,250}\Z")


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


class Repository:
    """A bare clone; use it as a context manager, or `close` it."""

    def __init__(self, place: Path, source: str | Path) -> None:
        self.place = place
        self.source = source
        # GitPython keeps one `git cat-file --batch` running, which makes many small reads cheap.
        # Not through `git.Repo`: when that is collected, it ends the process of whoever shares it.
        self._git = git.Git(place)
        self._git.update_environment(**git_environment(place))
        self._lock = threading.Lock()
        self._read_tree = lru_cache(CACHED_TREES)(self._parse_tree)
        self._all: list[Commit] | None = None
        self._updated = False

    @classmethod
    def open(cls, source: str | Path, *, cache: Path | None = None) -> Self:
        """Opens a repository, cloning it when the cache does not hold it.

        Args:
            source: a URL, or the path of a local repository (bare or with a work tree).
            cache: the cache folder; `sandbox.cache.cache_dir()` when None.

        Raises:
            RepositoryError: it is gone, private, empty, unreachable or no repository.
        """
        return cls(obtain(source, cache if cache is not None else cache_dir()), source)

    def close(self) -> None:
        """Ends the helper process."""
        self._git.clear_cache()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def update(self, commit: str | None = None) -> None:
        """Fetches what is new since the clone was made; at most once for one opened repository."""
        if not self._updated:
            self._updated = True
            self._all = None
            update(self.place, self.source, commit)

    def resolve(self, rev: str, *, fetch: bool = False) -> str:
        """The full name of the commit that a revision names.

        Args:
            rev: a commit name, whole or abbreviated, or a reference.
            fetch: looks at the source again when the clone does not have it.

        Raises:
            RepositoryError: the history has no such commit, or the abbreviation is ambiguous.
        """
        if _REV.match(rev) and ".." not in rev:
            for attempt in range(2 if fetch else 1):
                if attempt:
                    self.update(rev)
                try:
                    out = self.run("rev-parse", "--verify", "--end-of-options", f"{rev}^{{commit}}")
                    return out.decode().strip().splitlines()[-1]
                except GitError as error:
                    if "ambiguous" in error.said:
                        raise RepositoryError(
                            f"Commit name {rev} is ambiguous in {self.source}."
                        ) from error
        shown = "".join(c if c.isprintable() else "?" for c in rev)[:80]
        raise RepositoryError(
            f"{self.source} has no commit {shown}: its history may have been rewritten since."
        )

    def has(self, rev: str) -> bool:
        """True when the clone has the commit."""
        try:
            self.resolve(rev)
        except RepositoryError:
            return False
        return True

    def references(self) -> dict[str, str]:
        """Every reference of the project itself, with the commit it leads to."""
        out = self.run("for-each-ref", "--format=%(objectname) %(*objectname) %(refname)")
        found: dict[str, str] = {}
        for line in _text(out).splitlines():
            name, peeled, ref = line.split(" ", 2)
            if not any(fnmatchcase(ref, pattern) for pattern in PRIVATE_REFS):
                found[ref] = peeled or name
        return found

    @property
    def default_branch(self) -> str | None:
        """The commit at the tip of the default branch."""
        try:
            return self.resolve("HEAD")
        except RepositoryError:
            tips = self.references()
            for ref in ("refs/heads/main", "refs/heads/master"):
                if ref in tips:
                    return tips[ref]
            return None

    def commits(
        self,
        tips: Sequence[str] | None = None,
        *,
        without: Sequence[str] = (),
        limit: int | None = None,
        first_parent: bool = False,
    ) -> list[Commit]:
        """Commits, newest first by commit date.

        Args:
            tips: commits to start from; every reference of the project when None.
            without: commits that are left out with all their ancestors.
            limit: how many at most.
            first_parent: follows only the first parent of a merge.
        """
        arguments = [
            "log",
            "-z",
            "--no-color",
            "--no-show-signature",
            "--no-mailmap",
            "--encoding=UTF-8",
            "--date=raw",
        ]
        arguments += ["--format=%H%x00%T%x00%P%x00%an%x00%ae%x00%ad%x00%ct%x00%B"]
        arguments += [f"--max-count={limit}"] if limit is not None else []
        arguments += ["--first-parent"] if first_parent else []
        if tips is None:
            arguments += [*(f"--exclude={pattern}" for pattern in PRIVATE_REFS), "--all"]
        revs = [*(tips or ()), *(f"^{sha}" for sha in without)]
        if tips is not None and not tips:
            return []
        out = self.run(
            *arguments, "--stdin", stdin="".join(f"{r}\n" for r in map(_rev, revs)).encode()
        )
        fields = out.split(b"\0")
        return [_commit(fields[i : i + 8]) for i in range(0, len(fields) - 7, 8)]

    def all_commits(self) -> Sequence[Commit]:
        """Every commit of the project, newest first by commit date; read once."""
        if self._all is None:
            self._all = self.commits()
        return self._all

    def commit(self, rev: str) -> Commit:
        """One commit's metadata."""
        return self.commits([self.resolve(rev)], limit=1)[0]

    def changes(self, shas: Iterable[str]) -> dict[str, list[Change]]:
        """The files that commits change against their first parents; none for merges."""
        names = [_full(sha) for sha in shas]
        out = self.run(
            *("diff-tree", "--stdin", "-r", "-z", "--raw", "--root", "--no-renames", "--no-abbrev"),
            stdin="".join(f"{sha}\n" for sha in names).encode(),
        )
        found: dict[str, list[Change]] = {sha: [] for sha in names}
        into: list[Change] = []
        parts = iter(out.split(b"\0"))
        for part in parts:
            if part.startswith(b":"):
                old_mode, new_mode, old, new, _ = part[1:].decode().split(" ")
                into.append(_change(_text(next(parts)), old_mode, old, new_mode, new))
            elif part:
                into = found.setdefault(part.decode().strip(), [])
        return found

    def changed(self, a: str, b: str) -> list[Change]:
        """The files that differ between two commits or trees."""
        out = self.run(
            "diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", _rev(a), _rev(b)
        )
        parts = iter(out.split(b"\0"))
        found = []
        for part in parts:
            if part.startswith(b":"):
                old_mode, new_mode, old, new, _ = part[1:].decode().split(" ")
                found.append(_change(_text(next(parts)), old_mode, old, new_mode, new))
        return found

    def tree(self, rev: str) -> dict[str, TreeEntry]:
        """Every file of a commit's tree, by path, submodules included."""
        out = self.run("ls-tree", "-r", "-z", "--full-tree", _rev(rev))
        found: dict[str, TreeEntry] = {}
        for line in out.split(b"\0"):
            if line:
                head, path = line.split(b"\t", 1)
                mode, _, sha = head.decode().split(" ")
                found[_text(path)] = TreeEntry(mode, sha)
        return found

    def entry(self, tree: str, path: str) -> TreeEntry | None:
        """One file of a tree, found through cached tree objects.

        Args:
            tree: full name of a tree (`Commit.tree`).
            path: the file's path; folders and submodules count as absent.
        """
        at = tree
        names = path.split("/")
        for name in names[:-1]:
            found = self._read_tree(at).get(name)
            if found is None or found.mode != FOLDER:
                return None
            at = found.sha
        last = self._read_tree(at).get(names[-1])
        return last if last is not None and last.mode not in (FOLDER, SUBMODULE) else None

    def blob(self, sha: str) -> bytes:
        """A file's content by the blob's name.

        Raises:
            RepositoryError: the clone lacks it, or it is larger than MAX_BLOB_BYTES.
        """
        return self._object(sha, "blob")

    def read(self, rev: str, path: str) -> bytes | None:
        """A file's content in a commit, or None when the commit has no such file."""
        entry = self.entry(self._tree_of(rev), path)
        return None if entry is None else self.blob(entry.sha)

    def diff(self, a: str, b: str, paths: Sequence[str] | None = None) -> bytes:
        """A patch from one commit or tree to another that `git apply` and `patch -p1` take.

        Args:
            a: the state that the patch applies to.
            b: the state that it leads to.
            paths: only these files; all when None.
        """
        return b"" if paths is not None and not paths else self.run(*diff_arguments(a, b, paths))

    def patch_of(self, sha: str, paths: Sequence[str] | None = None) -> bytes:
        """A commit's own change, against its first parent or, for the first commit, nothing."""
        commit = self.commit(sha)
        return self.diff(commit.parents[0] if commit.parents else self.empty_tree, sha, paths)

    @property
    def empty_tree(self) -> str:
        """The name of the tree without files."""
        return self.run("hash-object", "-t", "tree", "--stdin", stdin=b"").decode().strip()

    def archive(self, rev: str) -> Iterator[ArchiveEntry]:
        """The files of a commit in sorted order; submodules are left out, as git leaves them empty.

        Raises:
            RepositoryError: the tree has a path that must not be unpacked, or too many files.
        """
        tree = self.tree(rev)
        if len(tree) > MAX_ARCHIVE_FILES:
            raise RepositoryError(
                f"Commit {rev} has {len(tree)} files; at most {MAX_ARCHIVE_FILES} are handled."
            )
        for path in sorted(tree, key=_bytes):
            mode, sha = tree[path]
            if not is_safe_path(path):
                raise RepositoryError(
                    f"Commit {rev} has a file whose path must not be unpacked: {path!r}."
                )
            if mode != SUBMODULE:
                yield ArchiveEntry(path, mode, self.blob(sha))

    def files(self, rev: str) -> list[str]:
        """The paths of a commit's files in sorted order, submodules left out."""
        return sorted(p for p, entry in self.tree(rev).items() if entry.mode != SUBMODULE)

    def is_ancestor(self, a: str, b: str) -> bool:
        """True when commit `a` is `b` or one of its ancestors."""
        try:
            self.run("merge-base", "--is-ancestor", _rev(a), _rev(b))
        except GitError as error:
            if error.code == 1 and not error.stopped:
                return False
            raise RepositoryError(f"{self.source} cannot be walked: {error}.") from error
        return True

    def merge_base(self, a: str, b: str) -> str | None:
        """The best common ancestor of two commits, or None when they share nothing."""
        try:
            return self.run("merge-base", _rev(a), _rev(b)).decode().split()[0]
        except GitError:
            return None

    def version(self, rev: str) -> str | None:
        """The nearest tag with the distance to it, such as `v1.2-3-gabc1234`; None without tags."""
        try:
            return _text(self.run("describe", "--tags", _rev(rev))).strip()
        except GitError:
            return None

    def run(
        self,
        *arguments: str | bytes,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> bytes:
        """Runs a git command on the clone, for callers that build trees in a place of their own.

        Raises:
            GitError: the command failed.
            RepositoryError: it took too long or printed too much.
        """
        try:
            return run_git(self.place, arguments, stdin=stdin, env=env, cwd=cwd)
        except GitError as error:
            if error.stopped:
                raise RepositoryError(f"Reading {self.source} failed: {error}.") from error
            raise

    def _tree_of(self, rev: str) -> str:
        return self.commit(rev).tree

    def _object(self, sha: str, kind: str) -> bytes:
        name = _full(sha)
        with self._lock:
            try:
                _, found, size, stream = self._git.stream_object_data(name)
            except ValueError as error:
                raise RepositoryError(f"The clone of {self.source} lacks {kind} {sha}.") from error
            if _word(found) == kind and size <= MAX_BLOB_BYTES:
                data: bytes = stream.read()
                return data
            while stream.read(DRAIN_BYTES):
                pass  # what was begun must be read to its end before the next object
        raise RepositoryError(
            f"Object {sha} of {self.source} is not read: it is a {_word(found)} of {size} bytes."
        )

    def _parse_tree(self, sha: str) -> dict[str, TreeEntry]:
        data = self._object(sha, "tree")
        width = len(sha) // 2
        found: dict[str, TreeEntry] = {}
        at = 0
        while at < len(data):
            space = data.index(b" ", at)
            end = data.index(b"\0", space)
            found[_text(data[space + 1 : end])] = TreeEntry(
                data[at:space].decode(), data[end + 1 : end + 1 + width].hex()
            )
            at = end + 1 + width
        return found


def diff_arguments(a: str, b: str, paths: Sequence[str] | None = None) -> list[str | bytes]:
    """The git command for a patch between two commits or trees, the same under any configuration.

    Args:
        a: the state that the patch applies to.
        b: the state that it leads to.
        paths: only these files; all when None.
    """
    arguments = ["diff-tree", "-p", "-r", "--binary", "--full-index", "--no-renames"]
    arguments += ["--no-ext-diff", "--no-textconv", "--no-color"]
    arguments += ["--src-prefix=a/", "--dst-prefix=b/", _rev(a), _rev(b), "--"]
    return [*arguments, *(_bytes(path) for path in paths or ())]


def is_safe_path(path: str) -> bool:
    """True when a path of a tree can be unpacked below a folder without leaving it."""
    names = path.split("/")
    return "\0" not in path and not any(
        name in ("", ".", "..") or name.lower().rstrip(". ") == ".git" for name in names
    )


def _commit(fields: Sequence[bytes]) -> Commit:
    sha, tree, parents, author, email, authored, committed, message = map(_text, fields)
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


def _change(path: str, old_mode: str, old: str, new_mode: str, new: str) -> Change:
    def there(name: str) -> str:
        return "" if set(name) == {"0"} else name

    return Change(path, there(old_mode), there(old), there(new_mode), there(new))


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


def _full(sha: str) -> str:
    if not SHA.match(sha):
        raise RepositoryError(f"{sha[:80]!r} is not a full object name.")
    return sha


def _rev(rev: str) -> str:
    if not _REV.match(rev.lstrip("^")):
        raise RepositoryError(f"{rev[:80]!r} is not a revision.")
    return rev


def _word(word: str | bytes) -> str:
    # GitPython's annotations say text where some of its versions give bytes.
    return word.decode() if isinstance(word, bytes) else word


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")

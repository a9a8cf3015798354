"""A repository's history, read as data.

`Repository.open` gets a bare clone from the cache (see `agent.clone`) and reads it: commits, trees,
blobs, differences, archives. Nothing is ever checked out, and nothing of the repository runs.
Bytes go in and come out; paths are text in which bytes that are no UTF-8 stand as surrogates, and
they may hold newlines. Objects that the clone lacks raise `RepositoryError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Self

from agent.clone import obtain, update
from agent.errors import RepositoryError
from agent.gitcommand import GitError, run_git
from agent.gitobjects import Objects
from agent.gitrecords import (
    LOG,
    RAW,
    REVISION,
    SUBMODULE,
    ArchiveEntry,
    Change,
    Commit,
    TreeEntry,
    bytes_of,
    changes_in,
    commits_in,
    full_name,
    is_safe_path,
    revision,
    text_of,
    tree_in,
)
from sandbox.cache import cache_dir

MAX_ARCHIVE_FILES = 200_000
"""A tree with more entries is no start state that a container could work with."""
PRIVATE_REFS = (
    "refs/heads/entire/*",
    "refs/entire/*",
    "refs/kettle/*",
    "refs/notes/*",
    "refs/stash",
    "refs/pull/*/merge",
)
"""References that are no work on the project: tools' transcripts, notes, a host's trial merges."""


class Repository:
    """A bare clone; use it as a context manager, or `close` it."""

    def __init__(self, place: Path, source: str | Path) -> None:
        self.place = place
        self.source = source
        self._objects = Objects(place, source)
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
        self._objects.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
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
        if REVISION.match(rev) and ".." not in rev:
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
        for line in text_of(out).splitlines():
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
        arguments = ["log", *LOG]
        arguments += [f"--max-count={limit}"] if limit is not None else []
        arguments += ["--first-parent"] if first_parent else []
        if tips is None:
            arguments += [*(f"--exclude={pattern}" for pattern in PRIVATE_REFS), "--all"]
        revs = [*(tips or ()), *(f"^{sha}" for sha in without)]
        if tips is not None and not tips:
            return []
        out = self.run(
            *arguments, "--stdin", stdin="".join(f"{r}\n" for r in map(revision, revs)).encode()
        )
        return commits_in(out)

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
        names = [full_name(sha) for sha in shas]
        out = self.run(
            *("diff-tree", "--stdin", "--root", *RAW),
            stdin="".join(f"{sha}\n" for sha in names).encode(),
        )
        found: dict[str, list[Change]] = {sha: [] for sha in names}
        for sha, change in changes_in(out):
            found[sha].append(change)
        return found

    def changed(self, a: str, b: str) -> list[Change]:
        """The files that differ between two commits or trees."""
        return [
            change
            for _, change in changes_in(self.run("diff-tree", *RAW, revision(a), revision(b)))
        ]

    def tree(self, rev: str) -> dict[str, TreeEntry]:
        """Every file of a commit's tree, by path, submodules included."""
        return tree_in(self.run("ls-tree", "-r", "-z", "--full-tree", revision(rev)))

    def entry(self, tree: str, path: str) -> TreeEntry | None:
        """One file of a tree, found through cached tree objects.

        Args:
            tree: full name of a tree (`Commit.tree`).
            path: the file's path; folders and submodules count as absent.
        """
        return self._objects.entry(tree, path)

    def blob(self, sha: str) -> bytes:
        """A file's content by the blob's name.

        Raises:
            RepositoryError: the clone lacks it, or it is larger than MAX_BLOB_BYTES.
        """
        return self._objects.blob(sha)

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
        for path in sorted(tree, key=bytes_of):
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
            self.run("merge-base", "--is-ancestor", revision(a), revision(b))
        except GitError as error:
            if error.code == 1 and not error.stopped:
                return False
            raise RepositoryError(f"{self.source} cannot be walked: {error}.") from error
        return True

    def merge_base(self, a: str, b: str) -> str | None:
        """The best common ancestor of two commits, or None when they share nothing."""
        try:
            return self.run("merge-base", revision(a), revision(b)).decode().split()[0]
        except GitError:
            return None

    def version(self, rev: str) -> str | None:
        """The nearest tag with the distance to it, such as `v1.2-3-gabc1234`; None without tags."""
        try:
            return text_of(self.run("describe", "--tags", revision(rev))).strip()
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


def diff_arguments(a: str, b: str, paths: Sequence[str] | None = None) -> list[str | bytes]:
    """The git command for a patch between two commits or trees, the same under any configuration.

    Args:
        a: the state that the patch applies to.
        b: the state that it leads to.
        paths: only these files; all when None.
    """
    arguments = ["diff-tree", "-p", "-r", "--binary", "--full-index", "--no-renames"]
    arguments += ["--no-ext-diff", "--no-textconv", "--no-color"]
    arguments += ["--src-prefix=a/", "--dst-prefix=b/", revision(a), revision(b), "--"]
    return [*arguments, *(bytes_of(path) for path in paths or ())]

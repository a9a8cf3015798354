"""Reads single objects of a clone: files' contents and trees, many and fast.

One `git cat-file --batch` is kept running; trees are kept parsed, since neighbouring commits share
nearly all of theirs.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path

import git

from agent.errors import RepositoryError
from agent.gitcommand import git_environment
from agent.gitrecords import FOLDER, SUBMODULE, TreeEntry, entries_of, full_name

MAX_BLOB_BYTES = 64 * 2**20
"""A larger file is not read into memory; sources are far smaller."""
DRAIN_BYTES = 2**20
"""Bytes read at a time of an object that is thrown away."""
CACHED_TREES = 20_000
"""Tree objects kept parsed."""


class Objects:
    """The objects of one clone; threads take turns."""

    def __init__(self, place: Path, source: str | Path) -> None:
        """Starts nothing yet.

        Args:
            place: the clone's folder.
            source: what error messages call it.
        """
        self._source = source
        # GitPython keeps one `git cat-file --batch` running, which makes many small reads cheap.
        # Not through `git.Repo`: when that is collected, it ends the process of whoever shares it.
        self._git = git.Git(place)
        self._git.update_environment(**git_environment(place))
        self._lock = threading.Lock()
        self._tree = lru_cache(CACHED_TREES)(self._read_tree)

    def close(self) -> None:
        """Ends the helper process."""
        self._git.clear_cache()

    def blob(self, sha: str) -> bytes:
        """A file's content by the blob's name.

        Raises:
            RepositoryError: the clone lacks it, or it is larger than MAX_BLOB_BYTES.
        """
        return self._read(sha, "blob")

    def entry(self, tree: str, path: str) -> TreeEntry | None:
        """One file of a tree.

        Args:
            tree: full name of a tree (`Commit.tree`).
            path: the file's path; folders and submodules count as absent.
        """
        at = tree
        names = path.split("/")
        for name in names[:-1]:
            found = self._tree(at).get(name)
            if found is None or found.mode != FOLDER:
                return None
            at = found.sha
        last = self._tree(at).get(names[-1])
        return last if last is not None and last.mode not in (FOLDER, SUBMODULE) else None

    def _read_tree(self, sha: str) -> dict[str, TreeEntry]:
        return entries_of(self._read(sha, "tree"), len(sha) // 2)

    def _read(self, sha: str, kind: str) -> bytes:
        name = full_name(sha)
        with self._lock:
            try:
                _, found, size, stream = self._git.stream_object_data(name)
            except ValueError as error:
                raise RepositoryError(f"The clone of {self._source} lacks {kind} {sha}.") from error
            if _word(found) == kind and size <= MAX_BLOB_BYTES:
                data: bytes = stream.read()
                return data
            while stream.read(DRAIN_BYTES):
                pass  # what was begun must be read to its end before the next object
        raise RepositoryError(
            f"Object {sha} of {self._source} is not read: it is a {_word(found)} of {size} bytes."
        )


def _word(word: str | bytes) -> str:
    # GitPython's annotations say text where some of its versions give bytes.
    return word.decode() if isinstance(word, bytes) else word

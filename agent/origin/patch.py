"""The outcome as one patch on the start state, computed without a work tree.

Where the outcome's commits follow the start without anybody else's work between, the patch leads
from the start to the last of them. Otherwise each commit's own change is carried over onto the
start by a three-way merge in a temporary index; objects that this makes are thrown away with it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.gitcommand import GitError
from agent.gitrecords import EXECUTABLE, REGULAR, is_safe_path
from agent.origin.start import StartState
from agent.repo import Repository, diff_arguments

Method = Literal["range", "picked", "restricted"]


class Outcome(BaseModel):
    """What really solved the task: commits of the same history, as a patch on the start state."""

    model_config = ConfigDict(extra="forbid")

    commits: list[str]
    """Oldest first."""
    patch: bytes = Field(default=b"", exclude=True, repr=False)
    """Applies to the start state, uncommitted work included, with `git apply` or `patch -p1`."""
    method: Method
    """`range`: start to last commit. `picked`: the commits' own changes, carried over onto the
    start. `restricted`: that failed; the files that they touch, as they stand in the last one."""
    in_between: list[str] = Field(default_factory=list)
    """Commits of others between the start and the outcome, oldest first; not part of the patch."""
    files: list[str] = Field(default_factory=list)
    """Files that the patch changes."""
    notes: list[str] = Field(default_factory=list)


@dataclass(slots=True)
class Scratch:
    """A temporary index and object store over a repository."""

    repository: Repository
    folder: Path

    def run(self, *arguments: str | bytes, stdin: bytes | None = None) -> bytes:
        """Runs a git command that sees the temporary index and writes only temporary objects."""
        return self.repository.run(*arguments, stdin=stdin, env=self._env)

    @property
    def _env(self) -> Mapping[str, str]:
        return {
            "GIT_INDEX_FILE": str(self.folder / "index"),
            "GIT_OBJECT_DIRECTORY": str(self.folder / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(self.repository.place / "objects"),
        }

    def put(self, files: Mapping[str, bytes | None]) -> None:
        """Writes files into the index; None removes one. Modes of known files are kept."""
        listed = self.run("ls-files", "-s", "-z")
        modes = {
            path: head.split(b" ")[0]
            for head, _, path in (line.partition(b"\t") for line in listed.split(b"\0") if line)
        }
        info = b""
        for path, data in files.items():
            name = os.fsencode(path)
            if not is_safe_path(path):
                continue
            if data is None:
                info += b"0 " + b"0" * 40 + b"\t" + name + b"\0"
                continue
            sha = self.run("hash-object", "-w", "--no-filters", "--stdin", stdin=data).strip()
            mode = modes.get(name, REGULAR.encode())
            mode = mode if mode in (REGULAR.encode(), EXECUTABLE.encode()) else REGULAR.encode()
            info += mode + b" " + sha + b"\t" + name + b"\0"
        if info:
            self.run("update-index", "-z", "--index-info", stdin=info)

    def tree(self) -> str:
        """Writes the index as a tree; its full name."""
        return self.run("write-tree").decode().strip()

    def diff(self, a: str, b: str, paths: Sequence[str] | None = None) -> bytes:
        """A patch between two trees."""
        return self.run(*diff_arguments(a, b, paths))


@contextmanager
def scratch(repository: Repository, tree: str) -> Iterator[Scratch]:
    """A temporary index that holds a tree."""
    with tempfile.TemporaryDirectory(prefix="kettle-index-") as name:
        place = Scratch(repository, Path(name))
        (place.folder / "objects").mkdir()
        place.run("read-tree", tree)
        yield place


def outcome_patch(repository: Repository, start: StartState, commits: Sequence[str]) -> Outcome:
    """Computes the patch that commits make of the start state.

    Args:
        repository: the repository.
        start: the start state.
        commits: the outcome, oldest first.

    Raises:
        RepositoryError: a commit is missing.
    """
    shas = [repository.resolve(sha) for sha in commits]
    last = shas[-1]
    notes: list[str] = []
    between: list[str] = []
    base = repository.merge_base(start.commit, last)
    if base is not None:
        walked = [
            c for c in repository.commits([last], without=[start.commit]) if len(c.parents) < 2
        ]
        between = [c.sha for c in reversed(walked) if c.sha not in shas]
    with scratch(repository, start.tree) as work:
        work.put(start.overlay)
        before = work.tree()
        method: Method
        if base == start.commit and not between:
            after, method = repository.commit(last).tree, "range"
        else:
            picked, why = _picked(work, repository, shas)
            if picked is not None:
                after, method = picked, "picked"
            else:
                notes.append(why)
                after, method = _restricted(work, repository, before, shas), "restricted"
        patch = work.diff(before, after)
        names = work.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", before, after)
    if start.unknown:
        notes.append(
            f"{len(start.unknown)} files had uncommitted changes that are not known in full"
        )
    return Outcome(
        commits=shas,
        patch=patch,
        method=method,
        in_between=between,
        files=[os.fsdecode(name) for name in names.split(b"\0") if name],
        notes=notes,
    )


def _picked(work: Scratch, repository: Repository, shas: Sequence[str]) -> tuple[str | None, str]:
    for sha in shas:
        patch = repository.patch_of(sha)
        if not patch:
            continue
        try:
            work.run("apply", "--cached", "--3way", "--whitespace=nowarn", "-", stdin=patch)
        except GitError as error:
            first = next((li for li in error.said.splitlines() if "error" in li), error.said[:200])
            return None, f"commit {sha[:12]} does not apply on the start state: {first}"
    return work.tree(), ""


def _restricted(work: Scratch, repository: Repository, before: str, shas: Sequence[str]) -> str:
    """The start state with the files that the commits touch as they stand in the last commit."""
    touched = {c.path for changes in repository.changes(shas).values() for c in changes}
    last = repository.commit(shas[-1])
    work.run("read-tree", before)
    info = b""
    for path in sorted(touched):
        entry = repository.entry(last.tree, path)
        head = f"{entry.mode} {entry.sha}" if entry else "0 " + "0" * len(last.tree)
        info += head.encode() + b"\t" + os.fsencode(path) + b"\0"
    work.run("update-index", "-z", "--index-info", stdin=info)
    return work.tree()

"""Write a git history whose commit ids depend on nothing but its contents.

Files go straight from memory into git's object store (`git fast-import`): no work tree, filter,
hook, attribute or user setting can change a byte on the way. Names, times and messages come from
the caller, so two machines make the same ids.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from evals.archive import SourceFile
from evals.errors import RecipeError

BRANCH = "main"
GIT_SECONDS = 120
"""For one git command; a history of a few releases takes well under a second."""


@dataclass(frozen=True)
class Snapshot:
    """One commit: the whole tree at a time."""

    message: str
    date: datetime
    """Timezone-aware; git keeps whole seconds."""
    files: Sequence[SourceFile]


def write_history(snapshots: Iterable[Snapshot], author: str, to: Path) -> list[str]:
    """Make a repository with one commit per snapshot on its only branch, checked out.

    Args:
        snapshots: oldest first.
        author: `Name <address>`, of author and committer alike.
        to: the folder to make; it must not exist.

    Returns:
        The commits' ids, oldest first.

    Raises:
        RecipeError: git is missing or refuses, or the folder exists.
    """
    if to.exists():
        raise RecipeError(f"{to} exists already.")
    to.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the last step is one rename and no half-made repository is seen.
    part = Path(tempfile.mkdtemp(dir=to.parent, prefix=f".{to.name}-"))
    try:
        git(part, "init", "--quiet", "--template=", "--object-format=sha1", "-b", BRANCH)
        git(part, "fast-import", "--quiet", data=b"".join(_stream(snapshots, author)))
        git(part, "reset", "--quiet", "--hard", BRANCH)
        ids = commit_ids(part)
        part.chmod(0o755)  # mkdtemp closes it to others; a repository is for everyone to read
        part.replace(to)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return ids


def commit_ids(repository: Path) -> list[str]:
    """The ids of the commits on the branch, oldest first."""
    return git(repository, "rev-list", "--reverse", BRANCH).split()


def tree_id(files: Iterable[SourceFile]) -> str:
    """Git's own id (SHA-1, hex) of a tree of files."""
    top: dict[str, Any] = {}
    for file in files:
        *folders, name = file.path.split("/")
        place = top
        for folder in folders:
            place = place.setdefault(folder, {})
        place[name] = file
    return _tree_hash(top).hex()


def git(folder: Path, *arguments: str, data: bytes = b"") -> str:
    """Run git in a folder, free of the user's and the machine's settings, and return its output.

    Raises:
        RecipeError: git is missing, takes too long, or fails.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment = kept | {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            input=data,
            capture_output=True,
            timeout=GIT_SECONDS,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RecipeError(f"git could not be run: {error}.") from error
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip()[-500:]
        raise RecipeError(f"git {arguments[0]} failed in {folder}: {reason}")
    return done.stdout.decode(errors="replace")


def _stream(snapshots: Iterable[Snapshot], author: str) -> Iterator[bytes]:
    for snapshot in snapshots:
        who = f"{author} {int(snapshot.date.timestamp())} +0000"
        yield f"commit refs/heads/{BRANCH}\nauthor {who}\ncommitter {who}\n".encode()
        yield _data(snapshot.message.encode())
        yield b"deleteall\n"
        for file in snapshot.files:
            mode = "100755" if file.executable else "100644"
            quoted = file.path.replace("\\", "\\\\").replace('"', '\\"')
            yield f'M {mode} inline "{quoted}"\n'.encode()
            yield _data(file.data)
    yield b"done\n"


def _tree_hash(folder: Mapping[str, Any]) -> bytes:
    entries = []
    for name, entry in folder.items():
        if isinstance(entry, SourceFile):
            mode = b"100755" if entry.executable else b"100644"
            entries.append((name.encode(), mode, _object_hash(b"blob", entry.data)))
        else:
            entries.append((name.encode() + b"/", b"40000", _tree_hash(entry)))
    # git sorts a folder as if its name ended in a slash.
    body = (b"%b %b\0%b" % (m, n.removesuffix(b"/"), h) for n, m, h in sorted(entries))
    return _object_hash(b"tree", b"".join(body))


def _object_hash(kind: bytes, content: bytes) -> bytes:
    # The hash is git's choice; it names contents here and guards nothing.
    header = b"%b %d\0" % (kind, len(content))
    return hashlib.sha1(header + content, usedforsecurity=False).digest()


def _data(content: bytes) -> bytes:
    return b"data %d\n%b\n" % (len(content), content)

"""The start state as an archive that is the same, byte for byte, whenever it is packed.

Names are sorted, times are zero, everything belongs to the solver, and modes are reduced to what
git keeps (executable or not), so that the digest of the archive names the tree and nothing else.
Copies of recorded sessions that lie in the repository are left out, because they show the solution;
what was left out is reported, never silent.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from agent.errors import InputError

SOLVER_ID = 1000
"""uid and gid of the user who owns the work tree: the first ordinary user on Debian."""
SOLVER_NAME = "solver"

MAX_TREE_BYTES = 1 << 30
"""A larger start state is refused: it is held in memory while it is packed."""
MAX_TARGET_BYTES = 4096
"""PATH_MAX of Linux; a longer symlink could not be made."""
MAX_SNIFFED_BYTES = 64 << 20
"""Files up to this size are searched for the session's id; transcripts are rarely larger."""

FILE_TIME_S = 315_619_200
"""1980-01-02 UTC, of every file: wheels are not built of files from before 1980, in any zone."""

_COMPRESSION = 6
"""zlib's default level; a constant, because another level gives other bytes."""

_FIXTURE = re.compile(r"(^|/)(tests?|__tests__|testdata|fixtures?|__fixtures__|spec|examples?)/")
"""Below these a transcript is the project's own test data, not a copy of anybody's session."""

_SESSION_COPIES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(rf"(^|/){pattern}"), why)
    for pattern, why in (
        (r"\.specstory/", "SpecStory's copies of sessions"),
        (r"\.claude/(projects|todos|history|transcripts|sessions)/", "Claude Code's transcripts"),
        (r"\.claude/([^/]+/)*[^/]+\.jsonl$", "Claude Code's transcripts"),
        (r"\.codex/(sessions|archived_sessions|log)/", "Codex's rollouts"),
        (r"\.codex/[^/]*\.jsonl$", "Codex's history"),
        (r"\.aider(?!ignore$|\.conf\.ya?ml$|\.model\.)[^/]*", "Aider's history"),
        (r"\.entire/", "Entire's checkpoints"),
        (r"\.cursor/(chats?|history|projects|transcripts|agent-transcripts)/", "Cursor's history"),
        (r"\.cursor/[^/]*(history|chat)[^/]*$", "Cursor's history"),
        (r"\.(cline|roo|kilocode)/(tasks|history)/", "a Cline-like tool's task history"),
        (r"\.(gemini|qwen)/(tmp|chats|history)/", "a terminal agent's chat history"),
        (r"\.opencode/(storage|sessions?)/", "OpenCode's sessions"),
        (r"\.continue/sessions/", "Continue's sessions"),
    )
)


@dataclass(frozen=True)
class StartState:
    """A packed start state.

    Attributes:
        archive: the tar.gz.
        digest: SHA-256 (hex) of the archive.
        paths: what is in it, sorted, directories left out.
        left_out: path and reason of everything that was not packed.
    """

    archive: bytes
    digest: str
    paths: tuple[str, ...]
    left_out: dict[str, str] = field(default_factory=dict)


def pack_start_state(
    entries: Iterable[tuple[str, int, bytes | str]], *, session_ids: Collection[str] = ()
) -> StartState:
    """Pack a tree.

    Args:
        entries: path relative to the root, mode (only the executable bits count), and content:
            bytes for a file, str for a symlink's target.
        session_ids: identifiers of the recorded session; a file that holds one is a copy of the
            session and is left out, unless it lies among tests' data.

    Returns:
        The archive, and what was left out of it.

    Raises:
        InputError: a path climbs out of the tree, is absolute, stands twice, or lies below a file
            or a symlink; or the tree is too large.
    """
    kept: dict[str, tuple[bool, bytes | str]] = {}
    left_out: dict[str, str] = {}
    ids = [i.encode() for i in session_ids if len(i) >= 8]
    total = 0
    for path, mode, content in entries:
        check_path(path)
        why = _why_left_out(path, content, ids)
        if why:
            left_out[path] = why
            continue
        if path in kept:
            raise InputError(f"The start state holds {path!r} twice.")
        if isinstance(content, str) and (
            not content or "\0" in content or len(content) > MAX_TARGET_BYTES
        ):
            raise InputError(f"The start state holds a symlink without a usable target: {path!r}.")
        total += len(content)
        if total > MAX_TREE_BYTES:
            raise InputError(
                f"The start state is larger than {MAX_TREE_BYTES >> 20} MiB, "
                "which is more than an environment can carry."
            )
        kept[path] = (bool(mode & 0o111), content)
    directories = _directories(kept)
    raw = io.BytesIO()
    # GNU format: it stores names as plain bytes, whatever their encoding, and needs no extra
    # headers whose order or content could vary between versions of Python.
    with (
        gzip.GzipFile(
            fileobj=raw, mode="wb", filename="", mtime=0, compresslevel=_COMPRESSION
        ) as z,
        tarfile.open(
            fileobj=z,
            mode="w",
            format=tarfile.GNU_FORMAT,
            encoding="utf-8",
            errors="surrogateescape",
        ) as tar,
    ):
        # The root comes first, so that unpacking hands the work tree itself to the solver.
        _add(tar, ".", None)
        for name in sorted({*kept, *directories}, key=os_bytes):
            _add(tar, name, kept.get(name))
    archive = raw.getvalue()
    return StartState(
        archive=archive,
        digest=hashlib.sha256(archive).hexdigest(),
        paths=tuple(sorted(kept, key=os_bytes)),
        left_out=left_out,
    )


def session_copy(path: str) -> str | None:
    """Why a path is taken for a copy of a recorded session; None when it is not.

    Args:
        path: relative to the repository's root.
    """
    if path == ".git" or path.startswith(".git/") or "/.git/" in path or path.endswith("/.git"):
        return "git's own data"
    for pattern, why in _SESSION_COPIES:
        match = pattern.search(path)
        if match and not _FIXTURE.search(path[: match.start() + 1]):
            return why
    return None


def check_path(path: str) -> None:
    """Refuse a path that does not stay inside the tree.

    Raises:
        InputError: it is empty, absolute, has an empty, `.` or `..` part, or holds a NUL.
    """
    parts = path.split("/")
    if "\0" in path or any(p in ("", ".", "..") for p in parts):
        raise InputError(f"Unsafe path in the start state: {path!r}.")


def os_bytes(path: str) -> bytes:
    """A path as the bytes that the file system knows."""
    return path.encode("utf-8", "surrogateescape")


def _why_left_out(path: str, content: bytes | str, ids: list[bytes]) -> str | None:
    why = session_copy(path)
    if why or isinstance(content, str) or not ids or _FIXTURE.search(path):
        return why
    if len(content) <= MAX_SNIFFED_BYTES and any(i in content for i in ids):
        return "holds the identifier of the recorded session"
    return None


def _directories(kept: dict[str, tuple[bool, bytes | str]]) -> set[str]:
    found: set[str] = set()
    for path in kept:
        for parent in _parents(path):
            if parent in kept:
                raise InputError(f"The start state holds {path!r} below {parent!r}, a file.")
            found.add(parent)
    return found


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rsplit("/", 1)[0]
        yield path


def _add(tar: tarfile.TarFile, name: str, entry: tuple[bool, bytes | str] | None) -> None:
    info = tarfile.TarInfo(name)
    info.uid = info.gid = SOLVER_ID
    info.uname = info.gname = SOLVER_NAME
    info.mtime = FILE_TIME_S
    if entry is None:
        info.type = tarfile.DIRTYPE
        info.mode = 0o755
        tar.addfile(info)
        return
    executable, content = entry
    if isinstance(content, str):
        info.type = tarfile.SYMTYPE
        info.mode = 0o777
        info.linkname = content
        tar.addfile(info)
        return
    info.mode = 0o755 if executable else 0o644
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))

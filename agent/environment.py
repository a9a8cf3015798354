"""The artefact: an environment as a Harbor task directory, read and written.

Any Harbor task directory can be loaded, also one that Kettle did not build. Loading reads files as
data: symlinks are never followed, sizes are bounded, nothing is run. Writing is atomic: the
directory appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.errors import InputError
from agent.start_state import StartState, check_path, pack_start_state, session_copy
from agent.task_config import KettleMetadata, TaskConfig

__all__ = [
    "Environment",
    "KettleMetadata",
    "StartState",
    "TaskConfig",
    "digest",
    "pack_start_state",
    "session_copy",
    "write",
]

TASK = "task.toml"
INSTRUCTION = "instruction.md"
DOCKERFILE = "environment/Dockerfile"
START = "environment/start.tar.gz"
TEST_SCRIPT = "tests/test.sh"
SOLVE_SCRIPT = "solution/solve.sh"
PROVENANCE = "provenance"
OLDER_LAYOUT = ("task.yaml", "run-tests.sh")
"""What lies beside a task of Terminal-Bench before Harbor."""

MAX_TEXT_BYTES = 4 << 20
"""task.toml, instruction.md and scripts are a few kB; more than this is not a task."""
MAX_FILE_BYTES = 2 << 30
"""Largest single file of an environment."""
MAX_FILES = 100_000
"""Files in an environment's own directories; the start state counts as one."""
MAX_CONTEXT_BYTES = 2 << 30
"""Build context, tests or solution: each is held in memory once."""


@dataclass(frozen=True)
class Environment:
    """An environment on disk.

    Attributes:
        root: the task directory.
        config: its `task.toml`.
        instruction: what the solver is told.
    """

    root: Path
    config: TaskConfig
    instruction: str

    @classmethod
    def load(cls, path: Path | str) -> Environment:
        """Read a Harbor task directory.

        Raises:
            InputError: the path is not a Harbor task directory, or one that Kettle cannot grade.
        """
        root = Path(path)
        if not root.is_dir():
            raise InputError(f"{root} is not a directory. Give the directory of a Harbor task.")
        root = root.resolve()
        if not (root / TASK).is_file():
            older = [name for name in OLDER_LAYOUT if (root / name).is_file()]
            if older:
                raise InputError(
                    f"{root} is a task in Terminal-Bench's older layout ({', '.join(older)}). "
                    "Bring it into Harbor's layout first; Harbor has a command for that."
                )
            raise InputError(f"{root} is not a Harbor task directory: it has no {TASK}.")
        config = TaskConfig.parse(_text(root, TASK))
        if config.steps:
            raise InputError(
                f"{root} is a task of several steps; Kettle grades tasks of one step only."
            )
        for needed in (INSTRUCTION, TEST_SCRIPT):
            if not (root / needed).is_file():
                raise InputError(f"{root} is not a complete Harbor task: it has no {needed}.")
        if not (root / DOCKERFILE).is_file() and not config.environment.docker_image:
            raise InputError(
                f"{root} says nothing about its image: it has no {DOCKERFILE} and "
                "task.toml has no [environment] docker_image."
            )
        return cls(root=root, config=config, instruction=_text(root, INSTRUCTION))

    @property
    def kettle(self) -> KettleMetadata | None:
        """Kettle's metadata; None for a task that Kettle did not build."""
        return self.config.kettle

    @property
    def start(self) -> bytes | None:
        """The packed start state; None when the task has none."""
        return self.read(START)

    @property
    def has_oracle(self) -> bool:
        """True when the task brings a reference solution."""
        return (self.root / SOLVE_SCRIPT).is_file()

    @property
    def oracle_patches(self) -> dict[str, bytes]:
        """The oracle's patches by name, in the order in which they apply."""
        return {
            Path(name).name: data
            for name, data in self.files("solution")
            if name.endswith((".patch", ".diff"))
        }

    def read(self, name: str, *, limit_bytes: int = MAX_FILE_BYTES) -> bytes | None:
        """Content of a regular file of the task, or None when there is none of that name.

        Raises:
            InputError: the file is larger than the limit, or is reached through a symlink.
        """
        path = self.root / name
        if not path.is_file():
            return None
        return _read(self.root, path, limit_bytes)

    def files(self, under: str) -> Iterator[tuple[str, bytes]]:
        """Every regular file below a folder: path relative to the task, and content, sorted."""
        for name in _names(self.root, under):
            path = self.root / name
            if not path.is_symlink():
                yield name, _read(self.root, path, MAX_FILE_BYTES)

    def archive(self, under: str) -> bytes:
        """A folder as a tar whose members are relative to it and belong to root.

        For `environment/` (the build context), `tests/` and `solution/`.

        Raises:
            InputError: it is larger than Kettle carries, or a symlink in it points outside.
        """
        folder = self.root / under
        buffer = io.BytesIO()
        with tarfile.open(
            fileobj=buffer,
            mode="w",
            format=tarfile.GNU_FORMAT,
            encoding="utf-8",
            errors="surrogateescape",
        ) as tar:
            seen: set[str] = set()
            for name in _names(self.root, under):
                path = self.root / name
                relative = name[len(under) + 1 :]
                for parent in reversed(Path(relative).parents[:-1]):
                    if str(parent) not in seen:
                        seen.add(str(parent))
                        info = tarfile.TarInfo(str(parent))
                        info.type, info.mode = tarfile.DIRTYPE, 0o755
                        tar.addfile(info)
                info = tarfile.TarInfo(relative)
                if path.is_symlink():
                    target = path.readlink()
                    if not (path.parent / target).resolve().is_relative_to(folder.resolve()):
                        raise InputError(f"{path} is a symlink that points out of {folder}.")
                    info.type, info.linkname = tarfile.SYMTYPE, str(target)
                    tar.addfile(info)
                    continue
                data = _read(self.root, path, MAX_FILE_BYTES)
                # Harbor makes these two executable, and many a task relies on it.
                started = name in (TEST_SCRIPT, SOLVE_SCRIPT)
                info.mode = 0o755 if started or path.stat().st_mode & 0o111 else 0o644
                info.size = len(data)
                if buffer.tell() + len(data) > MAX_CONTEXT_BYTES:
                    raise InputError(f"{folder} is larger than {MAX_CONTEXT_BYTES >> 20} MiB.")
                tar.addfile(info, io.BytesIO(data))
        return buffer.getvalue()

    @property
    def digest(self) -> str:
        """See `digest`."""
        return digest(self.root)

    def write_provenance(self, name: str, data: bytes) -> Path:
        """Write a file below `provenance/`, whole or not at all; returns its path."""
        check_path(name)
        path = self.root / PROVENANCE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, data)
        return path

    def update_metadata(self, changes: Mapping[str, Any]) -> None:
        """Change keys of `[metadata.kettle]` in `task.toml`; the object itself stays as loaded."""
        config = TaskConfig.parse(_text(self.root, TASK))
        own = config.metadata.get("kettle")
        config.metadata["kettle"] = {**(own if isinstance(own, dict) else {}), **changes}
        _replace(self.root / TASK, config.dump().encode())


def write(
    root: Path,
    *,
    config: TaskConfig,
    files: Mapping[str, bytes | tuple[bytes, int]],
    replace: bool = True,
) -> Environment:
    """Write an environment, whole or not at all.

    Args:
        root: the task directory to make.
        config: becomes `task.toml`.
        files: content by path relative to the root, with a mode where it is not 0644
            (scripts named `*.sh` are executable by default). `task.toml` is not among them.
        replace: whether a directory that is already there is replaced.

    Returns:
        The environment as loaded from disk.

    Raises:
        InputError: a path is unsafe, the directory exists and may not be replaced, or what was
            written is not a complete task.
    """
    root = Path(os.path.abspath(root))
    if not replace and root.exists():
        raise InputError(f"{root} exists already. Choose another place, or allow replacing it.")
    if root.exists() and (root.is_symlink() or not root.is_dir()):
        raise InputError(f"{root} is in the way: it is not a directory.")
    if root.exists() and any(root.iterdir()) and not (root / TASK).is_file():
        raise InputError(f"{root} holds something that is not an environment; it stays untouched.")
    root.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(dir=root.parent, prefix=f".{root.name}."))
    try:
        new.chmod(0o755)
        _put(new, TASK, config.dump().encode(), 0o644)
        for name, value in files.items():
            check_path(name)
            data, mode = value if isinstance(value, tuple) else (value, None)
            _put(new, name, data, mode or (0o755 if name.endswith(".sh") else 0o644))
        Environment.load(new)
        if root.exists():
            old = Path(tempfile.mkdtemp(dir=root.parent, prefix=f".{root.name}.old."))
            os.rename(root, old / "was")
            os.rename(new, root)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.rename(new, root)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    return Environment.load(root)


def digest(root: Path) -> str:
    """SHA-256 (hex) of an environment: names, executable bits and contents.

    Left out are `provenance/` and the gate's own digest in `task.toml`: both are written after
    the gate has said which environment it looked at.
    """
    state = hashlib.sha256()
    for name in _names(root, ""):
        if name.split("/", 1)[0] == PROVENANCE:
            continue
        path = root / name
        if path.is_symlink():
            kind, data = b"link", os.fsencode(path.readlink())
        elif name == TASK:
            config = TaskConfig.parse(_text(root, TASK)).model_dump(mode="json")
            own = config.get("metadata", {}).get("kettle")
            if isinstance(own, dict):
                own.pop("gate_digest", None)
            kind, data = b"task", json.dumps(config, sort_keys=True).encode()
        else:
            data = _read(root, path, MAX_FILE_BYTES)
            kind = b"program" if path.stat().st_mode & 0o111 else b"file"
        content = hashlib.sha256(data).digest()
        state.update(b"%d:%s:%s:" % (len(os.fsencode(name)), os.fsencode(name), kind) + content)
    return state.hexdigest()


def _replace(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(handle, "wb") as f:
            f.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _put(root: Path, name: str, data: bytes, mode: int) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def _names(root: Path, under: str) -> list[str]:
    """Regular files and symlinks below a folder, sorted; directories that are links stay shut."""
    top = root / under if under else root
    found: list[str] = []
    for folder, directories, files in os.walk(top, followlinks=False):
        for entry in [*files, *(d for d in directories if os.path.islink(f"{folder}/{d}"))]:
            path = f"{folder}/{entry}"
            kind = os.lstat(path).st_mode
            if not stat.S_ISREG(kind) and not stat.S_ISLNK(kind):
                raise InputError(f"{path} is neither a file nor a directory nor a symlink.")
            found.append(os.path.relpath(path, root))
            if len(found) > MAX_FILES:
                raise InputError(f"{top} holds more than {MAX_FILES} files.")
    return sorted(found)


def _read(root: Path, path: Path, limit_bytes: int) -> bytes:
    if not path.parent.resolve().is_relative_to(root.resolve()):
        raise InputError(f"{path} is reached through a symlink that points out of {root}.")
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as e:
        raise InputError(f"{path} cannot be read: {e.strerror}.") from e
    with os.fdopen(handle, "rb") as f:
        data = f.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise InputError(f"{path} is larger than {limit_bytes} bytes.")
    return data


def _text(root: Path, name: str) -> str:
    try:
        return _read(root, root / name, MAX_TEXT_BYTES).decode()
    except UnicodeDecodeError as e:
        raise InputError(f"{root / name} is not UTF-8 text.") from e

"""A builder's draft, read as hostile data.

The builder writes everything but three things, which the host makes from the repository itself so
that no draft can forge them: the start state (`environment/start.tar.gz`, packed from the commit
that the draft names, plus `start.patch`), `task.toml`, and the provenance of the build.

A draft is bounded (`MAX_DRAFT_BYTES`, `MAX_DRAFT_FILES`), holds nothing but folders and regular
files, and only under the names in `ALLOWED`. Anything else is a `DraftError`, whose message goes to
the builder.
"""

from __future__ import annotations

import io
import tarfile
import tomllib
from dataclasses import dataclass
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from agent.errors import DraftError
from agent.project import BASES, BOOKWORM

MAX_DRAFT_BYTES = 64 * 1024 * 1024
"""Fixtures of a verifier are kB; the start state is not in the draft."""
MAX_DRAFT_FILES = 5_000
MAX_TIMEOUT_S = 3_600
"""A verifier that needs longer than an hour is of no use to anyone who trains."""

ALLOWED_FILES = {"kettle.toml", "start.patch", "instruction.md", "REJECT.md", "UNFINISHED.md"}
ALLOWED_FOLDERS = {"environment", "solution", "tests", "provenance"}
HOST_FILES = {"environment/start.tar.gz", "task.toml"}
"""Made by the host; a builder's own version is dropped."""
REQUIRED = (
    "kettle.toml",
    "instruction.md",
    "environment/Dockerfile",
    "solution/solve.sh",
    "tests/test.sh",
)


class Choices(BaseModel):
    """What `kettle.toml` says: the builder's decisions that the host carries out."""

    model_config = ConfigDict(extra="forbid")

    start_commit: str = Field(min_length=7, max_length=64, pattern=r"^[0-9a-fA-F]+$")
    """The commit whose tree is the start state, before `start.patch`."""
    outcome_commits: list[str] = Field(default_factory=list, max_length=200)
    """The commits that solved the task in real life, oldest first."""
    base: str = BOOKWORM
    """The image that the Dockerfile begins with."""
    verifier_timeout_s: float = Field(default=300, gt=0, le=MAX_TIMEOUT_S)
    agent_timeout_s: float = Field(default=1_800, gt=0, le=24 * 3_600)
    memory_mb: int = Field(default=4_096, ge=256, le=65_536)
    cpus: int = Field(default=2, ge=1, le=16)

    @field_validator("base")
    @classmethod
    def _known_base(cls, value: str) -> str:
        if value.partition("@")[0] not in BASES:
            raise ValueError(f"base must be one of {', '.join(BASES)}")
        return value

    @field_validator("outcome_commits")
    @classmethod
    def _hex(cls, value: list[str]) -> list[str]:
        for commit in value:
            if not 7 <= len(commit) <= 64 or not set(commit.lower()) <= set("0123456789abcdef"):
                raise ValueError(f"{commit!r} is no commit id")
        return value


@dataclass(frozen=True)
class Draft:
    """A draft as it came out of the sandbox, checked for shape.

    Attributes:
        files: content by path relative to the draft, in sorted order.
        executable: the paths among them that are executable.
        choices: the parsed `kettle.toml`.
    """

    files: dict[str, bytes]
    executable: frozenset[str]
    choices: Choices

    @property
    def instruction(self) -> str:
        """The instruction as text."""
        return self.files["instruction.md"].decode("utf-8", "replace")


def rejection(files: dict[str, bytes]) -> str | None:
    """Why the builder says that no fair environment can be made; None when it does not say so."""
    return files.get("REJECT.md", b"").decode("utf-8", "replace").strip() or None


def unfinished(files: dict[str, bytes]) -> str | None:
    """Why the builder says that it cannot finish, though another one might; None otherwise."""
    return files.get("UNFINISHED.md", b"").decode("utf-8", "replace").strip() or None


def read_files(archive: bytes) -> tuple[dict[str, bytes], frozenset[str]]:
    """The files of a draft, out of the tar that came from the sandbox.

    Args:
        archive: tar bytes; member names are relative to the draft.

    Returns:
        Contents by path, and the paths that are executable.

    Raises:
        DraftError: the draft is too large or holds what no draft may hold.
    """
    files: dict[str, bytes] = {}
    executable = set()
    total = 0
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:*") as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            name = str(path)
            if name == "." or member.isdir():
                continue
            if path.is_absolute() or ".." in path.parts or any(c in name for c in "\0\n\r\\"):
                raise DraftError(f"{name!r} is not a path that a draft may hold; rename it")
            if not member.isreg():
                raise DraftError(
                    f"{name} is no regular file; a draft holds no links, devices or pipes"
                )
            if name in HOST_FILES or "__pycache__" in path.parts:
                continue
            if name not in ALLOWED_FILES and path.parts[0] not in ALLOWED_FOLDERS:
                raise DraftError(
                    f"{name} has no place in an environment; keep scratch files out of the draft "
                    f"(allowed: {', '.join(sorted(ALLOWED_FILES | ALLOWED_FOLDERS))})"
                )
            total += member.size
            if total > MAX_DRAFT_BYTES or len(files) >= MAX_DRAFT_FILES:
                raise DraftError(
                    f"the draft is larger than {MAX_DRAFT_BYTES // 2**20} MB or "
                    f"{MAX_DRAFT_FILES} files; keep data that can be made out of it"
                )
            content = tar.extractfile(member)
            assert content is not None  # noqa: S101 (regular files have content)
            files[name] = content.read()
            if member.mode & 0o111:
                executable.add(name)
    return dict(sorted(files.items())), frozenset(executable)


def read_draft(files: dict[str, bytes], executable: frozenset[str]) -> Draft:
    """Check a draft's shape and read its choices.

    Raises:
        DraftError: a required file is missing or `kettle.toml` cannot be used.
    """
    missing = [name for name in REQUIRED if not files.get(name, b"").strip()]
    if missing:
        raise DraftError(f"the draft lacks {', '.join(missing)} (missing or empty)")
    try:
        raw = tomllib.loads(files["kettle.toml"].decode("utf-8"))
        choices = Choices.model_validate(raw)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DraftError(f"kettle.toml cannot be read: {error}") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()
        )
        raise DraftError(f"kettle.toml: {problems}") from error
    return Draft(files, executable, choices)

"""What every recorded session becomes, whatever tool wrote it.

A `Session` is a list of `Turn`s in the order in which they happened. A turn of the agent holds tool
calls; each call holds its result and, where the tool says so, what the call did in plain terms: an
`Edit`, a `FileView` (contents that the session saw) or a `Command`. Every item points back to its
place in the raw file (`Source`), so that evidence can be cited.

Paths are kept as the session wrote them; `repo_path` makes one relative to the repository or says
that it lies outside. Nothing in a session is trusted: paths may be absolute, climb with `..`, or
hold newlines, and texts may be megabytes long.

A session may have hundreds of thousands of turns, so what it is made of are plain classes with
slots: a pydantic model of a short message takes four times the memory. Formats see to the types.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


@dataclass(slots=True)
class Source:
    """Where in the raw file an item stands."""

    file: str = ""
    """Name of the raw file, relative to the session's path ("" when the session is one file)."""
    line: int | None = None
    """Line number from 1, for line-based formats."""
    index: int | None = None
    """Index from 0 in the file's list of messages, for JSON documents."""

    def as_dict(self) -> dict[str, str | int]:
        """The place for a record, without what it does not say."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(slots=True, kw_only=True)
class Edit:
    """A change that the session made (or tried to make) to one file."""

    path: str
    old: str | None = None
    """Text that was replaced; None when the whole file was written."""
    new: str | None = None
    """Text put in its place, or the whole new content; None for a deletion."""
    before: str | None = None
    """The whole file before the edit, where the tool recorded it."""
    patch: str | None = None
    """A unified diff, where the tool recorded one instead of texts."""
    replace_all: bool = False
    kind: Literal["create", "write", "replace", "patch", "delete", "rename"] = "replace"
    new_path: str | None = None
    """The new name, for a rename."""
    user_modified: bool = False
    """True when the person changed the edit by hand before it was applied."""


@dataclass(slots=True, kw_only=True)
class FileView:
    """Contents of a file that the session saw."""

    path: str
    text: str
    start_line: int = 1
    """Number of the first line seen, from 1."""
    whole: bool = False
    """True when `text` is the file's entire content."""


@dataclass(slots=True, kw_only=True)
class Command:
    """A shell command that the session ran."""

    command: str
    cwd: str | None = None
    exit_code: int | None = None
    output: str = ""


@dataclass(slots=True, kw_only=True)
class ToolCall:
    """One tool call of the agent with its result."""

    id: str = ""
    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    result: str | None = None
    """Text of the result; None when the session does not record one."""
    failed: bool | None = None
    """True when the tool said that the call failed; None when it does not say."""
    edits: list[Edit] = field(default_factory=list)
    views: list[FileView] = field(default_factory=list)
    command: Command | None = None
    timestamp: datetime | None = None
    source: Source = field(default_factory=Source)


@dataclass(slots=True, kw_only=True)
class Turn:
    """One message of the user or of the agent, or a note that the tool itself injected."""

    role: Literal["user", "agent", "system"]
    text: str = ""
    """What was said. For the user: the person's own words, injected text removed."""
    injected: list[str] = field(default_factory=list)
    """Text that the tool put into a user message (reminders, environment details, file dumps)."""
    thinking: str = ""
    calls: list[ToolCall] = field(default_factory=list)
    model: str | None = None
    timestamp: datetime | None = None
    sidechain: bool = False
    """True for a subagent's turn."""
    source: Source = field(default_factory=Source)


class GitFacts(BaseModel):
    """What the session recorded about its repository. Every field may be absent or wrong."""

    model_config = ConfigDict(extra="forbid")

    repository: str | None = None
    """URL, or `owner/name` with a host."""
    commit: str | None = None
    """The commit that was checked out at the start, as recorded (full or abbreviated)."""
    branch: str | None = None
    dirty: bool | None = None
    """True when the session says that there were uncommitted changes at the start."""


class Session(BaseModel):
    """A recorded conversation of a user and a coding agent."""

    model_config = ConfigDict(extra="forbid")

    format: str
    """Name of the format module that read it, such as `claude_code`."""
    path: Path
    """The raw file or folder."""
    digest: str
    """SHA-256 (hex) of the raw bytes, files in sorted order."""
    id: str = ""
    tool_version: str | None = None
    model: str | None = None
    """The model that did most of the work."""
    cwd: str | None = None
    """The working directory at the start, as recorded."""
    git: GitFacts = Field(default_factory=GitFacts)
    started: datetime | None = None
    """Timezone-aware; None when the format records no time."""
    local_time: bool = False
    """True when times were recorded without a zone and read as UTC: they may be 14 hours off."""
    ended: datetime | None = None
    turns: list[Turn] = Field(default_factory=list)
    unknown: dict[str, int] = Field(default_factory=dict)
    """Raw record types that the reader does not know, with how often each occurred."""
    damaged: list[Source] = Field(default_factory=list)
    """Places that could not be read (torn lines, wrong encodings)."""
    notes: list[str] = Field(default_factory=list)
    """What a reader of this session should know, such as "compacted: the middle is missing"."""

    @property
    def prompts(self) -> list[Turn]:
        """The user's own messages, in order, those without words of a person left out."""
        return [t for t in self.turns if t.role == "user" and t.text.strip() and not t.sidechain]

    @property
    def first_prompt(self) -> str:
        """The user's first words, or "" when there are none."""
        return self.prompts[0].text if self.prompts else ""

    def calls(self) -> Iterator[ToolCall]:
        """Every tool call in order, subagents' included."""
        for turn in self.turns:
            yield from turn.calls

    def repo_path(self, path: str, root: str | None = None) -> str | None:
        """A path of the session, relative to the repository's root.

        Args:
            path: as the session wrote it: absolute or relative, POSIX or Windows.
            root: the repository's root on the recorded machine; the session's `cwd` when None.

        Returns:
            A POSIX path without `..`, or None when the path lies outside the root, is the root
            itself, or holds characters that no sane repository has (NUL, newline).
        """
        if not path or any(c in path for c in "\0\n\r"):
            return None
        text = _posix(path)
        base = _posix(root if root is not None else self.cwd or "")
        if _is_absolute(text):
            prefix = base.rstrip("/") + "/"
            if not base or not text.lower().startswith(prefix.lower()):
                return None
            text = text[len(prefix) :]
        parts: list[str] = []
        for part in text.split("/"):
            if part in ("", "."):
                continue
            if part == "..":
                if not parts:
                    return None
                parts.pop()
            else:
                parts.append(part)
        return "/".join(parts) or None


def _posix(path: str) -> str:
    text = path.replace("\\", "/")
    # Git Bash writes C:\x as /c/x; both name the same place.
    drive = re.match(r"^/([A-Za-z])/", text) if "\\" in path else None
    return f"{drive.group(1)}:/{text[3:]}" if drive else text


def _is_absolute(path: str) -> bool:
    return path.startswith("/") or bool(re.match(r"^[A-Za-z]:/", path))

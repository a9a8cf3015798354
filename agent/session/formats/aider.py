"""Aider's chat history: `.aider.chat.history.md`, one file for all chats in a repository.

`# aider chat started at <time>` opens a chat, `#### ` marks the person's lines, `> ` the tool's,
and everything else is the model's. Edits stand in the model's text as SEARCH/REPLACE blocks under
a file's name; `> Applied edit to <file>` says which were made and `> Commit <sha7> <subject>` what
was committed. Times are local and without a zone, and only each chat's beginning has one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from agent.session import replaceblocks
from agent.session.clock import when
from agent.session.injected import split
from agent.session.model import Command, Edit, Session, Source, ToolCall, Turn
from agent.session.raw import Raw
from agent.session.transcript import Transcript

NAME = "aider"

_STARTED = re.compile(r"^# aider chat started at (\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2})\s*$")
_ANY_START = re.compile(r"^# aider chat started at \d{4}-", re.MULTILINE)
_MODEL = re.compile(r"^(?:Main model|Model): (\S+)")
_APPLIED = re.compile(r"^Applied edit to (.+)$")
_COMMIT = re.compile(r"^Commit ([0-9a-f]{7,40}) (.*)$")
_RUNNING = re.compile(r"^Running (.+)$")
_VERSION = re.compile(r"^Aider v(\S+)")
_NAME_LINES = 3
"""Lines above a block among which the file's name stands: the name, a fence, or both."""
_ASKS = re.compile(r"/(?:code|ask|architect)\s+(?P<words>.*)\Z", re.DOTALL)
_QUESTION = re.compile(r".*\? \(Y\)es/\(N\)o.*\Z")
_MARK = "  "
"""Ends the lines that Aider itself marked; a heading or a quote of the model's has no such end."""


def matches(raw: Raw) -> bool:
    """True for a history with a chat's opening line."""
    file = raw.file
    return file is not None and _ANY_START.search(file.head) is not None


def load(raw: Raw) -> Session:
    """Read a history, all its chats."""
    file = raw.file
    assert file is not None  # noqa: S101 (`matches` looked)
    reader = _Reader(Transcript(NAME, raw))
    body, lost = reader.out.reads(file).text()
    if lost:
        reader.out.damaged(file.source())
    for number, line in enumerate(body.split("\n"), 1):
        reader.line(line, number)
    reader.close()
    if reader.chats > 1:
        reader.out.note(f"{reader.chats} chats in one file")
    session = reader.out.finish()
    session.local_time = session.started is not None
    return session


@dataclass
class _Reader:
    out: Transcript
    chats: int = 0
    at: datetime | None = None
    model: str | None = None
    kind: str = ""
    lines: list[str] = field(default_factory=list)
    start: int = 1
    waiting: list[ToolCall] = field(default_factory=list)
    """Edits of the last message that are not applied yet."""
    committed: list[str] = field(default_factory=list)

    def line(self, line: str, number: int) -> None:
        started = _STARTED.match(line)
        if started:
            self.close()
            self.chats += 1
            self.at = when(started.group(1))
        elif line.startswith("####") and line.endswith(_MARK):
            self._open("user", number)
            self.lines.append(line[5:].rstrip())
        elif line.startswith(">") and line.endswith(_MARK):
            self._open("tool", number)
            self._tool(line[2:].rstrip(), number)
        else:
            if self.kind != "agent" and not line.strip():
                return
            self._open("agent", number)
            self.lines.append(line)

    def close(self) -> None:
        said = "\n".join(self.lines).strip()
        source = Source(line=self.start)
        if self.kind == "user" and said:
            words, injected = _own(said)
            self.out.add(
                Turn(role="user", text=words, injected=injected, timestamp=self.at, source=source)
            )
        elif self.kind == "agent" and said:
            turn = self.out.agent(source, self.at, text=said, model=self.model)
            self._edits(said, turn, source)
        self.lines = []
        self.kind = ""

    def _open(self, kind: str, number: int) -> None:
        if self.kind != kind:
            self.close()
            self.kind = kind
            self.start = number

    def _edits(self, said: str, turn: Turn, source: Source) -> None:
        self.waiting = []
        path = ""
        lines = said.split("\n")
        for block in replaceblocks.parse(lines):
            above = lines[max(block.line - _NAME_LINES, 0) : block.line]
            names = [x.strip().strip("*`:#").strip() for x in above if not x.startswith("```")]
            path = next((name for name in reversed(names) if "." in name or "/" in name), path)
            if not path:
                continue
            call = self.out.call(turn, "edit", {"path": path}, source, at=self.at)
            old, new = block.old, block.new
            call.edits.append(
                Edit(path=path, old=old or None, new=new, kind="replace" if old else "create")
            )
            call.failed = True
            self.waiting.append(call)

    def _tool(self, said: str, number: int) -> None:
        model, version = _MODEL.match(said), _VERSION.match(said)
        applied, commit, running = _APPLIED.match(said), _COMMIT.match(said), _RUNNING.match(said)
        if model:
            self.model = model.group(1)
        elif version:
            self.out.session.tool_version = self.out.session.tool_version or version.group(1)
        elif applied:
            for call in self.waiting:
                if call.arguments.get("path") == applied.group(1):
                    call.failed = None
        elif commit:
            self.out.system(
                f"Commit {commit.group(1)} {commit.group(2)}", Source(line=number), self.at
            )
        elif running:
            turn = self.out.last_agent(Source(line=number), self.at)
            call = self.out.call(
                turn, "bash", {"command": running.group(1)}, Source(line=number), at=self.at
            )
            call.command = Command(command=running.group(1))


def _own(said: str) -> tuple[str, list[str]]:
    """A person's words without the command before them, and what is a command or an answer."""
    asks = _ASKS.match(said)
    if asks:
        # The history repeats the words once the command is taken off.
        words = asks["words"].strip()
        half = len(words) // 2
        if len(words) % 2 and words[half] == "\n" and words[:half] == words[half + 1 :]:
            words = words[:half]
        return words, [said[: asks.start("words")].strip()]
    if said.startswith("/") or _QUESTION.match(said):
        return "", [said]
    return split(said)

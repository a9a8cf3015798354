"""Claude Code's transcripts: `~/.claude/projects/<folder>/<uuid>.jsonl`.

Lines form a tree through `parentUuid`; a person who goes back and asks again leaves a branch
behind. The path to the last leaf is the conversation, and what hangs off it is left out, but for
results of parallel calls and lines of the same message. One message of the model spans several
lines with one `message.id`. Subagents lie inline (`isSidechain`), inside progress lines, or in
`<uuid>/subagents/agent-*.jsonl` beside the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agent.session.clock import when
from agent.session.model import Command, Edit, FileView, GitFacts, Session, Source, ToolCall, Turn
from agent.session.raw import Raw, RawFile, items, number, record, text, word_set
from agent.session.transcript import Transcript
from agent.session.tree import Tree

NAME = "claude_code"

_TYPES = word_set(
    """
    user assistant system summary progress attachment queue-operation file-history-snapshot
    file-history-delta last-prompt permission-mode mode ai-title custom-title agent-name
    pr-link
    """
)
_SILENT = _TYPES - {"user", "assistant", "system", "progress", "attachment", "pr-link"}
"""Known types that say nothing about the conversation."""
_REFUSED = "the user said:\n"
"""Opens a person's own words in the result of a call that they turned down."""


def matches(raw: Raw) -> bool:
    """True when a file has Claude Code's lines: a message with `uuid` or `sessionId` around it."""
    file = raw.file
    return file is not None and any(_is_line(line) for line in file.sample)


def load(raw: Raw) -> Session:
    """Read one transcript, with the subagents' files beside it."""
    assert raw.file is not None  # noqa: S101 (`matches` looked)
    reader = _Reader(Transcript(NAME, raw))
    reader.read(reader.out.reads(raw.file))
    folder = raw.path.parent / raw.path.stem / "subagents"
    if folder.is_dir():
        for path in sorted(folder.glob("agent-*.jsonl")):
            name = path.relative_to(raw.path.parent).as_posix()
            reader.read(reader.out.reads(raw.open(name)), sidechain=True)
    return reader.finish()


def _is_line(line: dict[str, Any]) -> bool:
    if line.get("type") not in ("user", "assistant") or not isinstance(line.get("message"), dict):
        return False
    return isinstance(line.get("uuid"), str) and ("sessionId" in line or "parentUuid" in line)


@dataclass
class _Reader:
    out: Transcript
    git: GitFacts = field(default_factory=GitFacts)
    tree: Tree = field(default_factory=Tree)
    line_of: dict[int, str] = field(default_factory=dict)
    """The line that each turn of the main conversation began with, by the turn's position."""
    seen: set[str | int] = field(default_factory=set)
    """What was read already: uuids, and hashes of prompts and of blocks of messages."""
    messages: dict[str, Turn] = field(default_factory=dict)

    def read(self, file: RawFile, *, sidechain: bool = False) -> None:
        turns = self.out.session.turns
        for line in file.records():
            if line.damaged:
                self.out.damaged(file.source(line=line.number))
            value = line.value
            if value is None or text(value.get("type")) in _SILENT:
                continue
            source = file.source(line=line.number)
            aside = sidechain or value.get("isSidechain") is True
            uuid = value.get("uuid")
            before = len(turns)
            if isinstance(uuid, str):
                if uuid in self.seen:
                    self.out.note("lines that stand in the file twice were read once")
                    continue
                self.seen.add(uuid)
                if not aside:
                    self._grow(uuid, value)
            self._facts(value, sidechain)
            self._line(value, source, aside)
            if isinstance(uuid, str) and not aside:
                for position in range(before, len(turns)):
                    self.line_of[position] = uuid

    def finish(self) -> Session:
        kept = self.tree.kept()
        turns = self.out.session.turns
        if kept is not None:
            on_path = [
                turn
                for position, turn in enumerate(turns)
                if position not in self.line_of or self.line_of[position] in kept
            ]
            abandoned = len(turns) - len(on_path)
            if abandoned:
                self.out.session.turns = on_path
                self.out.note(
                    f"{abandoned} turns of abandoned branches of the conversation were left out"
                )
        return self.out.finish(self.git)

    def _grow(self, uuid: str, value: dict[str, Any]) -> None:
        parent = value.get("parentUuid") or value.get("logicalParentUuid")
        message = record(value.get("message"))
        kind = value.get("type")
        content = message.get("content") if kind == "user" else None
        is_result = isinstance(content, list) and any(
            record(block).get("type") == "tool_result" for block in content
        )
        self.tree.add(
            uuid,
            parent if isinstance(parent, str) else None,
            text(message.get("id")),
            spoken=kind in ("user", "assistant"),
            stays=is_result,
        )

    def _facts(self, value: dict[str, Any], sidechain: bool) -> None:
        session = self.out.session
        if session.cwd is not None or sidechain:
            return
        session.id = text(value.get("sessionId"))
        session.tool_version = text(value.get("version")) or None
        session.cwd = text(value.get("cwd")) or None
        self.out.cwd = session.cwd
        branch = text(value.get("gitBranch"))
        if branch and branch != "HEAD":
            self.git.branch = branch

    def _line(self, value: dict[str, Any], source: Source, sidechain: bool) -> None:
        kind = text(value.get("type"))
        at = when(value.get("timestamp"))
        if kind in ("user", "assistant"):
            message = value.get("message")
            if not isinstance(message, dict):
                self.out.unknown(f"{kind} without a message")
            elif kind == "user":
                self._user(value, message, source, at, sidechain)
            else:
                self._assistant(message, source, at, sidechain)
        elif kind == "system":
            self._system(value, source, at)
        elif kind == "progress":
            self._progress(record(value.get("data")), source, at)
        elif kind == "attachment":
            self._attachment(record(value.get("attachment")), source, at, sidechain)
        elif kind == "pr-link":
            link = text(value.get("prUrl")).split("/pull/")[0]
            if link.startswith("https://"):
                self.git.repository = self.git.repository or link
                self.out.note(f"the session opened the pull request {text(value.get('prUrl'))}")
        else:
            self.out.unknown(kind)

    def _system(self, value: dict[str, Any], source: Source, at: datetime | None) -> None:
        subtype = value.get("subtype")
        if subtype in ("compact_boundary", "microcompact_boundary"):
            self.out.note("the conversation was compacted; what came before may be missing")
        elif subtype == "api_error":
            self.out.system("the model's provider failed", source, at)

    def _progress(self, data: dict[str, Any], source: Source, at: datetime | None) -> None:
        inner = record(data.get("message"))
        message = inner.get("message")
        if data.get("type") not in ("agent_progress", "skill_progress"):
            return
        if not isinstance(message, dict):
            return
        uuid = text(inner.get("uuid"))
        if uuid:
            if uuid in self.seen:
                return
            self.seen.add(uuid)
        moment = when(inner.get("timestamp")) or at
        if inner.get("type") == "assistant":
            self._assistant(message, source, moment, sidechain=True)
        elif inner.get("type") == "user":
            self._user(inner, message, source, moment, sidechain=True)

    def _attachment(
        self, attached: dict[str, Any], source: Source, at: datetime | None, sidechain: bool
    ) -> None:
        if attached.get("type") == "queued_command" and not sidechain:
            # What a person typed while the agent was working.
            said = attached.get("prompt")
            words = said if isinstance(said, str) else _blocks_text(items(said))
            if attached.get("commandMode", "prompt") == "prompt" and not attached.get("isMeta"):
                self.out.user(words, source, at)

    def _user(
        self,
        value: dict[str, Any],
        message: dict[str, Any],
        source: Source,
        at: datetime | None,
        sidechain: bool = False,
    ) -> None:
        content = message.get("content")
        words: list[str] = [content] if isinstance(content, str) else []
        results = 0
        for block in items(content):
            block = record(block)
            kind = text(block.get("type"))
            if kind == "tool_result":
                results += 1
                self._result(block, value, source, at, sidechain)
            elif kind == "text":
                words.append(text(block.get("text")))
            elif kind in ("image", "document"):
                words.append(f"[{kind}]")
            elif kind:
                self.out.unknown(f"user block {kind}")
        said = "\n".join(words)
        if not said.strip():
            return
        if value.get("isCompactSummary"):
            self.out.note("the conversation was compacted; what came before may be missing")
        origin = record(value.get("origin")).get("kind")
        if (
            value.get("isMeta")
            or value.get("isCompactSummary")
            or value.get("isVisibleInTranscriptOnly")
            or (isinstance(origin, str) and origin != "human")
        ):
            self.out.add(
                Turn(role="user", injected=[said], timestamp=at, sidechain=sidechain, source=source)
            )
            return
        key = hash((text(value.get("timestamp")), said))
        if key in self.seen and value.get("timestamp"):
            return
        self.seen.add(key)
        turn = self.out.user(said, source, at, sidechain=sidechain)
        if turn is not None and isinstance(value.get("planContent"), str) and not sidechain:
            self.out.note(
                "a prompt hands over a plan that an earlier session wrote and the user approved"
            )

    def _assistant(
        self, message: dict[str, Any], source: Source, at: datetime | None, sidechain: bool
    ) -> None:
        model = text(message.get("model"))
        identity = text(message.get("id"))
        turn = self.messages.get(identity) if identity else None
        if turn is None or turn.sidechain != sidechain:
            turn = None
        content = message.get("content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else items(content)
        for raw_block in blocks:
            block = record(raw_block)
            kind = text(block.get("type"))
            said = text(block.get("text"))
            thought = text(block.get("thinking"))
            key = hash((identity, kind, text(block.get("id")) or said or thought))
            if identity and key in self.seen:
                continue
            self.seen.add(key)
            if (kind == "text" and not said) or (kind == "thinking" and not thought):
                continue
            if turn is None:
                turn = self.out.agent(
                    source,
                    at,
                    text=said if kind == "text" else "",
                    model=None if model == "<synthetic>" else model,
                    sidechain=sidechain,
                )
                if identity:
                    self.messages[identity] = turn
                if kind == "text":
                    continue
            if kind == "text":
                turn.text = f"{turn.text}\n\n{said}" if turn.text else said
            elif kind == "thinking":
                turn.thinking = f"{turn.thinking}\n\n{thought}" if turn.thinking else thought
            elif kind in ("tool_use", "server_tool_use"):
                self.out.call(
                    turn,
                    text(block.get("name")),
                    block.get("input"),
                    source,
                    call_id=text(block.get("id")),
                    at=at,
                )
            elif kind.endswith("_tool_result"):
                call = self.out.find(text(block.get("tool_use_id")))
                if call is not None:
                    self.out.result(call, _blocks_text(items(block.get("content"))))
            elif kind not in ("redacted_thinking", "fallback"):
                self.out.unknown(f"assistant block {kind}")

    def _result(
        self,
        block: dict[str, Any],
        value: dict[str, Any],
        source: Source,
        at: datetime | None,
        sidechain: bool,
    ) -> None:
        call = self.out.find(text(block.get("tool_use_id")))
        if call is None:
            self.out.unknown("tool_result without its call")
            return
        if call.result is not None:
            return
        content = block.get("content")
        printed = content if isinstance(content, str) else _blocks_text(items(content))
        failed = block.get("is_error")
        self.out.result(call, printed, failed=failed if isinstance(failed, bool) else None)
        enrich(call, value.get("toolUseResult"), text(value.get("cwd")) or None)
        if failed and not sidechain:
            _, found, said = printed.partition(_REFUSED)
            if found and said.strip():
                self.out.user(said, source, at)


def _blocks_text(blocks: list[Any]) -> str:
    parts: list[str] = []
    for raw_block in blocks:
        block = record(raw_block)
        if block.get("type") == "text":
            parts.append(text(block.get("text")))
        elif block.get("type") == "tool_reference":
            parts.append(f"[tool {text(block.get('tool_name'))}]")
        elif isinstance(block.get("type"), str):
            parts.append(f"[{block['type']}]")
    return "\n".join(parts)


def enrich(call: ToolCall, told: Any, cwd: str | None) -> None:
    """Take what `toolUseResult` says beyond the text that the model saw."""
    facts = record(told)
    tool = call.tool
    path = text(facts.get("filePath"))
    original = facts.get("originalFile")
    before = original if isinstance(original, str) else None
    if tool in ("Bash", "PowerShell"):
        _bash(call, facts, cwd)
    elif isinstance(facts.get("file"), dict):
        _viewed(call, facts["file"])
    elif tool == "Write" and path and isinstance(facts.get("content"), str):
        kind = "create" if facts.get("type") == "create" else "write"
        call.edits.append(
            Edit(
                path=path,
                new=facts["content"],
                before=before,
                kind="create" if kind == "create" else "write",
            )
        )
    elif path and isinstance(facts.get("newString"), str):
        old = text(facts.get("oldString"))
        call.edits.append(
            Edit(
                path=path,
                old=old or None,
                new=facts["newString"],
                before=before,
                replace_all=facts.get("replaceAll") is True,
                kind="replace" if old or before else "create",
            )
        )
        if facts.get("userModified") is True:
            call.edits[-1].user_modified = True
    elif path and isinstance(facts.get("edits"), list):
        for index, raw_step in enumerate(facts["edits"]):
            step = record(raw_step)
            call.edits.append(
                Edit(
                    path=path,
                    old=text(step.get("old_string")) or None,
                    new=text(step.get("new_string")),
                    before=before if index == 0 else None,
                    replace_all=step.get("replace_all") is True,
                )
            )


def _viewed(call: ToolCall, file: dict[str, Any]) -> None:
    path, seen = text(file.get("filePath")), file.get("content")
    if not path or not isinstance(seen, str):
        return
    start = number(file.get("startLine")) or 1
    total = number(file.get("totalLines"))
    count = number(file.get("numLines"))
    whole = start == 1 and total is not None and count == total
    call.views.append(FileView(path=path, text=seen, start_line=max(start, 1), whole=whole))


def _bash(call: ToolCall, facts: dict[str, Any], cwd: str | None) -> None:
    command = text(call.arguments.get("command"))
    if not command:
        return
    code: int | None = None
    if "stdout" in facts:
        output = text(facts.get("stdout"))
        errors = text(facts.get("stderr"))
        if errors:
            output = f"{output}\n{errors}" if output else errors
        plain = not facts.get("interrupted") and not facts.get("backgroundTaskId")
        if plain and not facts.get("returnCodeInterpretation") and not call.failed:
            code = 0
    else:
        output = call.result or ""
        first, _, rest = output.partition("\n")
        if first.startswith("Exit code ") and first[10:].strip().isdigit():
            code, output = int(first[10:].strip()[:9]), rest
    call.command = Command(command=command, cwd=cwd, exit_code=code, output=output)

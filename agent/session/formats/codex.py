"""Codex rollouts: `~/.codex/sessions/YYYY/MM/DD/rollout-*.jsonl`, also packed with Zstandard.

Each line is `{timestamp, type, payload}`. What the model saw stands in `response_item` lines, what
the person saw in `event_msg` lines; a prompt stands in both. The person's words are taken from
`user_message` events, because user items also carry injected instructions; where a rollout has no
events (older versions, exports), user items are taken and parted. Older files have bare items
without the envelope. In code mode the model calls its tools from scripts (`exec`); each tool that
a script calls becomes a call of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agent.session import scripts
from agent.session.clock import when
from agent.session.gitfacts import clean_remote
from agent.session.model import Command, Edit, GitFacts, Session, Source, ToolCall, Turn
from agent.session.raw import Raw, RawFile, items, number, record, text, word_set
from agent.session.transcript import Transcript

NAME = "codex"

_ENVELOPES = frozenset(
    ["session_meta", "response_item", "event_msg", "turn_context", "compacted", "world_state"]
)
_SILENT_ENVELOPES = frozenset(["inter_agent_communication_metadata"])
_ITEMS = word_set(
    """
    message reasoning function_call function_call_output custom_tool_call
    custom_tool_call_output local_shell_call
    """
)
_SILENT_ITEMS = word_set("other compaction compaction_summary tool_search_output")
_SILENT_EVENTS = word_set(
    """
    agent_message agent_message_delta agent_reasoning agent_reasoning_section_break
    agent_reasoning_raw_content token_count task_started task_complete exec_command_begin
    exec_command_output_delta patch_apply_begin turn_diff background_event
    mcp_tool_call_begin mcp_tool_call_end web_search_begin web_search_end
    entered_review_mode exited_review_mode item_started item_completed session_configured
    shutdown_complete turn_started turn_complete thread_name_updated thread_settings_applied
    """
)
_SUBAGENTS = "subagents took part; their own steps are in other files"


def matches(raw: Raw) -> bool:
    """True for a file with rollout lines."""
    file = raw.file
    if file is None:
        return False
    if any(_is_envelope(line) for line in file.sample):
        return True
    first = file.sample[0] if file.sample else {}
    bare = {"id", "timestamp"} <= first.keys() and ("instructions" in first or "git" in first)
    return bare and any(text(line.get("type")) in _ITEMS for line in file.sample[1:])


def load(raw: Raw) -> Session:
    """Read one rollout."""
    assert raw.file is not None  # noqa: S101 (`matches` looked)
    out = Transcript(NAME, raw)
    reader = _Reader(out)
    reader.read(out.reads(raw.file))
    return out.finish(reader.git)


def _is_envelope(line: dict[str, Any]) -> bool:
    return text(line.get("type")) in _ENVELOPES and isinstance(line.get("payload"), dict)


@dataclass
class _Reader:
    out: Transcript
    git: GitFacts = field(default_factory=GitFacts)
    model: str | None = None
    fallback: list[tuple[int, Turn]] = field(default_factory=list)
    """User items with their position among the turns, for rollouts without events."""
    scripts: dict[str, list[ToolCall]] = field(default_factory=dict)
    """Calls that a script made, by the id of the script's own call."""
    saw_user_event: bool = False
    seen_meta: bool = False

    def read(self, file: RawFile) -> None:
        for line in file.records():
            source = file.source(line=line.number)
            if line.damaged:
                self.out.damaged(source)
            if line.value is not None:
                self._line(line.value, source)
        if not self.saw_user_event:
            for position, turn in reversed(self.fallback):
                self.out.session.turns.insert(position, turn)

    def _line(self, value: dict[str, Any], source: Source) -> None:
        at = when(value.get("timestamp"))
        if not _is_envelope(value):
            if text(value.get("type")) in _ITEMS:
                self._item(value, source, at)
            elif "git" in value and "id" in value:
                self._meta(value, at)
            elif "record_type" not in value and text(value.get("type")) not in _SILENT_ENVELOPES:
                self.out.unknown(value.get("type"))
            return
        kind, payload = value["type"], value["payload"]
        if kind == "session_meta":
            self._meta(payload, at)
        elif kind == "turn_context":
            self.model = text(payload.get("model")) or self.model
            self.out.session.cwd = self.out.session.cwd or text(payload.get("cwd")) or None
        elif kind == "compacted":
            self.out.note("the conversation was compacted; what came before may be missing")
        elif kind == "response_item":
            self._item(payload, source, at)
        elif kind == "event_msg":
            self._event(payload, source, at)

    def _meta(self, payload: dict[str, Any], at: datetime | None) -> None:
        session = self.out.session
        if self.seen_meta:
            # A fork repeats the header of the session that it came from.
            self.out.note("the rollout continues or forks another session")
            return
        self.seen_meta = True
        session.id = text(payload.get("id"))
        session.tool_version = text(payload.get("cli_version")) or None
        session.cwd = text(payload.get("cwd")) or None
        session.started = when(payload.get("timestamp")) or at
        facts = record(payload.get("git"))
        self.git = GitFacts(
            repository=clean_remote(text(facts.get("repository_url"))),
            commit=text(facts.get("commit_hash")) or None,
            branch=text(facts.get("branch")) or None,
        )

    def _item(self, item: dict[str, Any], source: Source, at: datetime | None) -> None:
        kind = text(item.get("type"))
        if kind == "message":
            self._message(item, source, at)
        elif kind == "reasoning":
            parts = [text(record(p).get("text")) for p in items(item.get("summary"))]
            parts += [text(record(p).get("text")) for p in items(item.get("content"))]
            thought = "\n\n".join(p for p in parts if p)
            if thought:
                self.out.agent(source, at, thinking=thought, model=self.model)
        elif kind in ("function_call", "custom_tool_call", "local_shell_call"):
            given = item.get("arguments", item.get("input"))
            if kind == "local_shell_call":
                given = item.get("action")
            turn = self._speaking(source, at)
            call = self.out.call(
                turn,
                text(item.get("name")) or str(kind),
                given,
                source,
                call_id=text(item.get("call_id")) or text(item.get("id")),
                at=at,
            )
            if kind == "custom_tool_call" and call.tool == "exec":
                self._script(call, turn)
        elif kind in ("function_call_output", "custom_tool_call_output"):
            self._output(item)
        elif kind in ("web_search_call", "tool_search_call"):
            given = item.get("action", item.get("arguments"))
            name = str(kind).removesuffix("_call")
            self.out.call(self._speaking(source, at), name, given, source, at=at)
        elif kind == "agent_message":
            self.out.note(_SUBAGENTS)
        elif kind == "ghost_snapshot":
            self._ghost(record(item.get("ghost_commit")))
        elif kind not in _SILENT_ITEMS:
            self.out.unknown(f"response_item {kind}")

    def _script(self, call: ToolCall, turn: Turn) -> None:
        inner = scripts.calls(text(call.arguments.get("input")))
        self.scripts[call.id] = [
            self.out.call(turn, tool, given, call.source, at=call.timestamp)
            for tool, given in inner
        ]

    def _ghost(self, commit: dict[str, Any]) -> None:
        """The tool's own snapshot of the tree stands on the commit that was checked out."""
        if self.git.commit is None and not any(t.calls for t in self.out.session.turns):
            self.git.commit = text(commit.get("parent")) or None

    def _speaking(self, source: Source, at: datetime | None) -> Turn:
        turns = self.out.session.turns
        if turns and turns[-1].role == "agent":
            return turns[-1]
        return self.out.agent(source, at, model=self.model)

    def _message(self, item: dict[str, Any], source: Source, at: datetime | None) -> None:
        role = text(item.get("role"))
        parts: list[str] = []
        for raw_block in items(item.get("content")):
            block = record(raw_block)
            if isinstance(block.get("text"), str):
                parts.append(block["text"])
            elif "image" in text(block.get("type")):
                parts.append("[image]")
        if role == "assistant":
            said = "\n".join(parts)
            if said:
                self._agent(said, source, at)
        elif role == "user":
            before = len(self.out.session.turns)
            words: list[str] = []
            injected: list[str] = []
            for part in parts:
                turn = self.out.user(part, source, at)
                if turn is not None:
                    self.out.session.turns.remove(turn)
                    injected += turn.injected
                    words += [turn.text] if turn.text else []
            if words or injected:
                turn = Turn(
                    role="user",
                    text="\n".join(words),
                    injected=injected,
                    timestamp=at,
                    source=source,
                )
                if words:
                    self.fallback.append((before, turn))
                else:
                    self.out.add(turn)
        elif parts and role in ("system", "developer"):
            self.out.system("\n".join(parts), source, at)

    def _agent(self, said: str, source: Source, at: datetime | None) -> None:
        turns = self.out.session.turns
        last = turns[-1] if turns else None
        if last is not None and last.role == "agent" and not last.text and not last.calls:
            last.text = said
        else:
            self.out.agent(source, at, text=said, model=self.model)

    def _output(self, item: dict[str, Any]) -> None:
        call = self.out.find(text(item.get("call_id")))
        if call is None:
            self.out.unknown("output without its call")
            return
        output = item.get("output")
        failed: bool | None = None
        if isinstance(output, dict):
            success = output.get("success")
            failed = not success if isinstance(success, bool) else None
            output = output.get("content")
        if isinstance(output, list):
            parts = [text(record(part).get("text")) for part in output]
            inner = self.scripts.get(call.id, [])
            # A frame comes first, then one piece for each result that the script printed.
            if inner and len(parts) == len(inner) + 1:
                for made, part in zip(inner, parts[1:], strict=True):
                    self.out.result(made, part)
                # All that the script did is told by the calls within it.
                self.out.drop(call)
                return
            output = "\n".join(parts)
        self.out.result(call, text(output), failed=failed)
        if call.tool == "apply_patch" and call.failed is None:
            call.failed = text(output).startswith("apply_patch verification failed") or None

    def _event(self, event: dict[str, Any], source: Source, at: datetime | None) -> None:
        kind = text(event.get("type"))
        if kind == "user_message":
            self.saw_user_event = True
            self.out.user(text(event.get("message")), source, at)
        elif kind == "exec_command_end":
            self._ran(event)
        elif kind == "patch_apply_end":
            self._patched(event)
        elif kind in ("turn_aborted", "error", "stream_error", "context_compacted"):
            if kind == "context_compacted":
                self.out.note("the conversation was compacted; what came before may be missing")
            self.out.system(text(event.get("message")) or str(kind), source, at)
        elif kind == "sub_agent_activity":
            self.out.note(_SUBAGENTS)
        elif kind == "thread_rolled_back":
            self.out.note("the user took turns back; they are still listed")
        elif kind not in _SILENT_EVENTS:
            self.out.unknown(f"event_msg {kind}")

    def _ran(self, event: dict[str, Any]) -> None:
        call = self.out.find(text(event.get("call_id")))
        words = [str(word) for word in items(event.get("command"))]
        if call is None or not words:
            return
        wrapped = len(words) == 3 and words[1].startswith("-") and words[1].endswith("c")
        output = event.get("aggregated_output")
        if not isinstance(output, str):
            output = text(event.get("stdout")) + text(event.get("stderr"))
        call.command = Command(
            command=words[2] if wrapped else " ".join(words),
            cwd=text(event.get("cwd")) or None,
            exit_code=number(event.get("exit_code")),
            output=output,
        )

    def _patched(self, event: dict[str, Any]) -> None:
        call = self.out.find(text(event.get("call_id")))
        if call is None:
            return
        success = event.get("success")
        if isinstance(success, bool):
            call.failed = not success
        edits = [e for p, c in record(event.get("changes")).items() for e in _changed(p, record(c))]
        if edits:
            call.edits = edits


def _changed(path: str, change: dict[str, Any]) -> list[Edit]:
    kind = text(change.get("type"))
    if not kind:
        kind = next(iter(change), "")
        change = record(change.get(kind))
    content = change.get("content")
    if kind == "add":
        return [Edit(path=path, new=text(content), kind="create")]
    if kind == "delete":
        before = content if isinstance(content, str) else None
        return [Edit(path=path, before=before, kind="delete")]
    edits: list[Edit] = []
    diff = text(change.get("unified_diff"))
    if diff:
        edits.append(Edit(path=path, patch=diff, kind="patch"))
    moved = text(change.get("move_path"))
    if moved:
        edits.append(Edit(path=path, kind="rename", new_path=moved))
    return edits

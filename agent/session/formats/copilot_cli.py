"""GitHub Copilot CLI's event logs: one `{type, data, id, timestamp, parentId}` per line."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agent.session.clock import when
from agent.session.gitfacts import clean_remote
from agent.session.model import GitFacts, Session, Source, Turn
from agent.session.raw import Raw, items, record, text, word_set
from agent.session.transcript import Transcript

NAME = "copilot_cli"

_SILENT = word_set(
    """
    hook.start hook.end assistant.turn_start assistant.turn_end session.shutdown session.info
    session.idle session.truncation session.usage_info assistant.usage assistant.intent
    session.title_changed tool.user_requested permission.requested permission.completed
    user_input.requested user_input.completed session.mode_changed session.plan_changed
    session.workspace_file_changed session.task_complete skill.invoked tool.execution_progress
    assistant.reasoning_delta assistant.message_delta assistant.streaming_delta
    pending_messages.modified
    """
)
_OPENING = frozenset(("session.start", "session.resume"))


def matches(raw: Raw) -> bool:
    """True for a log with Copilot's events."""
    file = raw.file
    return file is not None and any(
        line.get("type") in (*_OPENING, "user.message", "assistant.message")
        and isinstance(line.get("data"), dict)
        and "id" in line
        for line in file.sample
    )


def load(raw: Raw) -> Session:
    """Read one log."""
    file = raw.file
    assert file is not None  # noqa: S101 (`matches` looked)
    reader = _Reader(Transcript(NAME, raw))
    for line in reader.out.reads(file).records():
        source = file.source(line=line.number)
        if line.damaged:
            reader.out.damaged(source)
        if line.value is not None:
            reader.event(line.value, source)
    return reader.out.finish(reader.git)


@dataclass
class _Reader:
    out: Transcript
    git: GitFacts = field(default_factory=GitFacts)
    model: str | None = None
    seen: set[str] = field(default_factory=set)

    def event(self, event: dict[str, Any], source: Source) -> None:
        identity = text(event.get("id"))
        if identity and identity in self.seen:
            self.out.note("lines that stand in the file twice were read once")
            return
        self.seen.add(identity)
        kind = text(event.get("type"))
        data = record(event.get("data"))
        at = when(event.get("timestamp"))
        if kind in _OPENING:
            self._start(data, resumed=kind == "session.resume")
        elif kind == "session.model_change":
            self.model = text(data.get("newModel")) or self.model
        elif kind == "user.message":
            self._user(data, source, at)
        elif kind == "assistant.message":
            self._assistant(data, source, at)
        elif kind == "assistant.reasoning":
            thought = text(data.get("content"))
            if thought:
                self.out.agent(source, at, thinking=thought, model=self.model)
        elif kind == "tool.execution_start":
            self._call(data, source, at, self._turn(source, at))
        elif kind == "tool.execution_complete":
            self._result(data)
        elif kind == "system.message":
            self.out.system(text(data.get("content")), source, at)
        elif kind in ("abort", "session.error", "session.warning"):
            said = text(data.get("message")) or text(data.get("reason"))
            self.out.system(said or str(kind), source, at)
        elif kind in ("session.compaction_start", "session.compaction_complete"):
            self.out.note("the conversation was compacted; what came before may be missing")
        elif kind in ("subagent.started", "subagent.completed", "subagent.failed"):
            self.out.note("subagents took part; their own steps are not in the log")
        elif kind not in _SILENT:
            self.out.unknown(kind)

    def _start(self, data: dict[str, Any], *, resumed: bool) -> None:
        session = self.out.session
        self.model = text(data.get("selectedModel")) or self.model
        context = record(data.get("context"))
        if resumed or session.id:
            self.out.note("the session was resumed")
            if session.cwd is not None:
                return
        session.id = session.id or text(data.get("sessionId"))
        session.tool_version = text(data.get("copilotVersion")) or None
        session.started = when(data.get("startTime"))
        session.cwd = text(context.get("cwd")) or None
        name = text(context.get("repository"))
        host = text(context.get("repositoryHost")) or "github.com"
        self.git = GitFacts(
            repository=clean_remote(f"https://{host}/{name}") if name else None,
            commit=text(context.get("headCommit")) or None,
            branch=text(context.get("branch")) or None,
        )

    def _user(self, data: dict[str, Any], source: Source, at: datetime | None) -> None:
        if text(data.get("source")) not in ("", "user"):
            said = text(data.get("content"))
            self.out.add(Turn(role="user", injected=[said], timestamp=at, source=source))
            return
        turn = self.out.user(text(data.get("content")), source, at)
        if turn is None:
            return
        for raw_file in items(data.get("attachments")):
            path = text(record(raw_file).get("path"))
            if path:
                turn.injected.append(f"[attached: {path}]")

    def _turn(self, source: Source, at: datetime | None) -> Turn:
        turns = self.out.session.turns
        if turns and turns[-1].role == "agent":
            return turns[-1]
        return self.out.agent(source, at, model=self.model)

    def _assistant(self, data: dict[str, Any], source: Source, at: datetime | None) -> None:
        turn = self.out.agent(
            source,
            at,
            text=text(data.get("content")),
            thinking=text(data.get("reasoningText")),
            model=text(data.get("model")) or self.model,
            sidechain=bool(data.get("parentToolCallId")),
        )
        for raw_request in items(data.get("toolRequests")):
            request = record(raw_request)
            self._call(
                {
                    "toolCallId": request.get("toolCallId"),
                    "toolName": request.get("name"),
                    "arguments": request.get("arguments"),
                },
                source,
                at,
                turn,
            )

    def _call(self, data: dict[str, Any], source: Source, at: datetime | None, turn: Turn) -> None:
        call_id = text(data.get("toolCallId"))
        known = self.out.find(call_id)
        if known is not None:
            known.timestamp = at or known.timestamp
            return
        self.out.call(
            turn,
            text(data.get("toolName")),
            data.get("arguments"),
            source,
            call_id=call_id,
            at=at,
        )

    def _result(self, data: dict[str, Any]) -> None:
        call = self.out.find(text(data.get("toolCallId")))
        if call is None:
            self.out.unknown("result without its call")
            return
        success = data.get("success")
        result = record(data.get("result"))
        printed = text(result.get("content"))
        if not printed:
            printed = text(record(data.get("error")).get("message"))
        self.out.result(call, printed, failed=not success if isinstance(success, bool) else None)

"""OpenHands' events, version 1 (the agent SDK): `base_state.json` and `events/event-*.json`.

Every record has a `kind`: MessageEvent, ActionEvent, ObservationEvent and others. A result names
its call through `tool_call_id`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent.session import events
from agent.session.chat import plain
from agent.session.clock import when
from agent.session.model import Command, Edit, Session, Source, ToolCall
from agent.session.raw import Raw, number, record, text, word_set
from agent.session.transcript import Transcript

NAME = "openhands_v1"

_SPOKEN = word_set("MessageEvent ActionEvent ObservationEvent SystemPromptEvent AgentErrorEvent")
_SILENT = word_set(
    """
    ConversationStateUpdateEvent PauseEvent CondensationRequest LLMCompletionLogEvent
    TokenEvent StreamingDeltaEvent HookExecutionEvent
    """
)


def matches(raw: Raw) -> bool:
    """True for a list or folder of events with a `kind`."""
    return events.find(raw, _is_event) is not None


def load(raw: Raw) -> Session:
    """Read one conversation."""
    reader = _Reader(Transcript(NAME, raw))
    for name in raw.names:
        if name.endswith("base_state.json"):
            reader.state(record(reader.out.reads(raw.open(name)).document))
    for event, source in events.read(raw, _is_event, reader.out):
        reader.event(event, source)
    return reader.out.finish()


def _is_event(event: dict[str, Any]) -> bool:
    return text(event.get("kind")) in _SPOKEN and {"id", "source"} <= event.keys()


@dataclass
class _Reader:
    out: Transcript
    model: str | None = None

    def state(self, state: dict[str, Any]) -> None:
        self.out.session.id = text(state.get("id"))
        self.model = text(record(record(state.get("agent")).get("llm")).get("model")) or None
        folder = text(record(state.get("workspace")).get("working_dir"))
        self.out.session.cwd = folder or None

    def event(self, event: dict[str, Any], source: Source) -> None:
        kind = text(event.get("kind"))
        at = when(event.get("timestamp"))
        if kind == "MessageEvent":
            message = record(event.get("llm_message"))
            said = plain(message.get("content"))
            if event.get("source") == "user":
                self.out.user(said, source, at)
            else:
                self.out.agent(
                    source,
                    at,
                    text=said,
                    thinking=text(message.get("reasoning_content")),
                    model=self.model,
                )
        elif kind == "ActionEvent":
            self._action(event, source, at)
        elif kind in ("ObservationEvent", "AgentErrorEvent", "UserRejectObservation"):
            self._observation(event, str(kind))
        elif kind == "SystemPromptEvent":
            self.out.system(text(record(event.get("system_prompt")).get("text")), source, at)
        elif kind in ("Condensation", "CondensationSummaryEvent"):
            self.out.note("the model's context was condensed; the log is whole")
        elif kind == "ConversationErrorEvent":
            self.out.system(text(event.get("detail")), source, at)
        elif kind not in _SILENT:
            self.out.unknown(kind)

    def _action(self, event: dict[str, Any], source: Source, at: datetime | None) -> None:
        action = record(event.get("action"))
        asked = record(event.get("tool_call"))
        function = record(asked.get("function")) or asked
        turn = self.out.agent(
            source,
            at,
            text=plain(event.get("thought")),
            thinking=text(event.get("reasoning_content")),
            model=self.model,
        )
        tool = text(event.get("tool_name")) or text(function.get("name"))
        if tool == "finish":
            said = text(action.get("message"))
            turn.text = f"{turn.text}\n\n{said}".strip()
            return
        given = {k: v for k, v in action.items() if k != "kind" and v is not None}
        self.out.call(
            turn,
            tool,
            given or function.get("arguments"),
            source,
            call_id=text(event.get("tool_call_id")),
            at=at,
        )

    def _observation(self, event: dict[str, Any], kind: str) -> None:
        call = self.out.find(text(event.get("tool_call_id")))
        if call is None:
            if event.get("tool_name") not in ("finish", "think"):
                self.out.unknown(f"{kind} without its call")
            return
        if kind != "ObservationEvent":
            said = text(event.get("error")) or text(event.get("rejection_reason"))
            self.out.result(call, said, failed=True)
            return
        seen = record(event.get("observation"))
        said = plain(seen.get("content")) or text(seen.get("output"))
        failed = seen.get("is_error", seen.get("error"))
        self.out.result(call, said, failed=True if failed else None)
        metadata = record(seen.get("metadata"))
        if "exit_code" in seen or "exit_code" in metadata:
            code = number(seen.get("exit_code"))
            code = number(metadata.get("exit_code")) if code is None else code
            command = text(seen.get("command")) or text(call.arguments.get("command"))
            if command:
                call.command = Command(
                    command=command,
                    cwd=text(metadata.get("working_dir")) or None,
                    exit_code=None if code == -1 else code,
                    output=said,
                )
        _edited(call, seen)


def _edited(call: ToolCall, seen: dict[str, Any]) -> None:
    path, new = text(seen.get("path")), seen.get("new_content")
    if not path or not isinstance(new, str):
        return
    old = seen.get("old_content")
    create = seen.get("prev_exist") is False
    before = old if isinstance(old, str) and not create else None
    call.edits.append(Edit(path=path, new=new, before=before, kind="create" if create else "write"))

"""OpenHands' events, version 0: a list, or `sessions/<id>/events/<n>.json`.

An action names what was asked (`run`, `read`, `write`, `edit`, `message`, …), an observation what
came of it; the observation's `cause` is the action's `id`. Times have no zone and are the server's,
which runs on UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agent.session import events
from agent.session.clock import when
from agent.session.listing import content as listed
from agent.session.model import Command, Edit, FileView, GitFacts, Session, Source, ToolCall
from agent.session.raw import Raw, number, record, text, word_set
from agent.session.transcript import Transcript

NAME = "openhands"

_SILENT = word_set(
    """
    agent_state_changed change_agent_state null recall system condensation_request
    user_rejected loop_detection loop_recovery pause resume stop
    """
)


def matches(raw: Raw) -> bool:
    """True for a list or folder of actions and observations."""
    return events.find(raw, _is_event) is not None


def load(raw: Raw) -> Session:
    """Read one conversation."""
    reader = _Reader(Transcript(NAME, raw))
    for event, source in events.read(raw, _is_event, reader.out):
        reader.event(event, source)
    return reader.out.finish(reader.git)


def _is_event(event: dict[str, Any]) -> bool:
    return (
        {"id", "timestamp", "source"} <= event.keys()
        and ("action" in event or "observation" in event)
        and ("args" in event or "extras" in event or "content" in event)
    )


@dataclass
class _Reader:
    out: Transcript
    git: GitFacts = field(default_factory=GitFacts)
    calls: dict[int, ToolCall] = field(default_factory=dict)
    """Calls by the id of their action."""

    def event(self, event: dict[str, Any], source: Source) -> None:
        at = when(event.get("timestamp"))
        if isinstance(event.get("observation"), str):
            self._observation(event, source, at)
        elif isinstance(event.get("action"), str):
            self._action(event, source, at)
        else:
            self.out.unknown("event without an action or observation")

    def _action(self, event: dict[str, Any], source: Source, at: datetime | None) -> None:
        kind, given = event["action"], record(event.get("args"))
        who = event.get("source")
        said = text(given.get("content"))
        thought = text(given.get("thought"))
        if kind == "message" and who == "user":
            self.out.user(said, source, at)
        elif kind == "message":
            self.out.agent(source, at, text=said)
        elif kind == "think":
            self.out.agent(source, at, thinking=thought)
        elif kind == "finish":
            self.out.agent(source, at, text=text(given.get("final_thought")) or thought)
        elif kind == "condensation":
            self.out.note("the model's context was condensed; the log is whole")
        elif kind == "system":
            self.out.system(said, source, at)
        elif kind not in _SILENT:
            turn = self.out.agent(source, at, text=thought)
            inner = {
                k: v for k, v in given.items() if v not in (None, "", False) and k != "thought"
            }
            call = self.out.call(turn, kind, inner, source, at=at)
            identity = number(event.get("id"))
            if identity is not None:
                self.calls[identity] = call

    def _observation(self, event: dict[str, Any], source: Source, at: datetime | None) -> None:
        kind, extras = event["observation"], record(event.get("extras"))
        said = text(event.get("content"))
        call = self.calls.get(number(event.get("cause")) or -1)
        if kind == "recall":
            self._recall(extras)
        elif call is None:
            if kind == "error" or (kind == "message" and said):
                self.out.system(said, source, at)
            elif kind not in _SILENT and kind != "think":
                self.out.unknown(f"observation {kind} without its action")
        elif kind != "null":
            self.out.result(call, said, failed=kind == "error" or None)
            self._did(call, kind, extras, said)

    def _recall(self, extras: dict[str, Any]) -> None:
        name = text(extras.get("repo_name"))
        if name and self.git.repository is None:
            self.git.repository = name if "://" in name else f"https://github.com/{name}"
        self.out.session.cwd = self.out.session.cwd or text(extras.get("repo_directory")) or None

    def _did(self, call: ToolCall, kind: str, extras: dict[str, Any], said: str) -> None:
        if kind in ("run", "run_ipython"):
            metadata = record(extras.get("metadata"))
            folder = text(metadata.get("working_dir")) or None
            code = number(metadata.get("exit_code"))
            command = text(extras.get("command")) or text(call.arguments.get("command"))
            if kind == "run" and command:
                exit_code = number(extras.get("exit_code")) if code is None else code
                call.command = Command(
                    command=command,
                    cwd=folder,
                    exit_code=None if exit_code == -1 else exit_code,
                    output=said,
                )
            return
        path = text(extras.get("path")) or text(call.arguments.get("path"))
        if not path:
            return
        if kind == "read":
            seen = listed(said.partition("\n")[2] if said.startswith("Here's the result") else said)
            if seen is not None:
                call.views.append(FileView(path=path, text=seen.text, start_line=seen.start_line))
            elif not said.startswith("Here's the result"):
                call.views.append(FileView(path=path, text=said))
        elif kind in ("edit", "write"):
            _edited(call, path, extras)


def _edited(call: ToolCall, path: str, extras: dict[str, Any]) -> None:
    old, new = extras.get("old_content"), extras.get("new_content")
    existed = extras.get("prev_exist")
    before = old if isinstance(old, str) and existed is not False else None
    after = new if isinstance(new, str) else call.arguments.get("content")
    if not isinstance(after, str):
        after = call.arguments.get("file_text")
    if isinstance(after, str):
        create = existed is False
        call.edits.append(
            Edit(path=path, new=after, before=before, kind="create" if create else "write")
        )

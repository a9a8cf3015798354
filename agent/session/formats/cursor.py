"""Cursor's own exports.

- the stream of `cursor-agent --output-format stream-json`: `system/init`, `user`, `assistant`,
  `tool_call` started and completed, `result`;
- agent transcripts: lines of `{role, message: {content}}` with `<user_query>` around the prompt;
- a chat exported as Markdown: `_Exported on … from Cursor (…)_`, then **User** and **Cursor**;
- a composer's data as JSON: `{composerId, conversation: [{type: 1|2, text, …}]}`.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from agent.session import calls, chat
from agent.session.clock import when
from agent.session.model import Command, Edit, FileView, Session, Source, ToolCall, Turn
from agent.session.raw import Raw, RawFile, items, number, parse, record, text
from agent.session.transcript import Transcript

NAME = "cursor"

_EXPORTED = re.compile(
    r"^_Exported on (?P<at>[^\n]*?) from Cursor \((?P<version>[^)\n]*)\)_\s*$", re.M
)
_SPEAKER = re.compile(r"^---\n+^\*\*(?P<who>User|Cursor)\*\*[ \t]*$", re.M)
_TOOL_NAMES = {
    "shellToolCall": "shell",
    "readToolCall": "read",
    "writeToolCall": "write",
    "editToolCall": "edit",
    "deleteToolCall": "delete",
}


def matches(raw: Raw) -> bool:
    """True for one of the four shapes."""
    file = raw.file
    if file is None:
        return False
    return (
        _EXPORTED.search(file.head) is not None
        or any(_is_stream(line) for line in file.sample)
        or _is_transcript(file)
        or _is_composer(file)
    )


def load(raw: Raw) -> Session:
    """Read whichever it is."""
    file = raw.file
    assert file is not None  # noqa: S101 (`matches` looked)
    out = Transcript(NAME, raw)
    out.reads(file)
    if _EXPORTED.search(file.head):
        _markdown(file, out)
    elif _is_composer(file):
        _composer(record(file.document), file, out)
    else:
        _lines(file, out)
    return out.finish()


def _is_stream(line: dict[str, Any]) -> bool:
    return (line.get("type") == "tool_call" and isinstance(line.get("tool_call"), dict)) or (
        line.get("type") == "system"
        and line.get("subtype") == "init"
        and "apiKeySource" in line
        and "tools" not in line
    )


def _is_transcript(file: RawFile) -> bool:
    first = file.sample[0] if file.sample else {}
    return (
        first.get("role") == "user"
        and isinstance(first.get("message"), dict)
        and "type" not in first
    )


def _is_composer(file: RawFile) -> bool:
    if '"composerId"' not in file.head:
        return False
    return isinstance(record(file.document).get("conversation"), list)


def _lines(file: RawFile, out: Transcript) -> None:
    model: str | None = None
    thinking = ""
    for line in file.records():
        source = file.source(line=line.number)
        if line.damaged:
            out.damaged(source)
        value = line.value
        if value is None:
            continue
        kind = text(value.get("type")) or text(value.get("role"))
        at = when(value.get("timestamp_ms")) or when(value.get("timestamp"))
        message = record(value.get("message"))
        if kind == "system":
            out.session.id = text(value.get("session_id"))
            out.session.cwd = text(value.get("cwd")) or None
            model = text(value.get("model")) or None
        elif kind == "user":
            out.user(chat.plain(message.get("content")), source, at)
        elif kind == "thinking":
            thinking += text(value.get("text"))
        elif kind == "assistant":
            chat.message(out, {"role": "assistant", **message}, source, model=model)
            turn = out.session.turns[-1]
            turn.timestamp = at
            turn.thinking = turn.thinking or thinking
            thinking = ""
        elif kind == "tool_call":
            _call(value, out, source, at)
        elif kind not in ("result", "interaction_query", "connection", "retry"):
            out.unknown(kind)


def _call(value: dict[str, Any], out: Transcript, source: Source, at: datetime | None) -> None:
    asked = record(value.get("tool_call"))
    key = next((k for k in asked if k.endswith("ToolCall") or k == "function"), "")
    held = record(asked.get(key))
    given = held.get("args", held.get("arguments"))
    identity = text(value.get("call_id"))
    call = out.find(identity)
    if call is None:
        tool = _TOOL_NAMES.get(key) or text(held.get("name")) or key.removesuffix("ToolCall")
        call = out.call(out.last_agent(source, at), tool, given, source, call_id=identity, at=at)
    result = record(held.get("result"))
    if not result:
        return
    done = record(result.get("success"))
    failed = "success" not in result
    shown = done if done else record(next(iter(result.values()), None))
    printed = next(
        (
            text(shown.get(k))
            for k in ("content", "stdout", "output", "message", "error")
            if shown.get(k)
        ),
        "",
    )
    out.result(call, printed, failed=failed)
    _did(call, done, shown)


def _did(call: ToolCall, done: dict[str, Any], shown: dict[str, Any]) -> None:
    given = call.arguments
    path = text(given.get("path")) or text(done.get("path"))
    if call.tool == "shell" and isinstance(given.get("command"), str):
        output = text(shown.get("stdout")) + text(shown.get("stderr"))
        call.command = Command(
            command=given["command"],
            cwd=text(given.get("workingDirectory")) or None,
            exit_code=number(shown.get("exitCode")),
            output=output,
        )
    elif call.tool == "read" and path and isinstance(done.get("content"), str):
        partial = given.get("offset") or given.get("limit") or done.get("exceededLimit")
        if not partial:
            call.views.append(FileView(path=path, text=done["content"], whole=True))
    elif call.tool == "write" and path and isinstance(given.get("fileText"), str):
        call.edits.append(Edit(path=path, new=given["fileText"], kind="write"))
    elif call.tool == "edit" and path:
        after, before = done.get("afterFullFileContent"), done.get("beforeFullFileContent")
        if isinstance(after, str):
            held = before if isinstance(before, str) else None
            call.edits.append(Edit(path=path, new=after, before=held, kind="write"))
    elif call.tool == "delete" and path:
        call.edits.append(Edit(path=path, kind="delete"))


def _markdown(file: RawFile, out: Transcript) -> None:
    body, lost = file.text()
    if lost:
        out.damaged(file.source())
    head = _EXPORTED.search(body)
    if head:
        out.session.tool_version = head["version"]
        day = re.match(
            r"(\d{1,2})/(\d{1,2})/(\d{4}) at (\d{1,2}:\d{2}:\d{2})(?: GMT([+-]\d{1,2}))?",
            head["at"],
        )
        if day:
            month, date, year, clock, zone = day.groups()
            offset = f"{int(zone):+03d}:00" if zone else ""
            out.session.ended = when(f"{year}-{int(month):02d}-{int(date):02d} {clock}{offset}")
            out.note("only the time of the export is known")
    speakers = list(_SPEAKER.finditer(body))
    for index, speaker in enumerate(speakers):
        end = speakers[index + 1].start() if index + 1 < len(speakers) else len(body)
        said = body[speaker.end() : end].strip()
        source = Source(line=body.count("\n", 0, speaker.end()) + 1)
        if speaker["who"] == "User":
            out.user(said, source)
        else:
            out.agent(source, text=said)
    out.note("the export has no tool outputs")


def _composer(document: dict[str, Any], file: RawFile, out: Transcript) -> None:
    out.session.id = text(document.get("composerId"))
    out.session.started = when(document.get("createdAt"))
    for index, raw_bubble in enumerate(items(document.get("conversation"))):
        bubble = record(raw_bubble)
        source = file.source(index=index)
        at = when(bubble.get("createdAt")) or when(
            record(bubble.get("timingInfo")).get("clientStartTime")
        )
        said = text(bubble.get("text"))
        if bubble.get("type") == 1:
            out.user(said, source, at)
        elif bubble.get("type") == 2:
            turn = out.agent(source, at, text=said)
            _former(record(bubble.get("toolFormerData")), turn, out, source)
        else:
            out.unknown(f"bubble of type {bubble.get('type')}")


def _former(data: dict[str, Any], turn: Turn, out: Transcript, source: Source) -> None:
    if not text(data.get("name")):
        return
    given = data.get("rawArgs") or data.get("params")
    call = out.call(
        turn, text(data.get("name")), given, source, call_id=text(data.get("toolCallId"))
    )
    status = data.get("status")
    result = data.get("result")
    if isinstance(result, str):
        value, _ = parse(result.encode("utf-8", "replace"))
        told = record(value)
        shown = next(
            (text(told.get(k)) for k in ("contents", "output", "content") if told.get(k)), result
        )
        out.result(call, shown, failed=status == "error" if isinstance(status, str) else None)
    params = calls.arguments(data.get("params"))
    for key in ("relativeWorkspacePath", "targetFile"):
        if isinstance(params.get(key), str):
            call.arguments.setdefault("path", params[key])

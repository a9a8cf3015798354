"""Gemini CLI's chats: `~/.gemini/tmp/<project>/chats/session-*.json` and `.jsonl`.

A document is `{sessionId, projectHash, startTime, messages}`; in the line-based form the head
comes first, then the messages, `{"$set": …}` changes and `{"$rewindTo": <id>}`, which takes every
message from that one on back. A shared chat is a bare list of `{role: user|model, parts}`.
"""

from __future__ import annotations

import re
from typing import Any

from agent.session.clock import when
from agent.session.model import Edit, FileView, Session, Source, ToolCall
from agent.session.raw import Raw, RawFile, items, record, text
from agent.session.transcript import Transcript

NAME = "gemini_cli"

_CUT = re.compile(
    r"\s*IMPORTANT: The file content has been truncated\.\n"
    r"Status: Showing lines (?P<from>\d+)-\d+ of \d+ total lines\.\n"
    r".*?\n--- FILE CONTENT \(truncated\) ---\n",
    re.DOTALL,
)
_SUMMARY = "<state_snapshot>"
"""Opens the summary that takes the place of a compressed conversation."""


def matches(raw: Raw) -> bool:
    """True for one of the three shapes."""
    file = raw.file
    if file is None:
        return False
    if file.sample:
        return _is_head(file.sample[0])
    if '"projectHash"' in file.head:
        return _is_head(record(file.document))
    if '"parts"' not in file.head:
        return False
    first = record(next(iter(items(file.document)), None))
    return first.get("role") in ("user", "model") and isinstance(first.get("parts"), list)


def load(raw: Raw) -> Session:
    """Read one chat."""
    file = raw.file
    assert file is not None  # noqa: S101 (`matches` looked)
    out = Transcript(NAME, raw)
    out.reads(file)
    if file.sample:
        messages = _by_line(file, out)
    else:
        document = file.document
        if isinstance(document, list):
            for index, content in enumerate(document):
                _content(record(content), out, file.source(index=index))
            return out.finish()
        _head(document, out.session)
        listed = enumerate(items(document.get("messages")))
        messages = [(record(m), file.source(index=i)) for i, m in listed]
    for message, source in messages:
        _message(message, out, source)
    return out.finish()


def _is_head(value: dict[str, Any]) -> bool:
    return "sessionId" in value and "projectHash" in value


def _head(head: dict[str, Any], session: Session) -> None:
    session.id = text(head.get("sessionId"))
    session.started = when(head.get("startTime"))
    folders = [text(d) for d in items(head.get("directories"))]
    session.cwd = next((folder for folder in folders if folder), None)


def _by_line(file: RawFile, out: Transcript) -> list[tuple[dict[str, Any], Source]]:
    """The messages that stand at the end, each in its last version."""
    messages: dict[str, tuple[dict[str, Any], Source]] = {}
    for line in file.records():
        source = file.source(line=line.number)
        if line.damaged:
            out.damaged(source)
        value = line.value
        if value is None:
            continue
        if _is_head(value):
            _head(value, out.session)
            for message in items(value.get("messages")):
                held = record(message)
                messages[text(held.get("id"))] = (held, source)
        elif "$rewindTo" in value:
            kept = list(messages)
            target = text(value["$rewindTo"])
            if target in messages:
                for name in kept[kept.index(target) :]:
                    del messages[name]
            out.note("the user took turns back; they were left out")
        elif "$set" in value:
            for message in items(record(value["$set"]).get("messages")):
                held = record(message)
                messages[text(held.get("id"))] = (held, source)
        elif "type" in value:
            name = text(value.get("id")) or f"line {line.number}"
            # A message is written again as it grows; its place is where it began.
            first = messages.get(name, (value, source))[1]
            messages[name] = (value, first)
        else:
            out.unknown(",".join(sorted(value))[:60])
    return list(messages.values())


def _message(message: dict[str, Any], out: Transcript, source: Source) -> None:
    kind = text(message.get("type"))
    at = when(message.get("timestamp"))
    said = _said(message.get("content"))
    if kind == "user":
        if said.lstrip().startswith(_SUMMARY):
            out.note("the conversation was compacted; what came before may be missing")
            out.system(said, source, at)
        else:
            out.user(said, source, at)
    elif kind == "gemini":
        thoughts = [
            f"{text(record(t).get('subject'))}: {text(record(t).get('description'))}"
            for t in items(message.get("thoughts"))
        ]
        turn = out.agent(
            source,
            at,
            text=said,
            thinking="\n\n".join(thoughts),
            model=text(message.get("model")) or None,
        )
        for raw_call in items(message.get("toolCalls")):
            given = record(raw_call)
            call = out.call(
                turn,
                text(given.get("name")),
                given.get("args"),
                source,
                call_id=text(given.get("id")),
                at=when(given.get("timestamp")) or at,
            )
            status = given.get("status")
            failed = status in ("error", "cancelled") if isinstance(status, str) else None
            printed = [_response(record(p)) for p in items(given.get("result"))]
            if isinstance(given.get("result"), str):
                printed = [given["result"]]
            out.result(call, "\n".join(p for p in printed if p) or None, failed=failed)
            _shown(call, given.get("resultDisplay"))
            _read(call)
    elif kind in ("info", "error", "warning"):
        out.system(said, source, at)
    else:
        out.unknown(f"message {kind}")


def _content(content: dict[str, Any], out: Transcript, source: Source) -> None:
    """One entry of a shared chat, which has neither times nor models."""
    parts = [record(part) for part in items(content.get("parts"))]
    if content.get("role") == "model":
        turn = out.agent(source)
        turn.text = "\n\n".join(
            text(p.get("text")) for p in parts if "text" in p and not _thought(p)
        )
        turn.thinking = "\n\n".join(text(p.get("text")) for p in parts if _thought(p))
        for part in parts:
            asked = record(part.get("functionCall"))
            if asked:
                out.call(
                    turn,
                    text(asked.get("name")),
                    asked.get("args"),
                    source,
                    call_id=text(asked.get("id")),
                )
        return
    said: list[str] = []
    for part in parts:
        answered = record(part.get("functionResponse"))
        if answered:
            call = out.find(text(answered.get("id")))
            if call is None:
                out.unknown("functionResponse without its call")
            else:
                failed = "error" in record(answered.get("response"))
                out.result(call, _response(part), failed=failed or None)
                _read(call)
        elif isinstance(part.get("text"), str):
            said.append(part["text"])
        elif part:
            said.append(f"[{next(iter(part))}]")
    words = "\n".join(said)
    if words.lstrip().startswith(_SUMMARY):
        out.note("the conversation was compacted; what came before may be missing")
        out.system(words, source)
    elif words:
        out.user(words, source)


def _thought(part: dict[str, Any]) -> bool:
    return part.get("thought") is True


def _said(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        content = [content]
    parts = [
        part if isinstance(part, str) else text(record(part).get("text")) for part in items(content)
    ]
    return "\n".join(part for part in parts if part)


def _response(part: dict[str, Any]) -> str:
    response = record(record(part.get("functionResponse")).get("response"))
    for key in ("output", "error", "content", "result"):
        if isinstance(response.get(key), str):
            return str(response[key])
    return text(part.get("text"))


def _read(call: ToolCall) -> None:
    """A file as `read_file` gives it: bare when whole, framed when cut."""
    path = text(call.arguments.get("file_path")) or text(call.arguments.get("absolute_path"))
    if call.tool not in ("read_file", "ReadFile") or not path or not call.result or call.failed:
        return
    if call.result.startswith("<tool_output_masked>") or "... [TRUNCATED] ..." in call.result:
        return
    cut = _CUT.match(call.result)
    if cut is None:
        asked = any(call.arguments.get(k) for k in ("offset", "limit", "start_line", "end_line"))
        call.views.append(FileView(path=path, text=call.result, whole=not asked))
    elif len(cut["from"]) < 10:
        seen = call.result[cut.end() :]
        call.views.append(FileView(path=path, text=seen, start_line=max(int(cut["from"]), 1)))


def _shown(call: ToolCall, shown: Any) -> None:
    """What the person saw of an edit names the file's content before and after."""
    display = record(shown)
    path = text(call.arguments.get("file_path")) or text(display.get("fileName"))
    before, after = display.get("originalContent"), display.get("newContent")
    if path and isinstance(after, str) and "fileDiff" in display:
        held = before if isinstance(before, str) and before else None
        call.edits.append(
            Edit(path=path, new=after, before=held, kind="write" if held else "create")
        )

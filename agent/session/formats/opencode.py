"""OpenCode's exports: `{info, messages: [{info, parts}]}`.

Parts are `text` (a synthetic one is the tool's), `reasoning`, `tool` with its whole state, `file`,
`patch`, `snapshot` and step marks. Times are epoch milliseconds. Tool states carry metadata: the
exit code of a command, the file before and after an edit.
"""

from __future__ import annotations

from typing import Any

from agent.session.clock import when
from agent.session.injected import split
from agent.session.model import Command, Edit, Session, Source, ToolCall, Turn
from agent.session.raw import Raw, items, number, record, text, word_set
from agent.session.shell import view
from agent.session.transcript import Transcript

NAME = "opencode"

_SILENT = word_set("step-start step-finish snapshot patch retry agent")


def matches(raw: Raw) -> bool:
    """True for an export's shape."""
    file = raw.file
    if file is None or '"info"' not in file.head:
        return False
    document = record(file.document)
    first = record(next(iter(items(document.get("messages"))), None))
    return isinstance(document.get("info"), dict) and {"info", "parts"} <= first.keys()


def load(raw: Raw) -> Session:
    """Read one export."""
    file = raw.file
    assert file is not None  # noqa: S101 (`matches` looked)
    out = Transcript(NAME, raw)
    document = record(out.reads(file).document)
    info = record(document.get("info"))
    session = out.session
    session.id = text(info.get("id"))
    session.tool_version = text(info.get("version")) or None
    session.cwd = text(info.get("directory")) or None
    times = record(info.get("time"))
    session.started, session.ended = when(times.get("created")), when(times.get("updated"))
    if info.get("parentID"):
        out.note("a subagent's session; its parent is another file")
    for index, raw_message in enumerate(items(document.get("messages"))):
        _message(record(raw_message), out, file.source(index=index))
    return out.finish()


def _message(message: dict[str, Any], out: Transcript, source: Source) -> None:
    info = record(message.get("info"))
    at = when(record(info.get("time")).get("created"))
    parts = [record(part) for part in items(message.get("parts"))]
    cwd = text(record(info.get("path")).get("cwd"))
    if cwd and out.session.cwd is None:
        out.session.cwd = cwd
    role = text(info.get("role"))
    if role == "user":
        own: list[str] = []
        injected: list[str] = []
        for part in parts:
            kind = text(part.get("type"))
            if kind == "text" and part.get("synthetic") is not True:
                words, tool = split(text(part.get("text")))
                own += [words] if words else []
                injected += tool
            elif kind == "text":
                injected.append(text(part.get("text")))
            elif kind == "file":
                injected.append(f"[attached: {text(part.get('filename'))}]")
            elif kind not in _SILENT:
                out.unknown(f"user part {kind}")
        if own or injected:
            out.add(
                Turn(
                    role="user",
                    text="\n".join(own),
                    injected=injected,
                    timestamp=at,
                    source=source,
                )
            )
    elif role == "assistant":
        provider, model = text(info.get("providerID")), text(info.get("modelID"))
        turn = out.agent(source, at, model=f"{provider}/{model}" if provider else model)
        for part in parts:
            _part(part, turn, out, source)
        problem = record(record(info.get("error")).get("data")).get("message")
        if isinstance(problem, str):
            out.system(problem, source, at)
    else:
        out.unknown(f"message of role {role}")


def _part(part: dict[str, Any], turn: Turn, out: Transcript, source: Source) -> None:
    kind = text(part.get("type"))
    said = text(part.get("text"))
    if kind == "text":
        turn.text = f"{turn.text}\n\n{said}" if turn.text else said
    elif kind == "reasoning":
        turn.thinking = f"{turn.thinking}\n\n{said}" if turn.thinking else said
    elif kind == "tool":
        state = record(part.get("state"))
        call = out.call(
            turn,
            text(part.get("tool")),
            state.get("input"),
            source,
            call_id=text(part.get("callID")),
            at=when(record(state.get("time")).get("start")),
        )
        output = state.get("output", state.get("error"))
        status = state.get("status")
        out.result(
            call,
            output if isinstance(output, str) else None,
            failed=status == "error" if status in ("error", "completed") else None,
        )
        _metadata(call, record(state.get("metadata")), out.session.cwd)
    elif kind == "compaction":
        out.note("the conversation was compacted; what came before may be missing")
    elif kind == "subtask":
        out.note("subagents took part; their own steps are in other files")
    elif kind not in _SILENT and kind != "file":
        out.unknown(f"assistant part {kind}")


def _metadata(call: ToolCall, told: dict[str, Any], cwd: str | None) -> None:
    if call.tool == "bash" and isinstance(call.arguments.get("command"), str):
        call.command = Command(
            command=call.arguments["command"],
            cwd=text(call.arguments.get("workdir")) or cwd,
            exit_code=number(told.get("exit")),
            output=text(told.get("output")) or call.result or "",
        )
        seen = view(call.command)
        call.views += [seen] if seen is not None else []
        return
    changed = record(told.get("filediff"))
    path, before = text(changed.get("file")), changed.get("before")
    old = call.arguments.get("oldString")
    new = call.arguments.get("newString")
    if path and isinstance(before, str) and isinstance(new, str):
        call.edits.append(
            Edit(
                path=path,
                old=old if isinstance(old, str) and old else None,
                new=new,
                before=before,
                replace_all=call.arguments.get("replaceAll") is True,
                kind="replace" if old else "create",
            )
        )

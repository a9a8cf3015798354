"""Lists of chat messages as model APIs take them, OpenAI's and Anthropic's alike.

Many tools keep a session as such a list with a few fields of their own around it. `read` turns one
into turns: `tool_use`/`tool_result` blocks, `tool_calls`/`tool` messages and the older
`function_call` all become calls with results.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from agent.session.clock import when
from agent.session.injected import split, without_binaries
from agent.session.model import FileView, Source, ToolCall, Turn
from agent.session.raw import RawFile, items, parse, record, text
from agent.session.transcript import Transcript

_TIMES = ("ts", "timestamp", "created_at", "createdAt", "time", "date")
_THOUGHTS = ("reasoning_content", "reasoning", "thinking", "thought")
_TEXT_BLOCKS = ("text", "input_text", "output_text")


def looks_like(value: Any) -> bool:
    """True for a list whose first entries all are messages, a person's and a model's among them."""
    messages = [record(m) for m in items(value)[:50]]
    roles = {text(m.get("role")) for m in messages}
    if not messages or not roles <= {
        "system",
        "developer",
        "user",
        "assistant",
        "tool",
        "function",
    }:
        return False
    spoken = all("content" in m or "tool_calls" in m or "function_call" in m for m in messages)
    return spoken and bool(roles & {"user", "assistant"})


def read(out: Transcript, messages: list[Any], file: RawFile, *, model: str | None = None) -> None:
    """Read a list of messages.

    Args:
        out: the session under way.
        messages: the parsed list.
        file: where it stands.
        model: the model, where messages name none.
    """
    for index, raw_message in enumerate(messages):
        message(out, record(raw_message), file.source(index=index), model=model)


def message(
    out: Transcript, given: dict[str, Any], source: Source, *, model: str | None = None
) -> None:
    """Read one message."""
    role = text(given.get("role"))
    at = next((m for m in (when(given.get(key)) for key in _TIMES) if m is not None), None)
    if role == "assistant":
        _assistant(out, given, source, at, _model(given) or model)
    elif role == "user":
        _user(out, given, source, at)
    elif role in ("tool", "function"):
        call_id = text(given.get("tool_call_id")) or text(given.get("name"))
        _result(out, out.find(call_id), plain(given.get("content")), None)
    elif role in ("system", "developer"):
        said = plain(given.get("content"))
        if said:
            out.system(said, source, at)
    elif given:
        out.unknown(f"message of role {role}")


def plain(content: Any) -> str:
    """The text of a message's or result's content, whatever its shape."""
    if isinstance(content, str):
        return content
    parts: list[str] = []
    for raw_block in items(content):
        block = record(raw_block)
        if isinstance(raw_block, str):
            parts.append(raw_block)
        elif isinstance(block.get("text"), str):
            parts.append(block["text"])
        elif isinstance(block.get("result"), str):
            parts.append(block["result"])
        elif isinstance(block.get("type"), str):
            parts.append(f"[{block['type']}]")
    return "\n".join(parts)


def _model(given: dict[str, Any]) -> str | None:
    info = record(given.get("modelInfo"))
    named = given.get("model") or info.get("id") or info.get("modelId")
    return named if isinstance(named, str) else None


def _assistant(
    out: Transcript, given: dict[str, Any], source: Source, at: datetime | None, model: str | None
) -> None:
    turn = out.agent(source, at, model=model)
    said: list[str] = []
    thoughts = [text(given.get(key)) for key in _THOUGHTS]
    content = given.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else items(content)
    for raw_block in blocks:
        block = record(raw_block)
        kind = text(block.get("type"))
        if kind in _TEXT_BLOCKS:
            said.append(text(block.get("text")))
        elif kind in ("thinking", "reasoning"):
            thoughts.append(text(block.get("thinking")) or text(block.get("text")))
        elif kind in ("tool_use", "server_tool_use", "tool-call", "tool_call"):
            out.call(
                turn,
                text(block.get("name")) or text(block.get("toolName")),
                block.get("input", block.get("args")),
                source,
                call_id=text(block.get("id")) or text(block.get("toolCallId")),
                at=at,
            )
        elif kind not in ("redacted_thinking", "refusal"):
            out.unknown(f"assistant block {kind}")
    for raw_call in items(given.get("tool_calls")):
        _function(out, turn, record(raw_call), source, at)
    if isinstance(given.get("function_call"), dict):
        _function(out, turn, {"function": given["function_call"]}, source, at)
    turn.text = without_binaries("\n\n".join(part for part in said if part))
    turn.thinking = "\n\n".join(dict.fromkeys(part for part in thoughts if part))


def _function(
    out: Transcript, turn: Turn, given: dict[str, Any], source: Source, at: datetime | None
) -> None:
    function = record(given.get("function")) or given
    name = text(function.get("name"))
    out.call(
        turn,
        name,
        function.get("arguments", function.get("input")),
        source,
        call_id=text(given.get("id")) or name,
        at=at,
    )


def _user(out: Transcript, given: dict[str, Any], source: Source, at: datetime | None) -> None:
    content = given.get("content")
    if isinstance(content, str):
        out.user(content, source, at)
        return
    words: list[str] = []
    injected: list[str] = []
    seen: list[tuple[str, str]] = []
    for raw_block in items(content):
        block = record(raw_block)
        kind = text(block.get("type"))
        if kind == "tool_result":
            failed = block.get("is_error")
            _result(
                out,
                out.find(text(block.get("tool_use_id"))),
                plain(block.get("content")),
                failed if isinstance(failed, bool) else None,
            )
        elif kind in _TEXT_BLOCKS:
            own, tool = split(without_binaries(text(block.get("text"))))
            words += [own] if own else []
            injected += tool
        elif kind == "file" and isinstance(block.get("content"), str):
            seen.append((text(block.get("path")), block["content"]))
        elif kind:
            injected.append(f"[{kind}]")
    if not words and not injected and not seen:
        return
    turn = out.add(
        Turn(
            role="user",
            text="\n\n".join(words),
            injected=injected,
            timestamp=at,
            source=source,
        )
    )
    for path, held in seen:
        call = out.call(turn, "attachment", {"path": path}, source, at=at)
        call.views.append(FileView(path=path, text=held, whole=True))


def _result(out: Transcript, call: ToolCall | None, printed: str, failed: bool | None) -> None:
    if call is None:
        out.unknown("result without its call")
        return
    # Cline's SDK wraps each result once more.
    if printed.startswith('{"query":'):
        value, _ = parse(printed.encode("utf-8", "replace"))
        inner = record(value)
        if isinstance(inner.get("result"), str):
            printed = inner["result"]
            if isinstance(inner.get("success"), bool):
                failed = not inner["success"]
    out.result(call, printed, failed=failed)

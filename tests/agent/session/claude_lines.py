"""Lines of a Claude Code transcript, written by hand."""

from __future__ import annotations

from typing import Any

CWD = "/home/ann/shop"
AT = "2026-03-01T10:00:0{}.000Z"


def line(uuid: str, parent: str | None, kind: str, content: Any, **more: Any) -> dict[str, Any]:
    """One line of the conversation."""
    message = {"role": kind, "content": content}
    if kind == "assistant":
        message |= {"id": more.pop("message_id", f"msg_{uuid}"), "model": "a-model"}
    return {
        "uuid": uuid,
        "parentUuid": parent,
        "sessionId": "s-1",
        "cwd": CWD,
        "gitBranch": "main",
        "version": "2.1.0",
        "isSidechain": False,
        "timestamp": AT.format(int(uuid[1:]) % 10 if uuid[1:].isdigit() else 0),
        "type": kind,
        "message": message,
        **more,
    }


def use(call: str, tool: str, **given: Any) -> dict[str, Any]:
    """A block that calls a tool."""
    return {"type": "tool_use", "id": call, "name": tool, "input": given}


def result(call: str, content: Any, **more: Any) -> list[dict[str, Any]]:
    """The content of the line that brings a result."""
    return [{"type": "tool_result", "tool_use_id": call, "content": content, **more}]

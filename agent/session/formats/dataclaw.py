"""DataClaw exports: one JSON object per session (or per line, in a data set of several).

`{session_id, model, git_branch, start_time, end_time, project, messages}`; messages carry `role,
content, thinking, tool_uses[{tool, input, status, output}], timestamp`. The exporter replaces user
names by `user_<hash>` in texts, file contents included.
"""

from __future__ import annotations

from typing import Any

from agent.errors import SessionError
from agent.session.clock import when
from agent.session.model import GitFacts, Session
from agent.session.raw import Raw, items, record, text
from agent.session.transcript import Transcript

NAME = "dataclaw"


def matches(raw: Raw) -> bool:
    """True for an object, or lines of objects, with a session's head and `tool_uses`."""
    file = raw.file
    if file is None or ('"session_id"' not in file.head and '"messages"' not in file.head):
        return False
    if file.sample:
        return _is_session(file.sample[0])
    return _is_session(file.document)


def load(raw: Raw) -> Session:
    """Read the one session of the file."""
    file = raw.file
    assert file is not None  # noqa: S101 (`matches` looked)
    out = Transcript(NAME, raw)
    if len(file.sample) > 1:
        raise SessionError(
            f"{raw.path} is a data set of several sessions, one per line. Take one line out "
            f"(`sed -n 1p {raw.path.name} > session.json`) and name that file."
        )
    value = record(file.sample[0] if file.sample else file.document)
    out.reads(file)
    session = out.session
    session.id = text(value.get("session_id"))
    session.started, session.ended = when(value.get("start_time")), when(value.get("end_time"))
    model = text(value.get("model")) or None
    session.cwd = text(value.get("cwd")) or None
    for index, raw_message in enumerate(items(value.get("messages"))):
        message = record(raw_message)
        source = file.source(index=index)
        at = when(message.get("timestamp"))
        role = text(message.get("role"))
        if role == "user":
            out.user(text(message.get("content")), source, at)
        elif role == "assistant":
            turn = out.agent(
                source,
                at,
                text=text(message.get("content")),
                thinking=text(message.get("thinking")),
                model=model,
            )
            for raw_use in items(message.get("tool_uses")):
                use = record(raw_use)
                call = out.call(turn, text(use.get("tool")), use.get("input"), source, at=at)
                status = use.get("status")
                out.result(
                    call,
                    _output(use.get("output")),
                    failed=status != "success" if isinstance(status, str) else None,
                )
        else:
            out.unknown(f"message of role {role}")
    return out.finish(GitFacts(branch=text(value.get("git_branch")) or None))


def _is_session(value: Any) -> bool:
    head = record(value)
    if not isinstance(head.get("messages"), list) or "session_id" not in head:
        return False
    return "project" in head and ("start_time" in head or "stats" in head)


def _output(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    parts = record(value)
    for key in ("text", "output", "stdout", "content"):
        if isinstance(parts.get(key), str):
            return str(parts[key])
    return None

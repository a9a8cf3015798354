"""Plain message lists: what OpenAI's and Anthropic's APIs take, bare or within an object.

The last resort: asked only when no tool's own format is recognised. A file may be a JSON list, an
object with `messages` (or `history`, `conversation`), or one message per line.
"""

from __future__ import annotations

from typing import Any

from agent.session import chat
from agent.session.model import Session
from agent.session.raw import Raw, RawFile, items, record, text
from agent.session.transcript import Transcript

NAME = "chat_messages"
FALLBACK = True

_KEYS = ("messages", "history", "conversation", "conversations", "trajectory")


def matches(raw: Raw) -> bool:
    """True for a list of messages with roles."""
    file = raw.file
    return file is not None and (_by_line(file) or chat.looks_like(_messages(file.document)))


def load(raw: Raw) -> Session:
    """Read the list."""
    file = raw.file
    assert file is not None  # noqa: S101 (`matches` looked)
    out = Transcript(NAME, raw)
    out.reads(file)
    if _by_line(file):
        for line in file.records():
            source = file.source(line=line.number)
            if line.damaged:
                out.damaged(source)
            if line.value is not None:
                chat.message(out, line.value, source)
        return out.finish()
    head = record(file.document)
    out.session.id = text(head.get("id")) or text(head.get("session_id"))
    out.session.cwd = text(head.get("cwd")) or None
    chat.read(out, _messages(file.document), file, model=text(head.get("model")) or None)
    return out.finish()


def _by_line(file: RawFile) -> bool:
    return len(file.sample) > 1 and chat.looks_like(file.sample)


def _messages(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    held = record(value)
    return next((items(held[k]) for k in _KEYS if isinstance(held.get(k), list)), [])

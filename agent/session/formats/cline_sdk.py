"""Cline's SDK and CLI (2026): `sessions/<id>/<id>.json` with `<id>.messages.json` beside it.

The manifest tells where and when, the messages file holds the conversation, and a compaction file
holds what the model was left with after its context was shortened. The messages file is read; the
compaction file only when it is all there is.
"""

from __future__ import annotations

from typing import Any

from agent.session import chat
from agent.session.clock import when
from agent.session.gitfacts import clean_remote
from agent.session.model import GitFacts, Session
from agent.session.raw import Raw, RawFile, items, record, text
from agent.session.transcript import Transcript

NAME = "cline_sdk"

MAX_FOLDER_FILES = 50
"""A session's folder holds a handful of files; one with more is something else."""


def matches(raw: Raw) -> bool:
    """True for a messages file, or a folder with one."""
    return any(_is_messages(file) for file in _files(raw))


def load(raw: Raw) -> Session:
    """Read one session."""
    files = _files(raw)
    # The messages file has no compaction in it, so it sorts first.
    conversation = min(filter(_is_messages, files), key=lambda f: _is_compacted(f.document))
    out = Transcript(NAME, raw)
    document = record(out.reads(conversation).document)
    out.session.id = text(document.get("sessionId"))
    git = GitFacts()
    model: str | None = None
    for file in files:
        manifest = record(file.document)
        if "workspace_root" in manifest and "session_id" in manifest:
            out.reads(file)
            git, model = _manifest(manifest, out.session)
    if _is_compacted(document):
        out.note("the conversation was compacted; what came before is missing")
    for index, raw_message in enumerate(items(document.get("messages"))):
        message = record(raw_message)
        source = conversation.source(index=index)
        kind = record(message.get("metadata")).get("kind")
        if kind == "compaction_summary":
            out.system(chat.plain(message.get("content")), source, when(message.get("ts")))
        else:
            chat.message(out, message, source, model=model)
    return out.finish(git)


def _files(raw: Raw) -> list[RawFile]:
    if raw.file is not None:
        return [raw.file]
    names = [n for n in raw.names if n.endswith(".json") and "/" not in n]
    return [raw.open(name) for name in names] if len(raw.names) <= MAX_FOLDER_FILES else []


def _is_messages(file: RawFile) -> bool:
    if '"sessionId"' not in file.head and '"messages"' not in file.head:
        return False
    document = record(file.document)
    return (
        {"version", "agent", "sessionId", "messages"} <= document.keys()
        and isinstance(document["messages"], list)
        and isinstance(document["agent"], str)
    )


def _is_compacted(document: Any) -> bool:
    kinds = {
        text(record(record(m).get("metadata")).get("kind"))
        for m in items(record(document)["messages"])
    }
    return bool(kinds & {"compaction", "compaction_summary"})


def _manifest(manifest: dict[str, Any], session: Session) -> tuple[GitFacts, str | None]:
    session.cwd = text(manifest.get("cwd")) or text(manifest.get("workspace_root")) or None
    session.started = when(manifest.get("started_at"))
    metadata = record(manifest.get("metadata"))
    fork = record(metadata.get("fork"))
    if fork:
        # The manifest's times are the fork's own; the messages are the older session's.
        session.notes.append(f"forked from session {text(fork.get('forkedFromSessionId'))}")
    facts = record(metadata.get("git"))
    git = GitFacts(
        repository=clean_remote(text(facts.get("url"))), branch=text(facts.get("branch")) or None
    )
    return git, text(manifest.get("model")) or None

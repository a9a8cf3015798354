"""Entire checkpoints: a folder with `full.jsonl` and `metadata.json`, as the branch
`entire/checkpoints/v1` holds them.

The transcript is another tool's, told from its lines (the metadata's `agent` can be wrong). The
checkpoint adds the branch and its own id, which the outcome's commits name in the trailer
`Entire-Checkpoint`. A checkpoint of several sessions has one numbered folder each.
"""

from __future__ import annotations

import re
from typing import Any

from agent.errors import SessionError
from agent.session.model import Session
from agent.session.raw import Raw, record, text

NAME = "entire"

MAX_LOOKED_AT = 50
"""Files of a folder that are looked at: a checkpoint holds a handful."""


def matches(raw: Raw) -> bool:
    """True for a folder with a checkpoint's metadata beside a transcript."""
    return raw.is_folder and bool(_transcripts(raw)) and _metadata(raw) is not None


def load(raw: Raw) -> Session:
    """Read the transcript by its own format and add what the checkpoint knows."""
    from agent.session import load as load_any  # the registry imports this module

    transcripts = _transcripts(raw)
    if len(transcripts) > 1:
        raise SessionError(
            f"The checkpoint {raw.path} holds {len(transcripts)} sessions "
            f"({', '.join(transcripts[:5])}). Name one of them."
        )
    metadata = _metadata(raw) or {}
    session = load_any(raw.path / transcripts[0])
    session.path = raw.path
    session.notes.append(f"Entire checkpoint {text(metadata.get('checkpoint_id'))}")
    session.id = session.id or text(metadata.get("session_id"))
    if session.git.branch is None:
        session.git.branch = text(metadata.get("branch")) or None
    sources = [t.source for t in session.turns] + [c.source for c in session.calls()]
    for source in [*sources, *session.damaged]:
        source.file = source.file or transcripts[0]
    return session


def _metadata(raw: Raw) -> dict[str, Any] | None:
    for name in [n for n in raw.names if "/" not in n][:MAX_LOOKED_AT]:
        if name.endswith(".json"):
            value = record(raw.open(name).document)
            if "checkpoint_id" in value and "strategy" in value:
                return value
    return None


def _transcripts(raw: Raw) -> list[str]:
    found = [n for n in raw.names if n.endswith((".jsonl", "full.log"))]
    return [n for n in found if "/" not in n or re.fullmatch(r"\d+/[^/]+", n)][:MAX_LOOKED_AT]

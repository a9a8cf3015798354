"""Rows of SWE-bench and its relatives: a problem with its repository and commit, but no session.

One JSON object, or one line of a data set. The problem statement becomes the prompt; the patches
are the outcome and are mentioned in a note, never shown as turns.
"""

from __future__ import annotations

from typing import Any

from agent.errors import SessionError
from agent.session.clock import when
from agent.session.model import GitFacts, Session
from agent.session.raw import Raw, RawFile, items, record, text
from agent.session.transcript import Transcript

NAME = "swe_bench"


def matches(raw: Raw) -> bool:
    """True for an object, a line or a list of objects with a row's columns."""
    file = raw.file
    if file is None or ('"base_commit"' not in file.head and '"instance_id"' not in file.head):
        return False
    return _is_row(_rows(file)[0]) if _rows(file) else False


def load(raw: Raw) -> Session:
    """Read the one row of the file."""
    file = raw.file
    assert file is not None  # noqa: S101 (`matches` looked)
    rows = _rows(file)
    if len(rows) > 1:
        raise SessionError(
            f"{raw.path} holds {len(rows)} rows or more. Take one out and name that file."
        )
    row = rows[0]
    out = Transcript(NAME, raw)
    out.reads(file)
    out.session.id = text(row.get("instance_id"))
    at = when(row.get("created_at"))
    out.user(text(row.get("problem_statement")), file.source(index=0), at)
    out.note("a benchmark row: no conversation is recorded")
    if row.get("test_patch"):
        out.note("the row holds the outcome's tests and patch")
    name = text(row.get("repo"))
    address = name if "://" in name else f"https://github.com/{name}"
    return out.finish(
        GitFacts(
            repository=address if name else None,
            commit=text(row.get("base_commit")) or None,
            dirty=False,
        )
    )


def _rows(file: RawFile) -> list[dict[str, Any]]:
    if file.sample:
        return file.sample
    document = file.document
    return (
        [record(r) for r in items(document)] if isinstance(document, list) else [record(document)]
    )


def _is_row(row: dict[str, Any]) -> bool:
    return {"repo", "base_commit", "problem_statement"} <= row.keys()

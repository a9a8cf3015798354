"""Sessions that are a list of events, or a folder with one file per event."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from agent.session.model import Source
from agent.session.raw import Raw, items, record
from agent.session.transcript import Transcript

LOOKED_AT = 20
"""Events that are looked at to recognise a format."""

_KEYS = ("trajectory", "history", "events")


def find(raw: Raw, is_event: Callable[[dict[str, Any]], bool]) -> list[Any] | list[str] | None:
    """The events of a file, or the names of a folder's event files in order.

    Args:
        raw: what the user named.
        is_event: tells a format's events.

    Returns:
        None when there are no such events.
    """
    file = raw.file
    if file is not None:
        if not any(key in file.head for key in ('"source"', '"kind"')):
            return None
        listed = file.sample if len(file.sample) > 1 else _listed(file.document)
        return listed if any(is_event(record(e)) for e in listed[:LOOKED_AT]) else None
    names = sorted((n for n in raw.names if n.endswith(".json")), key=_natural)
    names = [n for n in names if "/" not in n or n.split("/")[-2] == "events"]
    looked = [n for n in names if re.search(r"\d", n)][:LOOKED_AT]
    found = any(is_event(record(raw.open(n).document)) for n in looked)
    return names if found else None


def read(
    raw: Raw, is_event: Callable[[dict[str, Any]], bool], out: Transcript
) -> Iterator[tuple[dict[str, Any], Source]]:
    """Every event with its place; files that hold none are left aside."""
    file = raw.file
    if file is not None:
        out.reads(file)
        if len(file.sample) > 1:
            for line in file.records():
                if line.damaged:
                    out.damaged(file.source(line=line.number))
                if line.value is not None:
                    yield line.value, file.source(line=line.number)
            return
        for index, event in enumerate(_listed(file.document)):
            yield record(event), file.source(index=index)
        return
    for name in find(raw, is_event) or []:
        part = raw.open(str(name))
        value = record(part.document)
        part.forget()
        if not value:
            out.damaged(out.reads(part).source())
        elif "id" in value and ("kind" in value or "source" in value) and "agent" not in value:
            out.reads(part)
            yield value, part.source()


def _listed(document: Any) -> list[Any]:
    if isinstance(document, list):
        return document
    held = record(document)
    return next((items(held[k]) for k in _KEYS if isinstance(held.get(k), list)), [])


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key by which `2.json` comes before `10.json`."""
    return [
        (int(p), "") if p.isdigit() and len(p) < 19 else (-1, p) for p in re.split(r"(\d+)", name)
    ]

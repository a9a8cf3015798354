"""The little of Markdown that exported chats need, read in one pass."""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPENING = re.compile(r"(?P<mark>`{3,}|~{3,})(?P<kind>[^\s`]*)[^\n`]*\n")


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block."""

    kind: str
    """The word behind the opening mark, such as `diff`."""
    text: str
    start: int
    end: int
    """Where the block begins and ends in the text around it, marks included."""


def fences(text: str) -> list[Fence]:
    """Every fenced block that begins and ends at a line's beginning."""
    found: list[Fence] = []
    position = 0
    while True:
        start = _at_line(text, "```", position)
        if start < 0:
            return found
        opening = _OPENING.match(text, start)
        if opening is None:
            position = start + 3
            continue
        body = opening.end()
        close = _closing(text, opening["mark"], body)
        if close < 0:
            return found
        end = text.find("\n", close)
        end = len(text) if end < 0 else end
        held = text[body:close].removesuffix("\n")
        found.append(Fence(opening["kind"], held, start, end))
        position = end


def without(text: str, blocks: list[Fence]) -> str:
    """The text with its fenced blocks taken out."""
    kept: list[str] = []
    position = 0
    for block in blocks:
        kept.append(text[position : block.start])
        position = block.end
    kept.append(text[position:])
    return "".join(kept)


def between(text: str, opening: str, closing: str) -> tuple[list[str], str]:
    """What stands between pairs of marks, and the text without the pairs.

    Args:
        text: where to look.
        opening: begins a piece; anything may follow it up to the piece's text.
        closing: ends a piece; one that never comes leaves the rest as it is.
    """
    pieces: list[str] = []
    kept: list[str] = []
    position = 0
    while True:
        start = text.find(opening, position)
        end = text.find(closing, start + len(opening)) if start >= 0 else -1
        if end < 0:
            break
        kept.append(text[position:start])
        pieces.append(text[start + len(opening) : end])
        position = end + len(closing)
    kept.append(text[position:])
    return pieces, "".join(kept)


def _at_line(text: str, mark: str, position: int) -> int:
    if position == 0 and text.startswith(mark):
        return 0
    found = text.find("\n" + mark, max(position - 1, 0))
    return found + 1 if found >= 0 else -1


def _closing(text: str, mark: str, position: int) -> int:
    """Where a line with nothing but the mark begins."""
    while True:
        at = _at_line(text, mark, position) if position else -1
        if at < 0:
            return -1
        end = text.find("\n", at)
        line = text[at : end if end >= 0 else len(text)]
        if line.strip() == mark:
            return at
        position = at + len(mark)

"""Pairs of tags in text, found in linear time however hostile the text is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_UNCLOSED = 100
"""Different tags without an end after which the search stops: each costs a look at the rest."""


@dataclass(frozen=True, slots=True)
class Tag:
    """An opening tag, its closing tag, and what stands between."""

    name: str
    text: str
    start: int
    end: int
    """Where the pair begins and ends, the tags included."""


def find(text: str, opening: re.Pattern[str]) -> Iterator[Tag]:
    """Every pair in order; pairs within a pair are not looked for.

    Args:
        text: where to look.
        opening: matches an opening tag; its first group is the name. The end is `</name>`.
    """
    position = 0
    unclosed: set[str] = set()
    for match in opening.finditer(text):
        name = match.group(1)
        if match.start() < position or name in unclosed:
            continue
        closing = f"</{name}>"
        end = text.find(closing, match.end())
        if end < 0:
            unclosed.add(name)
            if len(unclosed) > MAX_UNCLOSED:
                return
            continue
        position = end + len(closing)
        yield Tag(name, text[match.end() : end], match.start(), position)


def without(text: str, pairs: list[Tag]) -> str:
    """The text with pairs taken out, tags and all."""
    if not pairs:
        return text
    kept: list[str] = []
    position = 0
    for pair in pairs:
        kept.append(text[position : pair.start])
        position = pair.end
    kept.append(text[position:])
    return "".join(kept)

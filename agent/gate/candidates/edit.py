"""A change of one place in a source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """A mutation.

    Attributes:
        start: offset in bytes of what is replaced.
        end: offset of what follows it.
        text: what is put in its place.
        what: the operator in words.
        line: from 1.
    """

    start: int
    end: int
    text: str
    what: str
    line: int

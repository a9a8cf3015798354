"""SEARCH/REPLACE blocks, as Cline, Roo and Aider write edits, read line by line.

<<<<<<< SEARCH        (or ------- SEARCH)
old lines
=======
new lines
>>>>>>> REPLACE       (or +++++++ REPLACE)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPENS = re.compile(r"[-<]{3,} ?SEARCH>?\s*\Z")
_PARTS = re.compile(r"={3,}\s*\Z")
_CLOSES = re.compile(r"[+>]{3,} ?REPLACE>?\s*\Z")
_ROO_HEAD = (":start_line:", ":end_line:", "-------")
"""Lines that Roo writes between the opening mark and the old text."""


@dataclass(frozen=True, slots=True)
class Block:
    """One replacement."""

    old: str
    new: str
    line: int
    """Index from 0 of the opening mark among the text's lines."""


def parse(lines: list[str]) -> list[Block]:
    """Every whole block.

    Args:
        lines: the text's lines without newlines.

    Returns:
        Blocks in order, their texts with a newline behind each line. An opening mark within a
        block that has no end yet begins anew.
    """
    found: list[Block] = []
    start = -1
    old: list[str] = []
    new: list[str] | None = None
    for number, line in enumerate(lines):
        if _OPENS.match(line):
            start, old, new = number, [], None
        elif start < 0:
            continue
        elif new is None and _PARTS.match(line):
            new = []
        elif new is not None and _CLOSES.match(line):
            found.append(Block(_joined(old), _joined(new), start))
            start, new = -1, None
        elif new is not None:
            new.append(line)
        elif old or not line.startswith(_ROO_HEAD):
            old.append(line)
    return found


def _joined(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)

"""Applies the hunks of a difference to a text, wherever in it they fit."""

from __future__ import annotations

import re

MAX_HUNK_DRIFT = 2_000
"""Lines around its stated place where a hunk's old lines are looked for."""

_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


class EditError(Exception):
    """An edit does not apply to the content at hand; the message says why."""


def apply_hunks(text: str, patch: str) -> str:
    """Applies the hunks of a unified diff to a text.

    Hunks with line numbers are looked for around their place, hunks without (as in Codex's own
    patch notation) in order from the last one on.

    Raises:
        EditError: a hunk's old lines are not in the text.
    """
    lines = text.split("\n")
    shift = 0
    last = 0
    for place, old, new in _hunks(patch):
        wanted = None if place is None else max(0, place + shift)
        at = _find(lines, old, wanted, last)
        if at is None:
            raise EditError("a hunk's old lines are not in the file")
        lines[at : at + len(old)] = new
        shift += len(new) - len(old)
        last = at + len(new)
    return "\n".join(lines)


def _hunks(patch: str) -> list[tuple[int | None, list[str], list[str]]]:
    hunks: list[tuple[int | None, list[str], list[str]]] = []
    inside = False
    for raw in patch.split("\n"):
        line = raw.rstrip("\r")
        if line.startswith("@@"):
            found = _HUNK.match(line)
            # A hunk of pure additions names the line before it.
            place = None if not found else int(found[1]) - (0 if found[2] == "0" else 1)
            hunks.append((place, [], []))
            inside = True
        elif not inside or line.startswith("\\"):
            continue
        elif line.startswith("-"):
            hunks[-1][1].append(line[1:])
        elif line.startswith("+"):
            hunks[-1][2].append(line[1:])
        elif line.startswith(("*** ", "diff --git ")):
            inside = False
        elif line.startswith(" "):
            hunks[-1][1].append(line[1:])
            hunks[-1][2].append(line[1:])
    return hunks


def _find(lines: list[str], old: list[str], wanted: int | None, last: int) -> int | None:
    def there(at: int) -> bool:
        return lines[at : at + len(old)] == old

    if not old:
        return min(wanted if wanted is not None else len(lines), len(lines))
    if wanted is None:
        rest = [*range(last, len(lines)), *range(last)]
        return next((at for at in rest if there(at)), None)
    for drift in range(MAX_HUNK_DRIFT):
        for at in {wanted - drift, wanted + drift}:
            if 0 <= at <= len(lines) and there(at):
                return at
    return None

"""The patch envelope of Codex' `apply_patch` tool, read into edits.

The format is line-based: `*** Begin Patch`, then for each file `*** Add File:`, `*** Delete File:`
or `*** Update File:` (with an optional `*** Move to:`), hunks opened by `@@`, lines marked with a
blank, `+` or `-`, and `*** End Patch`. Hunks carry context instead of line numbers.
"""

from __future__ import annotations

from agent.session.model import Edit

_ADD, _DELETE, _UPDATE = "*** Add File: ", "*** Delete File: ", "*** Update File: "
_MOVE, _BEGIN, _END, _END_OF_FILE = (
    "*** Move to: ",
    "*** Begin Patch",
    "*** End Patch",
    "*** End of File",
)


def parse(patch: str) -> list[Edit]:
    """Every edit of a patch in order.

    Args:
        patch: text that holds one envelope, maybe within a shell command.

    Returns:
        One `create` or `delete` per file; one `replace` per hunk of an updated file, whose texts
        are whole lines; a `rename` for a move. Empty when there is no envelope.
    """
    start = patch.find(_BEGIN)
    if start < 0:
        return []
    edits: list[Edit] = []
    path = ""
    old: list[str] = []
    new: list[str] = []
    created: list[str] | None = None

    def close() -> None:
        nonlocal created
        if created is not None:
            edits.append(Edit(path=path, new=_joined(created), kind="create"))
            created = None
        elif old or new:
            if old != new:
                edits.append(Edit(path=path, old=_joined(old), new=_joined(new), kind="replace"))
            old.clear()
            new.clear()

    for line in patch[start:].split("\n"):
        line = line.rstrip("\r")
        if line.startswith(_END):
            break
        if line.startswith((_BEGIN, _END_OF_FILE)):
            continue
        if line.startswith((_ADD, _DELETE, _UPDATE)):
            close()
            path = line.split(": ", 1)[1].strip()
            if line.startswith(_ADD):
                created = []
            elif line.startswith(_DELETE):
                edits.append(Edit(path=path, kind="delete"))
        elif line.startswith(_MOVE):
            edits.append(Edit(path=path, kind="rename", new_path=line[len(_MOVE) :].strip()))
        elif created is not None:
            created.append(line[1:] if line.startswith("+") else line)
        elif line.startswith("@@"):
            close()
        elif line.startswith("+"):
            new.append(line[1:])
        elif line.startswith("-"):
            old.append(line[1:])
        elif path:
            # A context line; tools strip the blank of an empty one.
            context = line[1:] if line.startswith(" ") else line
            old.append(context)
            new.append(context)
    close()
    return edits


def _joined(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)

"""An edit as a diff that a person can read."""

from __future__ import annotations

import difflib

from agent.session.model import Edit

MAX_COMPARED_LINES = 3000
"""Lines of the larger side up to which texts are compared; beyond, only sizes are told."""
CONTEXT_LINES = 2
"""Unchanged lines around a change: enough to find the place."""


def diff_of(edit: Edit) -> str:
    """The change as unified-diff lines without a file header.

    Args:
        edit: any edit.

    Returns:
        Lines beginning with a blank, `+`, `-` or `@@`; a remark in brackets where there is nothing
        to compare.
    """
    if edit.kind == "rename":
        return f"[renamed to {edit.new_path}]"
    if edit.kind == "delete":
        return "[deleted]"
    if edit.patch is not None:
        return edit.patch.strip("\n")
    old = edit.before if edit.old is None else edit.old
    new = edit.new or ""
    if not old:
        return "\n".join(f"+{line}" for line in new.splitlines())
    before, after = old.splitlines(), new.splitlines()
    if max(len(before), len(after)) > MAX_COMPARED_LINES:
        return f"[{len(before)} lines replaced by {len(after)}]"
    lines = difflib.unified_diff(before, after, n=CONTEXT_LINES, lineterm="")
    shown = [line for line in lines if not line.startswith(("--- ", "+++ "))]
    return "\n".join(shown) or "[no change]"

"""A session as numbered turns, for a sub-agent that must cite them."""

from __future__ import annotations

from collections.abc import Iterator

from agent.session.model import Session, ToolCall, Turn

PROMPT_CHARS = 8_000
"""Of a user's message; longer ones paste logs."""
SAID_CHARS = 1_500
"""Of what the agent said."""
COMMAND_CHARS = 400
OUTPUT_CHARS = 800
"""Of a command's output, from its end, where errors stand."""


def as_text(session: Session, limit_bytes: int) -> str:
    """The session, a block for each turn, headed by the number by which it is cited.

    Args:
        session: the session, scrubbed.
        limit_bytes: most bytes of UTF-8; the rest of the turns is left out, with a remark.
    """
    parts: list[str] = []
    left = limit_bytes
    for number, turn in enumerate(session.turns):
        block = "\n".join(_block(number, turn)) + "\n"
        left -= len(block.encode("utf-8", "replace"))
        if left < 0:
            parts.append(f"[turns {number} to {len(session.turns) - 1} are in session.json]\n")
            break
        parts.append(block)
    return "".join(parts)


def _block(number: int, turn: Turn) -> Iterator[str]:
    who = f"{turn.role}, a sub-agent" if turn.sidechain else turn.role
    yield f"=== turn {number} ({who})"
    limit = PROMPT_CHARS if turn.role == "user" else SAID_CHARS
    if turn.text.strip():
        yield _cut(turn.text.strip(), limit)
    for call in turn.calls:
        yield from _call(call)


def _call(call: ToolCall) -> Iterator[str]:
    if call.command is not None:
        code = "?" if call.command.exit_code is None else call.command.exit_code
        yield f"$ {_cut(call.command.command, COMMAND_CHARS)}  [exit code {code}]"
        output = call.command.output.strip()
        if output:
            yield output[-OUTPUT_CHARS:]
        return
    failed = " (failed)" if call.failed else ""
    yield f"> {call.tool}{failed} " + ", ".join(view.path for view in call.views)
    for edit in call.edits:
        new = edit.patch or edit.new or ""
        yield f"  {edit.kind} {edit.path}\n{_cut(new, SAID_CHARS)}"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]} [… {len(text) - limit} more characters]"

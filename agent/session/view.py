"""A session as a person, or a builder model, would want to read it.

`render` prints to a terminal; `to_markdown` writes the file that a builder finds in its sandbox.
Both show prompts whole, shorten what the agent said and did, and point to the raw file's lines.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from agent.session.diffs import diff_of
from agent.session.model import Session, Source, ToolCall, Turn

AGENT_CHARS = 1200
"""Characters of an agent's message that are shown; plans and summaries fit."""
OUTPUT_CHARS = 1500
"""Characters of a command's output that are shown, from its end, where errors stand."""
DIFF_LINES = 40
"""Lines of an edit that are shown."""
ARGUMENT_CHARS = 160
"""Characters of another tool's arguments that are shown."""
PROMPT_SHARE = 0.5
"""Most of the allowance that the prompts' own section may take when they have to be cut."""
MAX_LISTED = 5
"""Damaged places and unknown types that are listed by name."""


def render(session: Session, console: Console) -> None:
    """Print a session.

    Args:
        session: what to show.
        console: where to; its width decides how lines break.
    """
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in _facts(session):
        table.add_row(name, escape(_printable(value)))
    console.print(Panel(table, title=f"session · {session.format}", title_align="left"))
    number = 0
    for turn in session.turns:
        if turn.role == "user" and turn.text.strip() and not turn.sidechain:
            number += 1
            console.print(Rule(f"prompt {number} · {_where(turn)}", style="green", align="left"))
            console.print(Text(_printable(turn.text)))
        elif turn.role == "agent":
            aside = " · subagent" if turn.sidechain else ""
            console.print(Rule(f"agent{aside} · {_where(turn)}", style="blue", align="left"))
            if turn.text:
                console.print(Text(_printable(_head(turn.text, AGENT_CHARS))))
            for call in turn.calls:
                _render_call(call, console)
        elif turn.role == "system":
            said = _printable(_head(turn.text, ARGUMENT_CHARS).replace("\n", " "))
            console.print(Text(f"system · {_where(turn)} · {said}", style="dim"))
    if not session.turns:
        console.print(Text("no turns", style="dim"))


def to_markdown(session: Session, limit_bytes: int) -> str:
    """Write a session as Markdown.

    Args:
        session: what to write.
        limit_bytes: most bytes of UTF-8 that the text may have.

    Returns:
        Facts, then every prompt verbatim and numbered, then the course of events. What does not
        fit is left out from the middle of that course, with a remark on where it stands.
    """
    head = "# The session\n\n" + "".join(f"- {name}: {value}\n" for name, value in _facts(session))
    prompts = _prompts(session, int(limit_bytes * PROMPT_SHARE))
    opening = f"{head}\n{prompts}\n## What happened\n"
    blocks = list(_blocks(session))
    left = limit_bytes - _size(opening)
    text = opening + _fitted(blocks, left)
    return _cut(text, limit_bytes)


def _facts(session: Session) -> Iterator[tuple[str, str]]:
    git = session.git
    yield "file", session.path.name
    if session.id:
        yield "id", session.id
    yield "format", session.format + (f" {session.tool_version}" if session.tool_version else "")
    if session.model:
        yield "model", session.model
    if session.started:
        zone = " (zone unknown)" if session.local_time else " UTC"
        until = f" to {session.ended:%Y-%m-%d %H:%M}" if session.ended else ""
        yield "time", f"{session.started:%Y-%m-%d %H:%M}{until}{zone}"
    if session.cwd:
        yield "directory", session.cwd
    if git.repository:
        yield "repository", git.repository
    if git.commit or git.branch:
        dirty = {True: ", uncommitted changes", False: ", clean", None: ""}[git.dirty]
        branch = f" on {git.branch}" if git.branch else ""
        yield "commit", f"{git.commit or 'not recorded'}{branch}{dirty}"
    calls = list(session.calls())
    edited = {edit.path for call in calls for edit in call.edits if not call.failed}
    yield (
        "size",
        (
            f"{len(session.prompts)} prompts, {len(session.turns)} turns, {len(calls)} calls, "
            f"{len(edited)} files edited"
        ),
    )
    for note in session.notes:
        yield "note", note
    if session.unknown:
        listed = sorted(session.unknown.items(), key=lambda kind: -kind[1])[:MAX_LISTED]
        yield "unknown records", ", ".join(f"{name} ({count})" for name, count in listed)
    if session.damaged:
        places = ", ".join(_place(place) for place in session.damaged[:MAX_LISTED])
        yield "damaged", f"{len(session.damaged)} places: {places}"


def _where(turn: Turn) -> str:
    at = f"{turn.timestamp:%Y-%m-%d %H:%M} · " if turn.timestamp else ""
    return at + _place(turn.source)


def _place(source: Source) -> str:
    name = f"{source.file} " if source.file else ""
    if source.line is not None:
        return f"{name}line {source.line}"
    if source.index is not None:
        return f"{name}message {source.index}"
    return name.strip() or "the file"


def _render_call(call: ToolCall, console: Console) -> None:
    mark = {True: "[red]✗[/red]", False: "[green]✓[/green]", None: "·"}[call.failed]
    if call.command is not None:
        code = call.command.exit_code
        ended = "" if code is None else f" [{'green' if code == 0 else 'red'}]exit {code}[/]"
        shown = escape(_printable(_head(call.command.command, AGENT_CHARS)))
        console.print(f"  {mark} [bold]$[/bold] {shown}{ended}")
        output = _printable(_tail(call.command.output.strip(), OUTPUT_CHARS))
        if output:
            console.print(Text(_indented(output), style="dim"))
        return
    console.print(f"  {mark} {escape(_printable(_title(call)))}")
    for edit in call.edits:
        lines = _printable(_abridged(diff_of(edit)))
        console.print(Syntax(lines, "diff", background_color="default", word_wrap=True))


def _prompts(session: Session, limit_bytes: int) -> str:
    texts = [turn.text for turn in session.prompts]
    whole = sum(_size(text) for text in texts)
    share = limit_bytes // len(texts) if texts and whole > limit_bytes else None
    lines = ["## The user's prompts, verbatim\n"]
    for number, turn in enumerate(session.prompts, 1):
        said = turn.text if share is None else _middle(turn.text, share)
        lines.append(f"### Prompt {number} ({_where(turn)})\n\n{_fenced(said)}\n")
    if not texts:
        lines.append("None.\n")
    return "\n".join(lines)


def _blocks(session: Session) -> Iterator[tuple[Turn, str]]:
    number = 0
    for turn in session.turns:
        if turn.role == "user" and turn.text.strip() and not turn.sidechain:
            number += 1
            yield turn, f"\n### Prompt {number} (see above; {_where(turn)})\n"
        elif turn.role == "agent":
            aside = ", a subagent" if turn.sidechain else ""
            parts = [f"\n### Agent{aside} ({_where(turn)})\n"]
            if turn.text.strip():
                parts.append("\n" + _quoted(_head(turn.text.strip(), AGENT_CHARS)) + "\n")
            parts += [_call_text(call) for call in turn.calls]
            yield turn, "".join(parts)
        elif turn.role == "user" and turn.calls:
            yield turn, "".join(_call_text(call) for call in turn.calls)


def _call_text(call: ToolCall) -> str:
    failed = " — failed" if call.failed else ""
    if call.command is not None:
        code = "not recorded" if call.command.exit_code is None else str(call.command.exit_code)
        output = _tail(call.command.output.strip(), OUTPUT_CHARS)
        shown = f"$ {_head(call.command.command, AGENT_CHARS)}\n{output}".strip()
        return f"\nRan (exit code {code}{failed}):\n\n{_fenced(shown)}\n"
    lines = [f"\nCalled {_title(call)}{failed}\n"]
    for edit in call.edits:
        lines.append(f"\n{_fenced(_abridged(diff_of(edit)), 'diff')}\n")
    if call.failed and call.result:
        lines.append(f"\n{_fenced(_tail(call.result, OUTPUT_CHARS))}\n")
    return "".join(lines)


def _title(call: ToolCall) -> str:
    paths = dict.fromkeys([e.path for e in call.edits] + [v.path for v in call.views])
    if paths:
        kinds = ", ".join(dict.fromkeys(edit.kind for edit in call.edits))
        seen = ", ".join(_seen(call) for _ in call.views[:1])
        about = "; ".join(part for part in (kinds, seen) if part)
        listed = ", ".join(list(paths)[:MAX_LISTED])
        return f"{call.tool} {listed} ({about})"
    given = ", ".join(f"{key}={value!r}" for key, value in call.arguments.items())
    return f"{call.tool} {_head(given, ARGUMENT_CHARS)}".strip()


def _seen(call: ToolCall) -> str:
    view = call.views[0]
    count = view.text.count("\n") + (not view.text.endswith("\n"))
    if view.whole:
        return f"read whole, {count} lines"
    return f"read lines {view.start_line} to {view.start_line + count - 1}"


def _fitted(blocks: list[tuple[Turn, str]], limit_bytes: int) -> str:
    """Blocks from both ends, as many as fit."""
    sizes = [_size(block) for _, block in blocks]
    if sum(sizes) <= limit_bytes:
        return "".join(block for _, block in blocks)
    remark_bytes = 300
    left = limit_bytes - remark_bytes
    first, last = 0, len(blocks)
    head_left = left // 2
    while first < last and sizes[first] <= head_left:
        head_left -= sizes[first]
        left -= sizes[first]
        first += 1
    while last > first and sizes[last - 1] <= left:
        left -= sizes[last - 1]
        last -= 1
    dropped = [turn for turn, _ in blocks[first:last]]
    remark = (
        f"\n[… {len(dropped)} turns are left out here; they stand in the raw session from "
        f"{_place(dropped[0].source)} to {_place(dropped[-1].source)} …]\n"
    )
    return "".join([b for _, b in blocks[:first]] + [remark] + [b for _, b in blocks[last:]])


def _abridged(diff: str) -> str:
    lines = diff.split("\n")
    if len(lines) <= DIFF_LINES:
        return diff
    half = DIFF_LINES // 2
    left_out = len(lines) - 2 * half
    return "\n".join([*lines[:half], f"[… {left_out} lines …]", *lines[-half:]])


def _head(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]} [… {len(text) - limit} characters]"


def _tail(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"[{len(text) - limit} characters …] {text[-limit:]}"


def _middle(text: str, limit_bytes: int) -> str:
    if _size(text) <= limit_bytes:
        return text
    half = max(limit_bytes // 2 - 60, 0)
    raw = text.encode("utf-8", "replace")
    start, end = (
        raw[:half].decode("utf-8", "ignore"),
        raw[len(raw) - half :].decode("utf-8", "ignore"),
    )
    return f"{start}\n[… {len(raw) - 2 * half} bytes …]\n{end}"


def _cut(text: str, limit_bytes: int) -> str:
    raw = text.encode("utf-8", "replace")
    return text if len(raw) <= limit_bytes else raw[:limit_bytes].decode("utf-8", "ignore")


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _fenced(text: str, kind: str = "") -> str:
    """A fenced block whose marks occur nowhere in the text."""
    mark = "```"
    while mark in text:
        mark += "`"
    return f"{mark}{kind}\n{text}\n{mark}"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.split("\n"))


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.split("\n"))


def _printable(text: str) -> str:
    """Without control characters, which could drive the terminal."""
    return "".join(c if (c >= " " and c != "\x7f") or c in "\n\t" else "�" for c in text)

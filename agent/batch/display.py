"""A batch on the terminal: a live table of workers, yield and cost; or one JSON event a line."""

from __future__ import annotations

import json
import sys
import time
from types import TracebackType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from agent.batch.watcher import Listener, Snapshot
from agent.console import printable
from agent.queue.schema import OPEN_STATES
from agent.queue.tables import COLOURS

REFRESH_PER_S = 2
REASONS = 6
"""Kinds of endings that are listed."""
SESSION_CHARS = 50


class Events(Listener):
    """Prints events as JSON lines, to what is standard output when it is made."""

    def __init__(self) -> None:
        self._out = sys.stdout

    def event(self, name: str, **facts: Any) -> None:
        """See `Listener`."""
        record = {"event": name, "at": round(time.time(), 3), **facts}
        self._out.write(json.dumps(record, default=str) + "\n")
        self._out.flush()


class LiveTable(Listener):
    """Draws a table that is kept current; elsewhere than on a terminal, a line an event."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None

    def __enter__(self) -> LiveTable:
        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=REFRESH_PER_S)
            self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.__exit__(kind, error, trace)

    def snapshot(self, snapshot: Snapshot) -> None:
        """See `Listener`."""
        if self._live:
            self._live.update(drawn(snapshot))

    def event(self, name: str, **facts: Any) -> None:
        """See `Listener`."""
        if self._live is None or name in ("note", "freed"):
            shown = ", ".join(f"{k} {v}" for k, v in facts.items() if v not in (None, "", 0.0))
            line = Text(f"{name}: ", style="dim").append(printable(shown))
            self._console.print(line, soft_wrap=True)


def drawn(snapshot: Snapshot) -> RenderableType:
    """A snapshot as a person reads it."""
    parts: list[RenderableType] = [_headline(snapshot)]
    if snapshot.running:
        table = Table(box=None, padding=(0, 2, 0, 0))
        for name in ("worker", "entry", "state", "since", "spent", "session"):
            table.add_column(name, no_wrap=True)
        for row in snapshot.running:
            place, _, process = row["worker"].partition("#")
            number = process.rpartition("/")[2].partition("-")[0]
            table.add_row(
                escape(printable(f"{place}:{number}")),
                str(row["id"]),
                f"[{COLOURS.get(row['state'], 'default')}]{row['state']}[/]",
                f"{max(0.0, time.time() - row['claimed_at']):.0f}s",
                f"${row['spending']:.2f}",
                escape(printable(row["path"][-SESSION_CHARS:])),
            )
        parts.append(table)
    parts.append(_yield(snapshot))
    for name, seconds, why in snapshot.waits:
        parts.append(Text(printable(f"all wait {seconds:.0f}s for {name}: {why}"), style="yellow"))
    parts += [Text(printable(note), style="dim") for note in snapshot.notes]
    return Group(*parts)


def _headline(snapshot: Snapshot) -> Text:
    left = snapshot.seconds_left
    pieces = [
        f"{snapshot.finished} done, {snapshot.accepted} accepted, {snapshot.open} to go",
        f"{snapshot.rate:.1f} a minute",
        f"${snapshot.dollars:.2f} spent, ${snapshot.reserved:.2f} set aside, "
        f"about ${snapshot.dollars_to_go:.2f} to go",
        f"{_span(snapshot.seconds)} so far, {_span(left) if left is not None else '?'} left",
    ]
    return Text("; ".join(pieces), style="bold")


def _yield(snapshot: Snapshot) -> Text:
    """What became of sessions, the commonest ends first."""
    ends = [
        (number, state, kind)
        for state, kinds in snapshot.counts.items()
        if state not in OPEN_STATES
        for kind, number in kinds.items()
    ]
    ends.sort(reverse=True)
    shown = [f"{n} {state}{f' ({kind})' if kind else ''}" for n, state, kind in ends[:REASONS]]
    return Text("whole queue: " + (", ".join(shown) or "nothing has ended yet"))


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}" if hours else f"{minutes}m{rest:02d}s"

"""What a person sees while a build runs: phase, turn, last command, cost, time left.

On a terminal one live block is redrawn; elsewhere each event is a line, so that a log stays
readable. Everything goes to standard error: standard output belongs to the result. Texts that come
from a session, a model or a container are printed without their control characters, because an
escape sequence can forge what a terminal shows.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from agent import loop
from agent.budget import Budget, Spending
from agent.progress import Event, GateProgress, Note, PhaseStarted

REFRESH_PER_S = 4
"""Fast enough for a clock that shows seconds; slow enough to cost nothing."""
LAST_COMMAND_CHARS = 100

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """A text without the characters that steer a terminal or turn the writing around."""
    return _CONTROL.sub("\ufffd", text)


class Progress:
    """Shows events; use as a context manager and pass `show` to a build.

    Args:
        console: where to; its standard error.
        budget: what the build may spend, to say what is left.
        quiet: show nothing.
    """

    def __init__(
        self, console: Console, *, budget: Budget | None = None, quiet: bool = False
    ) -> None:
        self._console = console
        self._budget = budget or Budget()
        self._quiet = quiet
        self._live: Live | None = None
        self._began = self._phase_began = time.monotonic()
        self._phase = "starting"
        self._turn = ""
        self._command = ""

    @property
    def show(self) -> Callable[[Event], None]:
        """The function that takes events."""
        return self._ignore if self._quiet else self._show

    def __enter__(self) -> Progress:
        if not self._quiet and self._console.is_terminal:
            self._live = Live(
                get_renderable=self._block,
                console=self._console,
                refresh_per_second=REFRESH_PER_S,
                transient=True,
            )
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

    def _ignore(self, event: Event) -> None:
        pass

    def _show(self, event: Event) -> None:
        match event:
            case PhaseStarted(name, detail):
                self._phase, self._phase_began = name, time.monotonic()
                self._turn = self._command = ""
                self._line(f"{name}: {detail}" if detail else name, "bold")
            case loop.QueryStarted(turn):
                self._turn, self._command = f"turn {turn}", ""
            case loop.QueryFinished(turn, _, spending):
                self._turn = f"turn {turn}, {spent(spending)}{left(self._budget, spending)}"
            case loop.CommandStarted(turn, command):
                lines = command.strip().splitlines() or [""]
                self._command = printable(lines[0])[:LAST_COMMAND_CHARS]
                if self._live is None:
                    self._line(f"  turn {turn}: $ {self._command}", "dim")
            case loop.SubmissionStarted(number):
                self._line(f"  submission {number}", "")
            case GateProgress(check, verdict, summary):
                self._line(f"  {check}: {verdict}. {summary}", "")
            case Note(text) | loop.Notice(text):
                self._line(f"  {text}", "dim")
            case _:
                pass

    def _line(self, text: str, style: str) -> None:
        line = Text(f"{time.monotonic() - self._began:7.1f}s ", style="dim")
        line.append(printable(text), style=style or None)
        self._console.print(line, soft_wrap=True)

    def _block(self) -> Group:
        now = time.monotonic()
        head = f"{self._phase} ({now - self._phase_began:.0f}s, {now - self._began:.0f}s in all)"
        rows: list[Spinner | Text] = [Spinner("dots", Text(head))]
        if self._turn:
            rows.append(Text(f"  {self._turn}", style="dim"))
        if self._command:
            rows.append(Text(f"  $ {self._command}", style="dim"))
        return Group(*rows)


def spent(spending: Spending) -> str:
    """What was spent, in a few words."""
    parts = [f"{spending.tokens:,} tokens"] if spending.tokens else []
    if spending.dollars:
        parts.append(f"${spending.dollars:.2f}")
    parts.append(f"{spending.minutes:.1f} min")
    return ", ".join(parts)


def left(budget: Budget, spending: Spending) -> str:
    """What is left of the limited budgets, as a suffix; empty when nothing is limited."""
    parts = []
    if budget.turns is not None:
        parts.append(f"{max(0, budget.turns - spending.turns)} turns")
    if budget.tokens is not None:
        parts.append(f"{max(0, budget.tokens - spending.tokens):,} tokens")
    if budget.dollars is not None:
        parts.append(f"${max(0.0, budget.dollars - spending.dollars):.2f}")
    if budget.minutes is not None:
        parts.append(f"{max(0.0, budget.minutes - spending.minutes):.0f} min")
    return f" (left: {', '.join(parts)})" if parts else ""

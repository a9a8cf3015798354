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

from agent.progress import CommandStarted, Event, GateProgress, Note, PhaseStarted, TurnStarted

REFRESH_PER_S = 4
"""Fast enough for a clock that shows seconds; slow enough to cost nothing."""
LAST_COMMAND_CHARS = 100

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """A text without the characters that steer a terminal."""
    return _CONTROL.sub("�", text)


class Progress:
    """Shows events; use as a context manager and pass `show` to `build`.

    Args:
        console: where to; its standard error.
        quiet: show nothing.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._live: Live | None = None
        self._began = time.monotonic()
        self._phase = "starting"
        self._phase_began = self._began
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
        now = time.monotonic()
        if isinstance(event, PhaseStarted):
            self._phase, self._phase_began = event.name, now
            self._turn = self._command = ""
            self._line(f"{event.name}: {event.detail}" if event.detail else event.name, "bold")
        elif isinstance(event, TurnStarted):
            left = ", ".join(event.left)
            self._turn = f"turn {event.turn}, {event.spent}" + (f" (left: {left})" if left else "")
            self._command = ""
        elif isinstance(event, CommandStarted):
            first = printable(event.command.strip().splitlines()[0] if event.command.strip() else "")
            self._command = first[:LAST_COMMAND_CHARS]
            if not self._live:
                self._line(f"  {self._turn.split(',')[0]}: $ {self._command}", "dim")
        elif isinstance(event, GateProgress):
            self._line(f"  {event.check}: {event.verdict} {event.summary}".rstrip(), "")
        elif isinstance(event, Note):
            self._line(f"  {event.text}", "dim")

    def _line(self, text: str, style: str) -> None:
        elapsed = time.monotonic() - self._began
        line = Text(f"{elapsed:7.1f}s ", style="dim")
        line.append(printable(text), style=style or None)
        self._console.print(line, soft_wrap=True)

    def _block(self) -> Group:
        now = time.monotonic()
        head = Text(f"{self._phase} ({now - self._phase_began:.0f}s, {now - self._began:.0f}s in all)")
        rows: list[Spinner | Text] = [Spinner("dots", head)]
        if self._turn:
            rows.append(Text(f"  {self._turn}", style="dim"))
        if self._command:
            rows.append(Text(f"  $ {self._command}", style="dim"))
        return Group(*rows)

"""What a build tells while it runs, beside the loop's own events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from agent import loop


@dataclass(frozen=True)
class PhaseStarted:
    """A phase of the build began."""

    name: str
    detail: str = ""


@dataclass(frozen=True)
class GateProgress:
    """A check of the gate has its verdict."""

    check: str
    verdict: str
    summary: str


@dataclass(frozen=True)
class Note:
    """Something a person may want to know, in one line."""

    text: str


Event = PhaseStarted | GateProgress | Note | loop.Event
Listener = Callable[[Event], None]


class Clock:
    """Says which phase begins and keeps how long each took, inner phases counted apart."""

    def __init__(self, on_event: Listener) -> None:
        """No phase has begun.

        Args:
            on_event: told of each phase.
        """
        self.seconds: dict[str, float] = {}
        self._tell = on_event
        self._inner = [0.0]

    @contextmanager
    def phase(self, name: str, detail: str = "") -> Iterator[None]:
        """Whatever is done in the block belongs to a phase; `detail` says more to a person."""
        self._tell(PhaseStarted(name, detail))
        began = time.monotonic()
        self._inner.append(0.0)
        try:
            yield
        finally:
            whole = time.monotonic() - began
            own = whole - self._inner.pop()
            self._inner[-1] += whole
            self.seconds[name] = self.seconds.get(name, 0.0) + own

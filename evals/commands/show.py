"""What the commands that run and report print: progress, leaderboard, verdict on the controls."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.console import printable
from agent.progress import PhaseStarted
from evals.floor import above_floor
from evals.leaderboard import Row, rows
from evals.report import number
from evals.results import Key, Result
from evals.run import Begun, Finished, Planned, RunEvent, Told

LOG_COLUMNS = 160
"""Width of tables in a file or a pipe: wide enough for every column."""

err = Console(stderr=True, highlight=False, soft_wrap=True)
out = Console(highlight=False)
if not out.is_terminal:
    out = Console(highlight=False, width=LOG_COLUMNS)


class Progress:
    """Prints a line for each attempt that begins and ends, with an estimate of what is left.

    Lines suit a log as well as a terminal, and several attempts at once.

    Args:
        console: where to.
        workers: attempts at one time.
        quiet: print nothing.
    """

    def __init__(self, console: Console, *, workers: int, quiet: bool) -> None:
        self._console = console
        self._workers = workers
        self._quiet = quiet
        self._lock = threading.Lock()
        self._total = self._done = self._kept = 0
        self._begun = time.monotonic()
        self._seconds: dict[str, list[float]] = defaultdict(list)
        self._dollars: dict[str, list[float]] = defaultdict(list)
        self._left: dict[str, int] = defaultdict(int)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, event: RunEvent) -> None:
        """Take an event, from any thread."""
        with self._lock:
            match event:
                case Planned(keys):
                    self._total = len(keys)
                    for builder, _, _ in keys:
                        self._left[builder] += 1
                case Finished(result, kept):
                    self._finished(result, kept)
                case Begun(key):
                    self._line(f"begins  {_name(key)}", "dim")
                case Told(key, PhaseStarted(name, detail)):
                    what = f"{name}: {detail}" if detail else name
                    self._line(f"        {_name(key)}: {what}", "dim")
                case _:
                    pass

    def _finished(self, result: Result, kept: bool) -> None:
        self._left[result.builder] -= 1
        self._done += 1
        self._seconds[result.builder].append(result.seconds)
        self._dollars[result.builder].append(result.built.dollars if result.built else 0.0)
        if kept:
            self._kept += 1
            return
        score = result.score
        said = (
            f"{score.value:.2f}{f', {score.failure}' if score.failure else ''}"
            if score
            else f"NOT RUN: {result.why}"
        )
        self._line(
            f"[{self._done}/{self._total}] {_name(result.key)}: {said} "
            f"({result.seconds:.0f} s){self._estimate()}",
            "" if score else "yellow",
        )

    def _estimate(self) -> str:
        """What is left, judged by what each builder has taken so far."""
        every = [s for values in self._seconds.values() for s in values]
        seconds = dollars = 0.0
        for builder, left in self._left.items():
            if left > 0:
                seconds += left * fmean(self._seconds.get(builder) or every)
                dollars += left * fmean(self._dollars.get(builder) or [0.0])
        if not seconds:
            return ""
        cost = f", ${dollars:.2f}" if dollars else ""
        return f"; left: about {seconds / self._workers / 60:.0f} min{cost}"

    def _line(self, text: str, style: str) -> None:
        if not self._quiet:
            line = Text(f"{time.monotonic() - self._begun:7.1f}s ", style="dim")
            line.append(printable(text), style=style or None)
            self._console.print(line)


def show(results: Sequence[Result], console: Console | None) -> list[str]:
    """Print the leaderboard and whether the controls sit at their floor.

    Args:
        results: of a run.
        console: where to; None prints nothing but what is wrong, to standard error.

    Returns:
        What is wrong with the benchmark; empty when nothing is.
    """
    broken = above_floor(results)
    if console is not None:
        table = Table(box=None, pad_edge=False)
        table.add_column("builder", min_width=20, overflow="fold")
        for name in ("score", "95 %", "accept", "reject", "valid", "claim gap"):
            table.add_column(name, justify="right", no_wrap=True)
        for name in ("$", "ktok", "min", "turns", "not run"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in rows(results):
            table.add_row(*_cells(row), style="dim" if row.control else "")
        console.print(table)
        scored = {r.item: r for r in results if r.status == "scored"}
        public = sum(r.public for r in scored.values())
        console.print(
            f"{len(scored)} items: {public} public, {len(scored) - public} held out; dim rows are "
            "controls. Each number per attempt but the scores.",
            style="dim",
        )
        missing = sorted({r.item for r in results if r.status == "not run"})
        if missing:
            console.print(f"Not run, and not scored, at: {', '.join(missing)}", style="yellow")
    target = console or err
    for sentence in broken:
        target.print(f"THE BENCHMARK IS BROKEN: {sentence}", style="bold red", soft_wrap=True)
    if console is not None and not broken and any(r.control for r in results):
        console.print("No control is above its floor.", style="green")
    return broken


def print_json(results: Sequence[Result]) -> None:
    """The leaderboard and the results as one document."""
    document: dict[str, Any] = {
        "leaderboard": [asdict(row) for row in rows(results)],
        "broken": above_floor(results),
        "results": [result.model_dump(mode="json") for result in results],
    }
    print(json.dumps(document, indent=2))  # noqa: T201 (this is the output)


def _cells(row: Row) -> list[str]:
    return [
        printable(row.builder),
        number(row.headline, 3),
        f"{row.interval[0]:.2f}–{row.interval[1]:.2f}",
        number(row.accept),
        number(row.reject),
        f"{row.valid}/{row.attempts}",
        f"{row.claim_gap:+.2f}",
        number(row.dollars),
        number(row.tokens / 1000, 0),
        number(row.minutes, 1),
        number(row.turns, 0),
        str(row.not_run or ""),
    ]


def _name(key: Key) -> str:
    builder, item, attempt = key
    return f"{builder} × {item}" + (f" #{attempt}" if attempt > 1 else "")

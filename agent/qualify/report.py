"""Verdicts for a person and for a file: progress, a table, a journal that a run can go on from."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from pydantic import ValidationError
from rich.console import Console, Group
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from agent.console import printable
from agent.errors import InputError
from agent.qualify.many import Row

COLOURS = {"accept": "green", "reject": "red", "needs-a-person": "yellow"}
MAX_WHY_CHARS = 300
"""Of the reasons in a table's row; `--json` has them whole."""


class Journal:
    """Rows by path, and the file that they are appended to as they come.

    Args:
        path: the file; None keeps them in memory alone.
        wanted: paths of the sessions of this run; other rows of the file are left alone.
    """

    def __init__(self, path: Path | None, wanted: Sequence[Path]) -> None:
        self.rows: dict[str, Row] = {}
        self._path = path
        self._file: IO[str] | None = None
        if path is not None and path.exists():
            names = {str(one) for one in wanted}
            self.rows = {row.path: row for row in _read(path) if row.path in names}

    def add(self, row: Row) -> None:
        """Take a row down; it is in the file when this returns."""
        self.rows[row.path] = row
        if self._file is not None:
            self._file.write(row.model_dump_json() + "\n")
            self._file.flush()

    def __enter__(self) -> Journal:
        if self._path is not None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("a", encoding="utf-8")
            except OSError as error:
                raise InputError(f"{self._path} cannot be written: {error.strerror}.") from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


def journal(path: Path | None, wanted: Sequence[Path]) -> Journal:
    """The journal of a run; see `Journal`."""
    return Journal(path, wanted)


def _read(path: Path) -> list[Row]:
    """The rows of a journal; a torn last line, as a killed run leaves it, is cut off.

    Raises:
        InputError: it holds something else.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    whole, _, torn = data.rpartition(b"\n")
    rows = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            rows.append(Row.model_validate_json(line))
        except ValidationError as error:
            raise InputError(
                f"Line {number} of {path} is no verdict of this version of Kettle. "
                "Name another file with --to."
            ) from error
    if torn:
        path.write_bytes(whole + b"\n" if whole else b"")
    return rows


class Counter:
    """Progress on standard error: a bar on a terminal, elsewhere a line for each session.

    Args:
        console: where to.
        total: how many sessions there are.
        done: how many of them were judged before.
        quiet: show nothing.
    """

    def __init__(self, console: Console, *, total: int, done: int, quiet: bool) -> None:
        self._console = console
        self._total = total
        self._done = done
        self._quiet = quiet
        self._tally: Tally[str] = Tally()
        self._bar: Progress | None = None
        if not quiet and console.is_terminal:
            self._bar = Progress(
                TextColumn("judging"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.description}"),
                TimeRemainingColumn(),
                console=console,
                transient=True,
            )
            self._task = self._bar.add_task("", total=total, completed=done)

    def show(self, row: Row) -> None:
        """Count one row."""
        self._done += 1
        verdict = row.qualification.verdict if row.qualification else "unreadable"
        self._tally[verdict] += 1
        if self._bar is not None:
            said = ", ".join(f"{count} {name}" for name, count in sorted(self._tally.items()))
            self._bar.update(self._task, completed=self._done, description=said)
        elif not self._quiet:
            line = f"{self._done}/{self._total} {verdict:<15} {printable(row.path)}"
            self._console.print(Text(line, style="dim"), soft_wrap=True)

    def __enter__(self) -> Counter:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def table(rows: Sequence[Row]) -> Group:
    """Verdicts on sessions: the accepted first, the most worthwhile of them on top.

    Args:
        rows: what was judged, and what could not be read.
    """
    shown = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("session", "verdict", "worth", "start", "outcome", "why"):
        shown.add_column(name, overflow="fold")
    order = list(COLOURS)
    judged = [(row, row.qualification) for row in rows if row.qualification is not None]
    for row, one in sorted(judged, key=lambda j: (order.index(j[1].verdict), -j[1].worth)):
        why = "; ".join(f"{reason.code}: {reason.text}" for reason in one.reasons)
        best = one.outcomes[0] if one.outcomes else None
        shown.add_row(
            escape(printable(Path(row.path).name)),
            f"[{COLOURS[one.verdict]}]{one.verdict}[/] {one.confidence:.2f}",
            f"{one.worth:.2f}",
            one.start.commit[:10] if one.start else "",
            ", ".join(sha[:10] for sha in best.commits) if best else "",
            escape(printable(why[:MAX_WHY_CHARS])),
        )
    for row in rows:
        if row.qualification is None:
            why = escape(printable(row.error[:MAX_WHY_CHARS]))
            shown.add_row(escape(printable(row.path)), "[red]unreadable[/]", "", "", "", why)
    return Group(shown, Text(_summary(rows), style="dim"))


def _summary(rows: Sequence[Row]) -> str:
    verdicts = Tally(r.qualification.verdict if r.qualification else "unreadable" for r in rows)
    judges = sorted({r.qualification.judge for r in rows if r.qualification})
    counts = ", ".join(f"{count} {name}" for name, count in verdicts.most_common())
    by = "by evidence alone, no model was asked" if judges == ["evidence"] else ", ".join(judges)
    return f"{len(rows)} sessions: {counts}" + (f" ({by})" if judges else "")

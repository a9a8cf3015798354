"""A run's results as one self-contained HTML page, and as a short Markdown table.

The page needs no network and no script. Everything in it that came from a builder, a session or a
container is data and is escaped; links are made here, relative to the page, and only to files that
are there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import fmean
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from agent import __version__
from agent.console import printable
from evals import formula
from evals.floor import above_floor
from evals.leaderboard import Row, matrix, rows
from evals.results import SCORE, Key, Result, Run

PLOT_WIDTH, PLOT_HEIGHT = 640, 300
"""Of the plot, in CSS pixels."""
PLOT_MARGIN = 48
LABEL_GAP = 13
"""Pixels that labels of the plot keep from each other."""


@dataclass(frozen=True)
class Link:
    """A file of an attempt."""

    text: str
    href: str


@dataclass(frozen=True)
class Attempt:
    """One attempt in a cell of the matrix."""

    number: int
    value: float | None
    said: str
    facts: tuple[str, ...]
    links: tuple[Link, ...]


@dataclass(frozen=True)
class Cell:
    """All attempts of a builder at an item."""

    value: float | None
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True)
class Line:
    """An item's row of the matrix."""

    item: str
    expected: str
    public: bool
    repository: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Dot:
    """A builder in the plot; all numbers are pixels."""

    name: str
    x: float
    y: float
    low: float
    high: float
    label_y: float
    control: bool


@dataclass(frozen=True)
class Plot:
    """Cost against quality."""

    unit: str
    dots: tuple[Dot, ...]
    ticks: tuple[tuple[float, str], ...]


def page(runs: Sequence[Run], results: Sequence[Result], at: Path, *, links: bool = True) -> str:
    """The page's HTML.

    Args:
        runs: whose folders the links lead into.
        results: what to show.
        at: where the page will lie.
        links: whether cells lead to the attempts' files; without them the page can be published.
    """
    board = rows(results)
    places = {key: run for run in runs for key in run.results()} if links else {}
    names = [row.builder for row in board]
    cells = matrix(results)
    lines = [
        _line(item, cells[item], names, places, at)
        for item in sorted(cells, key=lambda i: (_expected(cells[i]), i))
    ]
    kinds = sorted({kind for row in board for kind in row.failures})
    templates = Environment(
        loader=PackageLoader("evals"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"number": number, "short": short, "percent": percent}
    return templates.get_template("report.html").render(
        board=board,
        names=names,
        lines=lines,
        kinds=kinds,
        plot=_plot(board),
        broken=above_floor(results),
        has_controls=any(row.control for row in board),
        gates=formula.GATES,
        rates=formula.RATES,
        not_run=[r for r in results if r.status == "not run"],
        public=len({r.item for r in results if r.public}),
        held_out=len({r.item for r in results if not r.public}),
        repositories=len({r.repository for r in results}),
        attempts=len(results),
        version=__version__,
        today=date.today().isoformat(),  # noqa: DTZ011 (the reader's own day)
        size=(PLOT_WIDTH, PLOT_HEIGHT, PLOT_MARGIN),
    )


def markdown(results: Sequence[Result]) -> str:
    """The leaderboard as a Markdown table."""
    out = [
        "| builder | score | 95 % | accept | reject | valid | claim gap | min | tokens | $ |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows(results):
        name = printable(row.builder).replace("|", "\\|")
        out.append(
            f"| {name}{' (control)' if row.control else ''} | **{number(row.headline)}** "
            f"| {number(row.interval[0])} to {number(row.interval[1])} | {number(row.accept)} "
            f"| {number(row.reject)} | {row.valid}/{row.attempts} | {row.claim_gap:+.2f} "
            f"| {number(row.minutes, 1)} | {short(row.tokens)} | {number(row.dollars)} |"
        )
    return "\n".join(out) + "\n"


def number(value: float | None, digits: int = 2) -> str:
    """A number, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def percent(value: float | None) -> str:
    """A share in whole percent, or a dash."""
    return "–" if value is None else f"{value * 100:.0f} %"


def short(value: float) -> str:
    """A count in thousands or millions."""
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.1f}{unit}"
    return f"{value:.0f}"


def _expected(cells: Mapping[str, Sequence[Result]]) -> str:
    for results in cells.values():
        for result in results:
            if result.score is not None:
                return result.score.expected
    return "unknown"


def _line(
    item: str,
    cells: Mapping[str, Sequence[Result]],
    names: Sequence[str],
    places: Mapping[Key, Run],
    at: Path,
) -> Line:
    some = next(iter(cells.values()))[0]
    return Line(
        item=item,
        expected=_expected(cells),
        public=some.public,
        repository=some.repository,
        cells=tuple(_cell(cells[name], places, at) if name in cells else None for name in names),
    )


def _cell(results: Sequence[Result], places: Mapping[Key, Run], at: Path) -> Cell:
    values = [r.score.value for r in results if r.score is not None]
    return Cell(
        value=fmean(values) if values else None,
        attempts=tuple(_attempt(result, places.get(result.key), at) for result in results),
    )


def _attempt(result: Result, run: Run | None, at: Path) -> Attempt:
    score, built = result.score, result.built
    facts: list[str] = []
    if score is not None:
        facts += [f"{n}: {'passed' if g.passed else g.why}" for n, g in score.gates.items()]
        facts += [f"{n}: {v:.2f}" for n, v in score.rates.items() if v is not None]
        facts += score.notes
    if built is not None and score is not None and score.claim != "accepted":
        facts.append(built.reason)
    links: list[Link] = []
    if run is not None:
        folder = run.attempt(result.key)
        named = [("score", Path(SCORE))]
        if built is not None:
            named += [
                (text, path)
                for text, path in (
                    ("environment", built.environment),
                    ("gate report", built.report),
                    ("trajectory", built.trajectory),
                )
                if path is not None
            ]
        links = [
            Link(text, quote(os.path.relpath(folder / path, at.parent)))
            for text, path in named
            if (folder / path).exists()
        ]
    said = f"not run: {result.why}" if score is None else score.failure or "nothing is wrong"
    return Attempt(
        number=result.attempt,
        value=None if score is None else score.value,
        said=said,
        facts=tuple(facts),
        links=tuple(links),
    )


def _plot(board: Sequence[Row]) -> Plot:
    priced = any(row.dollars for row in board)
    cost = {row.builder: row.dollars if priced else row.minutes for row in board}
    most = max(cost.values(), default=0.0) or 1.0
    width, height = PLOT_WIDTH - 2 * PLOT_MARGIN, PLOT_HEIGHT - 2 * PLOT_MARGIN
    dots: list[Dot] = []
    taken: list[tuple[float, float]] = []
    for row in sorted(board, key=lambda r: (r.control, -r.headline)):
        x = PLOT_MARGIN + width * cost[row.builder] / most
        y, low, high = (
            PLOT_HEIGHT - PLOT_MARGIN - height * v for v in (row.headline, *row.interval)
        )
        label = y
        while any(abs(label - ty) < LABEL_GAP and abs(x - tx) < PLOT_WIDTH / 3 for tx, ty in taken):
            label -= LABEL_GAP
        taken.append((x, label))
        dots.append(Dot(printable(row.builder), x, y, low, high, label, row.control))
    ticks = tuple(
        (PLOT_MARGIN + width * share, number(most * share)) for share in (0, 0.25, 0.5, 0.75, 1)
    )
    return Plot("US dollars an attempt" if priced else "minutes an attempt", tuple(dots), ticks)

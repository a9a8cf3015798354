"""A batch as one HTML page: the funnel, the reasons with examples, cost and time distributions."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import jinja2
from sqlalchemy import select

from agent import __version__
from agent.console import printable
from agent.errors import InputError
from agent.queue import entries
from agent.queue.database import Database
from agent.queue.schema import Attempt, Batch
from agent.queue.tables import moment

EXAMPLES = 3
"""Sessions shown for each reason."""
BARS = 12
"""Of a histogram."""
TEMPLATE = "batch.html"


@dataclass
class Ended:
    """Entries that ended alike."""

    state: str
    kind: str
    count: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Spread:
    """How a quantity is distributed: p50, p90, the largest, and a histogram."""

    p50: float
    p90: float
    largest: float
    bars: list[tuple[str, int, float]]
    """Of each bar: its range, how many, and its height in percent."""


def report(database: Database, batch: int | None = None) -> str:
    """The page.

    Args:
        database: the queue's.
        batch: one batch; None for all that was ever in the queue.

    Raises:
        InputError: there is no such batch.
    """
    return _page(facts(database, batch))


def facts(database: Database, batch: int | None = None) -> dict[str, Any]:
    """What the page says, for a script; arguments as of `report`."""
    tried = select(Attempt.__table__).order_by(Attempt.id)
    about: dict[str, Any] = {"version": __version__, "batch": batch}
    if batch is not None:
        query = select(Batch.__table__).where(Batch.id == batch)
        row = database.one(lambda c: c.execute(query).mappings().one_or_none())
        if row is None:
            raise InputError(f"There is no batch {batch}.")
        about |= {"began": moment(row["began"]), "ended": moment(row["ended"])}
        about["settings"] = json.loads(row["settings"])
        tried = tried.where(Attempt.batch == batch)
    attempts = database.one(lambda c: [dict(r) for r in c.execute(tried).mappings()])
    rows = entries.listed(database)
    if batch is not None:
        ours = {attempt["entry"] for attempt in attempts}
        rows = [row for row in rows if row["id"] in ours]
    phases: dict[str, float] = {}
    for attempt in attempts:
        for name, seconds in json.loads(attempt["phases"]).items():
            phases[name] = phases.get(name, 0.0) + seconds
    done = [row for row in rows if row["state"] in ("accepted", "rejected", "failed")]
    return about | {
        "funnel": _funnel(rows),
        "endings": _endings(rows),
        "minutes": _spread([row["minutes"] for row in done]),
        "dollars": _spread([row["dollars"] for row in done]),
        "total_minutes": sum(row["minutes"] for row in rows),
        "total_dollars": sum(row["dollars"] for row in rows),
        "phases": sorted(phases.items(), key=lambda item: -item[1]),
        "attempts": len(attempts),
    }


def _funnel(rows: Sequence[dict[str, Any]]) -> list[tuple[str, int, float]]:
    """Queued, qualified, built, accepted: how many got so far, in numbers and percent."""

    def count(reached: set[str]) -> int:
        return sum(_reached(row) in reached for row in rows)

    steps = [
        ("in the queue", len(rows)),
        ("qualified", count({"qualified", "built", "accepted"})),
        ("built to a verdict of the gate", count({"built", "accepted"})),
        ("accepted", count({"accepted"})),
    ]
    return [(name, number, 100 * number / len(rows) if rows else 0.0) for name, number in steps]


def _reached(row: dict[str, Any]) -> str:
    if row["state"] in ("accepted", "gated"):
        return "accepted" if row["state"] == "accepted" else "built"
    if row["state"] == "failed" and row["kind"] == "gate":
        return "built"
    refused = row["state"] == "rejected" and row["kind"] != "by the builder"
    if refused or row["state"] in ("queued", "qualifying", "needs-a-person"):
        return "queued"
    return "qualified" if row["verdict"] else "queued"


def _endings(rows: Sequence[dict[str, Any]]) -> list[Ended]:
    found: dict[tuple[str, str], Ended] = {}
    for row in rows:
        key = (row["state"], row["kind"] or "")
        ended = found.setdefault(key, Ended(*key))
        ended.count += 1
        if len(ended.examples) < EXAMPLES:
            ended.examples.append(
                {
                    "id": row["id"],
                    "session": printable(row["path"].rsplit("/", 1)[-1]),
                    "repository": printable(row["repository"]),
                    "reason": printable(row["reason"] or ""),
                    "environment": printable(row["environment"] or ""),
                }
            )
    return sorted(found.values(), key=lambda ended: -ended.count)


def _spread(values: Sequence[float]) -> Spread | None:
    """None when there is nothing to show."""
    if not values or max(values) == 0:
        return None
    ordered = sorted(values)
    width = ordered[-1] / BARS
    counts = [0] * BARS
    for value in ordered:
        counts[min(BARS - 1, int(value / width))] += 1
    bars = [
        (f"{n * width:.2f} to {(n + 1) * width:.2f}", count, 100 * count / max(counts))
        for n, count in enumerate(counts)
    ]
    p90 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.9))]
    return Spread(statistics.median(ordered), p90, ordered[-1], bars)


def _page(found: dict[str, Any]) -> str:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = (files("agent") / "templates" / TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(source).render(found)

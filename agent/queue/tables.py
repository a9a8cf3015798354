"""The queue as a person reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from agent.console import printable
from agent.queue.consent import Agreement
from agent.queue.schema import STATES

COLOURS = {
    "accepted": "green",
    "rejected": "red",
    "failed": "red",
    "needs-a-person": "yellow",
    "building": "cyan",
    "qualifying": "cyan",
    "gated": "cyan",
}


def entries_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Entries with their state and reason."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("id", "state", "worth", "format", "repository", "session"):
        table.add_column(name, no_wrap=name in ("id", "state", "worth"), overflow="fold")
    table.add_column("why", overflow="fold", ratio=1)
    for row in rows:
        state = row["state"] if not row["worker"] else f"{row['state']} …"
        table.add_row(
            str(row["id"]),
            f"[{COLOURS.get(row['state'], 'default')}]{state}[/]",
            f"{row['worth']:.2f}",
            _safe(row["format"]),
            _safe(row["repository"].split("/", 1)[-1]),
            _safe(row["path"].rsplit("/", 1)[-1][-40:]),
            _safe(": ".join(filter(None, (row["kind"], row["reason"])))),
        )
    return table


def counts_line(counts: Mapping[str, Mapping[str, int]]) -> str:
    """All states with their numbers, in one line."""
    totals = {state: sum(counts.get(state, {}).values()) for state in STATES}
    parts = [f"{number} {state}" for state, number in totals.items() if number]
    return ", ".join(parts) or "The queue is empty. Put sessions in with `queue add`."


def consents_table(agreements: Sequence[Agreement]) -> Table:
    """Who agreed to what."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("id", "contributor", "repository", "tools", "granted", "until", "withdrawn"):
        table.add_column(name, overflow="fold")
    for one in agreements:
        table.add_row(
            str(one.id),
            _safe(one.contributor),
            _safe(one.repository),
            ", ".join(one.tools) or "all",
            moment(one.granted_at),
            moment(one.until),
            moment(one.withdrawn_at),
        )
    return table


def entry_view(entry: Mapping[str, Any]) -> RenderableType:
    """Everything about one entry."""
    facts = Table.grid(padding=(0, 2))
    state = f"[{COLOURS.get(entry['state'], 'default')}]{entry['state']}[/]"
    facts.add_row("state", state + (f" by {_safe(entry['worker'])}" if entry["worker"] else ""))
    if entry["reason"] or entry["kind"]:
        facts.add_row("why", _safe(": ".join(filter(None, (entry["kind"], entry["reason"])))))
    for name in ("path", "format", "repository", "contributor", "environment", "digest"):
        if entry[name]:
            facts.add_row(name, _safe(str(entry[name])))
    facts.add_row("worth", f"{entry['worth']:.2f}")
    facts.add_row("added", moment(entry["added_at"]))
    facts.add_row("spent", f"{entry['minutes']:.1f} min, ${entry['dollars']:.2f}")
    parts: list[RenderableType] = [facts]
    verdict = entry["verdict"] or {}
    if verdict:
        parts.append(Text(f"\nverdict: {verdict['verdict']} ({verdict['confidence']:.2f})"))
        for reason in verdict.get("reasons", []):
            weight = "rejects" if reason["grave"] else "asks for a person"
            parts.append(Text(printable(f"  {reason['code']} ({weight}): {reason['text']}")))
            parts += [Text(printable(f"    {line}"), style="dim") for line in reason["evidence"]]
    if entry["tried"]:
        parts.append(Text("\nattempts"))
    for one in entry["tried"]:
        phases = ", ".join(f"{k} {v:.1f}s" for k, v in json.loads(one["phases"]).items())
        why = ": ".join(filter(None, (one["kind"], one["reason"])))
        line = f"  {moment(one['began'])} {one['ended'] - one['began']:.1f}s {one['state']} {why}"
        parts.append(Text(printable(line.rstrip())))
        if phases:
            parts.append(Text(f"    {phases}", style="dim"))
    return Group(*parts)


def moment(seconds: float | None) -> str:
    """A time for a person, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}" if seconds else ""


def _safe(text: str) -> str:
    return escape(printable(text))

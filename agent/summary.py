"""What a command ends with, for a person: a build's summary, a table of verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from agent.build import BuildResult
from agent.console import printable, spent
from agent.gate.report import as_table
from agent.qualify import Qualification

_HEADLINES = {
    "accepted": "[bold green]accepted[/]: the environment passed its gate",
    "rejected": "[bold yellow]rejected[/]: the builder says that this session makes no environment",
    "gate-failed": "[bold red]not accepted[/]: no draft passed the gate",
    "budget-spent": "[bold red]not accepted[/]: the budget was spent before a draft was submitted",
}


def show_build(result: BuildResult, console: Console) -> None:
    """Print how a build ended and where everything lies."""
    if result.report is not None:
        console.print(as_table(result.report))
    console.print(_HEADLINES[result.status])
    if result.status != "accepted":
        console.print(escape(printable(result.reason)), soft_wrap=True)
    facts = Table.grid(padding=(0, 2))
    where = "environment" if result.status == "accepted" else "last draft"
    if result.environment:
        facts.add_row(where, escape(str(result.environment)))
    facts.add_row("trajectory", escape(str(result.folder / "trajectory.json")))
    facts.add_row("builder", f"{escape(result.builder)}, {result.spending.turns} turns")
    facts.add_row("spent", spent(result.spending))
    longest = sorted(result.phases.items(), key=lambda item: -item[1])
    facts.add_row("time", ", ".join(f"{name} {seconds:.1f}s" for name, seconds in longest))
    console.print(facts)
    if result.status == "accepted":
        console.print(f"Check it again: python -m agent check {escape(str(result.environment))}")


def qualifications(judged: Sequence[Qualification], unread: Mapping[str, str]) -> Table:
    """Verdicts on sessions, the most worthwhile first."""
    colours = {"accept": "green", "reject": "red", "needs-a-person": "yellow"}
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("session", "verdict", "worth", "start", "why"):
        table.add_column(name, overflow="fold")
    for one in sorted(judged, key=lambda q: -q.worth):
        why = "; ".join(f"{reason.code}: {reason.text}" for reason in one.reasons)
        table.add_row(
            escape(printable(one.session.rsplit("/", 1)[-1])),
            f"[{colours[one.verdict]}]{one.verdict}[/] {one.confidence:.2f}",
            f"{one.worth:.2f}",
            one.start.commit[:10] if one.start else "",
            escape(printable(why)),
        )
    for path, why in unread.items():
        table.add_row(escape(printable(path)), "[red]unreadable[/]", "", "", escape(printable(why)))
    return table

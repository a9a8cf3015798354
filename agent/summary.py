"""What a command ends with, for a person: a build's summary."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from agent.build import BuildResult
from agent.console import printable, spent
from agent.gate.report import as_table

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

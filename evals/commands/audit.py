"""`python -m evals audit`: are the items themselves sound?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from evals.audit import Audit, audit_all
from evals.commands.interrupt import Interruptible
from evals.item import ITEMS, find

UNHEALTHY = 1
"""Exit code when an item is not fit to score anybody by."""
NOT_RUN = 5
"""Exit code when every item that could be audited is healthy, and some could not be."""


def audit(
    items: Annotated[
        list[str] | None, typer.Argument(help="Items by name or folder; all when none is named.")
    ] = None,
    items_dir: Annotated[Path, typer.Option(help="Folder that holds the items.")] = ITEMS,
    workers: Annotated[int, typer.Option(min=1, max=32, help="Items at one time.")] = 2,
    fresh: Annotated[bool, typer.Option(help="Audit again what has not changed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Prove that the items are sound, before anything is scored on them.

    Of each item: its recipe makes the stated repository, its session is read without a gap, nothing
    sealed stands in what a builder gets, and its reference verifier gives the known verdict to
    nothing done, to the gold solution, to every right and wrong one and to every cheat. Results of
    unchanged items are kept.

    Exits with 0 when all are healthy, 1 when one is not, 2 for bad input, 5 when one could not be
    run (its repository or the container engine cannot be reached), 130 when interrupted.

    Examples:
      python -m evals audit
      python -m evals audit parse-hyphens lanes-stuck --fresh
    """
    chosen = find(items or [], items_dir)
    notes = Console(stderr=True, highlight=False, soft_wrap=True)
    done = 0

    def told(result: Audit) -> None:
        nonlocal done
        done += 1
        how = "kept" if result.cached else f"{result.seconds:.0f} s"
        notes.print(f"[{done}/{len(chosen)}] {result.item}: {result.status} ({how})", markup=False)

    with Interruptible("What was audited so far is kept."):
        results = audit_all(chosen, workers=workers, fresh=fresh, on_audit=told)
    if as_json:
        typer.echo(json.dumps([r.model_dump(mode="json") for r in results], indent=2))
    else:
        _print(results)
    states = {result.status for result in results}
    if "unhealthy" in states:
        raise typer.Exit(UNHEALTHY)
    if "not run" in states:
        raise typer.Exit(NOT_RUN)


def _print(results: list[Audit]) -> None:
    out = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    for name in ("item", "verdict", "kind or reason", "language", "tool"):
        table.add_column(name)
    for name in ("right", "wrong", "cheats"):
        table.add_column(name, justify="right")
    table.add_column("health")
    for r in results:
        counts = (
            (r.count("right"), r.count("wrong"), r.count("exploit")) if r.grades else ("", "", "")
        )
        table.add_row(r.item, r.verdict, r.kind, r.language, r.tool, *counts, r.status)
    out.print(table)
    for r in results:
        for problem in r.problems:
            out.print(f"{r.item}: {problem}", markup=False, soft_wrap=True)
    healthy = sum(r.status == "healthy" for r in results)
    out.print(f"{healthy} of {len(results)} items are healthy.")

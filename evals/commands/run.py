"""`python -m evals run`: builders on items, scored as they finish."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.budget import Budget
from evals.builders import Builder, ModelBuilder
from evals.commands.interrupt import Interruptible
from evals.commands.show import Progress, err, out, print_json, show
from evals.item import ITEMS, Item, find
from evals.results import Run
from evals.run import SCORERS, RunSettings, perform
from evals.run import rescore as score_again

BROKEN = 4
"""Exit code when a control scores above its floor."""
NOT_RUN = 5

ItemsOption = Annotated[
    str, typer.Option(help="Items by name or folder, separated by commas; all when left out.")
]
ItemsDirOption = Annotated[
    Path, typer.Option(help="Folder of the items; one outside Kettle holds held-out items.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]


def run(
    models: Annotated[
        str,
        typer.Option(
            "--models",
            "-m",
            help="Builders, separated by commas: baseline, openai:NAME, anthropic:NAME, "
            "replay:FILE. The controls are always run, too.",
        ),
    ] = "baseline",
    to: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the run; an earlier run there goes on.")
    ] = Path("evals-run"),
    items: ItemsOption = "",
    items_dir: ItemsDirOption = ITEMS,
    attempts: Annotated[
        int, typer.Option("-k", min=1, help="Attempts of every model at every item.")
    ] = 1,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Attempts at one time.")] = 2,
    turns: Annotated[int | None, typer.Option(min=1, help="Budget of an attempt.")] = 100,
    tokens: Annotated[int | None, typer.Option(min=1, help="Budget of an attempt.")] = None,
    dollars: Annotated[float | None, typer.Option(min=0, help="Budget of an attempt.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0, help="Budget of an attempt.")] = 60,
    submissions: Annotated[int | None, typer.Option(min=1, help="Budget of an attempt.")] = 5,
    max_cost: Annotated[
        float | None, typer.Option(min=0, help="US dollars after which no attempt begins.")
    ] = None,
    max_minutes: Annotated[
        float | None, typer.Option(min=0, help="Minutes after which no attempt begins.")
    ] = None,
    as_json: JsonOption = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Let builders make environments of items, and score them.

    What is finished is kept: the same command after an interruption, or after a `kill -9`, goes on
    where it stood; with other models or items it adds their attempts to the run. Several processes
    may work on one run. Trouble with the engine, a provider or the package index is tried again
    and then reported as not run; it is never scored.

    Exits with 0 when done, 2 for bad input, 4 when a control scores above its floor (then the
    benchmark is broken), 5 when attempts were not run, 130 when interrupted.

    Examples:
      python -m evals run -o runs/first
      python -m evals run -o runs/first -m openai:gpt-5.5,anthropic:claude-opus-5-5 -k 3
      python -m evals run -o runs/first --items parse-hyphens,lanes-stuck --max-minutes 30
    """
    chosen = _items(items, items_dir)
    builders: list[Builder] = [ModelBuilder(spec) for spec in _words(models)]
    settings = RunSettings(
        attempts=attempts,
        workers=workers,
        budget=Budget(
            turns=turns, tokens=tokens, dollars=dollars, minutes=minutes, submissions=submissions
        ),
        dollars=max_cost,
        minutes=max_minutes,
    )
    folder = Run(to)
    with Progress(err, workers=workers, quiet=quiet) as progress, Interruptible(_goes_on(to)):
        perform(folder, chosen, builders, settings, progress.show)
    _finish(folder, as_json)


def rescore(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    items: ItemsOption = "",
    items_dir: ItemsDirOption = ITEMS,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Attempts at one time.")] = SCORERS,
    as_json: JsonOption = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Score again what the builders of a run left, without building anything.

    After a change of an item's bank, or of the scoring. Scores that changed are listed.

    Example: python -m evals rescore runs/first
    """
    folder = Run(run, make=False)
    chosen = _items(items, items_dir)
    with Progress(err, workers=workers, quiet=quiet) as progress, Interruptible(_goes_on(run)):
        again = score_again(folder, chosen, RunSettings(workers=workers), progress.show)
    for old, new in again:
        before = old.score.value if old.score else None
        after = new.score.value if new.score else None
        if before != after:
            err.print(f"changed: {new.builder} at {new.item} ({new.attempt}): {before} -> {after}")
    err.print(f"{len(again)} attempts scored again")
    _finish(folder, as_json)


def _goes_on(folder: Path) -> str:
    """What an interrupted run says."""
    return f"The same command goes on with {folder} where it stood."


def _finish(folder: Run, as_json: bool) -> None:
    results = list(folder.results().values())
    if as_json:
        print_json(results)
        broken: list[str] = show(results, None)
    else:
        broken = show(results, out)
        out.print(f"python -m evals report {folder.path}   writes it as a page", style="dim")
    if broken:
        raise typer.Exit(BROKEN)
    if any(result.status == "not run" for result in results):
        raise typer.Exit(NOT_RUN)


def _items(names: str, items_dir: Path) -> list[Item]:
    return find(_words(names), items_dir)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]

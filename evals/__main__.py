"""The meta-benchmark's command line: `python -m evals`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from agent.errors import InputError, KettleError
from evals import recipe
from evals.commands.audit import audit
from evals.commands.export import export
from evals.commands.report import compare, report
from evals.commands.run import rescore
from evals.commands.run import run as run_builders
from evals.errors import RecipeError
from evals.item import ITEMS, place

BAD_INPUT = 2
INFRASTRUCTURE = 5

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
app.command("run")(run_builders)
for command in (rescore, report, compare, export, audit):
    app.command()(command)


@app.callback()
def main() -> None:
    """How well a model builds environments from sessions."""


@app.command()
def items(
    items_dir: Annotated[Path, typer.Option(help="Folder that holds the items.")] = ITEMS,
) -> None:
    """List the items.

    Example: python -m evals items
    """
    out = Console()
    for path in sorted(items_dir.glob(f"*/{recipe.RECIPE}")):
        read = recipe.load(path.parent)
        steps = " -> ".join(step.version for step in read.steps)
        out.print(f"{path.parent.name}  {read.project} {steps}", highlight=False, soft_wrap=True)


@app.command()
def materialise(
    item: Annotated[
        str, typer.Argument(help="An item's folder, or the name of one in --items-dir.")
    ],
    to: Annotated[Path, typer.Option(help="Folder to make.")],
    items_dir: Annotated[Path, typer.Option(help="Folder that holds the items.")] = ITEMS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Put an item's session and repository into a folder, as a builder gets them.

    The repository goes to TO/repository and the session beside it, under its own name. The item's
    truth stays behind. What is there already and right is kept.

    Example: python -m evals materialise parse-hyphens --to demo
    """
    folder = place(item, items_dir)
    made = recipe.materialise(folder, to / "repository")
    session = put_session(folder, to)
    if as_json:
        facts = {
            "session": str(session),
            "repository": str(made.path),
            "commits": made.commits,
        }
        typer.echo(json.dumps(facts, indent=2))
        return
    out = Console(soft_wrap=True, highlight=False)
    out.print(f"session     {session}")
    out.print(f"repository  {made.path}")
    for version, commit in made.commits.items():
        out.print(f"  {commit}  {version}")


def put_session(item: Path, to: Path) -> Path:
    """Copy an item's session (a file or folder named `session*`) into a folder.

    Returns:
        The copy's path.

    Raises:
        RecipeError: the item has none, or several.
    """
    found = sorted(item.glob("session*"))
    if len(found) != 1:
        raise RecipeError(f"{item} must hold one file or folder named session*, not {len(found)}.")
    target = to / found[0].name
    if found[0].is_dir():
        shutil.copytree(found[0], target, dirs_exist_ok=True)
    else:
        shutil.copyfile(found[0], target)
    return target


def run() -> None:
    """Run the command line.

    Exits with 0 when done, 2 for bad input, 5 for trouble with the network or the machine.
    """
    try:
        app(prog_name="python -m evals")
    except KettleError as error:
        Console(stderr=True).print(f"error: {error}", style="red", highlight=False, markup=False)
        raise SystemExit(BAD_INPUT if isinstance(error, InputError) else INFRASTRUCTURE) from None


if __name__ == "__main__":
    run()

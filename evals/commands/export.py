"""`python -m evals export`: items as Harbor tasks of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evals.commands.run import ItemsDirOption, ItemsOption
from evals.commands.show import err, out
from evals.errors import IndexUnavailable
from evals.export import export as export_item
from evals.item import ITEMS, find

NOT_RUN = 5


def export(
    to: Annotated[Path, typer.Option(help="Folder for the tasks, one folder an item.")],
    items: ItemsOption = "",
    items_dir: ItemsDirOption = ITEMS,
) -> None:
    """Write items as Harbor tasks: the solver makes an environment, the sealed truth judges it.

    The solver gets the raw session and the repository and leaves an environment in
    /task/environment; the reward is the environment's score. The verifier needs no container
    engine. The tasks hold the sealed truth in tests/: keep them from whoever is to be measured.

    Exits with 0, with 2 for bad input, with 5 when an item's repository cannot be reached.

    Example: python -m evals export --to tasks --items parse-hyphens
    """
    names = [word.strip() for word in items.split(",") if word.strip()]
    missing = 0
    for item in find(names, items_dir):
        try:
            made = export_item(item, to)
        except IndexUnavailable as error:
            missing += 1
            err.print(f"{item.name}: not exported: {error}", style="yellow", markup=False)
        else:
            out.print(str(made.path), markup=False, soft_wrap=True)
    if missing:
        raise typer.Exit(NOT_RUN)

"""`python -m evals report` and `compare`: what runs say of builders."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from agent.errors import InputError
from evals.commands.run import BROKEN, JsonOption
from evals.commands.show import err, out, print_json, show
from evals.leaderboard import compare as compare_builders
from evals.leaderboard import merged
from evals.report import markdown, number, page
from evals.results import Result, Run, write_whole

RunsArgument = Annotated[list[Path], typer.Argument(help="Folders of runs.")]


def report(
    runs: RunsArgument,
    html: Annotated[
        Path | None, typer.Option(help="Where the page goes. Default: report.html in the first.")
    ] = None,
    markdown_to: Annotated[
        Path | None, typer.Option("--markdown", help="Also write the table as Markdown.")
    ] = None,
    links: Annotated[bool, typer.Option(help="Whether cells link to the attempts' files.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Print the leaderboard, and write it as one self-contained HTML page.

    Exits with 0, with 2 for bad input, with 4 when a control scores above its floor.

    Examples:
      python -m evals report runs/first
      python -m evals report runs/first runs/second --html board.html --no-links
    """
    folders, results = _read(runs)
    target = html or folders[0].path / "report.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, page(folders, results, target, links=links).encode())
    if markdown_to is not None:
        write_whole(markdown_to, markdown(results).encode())
    if as_json:
        print_json(results)
    broken = show(results, None if as_json else out)
    err.print(f"page: {target}")
    if broken:
        raise typer.Exit(BROKEN)


def compare(
    first: Annotated[str, typer.Argument(help="A builder, such as baseline.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
    runs: Annotated[
        list[Path] | None, typer.Option("--run", "-r", help="Folder of a run; may be repeated.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two builders on the items that both were scored on.

    The p-value is of a paired permutation test over repositories: how often chance alone, if the
    two were alike, gives a difference at least as large.

    Example: python -m evals compare baseline openai:gpt-5.5 -r runs/first
    """
    _, results = _read(runs or [Path("evals-run")])
    try:
        found = compare_builders(results, first, second)
    except ValueError as error:
        known = ", ".join(sorted({result.builder for result in results}))
        raise InputError(f"{error} Builders in these runs: {known}.") from error
    if as_json:
        print(json.dumps(asdict(found), indent=2))  # noqa: T201 (this is the output)
        return
    out.print(f"{found.items} items that both were scored on", soft_wrap=True)
    out.print(f"  {number(found.first_headline, 3)}  {first}", markup=False)
    out.print(f"  {number(found.second_headline, 3)}  {second}", markup=False)
    out.print(
        f"mean difference of an item's score {found.difference:+.3f}, p = {found.p_value:.3g}"
    )
    for title, items in (("better", found.better), ("worse", found.worse)):
        if items:
            out.print(f"{first} is {title} at: {', '.join(items)}", markup=False, soft_wrap=True)


def _read(paths: list[Path]) -> tuple[list[Run], list[Result]]:
    folders = [Run(path, make=False) for path in paths]
    try:
        results = merged(folder.results() for folder in folders)
    except ValueError as error:
        raise InputError(str(error)) from error
    if not results:
        raise InputError(f"{paths[0]} holds no finished attempt yet.")
    return folders, results

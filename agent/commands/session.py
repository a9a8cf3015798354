"""`python -m agent session`: a recorded session as a person reads it."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from agent.commands.console import SessionArgument, err, out, print_json


def show_session(
    session: SessionArgument,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the session as an ATIF trajectory.")
    ] = False,
    repo: Annotated[
        str | None,
        typer.Option(
            help="Also find the start state in this repository: a URL or a local clone, or "
            "'recorded' for the one that the session names."
        ),
    ] = None,
    scrub: Annotated[
        bool,
        typer.Option(
            "--scrub", help="Replace secrets and personal data, as in all that leaves the machine."
        ),
    ] = False,
) -> None:
    """Show a recorded session as a person would read it.

    Try:

      python -m agent session rollout.jsonl | less -R

      python -m agent session tasks/1718000000000 --json > trajectory.json

      python -m agent session rollout.jsonl --scrub --json > to-share.json

      python -m agent session session.jsonl --repo ../clone
    """
    from agent.console import printable
    from agent.errors import InputError
    from agent.origin.find import repository_of
    from agent.origin.start import find_start
    from agent.repo import Repository
    from agent.scrub import scrub_session
    from agent.session import load
    from agent.session.atif import to_atif
    from agent.session.view import render

    loaded = load(session)
    start = None
    if repo is not None:
        source = repository_of(loaded) if repo == "recorded" else repo
        if source is None:
            raise InputError("The session names no repository. Give its address with --repo.")
        with Repository.open(source) as repository:
            start = find_start(loaded, repository)
    if scrub:
        loaded, replaced = scrub_session(loaded)
        counts = ", ".join(f"{count} × {kind}" for kind, count in replaced.most_common())
        err.print(f"replaced: {counts or 'nothing'}", highlight=False)
    if as_json:
        document = to_atif(loaded).to_json_dict()
        if start is not None:
            document["extra"]["start"] = start.model_dump(mode="json")
        print_json(document)
        return
    render(loaded, out)
    if start is not None:
        out.print(f"start state: {escape(printable(start.label))}")
        for line in [*start.reasons, *start.uncommitted_lists]:
            out.print(f"  {escape(printable(line))}", soft_wrap=True, highlight=False)

"""`python -m agent session`: a recorded session as a person reads it."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.commands.console import SessionArgument, out, print_json


def show_session(
    session: SessionArgument,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the session as an ATIF trajectory.")
    ] = False,
) -> None:
    """Show a recorded session as a person would read it.

    Try:

      python -m agent session rollout.jsonl | less -R

      python -m agent session tasks/1718000000000 --json > trajectory.json
    """
    from agent.session import load
    from agent.session.atif import to_atif
    from agent.session.view import render

    loaded = load(session)
    if as_json:
        print_json(to_atif(loaded).to_json_dict())
    else:
        render(loaded, out)

"""`python -m agent session`: a recorded session as a person reads it."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.commands.console import SessionArgument, err, out, print_json


def show_session(
    session: SessionArgument,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the session as an ATIF trajectory.")
    ] = False,
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
    """
    from agent.scrub import scrub_session
    from agent.session import load
    from agent.session.atif import to_atif
    from agent.session.view import render

    loaded = load(session)
    if scrub:
        loaded, replaced = scrub_session(loaded)
        counts = ", ".join(f"{count} × {kind}" for kind, count in replaced.most_common())
        err.print(f"replaced: {counts or 'nothing'}", highlight=False)
    if as_json:
        print_json(to_atif(loaded).to_json_dict())
    else:
        render(loaded, out)

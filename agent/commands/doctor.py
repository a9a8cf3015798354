"""`python -m agent doctor`: what is there, what is missing, how to get it."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.commands.console import JsonOption, err, out, print_json
from agent.commands.exits import ExitCode


def doctor(
    fix: Annotated[
        bool, typer.Option("--fix", help="Install and start what is missing, where that is safe.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Say what is there, what is missing, and how to get it.

    Try:

      python -m agent doctor

      python -m agent doctor --fix
    """
    from agent.doctor import diagnose, render

    if fix:
        from sandbox.setup import set_up

        set_up(on_line=lambda line: err.print(line, style="dim", markup=False, highlight=False))
    findings = diagnose()
    if as_json:
        print_json([finding.as_dict() for finding in findings])
    else:
        out.print(render(findings))
    return ExitCode.ACCEPTED if all(f.fine for f in findings) else ExitCode.INFRASTRUCTURE

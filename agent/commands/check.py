"""`python -m agent check`: the gate on any environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.commands.console import JsonOption, QuietOption, err, out, print_json
from agent.commands.depth import Depth
from agent.commands.exits import ExitCode


def check(
    environment: Annotated[
        Path, typer.Argument(metavar="DIR", help="A Harbor task directory; Kettle's or any other.")
    ],
    repeats: Annotated[int, typer.Option(min=1, help="How often nop and oracle are graded.")] = 3,
    budget: Annotated[float, typer.Option(min=1, help="Seconds that the gate may take.")] = 600,
    depth: Annotated[
        Depth,
        typer.Option(
            help="full: the whole gate, minutes. core: only whether it works, without partial and "
            "mutated solutions, rewrites and cheats."
        ),
    ] = Depth.full,
    exit_first: Annotated[
        bool, typer.Option("--exitfirst", "-x", help="End at the first check that fails.")
    ] = False,
    write: Annotated[
        bool,
        typer.Option(
            "--write", help="Record the report in DIR/provenance (gate.json and gate.html)."
        ),
    ] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report as one HTML page.")
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Run the gate on an environment.

    Builds its image, grades doing nothing and the reference solution, repeats both, looks for
    leaks, and tries mutated and partial solutions, rewrites and cheats. Works on any Harbor task
    directory.

    Try:

      python -m agent check environments/parse-1a2b3c4d

      python -m agent check task/ --repeats 10 --json > report.json

      python -m agent check task/ --depth core --html report.html
    """
    from agent.console import Progress
    from agent.environment import Environment
    from agent.errors import InputError
    from agent.gate.page import as_html
    from agent.gate.report import as_table, write_report
    from agent.library import check as run_gate
    from agent.progress import GateProgress, PhaseStarted

    subject = Environment.load(environment)
    if html is not None and (html.is_dir() or not html.parent.is_dir()):
        raise InputError(
            f"{html} cannot be written. Give the name of a file in a folder that exists."
        )
    with Progress(err, quiet=quiet) as progress:
        progress.show(PhaseStarted("gate", str(environment)))
        report = run_gate(
            environment,
            repeats=repeats,
            budget_s=budget,
            depth=depth.value,
            exit_first=exit_first,
            on_check=lambda c: progress.show(GateProgress(c.name, c.verdict, c.summary)),
        )
    if write:
        write_report(subject, report)
    if html is not None:
        html.write_text(as_html(report, subject), encoding="utf-8")
        err.print(f"The report as a page: {html}")
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        out.print(as_table(report))
    if report.passed:
        return ExitCode.ACCEPTED
    return ExitCode.INFRASTRUCTURE if report.failed_for_infrastructure else ExitCode.GATE_FAILED

"""`python -m agent build`: one environment from one session."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.commands.console import JsonOption, QuietOption, SessionArgument, err, out, print_json
from agent.commands.depth import Depth
from agent.commands.exits import ExitCode


def build(
    session: SessionArgument,
    repo: Annotated[
        str | None,
        typer.Option(help="The repository: a URL or a local clone. Default: from the session."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Builder: baseline, anthropic:NAME, openai:NAME or replay:FILE. "
            "Default: the provider whose key is set, else baseline.",
        ),
    ] = None,
    to: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for finished environments.")
    ] = Path("environments"),
    turns: Annotated[int | None, typer.Option(min=1, help="Budget: replies of the model.")] = 100,
    tokens: Annotated[
        int | None, typer.Option(min=1, help="Budget: input and output tokens.")
    ] = None,
    dollars: Annotated[float | None, typer.Option(min=0, help="Budget: US dollars.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0, help="Budget: minutes.")] = 60,
    submissions: Annotated[int | None, typer.Option(min=1, help="Budget: submissions.")] = 5,
    repeats: Annotated[
        int, typer.Option(min=1, help="How often the gate grades nop and oracle.")
    ] = 3,
    gate_minutes: Annotated[
        float, typer.Option(min=0.1, help="Time of each run of the gate.")
    ] = 10,
    depth: Annotated[
        Depth,
        typer.Option(
            help="Of the last gate, which accepts. full: also the session's attempts, partial and "
            "mutated solutions, rewrites, cheats. core: only that it works."
        ),
    ] = Depth.full,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget an earlier build of this session.")
    ] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Build although the evidence speaks against it.")
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Build one environment from one session.

    The session is read, its repository found, the start state and the outcome reconstructed; a
    session that the evidence speaks against is rejected (exit code 3) unless `--anyway` is given. A
    builder then finishes the draft in a sandbox until the gate passes or a budget is spent. An
    interrupted build goes on where it stopped when the same command is run again.

    Try:

      python -m agent build rollout.jsonl

      python -m agent build session.jsonl --repo ../clone --model baseline

      python -m agent build session.jsonl -m anthropic:claude-sonnet-4-5 --dollars 3 --json
    """
    from agent.budget import Budget
    from agent.console import Progress
    from agent.gate import GateSettings
    from agent.library import build as run_build
    from agent.summary import show_build

    budget = Budget(
        turns=turns, tokens=tokens, dollars=dollars, minutes=minutes, submissions=submissions
    )
    with Progress(err, budget=budget, quiet=quiet) as progress:
        result = run_build(
            session,
            repo=repo,
            model=model,
            out=to,
            budget=budget,
            gate=GateSettings(repeats=repeats, budget_s=gate_minutes * 60, depth=depth.value),
            fresh=fresh,
            anyway=anyway,
            on_event=progress.show,
        )
    if as_json:
        print_json(result.as_dict())
    else:
        show_build(result, out)
    return {
        "accepted": ExitCode.ACCEPTED,
        "rejected": ExitCode.REJECTED,
        "gate-failed": ExitCode.GATE_FAILED,
        "budget-spent": ExitCode.GATE_FAILED,
        "infrastructure": ExitCode.INFRASTRUCTURE,
    }[result.status]

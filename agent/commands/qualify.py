"""`python -m agent qualify`: which sessions are worth an environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from agent.commands.console import JsonOption, QuietOption, err, out, print_json
from agent.commands.exits import ExitCode


def qualify(
    sessions: Annotated[
        list[Path],
        typer.Argument(metavar="SESSION...", help="Recorded sessions: files, folders, patterns."),
    ],
    repo: Annotated[
        str | None,
        typer.Option(help="Their repository: a URL or a local clone. Default: from each session."),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", "-j", min=1, help="Sessions judged at one time.")
    ] = min(8, os.cpu_count() or 1),
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="FILE",
            help="Append each verdict to FILE as a line of JSON, as it comes; sessions that stand "
            "there already are not judged again.",
        ),
    ] = None,
    run_tests: Annotated[
        bool,
        typer.Option(
            "--run-tests", help="Run the outcome's tests on both states, in a sandbox (minutes)."
        ),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Let three sub-agents with this model look, too: anthropic:NAME, openai:NAME or "
            "replay:FILE.",
        ),
    ] = None,
    dollars: Annotated[
        float | None, typer.Option(min=0, help="Budget of each sub-agent: US dollars.")
    ] = 1.0,
    turns: Annotated[
        int | None, typer.Option(min=1, help="Budget of each sub-agent: replies of the model.")
    ] = 30,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Judge whether sessions are worth an environment.

    Says accept, reject or needs-a-person, with reasons that cite turns, files and commits, how sure
    it is, and how much the agent struggled (worth). Evidence alone decides unless a model is named.
    A session that cannot be read is a row like any other.

    Exit codes: 0 at least one session is accepted, 2 none could be read, 3 none is accepted.

    Try:

      python -m agent qualify rollout.jsonl

      python -m agent qualify ~/.claude/projects --to verdicts.jsonl

      python -m agent qualify 'logs/**/*.jsonl' --repo ../clone --workers 4 --json

      python -m agent qualify rollout.jsonl --run-tests --model anthropic:claude-opus-5-5
    """
    from agent.budget import Budget
    from agent.qualify.gather import gather
    from agent.qualify.many import Work, qualify_closely, qualify_files
    from agent.qualify.report import Counter, journal, table
    from agent.qualify.verdict import Qualification

    paths = gather(sessions)
    work = Work(repo=repo)
    kept = journal(to, paths)
    waiting = [path for path in paths if str(path) not in kept.rows]
    if model is None and not run_tests:
        stream = qualify_files(waiting, work, workers=workers)
    else:
        budget = Budget(turns=turns, dollars=dollars, minutes=30, submissions=3)
        stream = qualify_closely(waiting, work, model=model, budget=budget, run_tests=run_tests)
    with kept, Counter(err, total=len(paths), done=len(kept.rows), quiet=quiet) as counter:
        for row in stream:
            kept.add(row)
            counter.show(row)
    rows = [kept.rows[str(path)] for path in paths if str(path) in kept.rows]
    judged: list[Qualification] = [r.qualification for r in rows if r.qualification is not None]
    if as_json:
        print_json(
            {
                "judged": [one.model_dump(mode="json") for one in judged],
                "unread": {row.path: row.error for row in rows if row.qualification is None},
            }
        )
    else:
        out.print(table(rows))
    if not judged:
        return ExitCode.BAD_INPUT
    accepted = any(one.verdict == "accept" for one in judged)
    return ExitCode.ACCEPTED if accepted else ExitCode.REJECTED

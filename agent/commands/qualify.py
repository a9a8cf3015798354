"""`python -m agent qualify`: which sessions are worth an environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.commands.console import JsonOption, err, out, print_json
from agent.commands.exits import ExitCode


def qualify(
    sessions: Annotated[
        list[Path], typer.Argument(metavar="SESSION...", help="Recorded sessions.")
    ],
    repo: Annotated[
        str | None,
        typer.Option(help="Their repository: a URL or a local clone. Default: from each session."),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Judge from evidence alone whether sessions are worth an environment.

    Says accept, reject or needs-a-person, why, and how much the agent struggled (worth). A session
    that cannot be read is a row like any other. No model is asked.

    Try:

      python -m agent qualify rollout.jsonl

      python -m agent qualify sessions/*.jsonl --repo ../clone --json
    """
    from contextlib import ExitStack

    from agent.errors import SessionError
    from agent.qualify import Qualification
    from agent.qualify import qualify as judge
    from agent.repo import Repository
    from agent.session import load
    from agent.summary import qualifications

    judged: list[Qualification] = []
    unread: dict[str, str] = {}
    with ExitStack() as stack:
        repository = stack.enter_context(Repository.open(repo)) if repo else None
        for number, path in enumerate(sessions, start=1):
            err.print(f"{number}/{len(sessions)} {path}", style="dim", highlight=False)
            try:
                judged.append(judge(load(path), repository))
            except SessionError as error:
                unread[str(path)] = str(error)
    if as_json:
        print_json({"judged": [q.model_dump(mode="json") for q in judged], "unread": unread})
    else:
        out.print(qualifications(judged, unread))
    if unread and not judged:
        return ExitCode.BAD_INPUT
    accepted = any(q.verdict == "accept" for q in judged)
    return ExitCode.ACCEPTED if accepted else ExitCode.REJECTED

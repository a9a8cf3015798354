"""The command line: `python -m agent build | check | qualify | session | doctor`.

Standard output carries the result (a summary, or JSON with `--json`); progress and errors go to
standard error. Exit codes are `ExitCode`. A user's mistake is one message, never a traceback.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.exceptions import TyperException

from agent import __version__
from agent.errors import InputError, KettleError, ProviderError, Rejected
from sandbox.errors import SandboxError

EPILOG_EXIT_CODES = (
    "Exit codes: 0 accepted, 2 bad input, 3 session rejected, 4 gate failed or budget spent, "
    "5 infrastructure (engine, network, provider, disk), 130 interrupted."
)


class Depth(StrEnum):
    """How thorough the gate is."""

    core = "core"
    full = "full"


class ExitCode(IntEnum):
    """What the exit status says."""

    ACCEPTED = 0
    BUG = 1
    """Something that Kettle did not foresee; worth a report."""
    BAD_INPUT = 2
    REJECTED = 3
    GATE_FAILED = 4
    INFRASTRUCTURE = 5
    INTERRUPTED = 130


app = typer.Typer(
    name="kettle",
    help="Turns a raw coding-agent session into a verified RL environment.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog=EPILOG_EXIT_CODES,
)

err = Console(stderr=True)
out = Console()

SessionArgument = Annotated[
    Path,
    typer.Argument(
        metavar="SESSION", help="A recorded session: a file or a folder, in its tool's own format."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document to stdout.")]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress; only the result and errors.")
]


def main() -> None:
    """Run the command line; never returns normally."""
    # A polite end (a job scheduler's SIGTERM) is handled like Ctrl-C: everything is cleaned up.
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and say how it ended.

    Args:
        arguments: what stands behind `python -m agent`.

    Returns:
        An exit status, see `ExitCode`.
    """
    with _reported() as status:
        command = typer.main.get_command(app)
        result = command.main(args=arguments, prog_name="python -m agent", standalone_mode=False)
        status.append(result if isinstance(result, int) else ExitCode.ACCEPTED)
    if status[-1] == ExitCode.INTERRUPTED:
        err.print("Interrupted. Nothing is left running; run the same command again to go on.")
    return status[-1]


@contextmanager
def _reported() -> Iterator[list[int]]:
    """Turn what escapes a command into a message and an exit status."""
    status: list[int] = [ExitCode.BUG]
    try:
        yield status
    except typer.Exit as stop:
        status.append(stop.exit_code)
    except TyperException as error:
        _say("usage", error.format_message())
        status.append(ExitCode.BAD_INPUT)
    except (KeyboardInterrupt, typer.Abort):
        status.append(ExitCode.INTERRUPTED)
    except Rejected as error:
        _say("rejected", error)
        status.append(ExitCode.REJECTED)
    except InputError as error:
        _say("error", error)
        status.append(ExitCode.BAD_INPUT)
    except (SandboxError, ProviderError) as error:
        _say("infrastructure", error)
        status.append(ExitCode.INFRASTRUCTURE)
    except KettleError as error:
        _say("error", error)
        status.append(ExitCode.GATE_FAILED)
    except BrokenPipeError:
        # The reader of our output went away (`| head`); there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status.append(ExitCode.ACCEPTED)
    except OSError as error:
        _say("infrastructure", error)
        status.append(ExitCode.INFRASTRUCTURE)


def _say(kind: str, error: BaseException | str) -> None:
    from agent.console import printable

    err.print(f"[bold red]{kind}:[/] ", end="")
    err.print(printable(str(error)), markup=False, highlight=False, soft_wrap=True)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, default=str))  # noqa: T201 (this is the output)


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"kettle {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


@app.command(epilog=EPILOG_EXIT_CODES)
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
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget an earlier build of this session.")
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Build one environment from one session.

    The session is read, its repository found, the start state and the outcome reconstructed; a
    builder then finishes the draft in a sandbox until the gate passes or a budget is spent. An
    interrupted build goes on where it stopped when the same command is run again.

    Try:

      python -m agent build rollout.jsonl

      python -m agent build session.jsonl --repo ../clone --model baseline

      python -m agent build session.jsonl -m anthropic:claude-sonnet-4-5 --dollars 3 --json
    """
    from agent.budget import Budget
    from agent.build import BuildSettings, build_session
    from agent.console import Progress
    from agent.gate import GateSettings
    from agent.summary import show_build

    settings = BuildSettings(
        repo=repo,
        model=model,
        out=to,
        budget=Budget(
            turns=turns, tokens=tokens, dollars=dollars, minutes=minutes, submissions=submissions
        ),
        gate=GateSettings(repeats=repeats),
        fresh=fresh,
    )
    with Progress(err, budget=settings.budget, quiet=quiet) as progress:
        result = build_session(session, settings, on_event=progress.show)
    if as_json:
        _print_json(result.as_dict())
    else:
        show_build(result, out)
    return {
        "accepted": ExitCode.ACCEPTED,
        "rejected": ExitCode.REJECTED,
        "gate-failed": ExitCode.GATE_FAILED,
        "budget-spent": ExitCode.GATE_FAILED,
        "infrastructure": ExitCode.INFRASTRUCTURE,
    }[result.status]


@app.command(epilog=EPILOG_EXIT_CODES)
def check(
    environment: Annotated[
        Path, typer.Argument(metavar="DIR", help="A Harbor task directory; Kettle's or any other.")
    ],
    repeats: Annotated[int, typer.Option(min=1, help="How often nop and oracle are graded.")] = 3,
    budget: Annotated[float, typer.Option(min=1, help="Seconds that the gate may take.")] = 600,
    depth: Annotated[
        Depth,
        typer.Option(
            help="core: does it work. full: also partial and mutated solutions, rewrites, cheats."
        ),
    ] = Depth.core,
    write: Annotated[
        bool, typer.Option("--write", help="Record the report in DIR/provenance/gate.json.")
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Run the gate on an environment.

    Builds its image, grades doing nothing and the reference solution, repeats both, and looks for
    leaks. Works on any Harbor task directory.

    Try:

      python -m agent check environments/parse-1a2b3c4d

      python -m agent check task/ --repeats 10 --json > report.json
    """
    from agent.console import Progress
    from agent.environment import Environment
    from agent.gate import GateSettings
    from agent.gate import run as run_gate
    from agent.gate.report import as_table, write_report
    from agent.progress import GateProgress, PhaseStarted
    from sandbox.engine import Engine

    subject = Environment.load(environment)
    with Progress(err, quiet=quiet) as progress, Engine.connect() as engine:
        progress.show(PhaseStarted("gate", str(environment)))
        report = run_gate(
            engine,
            subject,
            settings=GateSettings(repeats=repeats, budget_s=budget, depth=depth.value),
            on_progress=lambda c: progress.show(GateProgress(c.name, c.verdict, c.summary)),
        )
    if write:
        write_report(subject, report)
    if as_json:
        _print_json(report.model_dump(mode="json"))
    else:
        out.print(as_table(report))
    if report.passed:
        return ExitCode.ACCEPTED
    return ExitCode.INFRASTRUCTURE if report.failed_for_infrastructure else ExitCode.GATE_FAILED


@app.command()
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
        _print_json({"judged": [q.model_dump(mode="json") for q in judged], "unread": unread})
    else:
        out.print(qualifications(judged, unread))
    if unread and not judged:
        return ExitCode.BAD_INPUT
    accepted = any(q.verdict == "accept" for q in judged)
    return ExitCode.ACCEPTED if accepted else ExitCode.REJECTED


@app.command(name="session")
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
        _print_json(to_atif(loaded).to_json_dict())
    else:
        render(loaded, out)


@app.command()
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
        _print_json([finding.as_dict() for finding in findings])
    else:
        out.print(render(findings))
    return ExitCode.ACCEPTED if all(f.fine for f in findings) else ExitCode.INFRASTRUCTURE

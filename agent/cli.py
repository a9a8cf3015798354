"""The command line: `python -m agent build | check | qualify | queue | session | doctor`.

Standard output carries the result (a summary, or JSON with `--json`); progress and errors go to
standard error. Exit codes are `ExitCode`. A user's mistake is one message, never a traceback.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from typer.exceptions import TyperException

from agent import __version__
from agent.commands.batch import batch
from agent.commands.build import build
from agent.commands.check import check
from agent.commands.console import err, out
from agent.commands.doctor import doctor
from agent.commands.exits import EPILOG_EXIT_CODES, ExitCode
from agent.commands.qualify import qualify
from agent.commands.queue import queue
from agent.commands.session import show_session
from agent.errors import InputError, KettleError, ProviderError, Rejected
from sandbox.errors import SandboxError

app = typer.Typer(
    name="kettle",
    help="Turns a raw coding-agent session into a verified RL environment.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog=EPILOG_EXIT_CODES,
)


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


app.command(epilog=EPILOG_EXIT_CODES)(build)
app.command(epilog=EPILOG_EXIT_CODES)(check)
app.command()(qualify)
app.command(name="session")(show_session)
app.add_typer(queue, name="queue")
app.add_typer(batch, name="batch")
app.command()(doctor)

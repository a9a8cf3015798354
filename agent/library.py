"""Kettle as functions, for programs: `from agent import build, check, qualify`.

Results are typed, trouble is an exception (`agent.errors`, `sandbox.errors`), nothing is printed,
and the command line calls the same functions. They wait for git, containers and models rather than
compute, so each has a twin to `await`, which runs it in a thread. A cancelled `await` does not stop
that thread: what a build may take is said by its budget.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from functools import wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

from agent.budget import Budget
from agent.build import BuildResult, BuildSettings, build_session
from agent.environment import Environment
from agent.gate import Check, GateReport, GateSettings
from agent.gate import run as run_gate
from agent.progress import Listener
from agent.qualify import Qualification
from agent.qualify import qualify as judge
from agent.qualify.many import Work, closely
from agent.repo import Repository
from agent.session import load
from sandbox.engine import Engine

P = ParamSpec("P")
T = TypeVar("T")

Depth = Literal["core", "full"]
"""`core` proves that an environment works; `full` also tries wrong and other right solutions."""
BUILD_BUDGET = Budget(turns=100, minutes=60, submissions=5)
"""Of one build, unless another is given."""
PANEL_BUDGET = Budget(turns=30, dollars=1.0, minutes=30, submissions=3)
"""Of each of the three sub-agents that a model makes of `qualify`."""


def build(
    session: Path | str,
    *,
    repo: str | None = None,
    model: str | None = None,
    out: Path | str = "environments",
    budget: Budget = BUILD_BUDGET,
    gate: GateSettings = GateSettings(),  # noqa: B008 (frozen)
    fresh: bool = False,
    anyway: bool = False,
    on_event: Listener = lambda event: None,
) -> BuildResult:
    """Build one environment from one session, or go on with a build that was interrupted.

    Args:
        session: the recording, a file or a folder.
        repo: URL or path of a clone; None takes it from the session.
        model: the builder: `baseline`, `anthropic:NAME`, `openai:NAME` or `replay:FILE`; None
            chooses by the keys that are set.
        out: folder of finished environments.
        budget: what the build may spend.
        gate: how thorough the gate is that accepts.
        fresh: forget an earlier build of this session.
        anyway: build although the evidence speaks against the session.
        on_event: gets progress as it happens (`agent.progress`), from any thread.

    Returns:
        How it ended: `status` is `accepted` or why not, `environment` where it lies. A gate that
        fails or a budget that is spent is a result, not an error.

    Raises:
        Rejected: the evidence speaks against the session.
        InputError: the session, the repository, the model's name or the folder cannot be used.
        ProviderError: the model's provider failed for good.
        SandboxError: the container engine failed.
    """
    settings = BuildSettings(
        repo=repo,
        model=model,
        out=Path(out),
        budget=budget,
        gate=gate,
        fresh=fresh,
        anyway=anyway,
    )
    return build_session(Path(session), settings, on_event=on_event)


def qualify(
    session: Path | str,
    *,
    repo: str | None = None,
    run_tests: bool = False,
    model: str | None = None,
    budget: Budget = PANEL_BUDGET,
) -> Qualification:
    """Judge whether a session is worth an environment. Many at once: `agent.qualify.many`.

    Args:
        session: the recording, a file or a folder.
        repo: URL or path of a clone; None takes it from the session.
        run_tests: run the outcome's tests on both states, in a sandbox (minutes).
        model: lets three sub-agents with it look, too; None leaves judgement to the evidence.
        budget: of each sub-agent.

    Returns:
        The verdict with its reasons; a rejection is a result, not an error.

    Raises:
        InputError: the session, the repository named here, or the model's name cannot be used.
        ProviderError: the model's provider failed for good.
        SandboxError: the container engine failed.
    """
    recorded = load(Path(session))
    with (
        closely(Work(), model=model, budget=budget, run_tests=run_tests) as (trials, panel),
        Repository.open(repo) if repo is not None else nullcontext() as repository,
    ):
        return judge(recorded, repository, trials=trials, panel=panel)


def check(
    environment: Path | str,
    *,
    repeats: int = 3,
    budget_s: float = 600.0,
    depth: Depth = "full",
    exit_first: bool = False,
    on_check: Callable[[Check], None] | None = None,
) -> GateReport:
    """Put an environment through the gate's trials; it is not changed.

    Args:
        environment: a Harbor task directory, Kettle's or any other.
        repeats: how often doing nothing and the reference solution are graded.
        budget_s: seconds; what has not begun by then is left untried.
        depth: `core` leaves out partial and mutated solutions, rewrites and cheats.
        exit_first: end at the first check that fails.
        on_check: gets each check as it has its verdict, from any thread.

    Returns:
        The report; one that falls short is a result, not an error.

    Raises:
        InputError: the directory cannot be read as a task.
        SandboxError: the container engine cannot be reached.
    """
    subject = Environment.load(environment)
    settings = GateSettings(repeats=repeats, budget_s=budget_s, depth=depth, exit_first=exit_first)
    with Engine.connect() as engine:
        return run_gate(engine, subject, settings=settings, on_progress=on_check)


def _in_a_thread(function: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """The same to `await`."""

    @wraps(function)
    async def awaited(*args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(function, *args, **kwargs)

    return awaited


build_async = _in_a_thread(build)
qualify_async = _in_a_thread(qualify)
check_async = _in_a_thread(check)

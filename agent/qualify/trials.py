"""Runs the outcome's tests on both states in a sandbox, on request (`--run-tests`).

The recipe of `baseline` does it: it installs the project as of the session's date and runs the
tests on both states, through the same terminal and within the same bounds as any builder. What
comes back is read as data: counts and names of tests, nothing that decides what runs here.
"""

from __future__ import annotations

import json
import time
from typing import Any

from agent.errors import KettleError
from agent.models.base import CallResult, Message
from agent.models.baseline import Baseline
from agent.qualify.bench import furnished, survey
from agent.qualify.case import Case
from agent.qualify.trial import Trial
from agent.scrub import scrub_session
from agent.workbench import DRAFT
from sandbox.container import Sandbox
from sandbox.engine import Engine
from sandbox.errors import TransferError
from tools.terminal import Terminal

MINUTES = 10.0
"""For one session: installing and six runs of a suite that is quick enough for a verifier."""
MAX_STEPS = 20
"""Commands of the recipe; it has a dozen."""
MAX_FILE_BYTES = 4 << 20
"""Of the list of tests that comes back."""
MAX_SHOWN = 10
"""Names of tests in a verdict."""
MAX_NAME_CHARS = 200
MAX_CITED = 3
"""Test files cited for a reason."""


class Trials:
    """Runs trials on one engine.

    Args:
        engine: where the sandboxes run.
        minutes: for one session.
    """

    def __init__(self, engine: Engine, *, minutes: float = MINUTES) -> None:
        self._engine = engine
        self._minutes = minutes

    def run(self, case: Case) -> None:
        """Try one case.

        Args:
            case: with its repository, start state and outcomes; gets `trial`, and a reason when no
                test tells the states apart.

        Raises:
            SandboxError: the engine failed.
        """
        begun = time.monotonic()
        kept, case.trial = self._try(case)
        case.trial.seconds = round(time.monotonic() - begun, 1)
        if case.trial.trouble or case.trial.tells_apart:
            return
        tests = case.outcomes[0].tests
        passed = [path for path in tests if any(path in name for name in kept)]
        if passed:
            text = "the outcome's tests pass at the start already"
        else:
            text = "no test of the outcome passes, so that nothing tells the states apart"
        cite = case.commits(*(passed or tests)[:MAX_CITED])
        case.object("no outcome", text, *cite, grave=bool(passed))

    def _try(self, case: Case) -> tuple[list[str], Trial]:
        """Names of the tests that pass on both states, and the trial."""
        if not case.outcomes[0].tests:
            return [], Trial(trouble="the outcome brings no tests")
        assert case.repository is not None  # noqa: S101
        session, _ = scrub_session(case.session)
        try:
            with furnished(self._engine, case.repository, survey(case), session) as sandbox:
                said = self._follow(sandbox)
                return _read(sandbox, said)
        except KettleError as error:
            return [], Trial(trouble=str(error))

    def _follow(self, sandbox: Sandbox) -> str:
        """Work through the recipe; returns what it says at its end."""
        ends = time.monotonic() + 60 * self._minutes
        terminal, recipe = Terminal(sandbox), Baseline()
        # The gate is not asked: the recipe takes whatever `check` prints.
        sandbox.offer("check", lambda: "not run\n")
        messages = [Message(role="user", text="go on")]
        for _ in range(MAX_STEPS):
            reply = recipe.query("", messages)
            if not reply.calls:
                return reply.text
            left = ends - time.monotonic()
            if left <= 0:
                return f"the tests were not through after {self._minutes:g} minutes"
            results = tuple(
                CallResult(call.id, terminal.run(call.command, at_most_s=left))
                for call in reply.calls
            )
            messages += [reply.message, Message(role="user", results=results)]
        return "the recipe did not end"


def _read(sandbox: Sandbox, said: str) -> tuple[list[str], Trial]:
    try:
        data = sandbox.get(f"{DRAFT}/tests/expected.json", limit_bytes=MAX_FILE_BYTES)
        found: Any = json.loads(data)
        told, kept = found["fail_to_pass"], found["pass_to_pass"]
        if not isinstance(told, list) or not isinstance(kept, list):
            raise TypeError
    except TransferError:
        return [], Trial(trouble=said)
    except (ValueError, TypeError, KeyError, RecursionError):
        return [], Trial(trouble="the list of tests that came back cannot be read")
    if not told and not kept:
        return [], Trial(trouble=said)
    names = [str(name)[:MAX_NAME_CHARS] for name in told[:MAX_SHOWN]]
    return list(map(str, kept)), Trial(fail_to_pass=names, told=len(told), kept=len(kept))

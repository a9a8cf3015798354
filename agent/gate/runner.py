"""Runs the checks on one environment and collects their verdicts.

The checks run side by side; each waits for the grades that it needs. Trouble with the engine is
tried once more and then reported as `error`, never as the environment's fault.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from agent import __version__
from agent.environment import Environment
from agent.errors import InputError
from agent.gate.checks.attempt import attempt, candidates
from agent.gate.checks.candidates import (
    alternatives_pass,
    exploits_fail,
    mutants_fail,
    partial_fails,
)
from agent.gate.checks.hygiene import hygiene
from agent.gate.checks.image import builds, start_state
from agent.gate.checks.instruction import instruction
from agent.gate.checks.offline import offline
from agent.gate.checks.pinned import pinned
from agent.gate.checks.rewards import nop_fails, oracle_passes, stable
from agent.gate.checks.sealed import sealed
from agent.gate.isolation import isolation
from agent.gate.model import Check, CheckVerdict, GateReport
from agent.gate.reach import reach
from agent.gate.said import Said, untried
from agent.gate.settings import GateSettings
from agent.gate.trials import Trials, Unready, retried
from agent.grade import Grade
from sandbox.engine import Engine
from sandbox.errors import SandboxError

MAX_CHECKS_AT_ONCE = 16
"""Threads that mostly wait for containers; the grades themselves have workers of their own."""


@dataclass(frozen=True)
class GateCheck:
    """A check of the gate.

    Attributes:
        name: as reports and documents call it.
        function: does it.
        after: names of checks that must pass before it makes sense.
        deep: whether it is left out of a core run.
    """

    name: str
    function: Callable[[Trials], Said]
    after: tuple[str, ...] = ("builds",)
    deep: bool = False


_VERDICTS = ("nop-fails", "oracle-passes")

CHECKS: tuple[GateCheck, ...] = (
    GateCheck("builds", builds, after=()),
    GateCheck("start-state", start_state),
    GateCheck("sealed", sealed),
    GateCheck("nop-fails", nop_fails),
    GateCheck("oracle-passes", oracle_passes),
    GateCheck("stable", stable, after=("builds", *_VERDICTS)),
    GateCheck("offline", offline, after=("builds", *_VERDICTS)),
    GateCheck("pinned", pinned, after=()),
    GateCheck("instruction", instruction),
    GateCheck("hygiene", hygiene, after=()),
    GateCheck("attempt", attempt, after=("builds", *_VERDICTS)),
    GateCheck("candidates", candidates, after=("builds", *_VERDICTS)),
    GateCheck("exploits-fail", exploits_fail, after=("builds", *_VERDICTS), deep=True),
    GateCheck("alternatives-pass", alternatives_pass, after=("builds", *_VERDICTS), deep=True),
    GateCheck("partial-fails", partial_fails, after=("builds", *_VERDICTS), deep=True),
    GateCheck("mutants-fail", mutants_fail, after=("builds", *_VERDICTS), deep=True),
)


def run(
    engine: Engine,
    environment: Environment,
    *,
    settings: GateSettings = GateSettings(),  # noqa: B008 (frozen)
    on_progress: Callable[[Check], None] | None = None,
    memory: dict[str, Grade] | None = None,
) -> GateReport:
    """Put an environment through its trials.

    Args:
        engine: builds its image and runs its containers.
        environment: any Harbor task of one step.
        settings: how thoroughly.
        on_progress: called with each check as it gets its verdict, from any thread.
        memory: grades of earlier runs, which gets those of this one. Candidates beside nop and
            oracle are not graded again where nothing that is graded has changed.

    Returns:
        The report; checks in the order of `CHECKS`.

    Raises:
        InputError: the environment's files cannot be read as a task.
    """
    begun = time.monotonic()
    with Trials(engine, environment, settings, memory) as trials:
        done: dict[str, Future[Check]] = {}

        def perform(check: GateCheck) -> Check:
            since = time.monotonic()
            said = _unmet(check, done) or _say(check, trials)
            if said.verdict is CheckVerdict.FAIL and settings.exit_first:
                trials.give_up(check.name)
            elif said.verdict is CheckVerdict.UNTRIED and trials.given_up:
                said = replace(said, summary=f"{trials.given_up} failed before", evidence=())
            result = Check(
                name=check.name,
                verdict=said.verdict,
                summary=said.summary,
                evidence=list(said.evidence),
                details=said.details,
                seconds=round(time.monotonic() - since, 3),
            )
            if check.name == "builds" and said.verdict is CheckVerdict.PASS and graded:
                trials.begin_core()
            if on_progress is not None:
                on_progress(result)
            return result

        chosen = _chosen(settings)
        graded = any(c.name in _VERDICTS for c in chosen)
        with ThreadPoolExecutor(MAX_CHECKS_AT_ONCE, thread_name_prefix="check") as pool:
            try:
                # In this order a check is queued after those that it waits for: none is stuck.
                for check in chosen:
                    done[check.name] = pool.submit(perform, check)
                checks = [done[c.name].result() for c in chosen]
            except (KeyboardInterrupt, SystemExit):
                # The program ends; without this, what runs would be waited for to its end.
                engine.close()
                raise
    return GateReport(
        environment_digest=environment.digest,
        kettle_version=__version__,
        isolation=isolation(environment),
        checks=checks,
        without=list(reach(environment).without),
        reused=trials.reused,
        seconds=round(time.monotonic() - begun, 3),
    )


def _chosen(settings: GateSettings) -> list[GateCheck]:
    wanted = {c.name for c in CHECKS if settings.depth == "full" or not c.deep}
    if settings.only:
        known = {c.name: c for c in CHECKS}
        unknown = sorted(set(settings.only) - known.keys())
        if unknown:
            raise InputError(f"There is no check named {unknown[0]}; there are: {', '.join(known)}")
        wanted = set(settings.only)
        for check in reversed(CHECKS):
            if check.name in wanted:
                wanted.update(check.after)
    return [c for c in CHECKS if c.name in wanted]


def _unmet(check: GateCheck, done: dict[str, Future[Check]]) -> Said | None:
    for name in check.after:
        earlier = done[name].result()
        if earlier.verdict not in (CheckVerdict.PASS, CheckVerdict.NOT_APPLICABLE):
            return untried(f"needs {name}")
    return None


def _say(check: GateCheck, trials: Trials) -> Said:
    if check.name != "builds" and trials.out_of_time:
        return untried(
            f"the gate's budget of {trials.settings.budget_s:g} s was spent",
            "A verifier that answers sooner leaves more of it; so does `--gate-minutes`.",
        )
    try:
        return retried(lambda: check.function(trials))
    except Unready as e:
        return untried(str(e))
    except InputError as e:
        return Said(CheckVerdict.FAIL, str(e))
    except SandboxError as e:
        return Said(
            CheckVerdict.ERROR, "the container engine got in the way", (f"{type(e).__name__}: {e}",)
        )

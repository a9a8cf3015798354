"""How long the gate takes on the demo's environment, beside two plain runs in containers.

Run alone: `python -m tests.bench.gate`. A plain run is what a harness does that knows nothing of
the gate: a fresh container whose first process is `sh -c "sleep infinity"`, solution and tests
copied in and run with the docker command, the container stopped (which waits out its time of grace,
because that process minds no signal) and removed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from agent.build import BuildSettings, build_session
from agent.environment import Environment
from agent.gate import GateReport, GateSettings, run
from agent.gate.candidates.exploits import EXPLOITS
from agent.gate.checks.image import build_context
from agent.gate.trials import Trials
from evals.recipe import materialise
from sandbox.engine import Engine
from tests.bench import show

ITEM = Path(__file__).parents[2] / "evals" / "items" / "parse-hyphens"
VERDICTS = GateSettings(repeats=3, only=("nop-fails", "oracle-passes", "stable"))
CORE = GateSettings(repeats=3, depth="core")
FULL = GateSettings(repeats=3)
VERDICTS_SHARE = 0.2
"""Of the wall time of two plain runs, one with the solution and one without."""
FULL_S = 90.0
"""With mutants, rewrites and cheats."""
SHOWN = 8


def docker(*arguments: str, check: bool = True) -> str:
    """What the docker command prints."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=check)
    return done.stdout.strip()


def plain_run(environment: Environment, image: str, *, solved: bool) -> str:
    """The reward, as a plain run gives it."""
    box = docker(
        *("run", "-d", "--network", "none", "--entrypoint", "sh", image, "-c", "sleep infinity")
    )
    try:
        if solved:
            docker("cp", f"{environment.root}/solution", f"{box}:/solution")
            docker("exec", box, "chmod", "-R", "a+rX", "/solution")
            docker("exec", "-u", "solver", "-w", "/app", box, "bash", "/solution/solve.sh")
        docker("cp", f"{environment.root}/tests", f"{box}:/tests")
        docker("exec", box, "mkdir", "-p", "/logs/verifier")
        # How the script ends counts for nothing; the reward does.
        docker("exec", "-w", "/app", box, "bash", "/tests/test.sh", check=False)
        reward = docker("exec", box, "sh", "-c", "cat /logs/verifier/reward.*")
        docker("stop", box)
        return reward
    finally:
        docker("rm", "-f", box)


def demo(folder: Path) -> Environment:
    """The demo's environment, built by `baseline`, or the one that is named on the command line."""
    if __name__ == "__main__" and sys.argv[1:]:
        return Environment.load(sys.argv[1])
    repository = materialise(ITEM, folder / "repository")
    result = build_session(
        ITEM / "session.jsonl",
        BuildSettings(repo=str(repository.path), model="baseline", out=folder / "out"),
    )
    if result.environment is None:
        raise SystemExit("the demo's environment was not built")
    return Environment.load(result.environment)


def built(engine: Engine, environment: Environment, tag: str | None = None) -> str:
    """The environment's image; from now on its layers are there for the gate, too."""
    dockerfile = environment.read("environment/Dockerfile") or b""
    with Trials(engine, environment, GateSettings()) as trials:
        context = build_context(trials, dockerfile)
        return engine.build(context, tag=tag, keep_layers=True).id


def timed(engine: Engine, environment: Environment, settings: GateSettings) -> GateReport:
    """A run of the gate, and its longest checks."""
    report = run(engine, environment, settings=settings)
    for check in sorted(report.checks, key=lambda c: -c.seconds)[:SHOWN]:
        print(f"    {check.seconds:6.1f} s  {check.name:<18} {check.verdict}: {check.summary}")
    return report


def main() -> bool:
    """Print both figures; True when both meet their targets."""
    load, _, _ = os.getloadavg()
    print(f"the gate on the demo's environment (load {load:.1f}, {os.cpu_count()} processors)")
    with tempfile.TemporaryDirectory(prefix="kettle-bench-") as folder, Engine.connect() as engine:
        environment = demo(Path(folder))
        image = built(engine, environment)
        began = time.monotonic()
        rewards = [plain_run(environment, image, solved=solved) for solved in (True, False)]
        plain = time.monotonic() - began
        show("two plain runs, one after the other", plain, "s")
        print(f"    their rewards: {', '.join(rewards)}")
        verdicts = timed(engine, environment, VERDICTS).seconds
        show("the gate's verdicts, nop and oracle three times each", verdicts, "s")
        met = show("their share of two plain runs", verdicts / plain, "", most=VERDICTS_SHARE)
        show("core gate, all its checks", timed(engine, environment, CORE).seconds, "s")
        full = timed(engine, environment, FULL)
    tried = sum(len(c.details.get("tried", ())) for c in full.checks)
    print(f"    full: {tried} candidates tried ({len(EXPLOITS)} cheats known)")
    return met & show("full gate", full.seconds, "s", most=FULL_S)


if __name__ == "__main__":
    raise SystemExit(0 if main() else 1)

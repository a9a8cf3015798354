"""Environments under Harbor itself: the oracle earns 1 and doing nothing 0, in both its modes."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.environment import Environment
from agent.grading import WORK_TREE
from sandbox.engine import Engine
from tests.agent.gate.environments import make

TRIAL_S = 240


def _missing() -> str:
    """What this machine lacks for Harbor; "" when it has it all."""
    program = os.environ.get("KETTLE_HARBOR") or shutil.which("harbor")
    if not program or not Path(program).is_file():
        return "Harbor is not here (pip install harbor, with Python 3.12; KETTLE_HARBOR names it)"
    compose = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return "" if compose.returncode == 0 else "docker compose v2 is not here"


pytestmark = pytest.mark.skipif(bool(_missing()), reason=_missing())


@dataclass(frozen=True)
class Prepared:
    """An environment whose image is built already: Harbor knows nothing of Kettle's base images."""

    environment: Environment
    tag: str

    def copy(self, to: Path, mode: str) -> Path:
        """A copy that Harbor can run here."""
        shutil.copytree(self.environment.root, to)
        config = self.environment.config.model_copy(deep=True)
        config.environment.docker_image = self.tag
        # Harbor cuts the network with an image of its own from a public registry.
        config.environment.network_mode = "public"
        config.verifier.environment_mode = mode  # type: ignore[assignment]
        config.artifacts = [WORK_TREE]
        (to / "task.toml").write_text(config.dump())
        return to


@pytest.fixture(scope="module")
def prepared(
    engine: Engine, base_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prepared]:
    made = make(tmp_path_factory.mktemp("harbor") / "e", base=base_image)
    tag = f"kettle-test-harbor:{secrets.token_hex(4)}"
    engine.build(made.archive("environment"), tag=tag)
    yield Prepared(made, tag)
    engine.client.images.remove(tag, force=True)


def harbor(*arguments: str) -> str:
    program = os.environ.get("KETTLE_HARBOR") or "harbor"
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=TRIAL_S, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("mode", ["shared", "separate"])
@pytest.mark.parametrize(("agent", "reward"), [("oracle", 1), ("nop", 0)])
def test_the_verdicts_are_the_gates(
    prepared: Prepared, tmp_path: Path, mode: str, agent: str, reward: int
) -> None:
    task = prepared.copy(tmp_path / "task", mode)
    trials = tmp_path / "trials"
    harbor(
        *("trial", "start", "-p", str(task), "-a", agent),
        *("--trials-dir", str(trials), "--trial-name", "one"),
    )
    assert json.loads((trials / "one/verifier/reward.json").read_text()) == {"reward": reward}


def test_harbor_finds_nothing_to_complain_of(prepared: Prepared, tmp_path: Path) -> None:
    task = prepared.copy(tmp_path / "task", "separate")
    assert json.loads(harbor("lint", "--json", str(task))) == []

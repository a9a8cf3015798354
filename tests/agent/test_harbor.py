"""Environments under Harbor itself: the oracle earns 1 and doing nothing 0, in both its modes."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker.errors
import pytest

from agent.environment import Environment
from agent.grading import WORK_TREE
from sandbox import bases
from sandbox.engine import Engine
from tests.agent.gate.environments import make
from tests.conftest import context, one_at_a_time

RECIPE = f"""\
FROM {bases.TRIXIE}
RUN apt-get update \\
 && apt-get install -y --no-install-recommends docker-cli docker-compose python3-venv \\
 && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/harbor && /opt/harbor/bin/pip install --no-cache-dir harbor==0.26.0
"""
"""Harbor needs Python 3.12 and docker compose v2, which Debian 13 has and Debian 12 has not."""
SOCKET = Path("/var/run/docker.sock")
TRIAL_S = 240


@dataclass(frozen=True)
class Harbor:
    """Harbor in a container, beside the engine's others: it only speaks with the engine."""

    image: str

    def __call__(self, shared: Path, *arguments: str) -> str:
        """What it prints.

        Args:
            shared: a folder that it sees under the path that it has here.
            arguments: its own.
        """
        done = subprocess.run(
            [
                *("docker", "run", "--rm", "--entrypoint", "/opt/harbor/bin/harbor"),
                *("-v", f"{SOCKET}:{SOCKET}", "-v", f"{shared}:{shared}", self.image, *arguments),
            ],
            capture_output=True,
            text=True,
            timeout=TRIAL_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout


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
def harbor(engine: Engine) -> Harbor:
    """Harbor; its image is kept between runs."""
    if not SOCKET.is_socket():
        pytest.skip("the engine is not behind the local socket")
    tag = f"kettle-test-harbor:{hashlib.sha256(RECIPE.encode()).hexdigest()[:12]}"
    with one_at_a_time():
        try:
            engine.client.images.get(tag)
        except docker.errors.ImageNotFound:
            engine.build(context(bases.with_trust(engine, RECIPE)), tag=tag, keep=True)
    return Harbor(tag)


@pytest.fixture(scope="module")
def prepared(
    engine: Engine, base_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prepared]:
    made = make(tmp_path_factory.mktemp("harbor") / "e", base=base_image)
    tag = f"kettle-test-task:{secrets.token_hex(4)}"
    engine.build(made.archive("environment"), tag=tag)
    yield Prepared(made, tag)
    engine.client.images.remove(tag, force=True)


@pytest.mark.parametrize("mode", ["shared", "separate"])
@pytest.mark.parametrize(("agent", "reward"), [("oracle", 1), ("nop", 0)])
def test_the_verdicts_are_the_gates(
    harbor: Harbor, prepared: Prepared, tmp_path: Path, mode: str, agent: str, reward: int
) -> None:
    task = prepared.copy(tmp_path / "task", mode)
    trials = tmp_path / "trials"
    harbor(
        tmp_path,
        *("trial", "start", "-p", str(task), "-a", agent),
        *("--trials-dir", str(trials), "--trial-name", "one"),
    )
    assert json.loads((trials / "one/verifier/reward.json").read_text()) == {"reward": reward}


def test_harbor_finds_nothing_to_complain_of(
    harbor: Harbor, prepared: Prepared, tmp_path: Path
) -> None:
    task = prepared.copy(tmp_path / "task", "separate")
    assert json.loads(harbor(tmp_path, "lint", "--json", str(task))) == []

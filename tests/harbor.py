"""Harbor itself, in a container of Debian 13, and environments made ready for it."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent.environment import Environment
from agent.grading import WORK_TREE
from sandbox import bases
from sandbox.engine import Engine
from tests.conftest import kept_image

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


def provided(engine: Engine) -> Harbor:
    """Harbor in an image, which is kept between runs; made the first time, in a minute or two."""
    recipe = partial(bases.with_trust, engine, RECIPE)
    return Harbor(kept_image(engine, "kettle-test-harbor", recipe))


def required(engine: Engine) -> Harbor:
    """The same for tests: without the engine's local socket they are skipped."""
    if not SOCKET.is_socket():
        pytest.skip("the engine is not behind the local socket")
    return provided(engine)


def trial(harbor: Harbor, folder: Path, task: Path, agent: str) -> dict[str, Any]:
    """What Harbor records of one trial.

    Args:
        harbor: runs it.
        folder: an empty one above the task, for what it leaves.
        task: as `Prepared.copy` makes it.
        agent: `oracle` or `nop`.
    """
    # Harbor names its containers after the trial.
    name = f"{agent}-{secrets.token_hex(4)}"
    harbor(
        folder,
        *("trial", "start", "-p", str(task), "-a", agent),
        *("--trials-dir", str(folder / "trials"), "--trial-name", name),
    )
    recorded: dict[str, Any] = json.loads((folder / "trials" / name / "result.json").read_text())
    return recorded

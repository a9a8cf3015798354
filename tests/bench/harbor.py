"""What Harbor itself says of the demo's environment, and how long a trial of it takes.

Run alone: `python -m tests.bench.harbor`.
"""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from sandbox.engine import Engine
from tests.bench import show
from tests.bench.gate import built, demo
from tests.conftest import context
from tests.harbor import Prepared, provided, trial

IDLE_S = 2.0
"""Of a trial, beyond its phases: to stop and remove its containers."""
TAG = "kettle-bench-harbor"
WORK = ("environment_setup", "agent_setup", "agent_execution", "verifier")


def seconds(phase: dict[str, Any]) -> float:
    """From its beginning to its end."""
    began, ended = (datetime.fromisoformat(phase[key]) for key in ("started_at", "finished_at"))
    return (ended - began).total_seconds()


def main() -> bool:
    """Print the rewards and the time of each trial; True when all are as they should be."""
    with tempfile.TemporaryDirectory(prefix="kettle-bench-") as name, Engine.connect() as engine:
        folder = Path(name)
        environment = demo(folder)
        built(engine, environment, TAG)
        plain = f'FROM {TAG}\nENTRYPOINT []\nCMD ["sleep", "infinity"]\n'
        engine.build(context(plain), tag=f"{TAG}:plain", network=False)
        harbor = provided(engine)
        met = True
        for image, mode in ((TAG, "shared"), (TAG, "separate"), (f"{TAG}:plain", "shared")):
            for agent, reward in (("oracle", 1), ("nop", 0)):
                place = folder / f"{image.partition(':')[2]}{mode}-{agent}"
                task = Prepared(environment, image).copy(place / "task", mode)
                said = trial(harbor, place, task, agent)
                met &= said["verifier_result"]["rewards"]["reward"] == reward
                work = sum(seconds(said[phase]) for phase in WORK)
                kind = "an image without an init" if image != TAG else f"{mode} mode"
                show(
                    f"harbor: {agent} in {kind}, reward {said['verifier_result']['rewards']}",
                    seconds(said),
                    "s",
                )
                idle = seconds(said) - work
                met &= show(
                    "    beyond its phases", idle, "s", most=IDLE_S if image == TAG else None
                )
    return met


if __name__ == "__main__":
    raise SystemExit(0 if main() else 1)

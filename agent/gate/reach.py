"""What of a foreign Harbor task the gate cannot judge, and says so.

Harbor's tasks may ask for more than one container of one image: neighbours in a compose file, a
verifier with an image of its own, a graphics card, another operating system. Kettle grades in one
container. A task that cannot work so is left untried, with the reason; a task that probably can is
graded, with a note of what was left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from agent.environment import Environment
from agent.task_config import literal_env

COMPOSE_FILES = tuple(
    f"environment/{stem}.{ending}"
    for stem in ("docker-compose", "compose")
    for ending in ("yaml", "yml")
)
MAIN = "main"
"""Harbor's name for the service in which a task is solved and graded."""
VERIFIER_DOCKERFILE = "tests/Dockerfile"
MAX_COMPOSE_BYTES = 1 << 20
"""A compose file is a few kB."""


@dataclass(frozen=True)
class Reach:
    """How far the gate's judgement of a task goes.

    Attributes:
        barred: why the task cannot be graded here; empty when it can.
        without: what it is graded without, as sentences.
    """

    barred: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


def reach(environment: Environment) -> Reach:
    """Look at a task for what one container without a network cannot give it."""
    barred = [*_neighbours(environment), *_own_verifier(environment), *_machine(environment)]
    return Reach(tuple(barred), tuple(_left_out(environment)))


def _neighbours(environment: Environment) -> Iterator[str]:
    for name in COMPOSE_FILES:
        services = _services(environment, name)
        if services is None:
            yield f"{name} cannot be read as a compose file, so nobody knows what it starts."
            continue
        others = [s for s in services if s != MAIN]
        if others:
            yield (
                f"{name} starts other containers ({', '.join(others[:8])}); Kettle grades in one. "
                "Run it with `harbor run` instead."
            )


def _own_verifier(environment: Environment) -> Iterator[str]:
    if environment.config.verifier.environment_mode == "separate" and (
        environment.read(VERIFIER_DOCKERFILE) is not None
    ):
        yield (
            f"The verifier has an image of its own ({VERIFIER_DOCKERFILE}); Kettle grades in the "
            "task's image."
        )


def _machine(environment: Environment) -> Iterator[str]:
    asked = environment.config.environment.model_extra or {}
    system = str(asked.get("os") or "linux").lower()
    if system != "linux":
        yield f"The task is for {system}; Kettle runs Linux containers."
    if _count(asked.get("gpus")):
        yield "The task asks for a GPU; Kettle's containers have none."


def _left_out(environment: Environment) -> Iterator[str]:
    config = environment.config
    asked = config.environment.model_extra or {}
    for name in COMPOSE_FILES:
        settings = (_services(environment, name) or {}).get(MAIN)
        if isinstance(settings, dict) and settings:
            yield f"{name} is not used: {', '.join(sorted(map(str, settings))[:12])} of {MAIN}."
    if asked.get("healthcheck"):
        yield "[environment.healthcheck] is not waited for."
    if asked.get("mcp_servers"):
        yield "[[environment.mcp_servers]] are not offered; nop and the solution need none."
    if config.environment.network_mode != "no-network" and environment.kettle is None:
        yield "Solver and verifier get no network, except to see whether the solution needs one."
    if environment.read("environment/Dockerfile") is not None and config.environment.docker_image:
        yield (
            f"[environment] docker_image {config.environment.docker_image} is not used: the image "
            "is built from environment/Dockerfile."
        )
    wanted = [
        name
        for env in (config.environment.env, config.verifier.env)
        for name in literal_env(env)[1]
    ]
    if wanted:
        yield f"Not set, because they would come from the host: {', '.join(sorted(set(wanted)))}."


def _services(environment: Environment, name: str) -> dict[str, Any] | None:
    """The services of a compose file by name; none when it is missing, None when it is no such."""
    data = environment.read(name, limit_bytes=MAX_COMPOSE_BYTES)
    if data is None:
        return {}
    try:
        said = yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    services = said.get("services", {})
    return {str(k): v for k, v in services.items()} if isinstance(services, dict) else {}


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0

"""Environments under Harbor itself: the oracle earns 1 and doing nothing 0, in both its modes."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.engine import Engine
from tests.agent.gate.environments import make
from tests.harbor import Harbor, Prepared, required, trial


@pytest.fixture(scope="module")
def harbor(engine: Engine) -> Harbor:
    return required(engine)


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
    assert trial(harbor, tmp_path, task, agent)["verifier_result"]["rewards"] == {"reward": reward}


def test_harbor_finds_nothing_to_complain_of(
    harbor: Harbor, prepared: Prepared, tmp_path: Path
) -> None:
    task = prepared.copy(tmp_path / "task", "separate")
    assert json.loads(harbor(tmp_path, "lint", "--json", str(task))) == []

"""Existing suites judged in process: weaker than the kit's children, but no common cheat wins."""

from __future__ import annotations

import pytest

from agent.gate.candidates.exploits import EXPLOITS
from agent.gate.outcome import compare
from agent.grading import NOP, ORACLE, Grader
from sandbox.engine import Engine
from tests.agent.gate.bad import HIDDEN_TEST
from tests.agent.gate.environments import make

TEST = "test_balance.BalanceTest.test_cents_survive_the_summing_of_many_entries"
JUDGE = f"""\
import kit

kit.hidden_tests("unittest", files=["tests/test_balance.py"], fail_to_pass=["{TEST}"])
kit.verdict()
"""


@pytest.fixture(scope="module")
def grader(engine: Engine, base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Grader:
    made = make(
        tmp_path_factory.mktemp("suite") / "e",
        base=base_image,
        judge=JUDGE,
        files={"tests/files/tests/test_balance.py": HIDDEN_TEST.encode()},
    )
    return Grader(engine, made, engine.build(made.archive("environment")).id)


def test_the_suite_tells_nop_from_oracle(grader: Grader) -> None:
    assert grader.grade(NOP).reward == 0
    oracle = grader.grade(ORACLE)
    assert oracle.reward == 1, oracle.log
    assert "canaries have their outcomes" in oracle.log


@pytest.mark.parametrize(
    "name",
    [
        "exit at import",
        "clean exit at import",
        "skip at import",
        "patched framework",
        "forged report",
        "equal to everything",
        "shadowed unittest",
        "sitecustomize",
    ],
)
def test_a_cheat_earns_nothing(grader: Grader, name: str) -> None:
    start = grader.base_tree()
    exploit = next(e for e in EXPLOITS if e.name == name)
    candidate = exploit.candidate(start, compare(start, grader.final_tree(ORACLE)))
    assert candidate is not None
    grade = grader.grade(candidate)
    assert grade.reward == 0, grade.log

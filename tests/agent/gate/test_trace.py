"""Where a verifier's checks come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.gate import GateSettings, run
from agent.gate.trace import trace
from agent.grading import Grade
from sandbox.engine import Engine
from tests.agent.gate.environments import JUDGE, make

FURTHER = """\
@kit.check("sums with decimal places")
def _():
    assert kit.call_python("ledger", "balance", [["a 0.5", "b 0.5"]]) == "1.00"


@kit.check("zebra")
def _():
    assert kit.call_python("ledger", "balance", [["a 0.9"]]) == "0.90"


kit.verdict()
"""
QUOTED = b"# sums with decimal places\n\n> I want 13.75.\n"


def test_every_check_of_a_verifier_is_traced_and_the_rest_listed(
    engine: Engine, base_image: str, tmp_path: Path
) -> None:
    made = make(
        tmp_path / "e",
        base=base_image,
        judge=JUDGE.replace("kit.verdict()\n", FURTHER),
        files={"provenance/trace.md": QUOTED},
    )
    only = ("instruction", "nop-fails", "oracle-passes")
    check = run(engine, made, settings=GateSettings(only=only)).check("instruction")
    assert check.verdict == "pass"
    by = {one["check"]: one["by"] for one in check.details["checks"]}
    assert by == {
        "balance keeps the cents": "words",
        "an empty ledger is zero": "start state",
        "names stay as they were": "start state",
        "sums with decimal places": "quotation",
        "zebra": "nothing",
    }
    assert "1 of 5 checks are for a person to trace" in check.summary
    assert any("zebra" in paragraph for paragraph in check.evidence)


@pytest.mark.parametrize(
    ("line", "by"),
    [
        ("FAILED tests/test_ledger.py::TestBalance::test_keeps_cents - assert 1", "words"),
        ("FAILED tests/test_ledger.py::test_zebra - assert 1", "nothing"),
        ("FAIL: test_keepsCents (test_ledger.TestBalance.test_keepsCents)", "words"),
        ("not ok 3 - keeps the cents", "words"),
        ("FAIL the project's tests: demanded (1 tests): 1 did not pass", None),
    ],
)
def test_tests_of_a_suite_are_traced_one_by_one(tmp_path: Path, line: str, by: str | None) -> None:
    nop = Grade("graded", 0.0, log=f"{line}\n")
    oracle = Grade("graded", 1.0, log="ok   the project's tests: demanded (1 tests)\n")
    assert [t.by for t in trace(make(tmp_path / "e"), nop, oracle)] == ([by] if by else [])

"""What a verifier demands and nobody told the solver."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.gate import GateSettings, run
from agent.gate.demands import untold
from agent.gate.model import CheckVerdict
from agent.gate.outcome import compare
from agent.tree import Entry, Tree
from sandbox.engine import Engine
from tests.agent.gate.environments import INSTRUCTION, JUDGE, LEDGER, make
from tests.agent.gate.test_core import text_of

HELPER = "_exact_amount_of"
NOSY = JUDGE.replace(
    "kit.verdict()\n",
    f'kit.check("one", kit.call_python("ledger", "{HELPER}", ["a 1"]) == 1)\n',
)
MESSAGE = "this ledger holds no entries"
START = Tree({"ledger.py": Entry("file", data=LEDGER.encode())})


def test_an_untold_name_fails_an_isolated_verifier_until_it_is_traced(
    engine: Engine, base_image: str, tmp_path: Path
) -> None:
    only = GateSettings(only=("instruction",))
    check = run(
        engine, make(tmp_path / "e", base=base_image, judge=NOSY + "kit.verdict()\n"), settings=only
    ).check("instruction")
    assert check.verdict is CheckVerdict.FAIL
    assert "underspecified" in check.summary
    assert f"'{HELPER}' (in tests/judge.py)" in text_of(check)


@pytest.mark.parametrize(
    ("quoted", "counts"),
    [("I want 13.75.", True), ("call it _exact_amount_of, please", False), ("", False)],
)
def test_only_words_of_the_instruction_trace_a_demand(
    tmp_path: Path, quoted: str, counts: bool
) -> None:
    trace = f"# {HELPER}\n\nThis follows, trust me.\n\n> {quoted}\n"
    made = make(tmp_path / "e", judge=NOSY, files={"provenance/trace.md": trace.encode()})
    outcome = compare(START, START.edited({"ledger.py": f"def {HELPER}(x): ...\n".encode()}))
    assert (untold(made, outcome, START) == {}) is counts


@pytest.mark.parametrize(
    ("test", "instruction", "demands"),
    [
        ("import ledger\nledger.total_in_cents()\n", "", ["total_in_cents"]),
        ("from ledger import total_in_cents\n", "", ["total_in_cents"]),
        ("from ledger import total_in_cents\n", "Add --total-in-cents.", []),
        ("def total_in_cents(): ...\n# total_in_cents\n", "", []),
        (f"assert out == '{MESSAGE}'\n", "", [MESSAGE]),
        (f"assert out == '{MESSAGE}'\n", f"Say: {MESSAGE.capitalize()}!", []),
        (f"'{MESSAGE}'\n", "", []),
        ("assert out == 'Read one entry such as'\n", "", []),
        ("patch('ledger.total_in_cents')\n", "", ["total_in_cents"]),
        ("def broken(:\n  total_in_cents\n", "", []),
    ],
)
def test_demands_are_what_the_solution_introduces_and_nobody_told(
    tmp_path: Path, test: str, instruction: str, demands: list[str]
) -> None:
    made = make(
        tmp_path / "e",
        instruction=INSTRUCTION + instruction,
        files={"tests/files/test_it.py": test.encode()},
    )
    after = LEDGER + f"\n\ndef total_in_cents(lines):\n    raise ValueError('{MESSAGE}')\n"
    outcome = compare(START, START.edited({"ledger.py": after.encode()}))
    assert list(untold(made, outcome, START)) == demands


def test_demands_of_javascript_are_found_in_its_own_syntax(tmp_path: Path) -> None:
    start = Tree({"a.js": Entry("file", data=b"export const other = 1\n")})
    source = "export function totalInCents() { throw new Error('no entries in this one') }\n"
    test = (
        "import { totalInCents } from './a'\n// a comment\nexpect(m).toBe('no entries in this')\n"
    )
    made = make(tmp_path / "e", files={"tests/files/a.test.ts": test.encode()})
    outcome = compare(start, start.edited({"a.js": source.encode()}))
    assert sorted(untold(made, outcome, start)) == ["no entries in this", "totalInCents"]

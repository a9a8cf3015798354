from __future__ import annotations

from pathlib import Path

import pytest

from agent.gate import CheckVerdict, GateSettings, run
from agent.gate.candidates.alternatives import alternatives
from agent.gate.candidates.exploits import EXPLOITS
from agent.gate.candidates.mutants import mutants
from agent.gate.candidates.partial import partials
from agent.gate.outcome import Outcome, compare
from agent.gate.report import as_text
from agent.tree import Entry, Tree
from sandbox.engine import Engine
from tests.agent.gate.bad import DEEP, HACKABLE, Bad
from tests.agent.gate.environments import FIXED, LEDGER, make
from tests.agent.gate.test_core import failed, text_of


def outcome_of(before: str, after: str, name: str = "ledger.py") -> Outcome:
    start = Tree({name: Entry("file", data=before.encode())})
    return compare(start, start.edited({name: after.encode()}))


@pytest.mark.parametrize("bad", DEEP, ids=lambda b: b.name.replace(" ", "-"))
def test_a_bad_verifier_is_called_by_its_fault(
    engine: Engine, base_image: str, tmp_path: Path, bad: Bad
) -> None:
    made = make(tmp_path / "e", base=base_image, **bad.given)
    report = run(engine, made, settings=GateSettings(repeats=1, only=(bad.fault,)))
    assert failed(report) == {bad.fault}, as_text(report)
    assert bad.says in text_of(report.check(bad.fault))


def test_a_verifier_that_can_be_cheated_is_told_by_which_cheats(
    engine: Engine, base_image: str, tmp_path: Path
) -> None:
    made = make(tmp_path / "e", base=base_image, **HACKABLE.given)
    report = run(engine, made, settings=GateSettings(repeats=1, only=("exploits-fail",)))
    told = text_of(report.check("exploits-fail"))
    assert report.check("exploits-fail").verdict is CheckVerdict.FAIL
    for cheat in ("exit at import", "patched framework", "shadowed unittest"):
        assert cheat in told


def test_a_judge_with_the_kit_stands_all_of_it(
    engine: Engine, base_image: str, tmp_path: Path
) -> None:
    made = make(tmp_path / "e", base=base_image)
    report = run(engine, made, settings=GateSettings(repeats=2, depth="full"))
    assert report.passed, as_text(report)
    assert len(report.check("exploits-fail").details["tried"]) > 25


def test_a_survivor_that_is_argued_for_is_shown_and_accepted(
    engine: Engine, base_image: str, tmp_path: Path
) -> None:
    bad = next(b for b in DEEP if b.fault == "partial-fails")
    settings = GateSettings(repeats=1, only=("partial-fails",))
    made = make(tmp_path / "e", base=base_image, **bad.given)
    first = run(engine, made, settings=settings).check("partial-fails")
    lines = [f"## {s['id']}\n\nNames never have blanks.\n" for s in first.details["survivors"]]
    made.write_provenance("survivors.md", "\n".join(lines).encode())
    again = run(engine, made, settings=settings).check("partial-fails")
    assert again.verdict is CheckVerdict.PASS
    assert "Names never have blanks." in text_of(again)


class TestAlternatives:
    def test_each_still_means_the_same(self) -> None:
        made = list(alternatives(outcome_of(LEDGER, FIXED), "keep the cents"))
        assert len(made) >= 3
        for right in made:
            for content in right.candidate.changes.values():
                assert content is not None
                scope: dict[str, object] = {}
                exec(compile(content, "x", "exec"), scope)  # noqa: S102 (our own text)
                assert scope["balance"](["a 12.50", "b 1.25"]) == "13.75"  # type: ignore[operator]

    def test_a_name_that_is_looked_up_by_text_is_not_renamed(self) -> None:
        after = FIXED + "\nHELPER = globals()['_exact_amount_of']\n"
        made = [r.what for r in alternatives(outcome_of(LEDGER, after), "")]
        assert "private names of the oracle renamed" not in made

    def test_new_functions_that_stand_alone_move_to_a_module_of_their_own(self) -> None:
        after = LEDGER + "\n\ndef cents(text):\n    return int(text.replace('.', ''))\n"
        moved = [r for r in alternatives(outcome_of(LEDGER, after), "") if "of their own" in r.what]
        assert set(moved[0].candidate.changes) == {"ledger.py", "ledger_parts.py"}

    def test_a_message_that_the_instruction_names_stays(self) -> None:
        after = LEDGER + "\n\ndef check(x):\n    raise ValueError('no amount given here')\n"
        names = outcome_of(LEDGER, after)
        assert any("reworded" in r.what for r in alternatives(names, "raise an error"))
        assert not any("reworded" in r.what for r in alternatives(names, "no amount given here"))

    def test_code_that_does_not_parse_gives_none(self) -> None:
        assert list(alternatives(outcome_of("", "def (:\n"), "")) == []


class TestWrongOnes:
    def test_mutants_touch_changed_lines_only_and_repeat_with_the_seed(self) -> None:
        outcome = outcome_of(LEDGER, FIXED)
        one = mutants(outcome, limit=20, seed=1)
        assert [m.what for m in one] == [m.what for m in mutants(outcome, limit=20, seed=1)]
        assert len({m.diff for m in one}) == len(one) >= 3
        assert not any("names" in m.diff.split("@@")[-1] for m in one)

    def test_the_number_of_mutants_is_bounded(self) -> None:
        assert len(mutants(outcome_of(LEDGER, FIXED), limit=2, seed=0)) == 2

    def test_comments_documents_and_tests_are_not_taken_out(self) -> None:
        start = Tree({n: Entry("file", data=b"a = 1\n") for n in ("m.py", "tests/test_m.py")})
        final = start.edited(
            {
                "m.py": b"# why\na = 2\n",
                "tests/test_m.py": b"a = 2\n",
                "README.md": b"new\n",
                "n.py": b"b = 1\n",
            }
        )
        assert {w.candidate.name for w in partials(compare(start, final))} == {
            "without m.py",
            "without n.py",
        }


def test_every_exploit_says_what_it_relies_on() -> None:
    names = [e.name for e in EXPLOITS]
    assert len(set(names)) == len(names) >= 25
    assert all(len(e.relies_on) > 20 for e in EXPLOITS)

from __future__ import annotations

import json
import sys
import time
import types
from pathlib import Path

import pytest

from agent.environment import Environment
from agent.gate import CheckVerdict, GateSettings, run
from agent.gate.candidates.alternatives import alternatives
from agent.gate.candidates.exploits import EXPLOITS
from agent.gate.candidates.exploits.page import page
from agent.gate.candidates.mutants import LANGUAGES, mutants
from agent.gate.candidates.partial import partials
from agent.gate.candidates.trial import failed_checks
from agent.gate.checks.candidates import alternatives_pass, exploits_fail, mutants_fail
from agent.gate.checks.image import builds
from agent.gate.checks.rewards import stable
from agent.gate.outcome import Outcome, compare
from agent.gate.report import as_text
from agent.gate.trials import Trials
from agent.grade import Grade
from agent.grading import NOP, ORACLE
from agent.tree import Entry, Tree
from sandbox import bases
from sandbox.engine import Engine
from tests.agent.gate.bad import DEEP, HACKABLE, Bad
from tests.agent.gate.environments import FIXED, LEDGER, START, make, patch_of
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


def test_what_an_earlier_run_graded_is_graded_again_only_if_something_graded_changed(
    engine: Engine, base_image: str, tmp_path: Path
) -> None:
    made = make(tmp_path / "e", base=base_image)
    settings = GateSettings(repeats=1, mutants=3, only=("mutants-fail",))
    memory: dict[str, Grade] = {}
    first = run(engine, made, settings=settings, memory=memory)
    made.write_provenance("survivors.md", b"# Nothing to argue\n")
    again = run(engine, Environment.load(made.root), settings=settings, memory=memory)
    assert (first.reused, again.reused) == (0, 3)
    verdicts = [
        [one["verdict"] for one in r.check("mutants-fail").details["tried"]] for r in (first, again)
    ]
    assert verdicts[0] == verdicts[1]
    judge = made.root / "tests" / "judge.py"
    judge.write_text("import kit\n\nkit.check('anything goes', True)\n" + judge.read_text())
    assert run(engine, Environment.load(made.root), settings=settings, memory=memory).reused == 0


def test_what_left_no_reward_is_graded_again_for_the_machine_may_have_been_busy(
    engine: Engine, base_image: str, tmp_path: Path
) -> None:
    script = "#!/bin/sh\ngrep -q Decimal ledger.py && echo 1 > /logs/verifier/reward.txt\n"
    files = {"tests/test.sh": script.encode()}
    made = make(tmp_path / "e", base=base_image, files=files)
    with Trials(engine, made, GateSettings(), {}) as trials:
        assert builds(trials).verdict is CheckVerdict.PASS
        seen = [(c.name, trials.submit(c, once=True).result().status) for c in (NOP, ORACLE) * 2]
        assert seen == [("nop", "error"), ("oracle", "graded")] * 2
        assert trials.reused == 1


def test_code_that_can_neither_be_mutated_nor_rewritten_is_named(
    engine: Engine, base_image: str, tmp_path: Path
) -> None:
    solution = {"ledger.py": FIXED, "fast.go": "package ledger\n\nfunc Sum() int { return 1 }\n"}
    made = make(tmp_path / "e", base=base_image, solution=solution)
    settings = GateSettings(
        repeats=1, mutants=1, alternatives=1, only=("mutants-fail", "alternatives-pass")
    )
    report = run(engine, made, settings=settings)
    for name in settings.only:
        told = text_of(report.check(name))
        assert f"Not tried, because it is no {LANGUAGES}" in told
        assert "fast.go" in told
        assert "ledger.py" not in told.partition("Not tried")[2]


def test_who_does_not_mend_is_told_the_first_fault_and_nothing_further_is_tried(
    engine: Engine, base_image: str, tmp_path: Path
) -> None:
    (half,) = (bad for bad in DEEP if bad.fault == "partial-fails")
    made = make(tmp_path / "e", base=base_image, **half.given)
    report = run(engine, made, settings=GateSettings(exit_first=True))
    cheats = report.check("exploits-fail")
    first = report.check(cheats.summary.removesuffix(" failed before"))
    assert (cheats.verdict, first.verdict) == (CheckVerdict.UNTRIED, CheckVerdict.FAIL)
    untried = [one for one in cheats.details["tried"] if one["verdict"] == "untried"]
    assert len(untried) > 10
    assert not report.passed


def test_a_check_that_the_budget_cuts_short_is_untried_and_says_what_to_do(
    engine: Engine, base_image: str, tmp_path: Path
) -> None:
    made = make(tmp_path / "e", base=base_image)
    with Trials(engine, made, GateSettings(workers=1)) as trials:
        assert builds(trials).verdict is CheckVerdict.PASS
        trials.begin_core()
        assert trials.core_works
        trials.deadline = time.monotonic()
        for check in (stable, mutants_fail, alternatives_pass, exploits_fail):
            said = check(trials)
            assert said.verdict is CheckVerdict.UNTRIED, (check.__name__, said)
            assert "not tried" in said.summary
            assert "--budget" in said.evidence[-1]


ROUNDED = LEDGER.replace("int(float(amount))", "round(float(amount))")


def patch_to(text: str) -> bytes:
    return patch_of(START, {**START, "ledger.py": text})


class TestGiven:
    """Attempts of the session and candidates of the builder, in one environment's provenance."""

    @pytest.mark.parametrize(
        ("expected", "patch", "verdict", "says"),
        [
            ("fail", patch_to(ROUNDED), CheckVerdict.PASS, "before turn 3: fail"),
            ("pass", patch_to(FIXED), CheckVerdict.PASS, "before turn 3: pass"),
            ("fail", patch_to(FIXED), CheckVerdict.FAIL, "because turn 3: still wrong"),
            ("pass", patch_to(ROUNDED), CheckVerdict.FAIL, "FAIL balance keeps the cents"),
            ("unknown", patch_to(FIXED), CheckVerdict.NOT_APPLICABLE, "does not say"),
            ("fail", patch_of({}, {"ledger.py": "x\n"}), CheckVerdict.NOT_APPLICABLE, "not apply"),
        ],
    )
    def test_an_attempt_gets_the_verdict_that_the_session_implies(
        self,
        engine: Engine,
        base_image: str,
        tmp_path: Path,
        expected: str,
        patch: bytes,
        verdict: CheckVerdict,
        says: str,
    ) -> None:
        one = {"name": "before turn 3", "patch": "a.patch", "expected": expected}
        record = {"attempts": [{**one, "reasons": ["turn 3: still wrong"]}]}
        given = {
            "provenance/attempts.json": json.dumps(record).encode(),
            "provenance/attempts/a.patch": patch,
        }
        made = make(tmp_path / "e", base=base_image, files=given)
        check = run(engine, made, settings=GateSettings(repeats=1, only=("attempt",))).check(
            "attempt"
        )
        assert check.verdict is verdict, text_of(check)
        assert says in text_of(check)

    def test_candidates_by_hand_are_tried_at_every_depth(
        self, engine: Engine, base_image: str, tmp_path: Path
    ) -> None:
        files = {
            "provenance/candidates/right/decimals.patch": patch_to(FIXED),
            "provenance/candidates/right/rounds.patch": patch_to(ROUNDED),
            "provenance/candidates/wrong/whole.patch": patch_to(FIXED),
            "provenance/candidates/wrong/old.patch": patch_of({}, {"ledger.py": "x\n"}),
            "provenance/candidates/wrong/rounds.patch": patch_to(ROUNDED),
        }
        made = make(tmp_path / "e", base=base_image, files=files)
        only = GateSettings(repeats=1, depth="core", only=("candidates",))
        told = text_of(run(engine, made, settings=only).check("candidates"))
        assert told.startswith("3 of 5 candidates get the wrong verdict"), told
        assert "right candidate rounds.patch: reward 0\nbalance keeps the cents" in told
        assert "wrong candidate whole.patch: reward 1" in told
        assert "wrong candidate old.patch: this patch does not apply" in told


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


TAX = """

class Tax:
    def of(self, lines):
        \"\"\"Taxes by kind.\"\"\"
        taxed_total = 0.0
        untaxed_count = 0
        for line in lines:
            _, amount = parse(line)
            if float(amount):  # nothing is no income
                taxed_total += taxed(float(amount))
            else:
                untaxed_count += 1
        return {"sum": taxed_total, "none": untaxed_count}

    rate = 1.2


def taxed(amount):
    if amount < 0:
        raise ValueError("an income below zero")
    return amount * 1.2


def names_of(lines):
    return names(lines)
"""

SCRIPT_BEFORE = "export const unit = 1;\n"
SCRIPT_AFTER = """\
export const unit = 1;
/* one
   comment */
function doubled(value) { // another
    if (value < 0) {
        throw new RangeError('a value below zero');
    }
    return value * 2;
}

export function total(values) {
    let doubledSum = 0;
    for (const each of values) {
        doubledSum += doubled(each);
    }
    return doubledSum;
}

export function label({ a }) {
    return `a=${a} // not a comment
  kept`;
}
"""


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

    @pytest.mark.parametrize(
        ("beside", "line"),
        [
            ("books/__init__.py", b"from .ledger_parts import cents"),
            ("books/notes.txt", b"from ledger_parts import cents"),
        ],
    )
    def test_a_module_of_a_package_finds_what_was_moved(self, beside: str, line: bytes) -> None:
        start = Tree({p: Entry("file", data=LEDGER.encode()) for p in ("books/ledger.py", beside)})
        after = LEDGER + "\n\ndef cents(text):\n    return int(text.replace('.', ''))\n"
        made = alternatives(compare(start, start.edited({"books/ledger.py": after.encode()})), "")
        (moved,) = [r.candidate.changes for r in made if "of their own" in r.what]
        assert line in (moved["books/ledger.py"] or b"").splitlines()
        assert "books/ledger_parts.py" in moved

    def test_a_message_that_the_instruction_names_stays(self) -> None:
        after = LEDGER + "\n\ndef check(x):\n    raise ValueError('no amount given here')\n"
        names = outcome_of(LEDGER, after)
        assert any("reworded" in r.what for r in alternatives(names, "raise an error"))
        assert not any("reworded" in r.what for r in alternatives(names, "no amount given here"))

    def test_every_python_rewriting_still_means_the_same(self) -> None:
        after = LEDGER + TAX
        seen = {}
        for right in alternatives(outcome_of(LEDGER, after), ""):
            scope: dict[str, object] = {}
            for name, content in right.candidate.changes.items():
                assert content is not None
                if name == "ledger_parts.py":
                    module = types.ModuleType("ledger_parts")
                    exec(content, module.__dict__)  # noqa: S102 (our own text)
                    sys.modules["ledger_parts"] = module
            main = right.candidate.changes["ledger.py"]
            assert main is not None
            exec(main, scope)  # noqa: S102
            made = scope["Tax"]().of(["a 10", "b 0"])  # type: ignore[operator]
            assert made == {"sum": 12.0, "none": 1}, right.what
            seen[right.what] = main.decode()
        assert set(seen) == {
            "rewritten from the syntax tree, comments gone",
            "local names of the oracle renamed",
            "branches and simple statements in another order",
            "new functions at the end of their module",
            "new functions in a module of their own",
            "messages reworded",
            "docstrings dropped",
        }
        assert "taxed_total" not in seen["local names of the oracle renamed"]
        assert (
            "untaxed_count = 0\n        taxed_total = 0.0"
            in seen["branches and simple statements in another order"]
        )

    def test_every_script_rewriting_still_means_the_same(self, engine: Engine) -> None:
        outcome = outcome_of(SCRIPT_BEFORE, SCRIPT_AFTER, "m.mjs")
        made = {r.what: r.candidate.changes["m.mjs"] for r in alternatives(outcome, "")}
        assert set(made) == {
            "scripts: comments gone, indented otherwise",
            "scripts: names of the oracle renamed",
            "scripts: new functions at the end of their module",
            "scripts: errors reworded",
        }
        use = (
            "import { total, label } from './m.mjs';\nconsole.log(total([3, 4]), label({ a: 1 }));"
        )
        image = bases.workbench(engine, bases.ensure(engine).tag)
        with engine.create(image, network=False, purpose="rewrites") as box:
            for what, content in made.items():
                assert content is not None
                box.put("/tmp/m.mjs", content)
                box.put("/tmp/use.mjs", use.encode())
                done = box.run("node /tmp/use.mjs")
                assert done.output == "14 a=1 // not a comment\n  kept\n", (what, done.output)
        renamed = made["scripts: names of the oracle renamed"] or b""
        assert b"doubledSum" not in renamed
        assert b"export function label({ a })" in renamed

    def test_scripts_that_cannot_be_told_apart_soundly_are_left_alone(self) -> None:
        for after in ("function (((", "export const f = () => 1;\n", "declare const x: number;\n"):
            whats = [r.what for r in alternatives(outcome_of("", after, "m.ts"), "")]
            assert not any("renamed" in w for w in whats), whats
        assert list(alternatives(outcome_of("", "fn main() {}\n", "m.rs"), "")) == []

    def test_what_runs_while_the_module_is_loaded_stays_before_it(self) -> None:
        new = "def low():\n    return 1\n\n\ndef high():\n    return low() + 1\n\n\nTOP = high()\n"
        for right in alternatives(outcome_of("x = 1\n", "x = 1\n" + new), ""):
            content = right.candidate.changes["ledger.py"] or b""
            if "ledger_parts" not in content.decode():
                scope: dict[str, object] = {}
                exec(content, scope)  # noqa: S102 (our own text)
                assert scope["TOP"] == 2, right.what

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

    def test_a_text_that_stands_alone_and_a_type_are_not_mutated(self) -> None:
        after = 'FORMS = 1\n"""What forms there are."""\n\n\n'
        after += 'def f(a: "int" = 2) -> "int | None":\n    b: "str" = a\n'
        made = mutants(outcome_of("", after), limit=40, seed=0)
        assert {m.what.split(" ", 1)[1] for m in made} == {
            "constant 2",
            "constant 3",
            "statement pass",
        }

    def test_a_version_and_a_docstring_are_no_part_of_the_work(self) -> None:
        before = '"""Old."""\n__version__ = "1"\n\n\ndef f():\n    return 1\n'
        after = before.replace("Old", "New").replace('"1"', '"2"').replace("return 1", "return 2")
        whats = [w.what for w in partials(outcome_of(before, after))]
        assert len(whats) == 1, whats

    def test_scripts_are_mutated_in_changed_lines_too(self) -> None:
        before = "export const low = 1;\nexport function f(x) {\n  return x;\n}\n"
        guard = "  if (x > low && x !== 7) {\n    throw new Error('too many');\n  }\n"
        after = before.replace("  return x;", guard + "  return x;")
        for name in ("m.ts", "m.mjs", "m.tsx"):
            made = mutants(outcome_of(before, after, name), limit=40, seed=3)
            kinds = {m.what.split(" ", 1)[1] for m in made}
            assert {"condition negated", "operator >=", "logic ||", "statement deleted"} <= kinds
            assert not any("low = 2" in m.diff for m in made)

    def test_a_script_that_does_not_parse_has_no_mutants(self) -> None:
        assert mutants(outcome_of("", "function (((\n", "m.ts"), limit=5, seed=0) == []


class TestExploits:
    def test_every_one_says_what_it_does_and_what_it_relies_on(self) -> None:
        names = [e.name for e in EXPLOITS]
        assert len(set(names)) == len(names) >= 40
        assert all(len(e.relies_on) > 20 and len(e.does) > 20 for e in EXPLOITS)

    def test_the_page_is_up_to_date(self) -> None:
        path = Path(__file__).parents[3] / "docs" / "exploits.md"
        assert path.read_text() == page(), (
            "run: python -m agent.gate.candidates.exploits.page > docs/exploits.md"
        )

    def test_what_must_stand_first_in_a_module_stays_first(self) -> None:
        exploit = next(e for e in EXPLOITS if e.name == "exit at import")
        before = '"""Doc."""\nfrom __future__ import annotations\nx = 1\n'
        outcome = outcome_of(before, before.replace("1", "2"))
        start = Tree({"ledger.py": Entry("file", data=before.encode())})
        content = exploit.files(start, outcome)["ledger.py"]
        assert content is not None
        compile(content, "x", "exec")


def test_checks_that_did_not_hold_are_read_from_the_usual_outputs() -> None:
    log = (
        "ok   first thing\nFAIL second: thing: 1 != 2\n1 of 2 checks hold (seed 1)\n"
        "FAILED tests/test_a.py::test_x - assert 1 == 2\n"
        "FAIL: test_y (test_b.T.test_y)\nnot ok 3 - adds up # time=1\n"
    )
    assert failed_checks(log) == [
        "second: thing: 1 != 2",
        "tests/test_a.py::test_x",
        "test_y (test_b.T.test_y)",
        "adds up",
    ]

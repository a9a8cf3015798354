from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agent.environment import Environment
from agent.gate import Check, CheckVerdict, GateReport, GateSettings, run
from agent.gate.checks.image import builds
from agent.gate.isolation import isolation
from agent.gate.report import BUILDER_CHARS, as_text, write_report
from agent.gate.trials import Trials
from sandbox.engine import Engine
from tests.agent.gate.bad import CORE, LEAKS, Bad
from tests.agent.gate.environments import FIXED, INSTRUCTION, START, make
from tests.agent.gate.good import GOOD, Good

SETTINGS = GateSettings(repeats=2, depth="core")


def text_of(check: Check) -> str:
    return "\n".join([check.summary, *check.evidence])


def failed(report: GateReport) -> set[str]:
    return {c.name for c in report.checks if c.verdict is CheckVerdict.FAIL}


@pytest.fixture(scope="module")
def good(engine: Engine, base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return make(tmp_path_factory.mktemp("good") / "e", base=base_image)


@pytest.fixture(scope="module")
def good_report(engine: Engine, good: Environment) -> GateReport:
    return run(engine, good, settings=GateSettings(repeats=3, depth="core"))


class TestGoodEnvironments:
    def test_one_without_a_fault_passes(self, good_report: GateReport) -> None:
        assert good_report.passed, as_text(good_report)
        assert good_report.isolation == "isolated"

    def test_every_check_says_what_it_saw(self, good_report: GateReport) -> None:
        assert all(c.summary for c in good_report.checks)
        assert good_report.check("sealed").details["marks"] > 0

    def test_the_report_is_recorded_and_leaves_the_digest(
        self, good: Environment, good_report: GateReport
    ) -> None:
        before = good.digest
        write_report(good, good_report)
        assert Environment.load(good.root).digest == before == good_report.environment_digest
        recorded = good.read("provenance/gate.json")
        assert recorded is not None
        assert GateReport.model_validate_json(recorded) == good_report

    @pytest.mark.parametrize("one", GOOD[1:], ids=lambda g: g.name.replace(" ", "-"))
    def test_others_without_a_fault_pass(
        self, engine: Engine, base_image: str, tmp_path: Path, one: Good
    ) -> None:
        made = make(tmp_path / "e", base=base_image, **one.given)
        report = run(engine, made, settings=SETTINGS)
        assert report.passed, as_text(report)
        assert (report.isolation == "isolated") == one.deep


@pytest.mark.parametrize("bad", CORE, ids=lambda b: b.name.replace(" ", "-"))
def test_a_bad_environment_is_called_by_its_fault(
    engine: Engine, base_image: str, tmp_path: Path, bad: Bad
) -> None:
    made = make(tmp_path / "e", base=base_image, **bad.given)
    report = run(engine, made, settings=GateSettings(repeats=2, only=(bad.fault,)))
    assert failed(report) == {bad.fault}, as_text(report)
    assert bad.says in text_of(report.check(bad.fault))


@pytest.mark.parametrize("bad", LEAKS, ids=lambda b: b.name.replace(" ", "-"))
def test_a_leak_is_found(engine: Engine, base_image: str, tmp_path: Path, bad: Bad) -> None:
    made = make(tmp_path / "e", base=base_image, **bad.given)
    report = run(engine, made, settings=GateSettings(only=("sealed",)))
    assert failed(report) == {"sealed"}, as_text(report)
    assert bad.says in text_of(report.check("sealed"))


class TestSealing:
    def test_layers_are_read_the_same_from_an_archive(
        self, engine: Engine, base_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from agent.gate import layers

        made = make(
            tmp_path / "e",
            base=base_image,
            docker_steps="COPY fixed.py /tmp/l.py\nRUN rm /tmp/l.py\n",
            files={"environment/fixed.py": FIXED.encode()},
        )
        image = engine.build(made.archive("environment")).id
        for local in (True, False):
            found = {
                f.path: f.data
                for f in layers.added_files(engine.client, image, [base_image], local=local)
            }
            assert found["/tmp/l.py"] == FIXED.encode()
            assert found["/app/README.md"] == b"# ledger\n"
            assert "/usr/bin/python3.11" not in found


@pytest.mark.parametrize(
    ("line", "grade"),
    [
        ("import re\nre.compile('a').match(kit.words(1)[0])", "isolated"),
        ("exec(compile('1', '', 'exec'))", "in-process"),
        ("import builtins\nbuiltins.eval('1')", "in-process"),
        ("kit.hidden_tests('pytest', files=[], fail_to_pass=[])", "in-process"),
    ],
)
def test_a_judge_that_runs_nothing_itself_is_isolated(
    tmp_path: Path, line: str, grade: str
) -> None:
    judge = f"import kit\n{line}\nkit.check('a', True)\nkit.verdict()\n"
    assert isolation(make(tmp_path / "e", base="debian:bookworm-slim", judge=judge)) == grade


class TestReport:
    def test_the_builder_reads_what_failed_and_what_to_do_within_bounds(
        self, engine: Engine, base_image: str, tmp_path: Path
    ) -> None:
        loud = "print('x' * 200_000)\nimport kit\nkit.check('a', True)\nkit.verdict()\n"
        made = make(
            tmp_path / "e",
            base=base_image,
            judge=loud,
            late_steps="RUN touch $(seq -f /app/file-%g 500)\n",
        )
        text = as_text(run(engine, made, settings=SETTINGS))
        assert len(text) <= BUILDER_CHARS + 1500
        assert "does not pass" in text
        assert "Let `ADD start.tar.gz /app/` be the last step" in text
        assert "nop-fails" in text

    def test_what_was_added_to_the_users_words_is_shown(
        self, engine: Engine, base_image: str, tmp_path: Path
    ) -> None:
        made = make(
            tmp_path / "e",
            base=base_image,
            instruction=INSTRUCTION + "The code is in /app.\n",
            files={"provenance/instruction.json": b'{"added_lines": ["The code is in /app."]}'},
        )
        report = run(engine, made, settings=GateSettings(only=("instruction",)))
        assert "The code is in /app." in text_of(report.check("instruction"))


def test_a_spent_budget_leaves_checks_untried(engine: Engine, good: Environment) -> None:
    report = run(engine, good, settings=GateSettings(budget_s=0, depth="core"))
    assert not report.passed
    assert report.check("sealed").verdict is CheckVerdict.UNTRIED


def test_progress_is_told_check_by_check(engine: Engine, good: Environment) -> None:
    seen: list[str] = []
    run(
        engine,
        good,
        settings=GateSettings(only=("hygiene", "start-state")),
        on_progress=lambda c: seen.append(c.name),
    )
    assert sorted(seen) == ["builds", "hygiene", "start-state"]


def test_sessions_begun_together_install_their_dependencies_once(
    engine: Engine, base_image: str, tmp_path: Path
) -> None:
    fresh = secrets.token_hex(8)
    steps = "RUN date +%N > /opt/one\nRUN date +%N > /opt/two\nRUN date +%N > /opt/three\n"

    def layers(name: str) -> list[str]:
        made = make(
            tmp_path / name,
            base=base_image,
            docker_steps=f"ENV RUN={fresh}\n{steps}",
            start={**START, "NAME": name},
        )
        with Trials(engine, made, GateSettings()) as trials:
            assert builds(trials).verdict is CheckVerdict.PASS
            attributes = engine.client.images.get(trials.image_id).attrs
            return [str(layer) for layer in attributes["RootFS"]["Layers"]]

    with ThreadPoolExecutor(3) as pool:
        first, *others = pool.map(layers, ("a", "b", "c"))
    assert [other[:-1] for other in others] == [first[:-1]] * 2
    assert len({first[-1], *(other[-1] for other in others)}) == 3

"""Whole builds: from a raw session to a published environment, and every way in which one can end.

The builder is a recording or a scripted provider; everything else is real: git, the engine, the
sandbox, the gate. Builds that are killed or interrupted run in a process of their own.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import atif
import pytest

from agent.budget import Budget
from agent.build import BuildSettings, build_session
from agent.environment import Environment
from agent.errors import InputError
from agent.gate import GateReport, GateSettings
from agent.session import load
from sandbox.engine import Engine
from tests.agent import projects
from tests.agent.models.provider import Provider, completion, function, serving
from tests.conftest import containers_of

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120
"""For a process that is to end by itself; far more than it needs."""

LAZY = "import kit\nkit.check('fine', True)\nkit.verdict()\n"
"""A judge that accepts whatever it sees."""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workbench: str) -> None:
    """A cache of the test's own, so that nothing of the user's is touched."""
    monkeypatch.setenv("KETTLE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def project(tmp_path: Path, cache: None) -> projects.Project:
    return projects.make(tmp_path)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    with serving() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server


def settings(
    project: projects.Project, tmp_path: Path, model: str, **more: object
) -> BuildSettings:
    return BuildSettings(
        repo=str(project.repository),
        model=model,
        out=tmp_path / "out",
        anyway=True,  # a project of two files is nothing that the evidence would accept
        **{"gate": GateSettings(depth="core"), **more},  # type: ignore[arg-type]
    )


def command_line(project: projects.Project, tmp_path: Path, model: str, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "agent", "build", str(project.session)),
        *("--repo", str(project.repository), "--out", str(tmp_path / "out"), "-m", model),
        *("--anyway", "--depth", "core", *more),
    ]


def test_a_good_draft_becomes_a_published_environment(
    project: projects.Project, tmp_path: Path
) -> None:
    model = projects.recording(tmp_path / "r.json", projects.good_draft(), "check")
    result = build_session(project.session, settings(project, tmp_path, model))
    assert result.status == "accepted", result.report
    assert result.environment == tmp_path / "out" / result.environment.name  # type: ignore[union-attr]
    environment = Environment.load(result.environment)
    kettle = environment.kettle
    assert kettle is not None
    assert (kettle.start_commit, kettle.outcome_commits) == (project.start, [project.outcome])
    assert environment.instruction.startswith(projects.PROMPT)
    trajectory = json.loads((result.environment / "provenance/trajectory.json").read_text())
    assert atif.Trajectory.model_validate(trajectory).final_metrics is not None
    gate = json.loads((result.environment / "provenance/gate.json").read_text())
    verdicts = {check["name"]: check["verdict"] for check in gate["checks"]}
    assert verdicts["nop-fails"] == verdicts["oracle-passes"] == verdicts["sealed"] == "pass"
    again = build_session(project.session, settings(project, tmp_path, model))
    assert (again.status, again.reason) == ("accepted", "built before")


def test_a_verifier_that_always_passes_is_not_accepted(
    project: projects.Project, tmp_path: Path
) -> None:
    model = projects.recording(
        tmp_path / "r.json",
        projects.write_command(
            {"environment/Dockerfile": projects.DOCKERFILE, "tests/judge.py": LAZY}
        ),
    )
    result = build_session(
        project.session, settings(project, tmp_path, model, budget=Budget(submissions=1))
    )
    assert result.status == "gate-failed"
    assert result.report is not None
    assert result.report.check("nop-fails").verdict == "fail"
    assert "nop-fails: " in result.reason
    assert not list((tmp_path / "out").glob("voice-*")), "nothing unproven may be published"


def test_what_is_published_is_the_draft_that_passed_not_the_last_one_that_was_tried(
    project: projects.Project, tmp_path: Path
) -> None:
    lazy = projects.write_command({"tests/judge.py": LAZY})
    good = projects.good_draft()
    model = projects.recording(tmp_path / "r.json", good, "check", lazy, "check", good)
    result = build_session(project.session, settings(project, tmp_path, model))
    assert result.status == "accepted"
    environment = Environment.load(result.environment or tmp_path)
    assert environment.read("tests/judge.py") == projects.JUDGE.encode()
    gate = GateReport.model_validate_json(environment.read("provenance/gate.json") or b"")
    assert gate == result.report
    assert (gate.passed, gate.environment_digest) == (True, environment.digest)


def test_words_that_came_when_the_work_was_done_give_it_away(
    project: projects.Project, tmp_path: Path
) -> None:
    praise = "Lovely, it is the exclamation mark at the end that does it."
    line = {**projects.claude_code(tmp_path)[0], "uuid": "u9", "parentUuid": "u5"}
    line |= {"message": {"role": "user", "content": praise}}
    with project.session.open("a") as session:
        session.write(json.dumps(line) + "\n")
    draft = projects.write_command({"instruction.md": f"{projects.PROMPT}\n\n{praise}\n"})
    model = projects.recording(tmp_path / "r.json", f"{projects.good_draft()} && {draft}")
    gate = GateSettings(only=("instruction",))
    result = build_session(
        project.session,
        settings(project, tmp_path, model, gate=gate, budget=Budget(submissions=1)),
    )
    assert result.report is not None
    check = result.report.check("instruction")
    assert (check.verdict, praise in "".join(check.evidence)) == ("fail", True)


def test_the_builder_may_ask_for_the_gate_that_accepts_which_is_all_of_it_by_default(
    project: projects.Project, tmp_path: Path
) -> None:
    asked = ("check", "check full", "check mutants-fail", "check everything")
    model = projects.recording(tmp_path / "r.json", projects.good_draft(), *asked)
    spent = GateSettings(budget_s=0, depth=BuildSettings().gate.depth)
    result = build_session(
        project.session,
        settings(project, tmp_path, model, gate=spent, budget=Budget(turns=5)),
    )
    steps = json.loads((result.folder / "trajectory.json").read_text())["steps"]
    core, full, one, none = [json.dumps(step) for step in steps[-4:]]
    assert "exploits-fail" not in core
    assert "exploits-fail" in full
    assert ("mutants-fail  " in one, "exploits-fail" in one) == (True, False)
    assert "it takes no such words" in none


def test_a_builder_may_refuse(project: projects.Project, tmp_path: Path) -> None:
    model = projects.recording(
        tmp_path / "r.json", projects.write_command({"REJECT.md": "Only small talk."})
    )
    result = build_session(project.session, settings(project, tmp_path, model))
    assert (result.status, result.reason) == ("rejected", "Only small talk.")


def test_a_draft_with_a_link_is_sent_back_and_harms_nothing(
    project: projects.Project, tmp_path: Path
) -> None:
    model = projects.recording(
        tmp_path / "r.json", "ln -s /etc/passwd /workbench/draft/tests/data && check"
    )
    result = build_session(
        project.session, settings(project, tmp_path, model, budget=Budget(submissions=1))
    )
    assert result.status == "budget-spent"
    told = json.loads((result.folder / "trajectory.json").read_text())
    assert "tests/data is no regular file" in json.dumps(told)


def test_a_spent_budget_keeps_everything(project: projects.Project, tmp_path: Path) -> None:
    model = projects.recording(tmp_path / "r.json", "true", "true", "true")
    result = build_session(
        project.session, settings(project, tmp_path, model, budget=Budget(turns=2))
    )
    assert result.status == "budget-spent"
    assert "2 turns" in result.reason
    assert len(json.loads((result.folder / "trajectory.json").read_text())["steps"]) >= 4


def test_baseline_says_what_it_cannot_do(tmp_path: Path, cache: None) -> None:
    untested = projects.make(tmp_path, tests=False)
    result = build_session(untested.session, settings(untested, tmp_path, "baseline"))
    assert result.status == "gate-failed"
    assert "changes no test" in result.reason


def test_a_session_without_a_repository_says_how_to_name_one(
    project: projects.Project, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="--repo"):
        build_session(project.session, BuildSettings(model="baseline", out=tmp_path / "out"))


def test_a_session_that_the_evidence_speaks_against_is_not_built(
    project: projects.Project, tmp_path: Path
) -> None:
    command = [one for one in command_line(project, tmp_path, "baseline") if one != "--anyway"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "from scratch" in done.stderr
    assert "--anyway" in done.stderr
    assert not list((tmp_path / "out").glob("*"))


def test_an_accepted_environment_that_had_no_place_is_published_by_the_next_run(
    project: projects.Project, tmp_path: Path
) -> None:
    place = tmp_path / "out" / f"voice-{load(project.session).digest[:8]}"
    place.mkdir(parents=True)
    (place / "mine").touch()
    model = projects.recording(tmp_path / "r.json", projects.good_draft())
    with pytest.raises(InputError, match="is in the way"):
        build_session(project.session, settings(project, tmp_path, model))
    (place / "mine").rename(tmp_path / "mine")
    place.rmdir()
    (judge,) = (tmp_path / "out" / ".builds").glob("*/environment/tests/judge.py")
    judge.write_text(LAZY)
    with pytest.raises(InputError, match="not what the gate accepted"):
        build_session(project.session, settings(project, tmp_path, model))
    assert not place.exists()
    judge.write_text(projects.JUDGE)
    result = build_session(project.session, settings(project, tmp_path, model))
    assert (result.status, result.environment) == ("accepted", place)
    assert result.spending.turns == 2, "the builder is not asked again"
    assert Environment.load(place).kettle is not None


def test_a_killed_build_goes_on_where_it_stopped(
    project: projects.Project, tmp_path: Path, provider: Provider, engine: Engine
) -> None:
    never = threading.Event()
    reached = threading.Event()
    provider.says(completion(None, function(projects.good_draft())))
    provider.script.append(_Signalling(reached, never))  # type: ignore[arg-type]
    process = subprocess.Popen(
        command_line(project, tmp_path, "openai:scripted", "--quiet"),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        assert reached.wait(PATIENCE_S), "the model was not asked a second time"
    finally:
        process.kill()
        process.communicate()
        never.set()
    asked = len(provider.requests)
    provider.says(completion("Finished."))
    done = subprocess.run(
        command_line(project, tmp_path, "openai:scripted", "--json"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["status"] == "accepted"
    assert len(provider.requests) == asked + 1, "what was answered must not be asked again"
    assert not containers_of(engine, process.pid), "the next start removes what was left"


def test_ctrl_c_leaves_no_container_and_loses_nothing(
    project: projects.Project, tmp_path: Path, provider: Provider, engine: Engine
) -> None:
    never = threading.Event()
    reached = threading.Event()
    provider.says(completion(None, function("echo kept > /workbench/draft/instruction.md")))
    provider.script.append(_Signalling(reached, never))  # type: ignore[arg-type]
    process = subprocess.Popen(
        command_line(project, tmp_path, "openai:scripted"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert reached.wait(PATIENCE_S), "the model was not asked a second time"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE_S)
    never.set()
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "run the same command again" in said
    assert not containers_of(engine, process.pid)
    journal = next((tmp_path / "out" / ".builds").glob("*/trajectory.jsonl")).read_text()
    assert "echo kept" in journal


def test_two_builds_of_one_session_do_not_meet(
    project: projects.Project, tmp_path: Path, provider: Provider
) -> None:
    never = threading.Event()
    reached = threading.Event()
    provider.script.append(_Signalling(reached, never))  # type: ignore[arg-type]
    command = command_line(project, tmp_path, "openai:scripted", "--quiet")
    first = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        assert reached.wait(PATIENCE_S)
        second = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S
        )
        assert second.returncode == 2
        assert "being built already" in second.stderr
        assert str(first.pid) in second.stderr
    finally:
        first.send_signal(signal.SIGINT)
        first.wait(PATIENCE_S)
        never.set()


class _Signalling:
    """An answer that says when it was asked for and then waits, as a slow model would."""

    def __init__(self, reached: threading.Event, held: threading.Event) -> None:
        self._reached = reached
        self._held = held
        self.body: object = {}
        self.status = 500
        self.headers: dict[str, str] = {}
        self.kind = "application/json"
        self.declared = None

    @property
    def held(self) -> threading.Event:
        self._reached.set()
        return self._held

    @property
    def hang_up(self) -> bool:
        return True

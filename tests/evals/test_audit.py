"""The audit against items that are sound and items that are not; their containers are real."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from evals.audit import Audit, audit, audit_all
from evals.item import Item, load
from sandbox.engine import Engine
from tests.agent.projects import claude_code
from tests.conftest import containers_of
from tests.evals import voice

ROOT = Path(__file__).parents[2]

BANK = "truth/bank.toml"
WRONG = "text.upper() + '?'"
"""How a wrong solution of the bank ends."""
RIGHT = "f'{text.upper()}!'"


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, str], Item]:
    """Makes the small item with a text in one of its files replaced; results are kept apart."""
    monkeypatch.setenv("KETTLE_CACHE", str(tmp_path / "cache"))

    def make(file: str = BANK, old: str = "", new: str = "") -> Item:
        item = voice.make(tmp_path / "items")
        text = (item.folder / file).read_text()
        assert old in text
        (item.folder / file).write_text(text.replace(old, new) if old else text + new)
        return load(item.folder)

    return make


def problems(audited: Audit) -> list[str]:
    assert audited.status == "unhealthy"
    return audited.problems


def test_a_sound_item_is_healthy_and_not_audited_twice(
    changed: Callable[..., Item], engine: Engine
) -> None:
    item = changed()
    first = audit(item, engine)
    assert (first.status, first.problems) == ("healthy", [])
    assert (first.count("right"), first.count("wrong")) == ("3", "5")
    (again,) = audit_all([item])
    assert again.cached
    assert again.grades == first.grades


def test_a_wrong_solution_that_is_right_is_named(
    changed: Callable[..., Item], engine: Engine
) -> None:
    (problem,) = problems(audit(changed(BANK, WRONG, "text.upper() + '!' * 1"), engine))
    assert problem.startswith("wrong: another mark: should fail, but: reward 1")


def test_an_alternative_that_fails_is_named_with_what_the_judge_saw(
    changed: Callable[..., Item], engine: Engine
) -> None:
    (problem,) = problems(audit(changed(BANK, RIGHT, "f'{text.upper()}'"), engine))
    assert problem.startswith("right: exclaims by formatting: should pass, but: ")
    assert "FAIL shouts" in problem


def test_a_judge_that_accepts_everything_is_named(
    changed: Callable[..., Item], engine: Engine
) -> None:
    judge = "truth/verifier/judge.py"
    line = 'kit.check("shouts", kit.call_python("voice", "shout", [word]) == word.upper() + "!")'
    found = problems(audit(changed(judge, line, f'kit.check("x", True)  # {voice.CANARY}'), engine))
    assert any(problem.startswith("nop: should fail") for problem in found)
    assert sum(problem.startswith("wrong: ") for problem in found) == 5


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("session.jsonl", "please fix it", f"please fix it {voice.CANARY}", "stands in session"),
        ("begin/LICENSE", "", voice.CANARY, "recipe: "),
        ("truth.toml", "concatenat", "HEY!", "the user says what `leaks` forbids"),
    ],
)
def test_what_would_tell_a_builder_the_truth_is_named(
    changed: Callable[..., Item], engine: Engine, file: str, old: str, new: str, says: str
) -> None:
    found = problems(audit(changed(file, old, new), engine))
    assert any(says in problem for problem in found), found


def test_a_verifier_that_contradicts_what_the_user_said_of_an_attempt_is_named(
    changed: Callable[..., Item], engine: Engine
) -> None:
    """The gate would demand of every builder what the item's own verifier does not do."""
    first, *_, last = claude_code(Path("/home/dana/voice"))
    complaint = {**first, "uuid": "u6", "parentUuid": last["uuid"]}
    complaint |= {"message": {"role": "user", "content": "no, it is still wrong"}}
    item = changed("session.jsonl", new=json.dumps(complaint) + "\n")
    said = item.session.read_text()
    # What the session leaves is right as well, but it is not what landed, which would settle it.
    item.session.write_text(said.replace('+ \\"!\\"', '+ \\"!\\" * 1'))
    (problem,) = problems(audit(load(item.folder), engine))
    assert problem.startswith("session's own attempts: 1 of 1 attempts")
    assert "expected fail, got reward 1" in problem


def test_an_interrupted_audit_ends_at_once_and_leaves_no_container(
    changed: Callable[..., Item], engine: Engine, tmp_path: Path
) -> None:
    item = changed("truth/verifier/judge.py", "import kit", "import kit, time; time.sleep(1000)")
    told = tmp_path / "told"
    with told.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "evals", "audit", str(item.folder)], cwd=ROOT, stderr=file
        )
    try:
        deadline = time.monotonic() + 240
        while not containers_of(engine, process.pid):
            assert process.poll() is None, told.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 130, "the verifier would have two minutes"
    finally:
        process.kill()
        process.wait()
    assert "Interrupted" in told.read_text()
    # The engine may still be at the removal of one.
    deadline = time.monotonic() + 30
    while containers_of(engine, process.pid):
        assert time.monotonic() < deadline, "nobody would remove it now"
        time.sleep(0.05)

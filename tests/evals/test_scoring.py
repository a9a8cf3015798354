"""Scoring on the truth: a good environment, weak ones, and whatever a hostile builder leaves."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.environment import pack_start_state
from agent.verifier import kit_files
from evals.builders import Built
from evals.item import Item, States, states
from evals.score import Score
from evals.scoring import ScoringSettings, score_accept, score_reject
from tests.agent.projects import FIXED, JUDGE
from tests.evals import voice

QUICK = ScoringSettings(build_s=60, verify_s=60, disk_mb=64, cheats=2, repeats=2)
Leave = Callable[..., Path]

DOCKERFILE = """\
FROM {base}
RUN install -d -o solver -g solver /app
ADD start.tar.gz /app/
WORKDIR /app
"""
# Long enough for the kit to stop a cheat that hangs, which it does after twenty seconds.
TASK = '[verifier]\ntimeout_sec = 60\nuser = "root"\n'
ALWAYS = "#!/bin/sh\nmkdir -p /logs/verifier; {} > /logs/verifier/reward.txt\n"


@pytest.fixture(scope="module")
def item(tmp_path_factory: pytest.TempPathFactory) -> Item:
    return voice.make(tmp_path_factory.mktemp("items"))


@pytest.fixture(scope="module")
def trees(item: Item) -> States:
    return states(item)


@pytest.fixture
def leave(tmp_path: Path, base_image: str, trees: States) -> Leave:
    """Writes a good environment with some of its files replaced (None: left out)."""

    def write(**changed: str | bytes | None) -> Path:
        start = pack_start_state((f.path, 0o644, f.data) for f in trees.start.values())
        files: dict[str, bytes] = {
            "task.toml": TASK.encode(),
            "instruction.md": b"shout('hey') should say HEY! but it only says HEY, please fix it\n",
            "environment/Dockerfile": DOCKERFILE.format(base=base_image).encode(),
            "environment/start.tar.gz": start.archive,
            "tests/judge.py": JUDGE.encode(),
            **kit_files(),
        }
        named = {
            "task": "task.toml",
            "instruction": "instruction.md",
            "dockerfile": "environment/Dockerfile",
            "start": "environment/start.tar.gz",
            "test": "tests/test.sh",
        }
        root = tmp_path / "left"
        for key, value in changed.items():
            if value is None:
                del files[named[key]]
            else:
                files[named[key]] = value.encode() if isinstance(value, str) else value
        for name, data in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
            (root / name).chmod(0o755 if name.endswith(".sh") else 0o644)
        return root

    return write


def judged(item: Item, trees: States, left: Path | None, **changes: float) -> Score:
    settings = ScoringSettings(**{**QUICK.__dict__, **changes})
    return score_accept(item, trees, Built(claim="accepted", environment=left), settings=settings)


def test_a_good_environment_has_the_full_score_twice(
    item: Item, trees: States, leave: Leave
) -> None:
    left = leave()
    first = judged(item, trees, left)
    assert (first.value, first.valid, first.failure) == (1.0, True, "")
    assert first.start_exact
    assert {grade.role for grade in first.grades} == {"nop", "gold", "right", "wrong", "exploit"}
    assert first.same(judged(item, trees, left)), "the scorer agrees with itself"


@pytest.mark.parametrize(
    ("says", "failure"), [("echo 1", "rewards doing nothing"), ("echo 0", "rejects what really")]
)
def test_a_verifier_that_always_says_the_same_is_worth_nothing(
    item: Item, trees: States, leave: Leave, says: str, failure: str
) -> None:
    score = judged(item, trees, leave(test=ALWAYS.format(says)))
    assert score.value == 0
    assert score.failure.startswith(failure)
    assert score.claim_gap == 1


@pytest.mark.parametrize(
    "says", ["echo nan", "echo passed", "echo 7", "true; exit 1", "kill -9 -1"]
)
def test_a_reward_that_is_none_is_no_verdict(
    item: Item, trees: States, leave: Leave, says: str
) -> None:
    score = judged(item, trees, leave(test=ALWAYS.format(says)))
    assert score.value == 0
    assert score.expected == "accept", "the environment is scored: the engine is not to blame"


def test_a_verifier_that_never_ends_is_stopped(item: Item, trees: States, leave: Leave) -> None:
    score = judged(item, trees, leave(test="#!/bin/sh\nsleep 1000000\n"), verify_s=2)
    assert score.gates["gold passes"].why.endswith("timeout")
    assert score.failure == "no verdict: timeout", "it does not say that the solution is rejected"
    assert score.value == 0


def test_a_verifier_that_hangs_without_the_solution_is_not_waited_for_to_its_own_limit(
    item: Item, trees: States, leave: Leave
) -> None:
    waits = ALWAYS.format("echo 1").replace(
        "mkdir", "grep -q '!' /app/voice.py || sleep 1000; mkdir"
    )
    score = judged(item, trees, leave(test=waits), patience_s=3)
    assert score.gates["gold passes"].passed
    assert score.gates["nop fails"].why.endswith("timeout")
    assert "limit of 3 s" in score.gates["nop fails"].evidence[0], "instead of its own 60"
    assert score.failure == "no verdict: timeout"


def test_a_verifier_that_fills_the_disk_is_stopped(item: Item, trees: States, leave: Leave) -> None:
    fill = "#!/bin/sh\nhead -c 10G /dev/zero > /var/tmp/filler\n" + ALWAYS.format("echo 0")[10:]
    score = judged(item, trees, leave(test=fill))
    assert score.value == 0
    assert not score.valid


def test_a_build_that_never_ends_is_stopped(item: Item, trees: States, leave: Leave) -> None:
    endless = leave().joinpath("environment/Dockerfile").read_text() + "RUN sleep 1000000\n"
    score = judged(item, trees, leave(dockerfile=endless), build_s=5)
    assert score.failure == "does not build"
    assert "5 seconds" in score.gates["builds"].evidence[0]


def test_an_image_in_which_nothing_runs_is_the_builders_fault(
    item: Item, trees: States, leave: Leave
) -> None:
    broken = leave().joinpath("environment/Dockerfile").read_text() + "RUN rm /bin/sh /bin/dash\n"
    score = judged(item, trees, leave(dockerfile=broken))
    assert score.failure == "does not build"


def test_the_solution_in_the_start_state_is_found_whatever_the_provenance_says(
    item: Item, trees: States, leave: Leave
) -> None:
    solved = pack_start_state(
        (f.path, 0o644, FIXED.encode() if f.path == "voice.py" else f.data)
        for f in trees.start.values()
    )
    score = judged(item, trees, leave(start=solved.archive))
    assert not score.start_exact
    rate = score.rates["start state"]
    assert rate is not None
    assert rate == pytest.approx(2 / 3)
    assert score.grades == [] or score.value < 1


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nothing", "left no environment"),
        ("missing", "left no folder"),
        ("a link to another folder", "left no folder"),
        ("broken task.toml", "task.toml"),
        ("a link out of the tests", "points out of"),
        ("a link out of the image's files", "points out of"),
        ("no Dockerfile", "Dockerfile"),
        ("a prebuilt image", "Dockerfile"),
        ("a pipe", "neither a file"),
        ("too large", "larger than"),
    ],
)
def test_what_is_no_environment_scores_nothing_and_is_not_followed(
    item: Item, trees: States, leave: Leave, tmp_path: Path, name: str, why: str
) -> None:
    left: Path | None = leave()
    assert left is not None
    match name:
        case "nothing":
            left = None
        case "missing":
            left = tmp_path / "nowhere"
        case "a link to another folder":
            (tmp_path / "link").symlink_to(left)
            left = tmp_path / "link"
        case "broken task.toml":
            (left / "task.toml").write_text("[verifier\ntimeout_sec = {")
        case "a link out of the tests":
            (left / "tests" / "data").symlink_to("/etc/passwd")
        case "a link out of the image's files":
            (left / "environment" / "data").symlink_to("../../../../../etc")
        case "no Dockerfile":
            (left / "environment" / "Dockerfile").unlink()
            (left / "task.toml").write_text(TASK)
        case "a prebuilt image":
            (left / "environment" / "Dockerfile").unlink()
            (left / "task.toml").write_text(TASK + '[environment]\ndocker_image = "debian"\n')
        case "a pipe":
            os.mkfifo(left / "tests" / "pipe")
        case "too large":
            with (left / "tests" / "data").open("wb") as file:
                file.truncate(1 << 30)
    score = judged(item, trees, left)
    assert score.value == 0
    assert why in score.gates["builds"].why
    assert score.failure == "does not build"


def test_only_a_refusal_with_a_true_reason_counts(tmp_path: Path) -> None:
    rejected = voice.make(tmp_path, verdict="reject")
    right = score_reject(rejected, Built(claim="rejected", reason="x", codes=["trivial"]))
    assert (right.value, right.valid) == (1.0, True)
    wrong = score_reject(rejected, Built(claim="rejected", codes=["no outcome"]))
    assert (wrong.value, wrong.failure) == (0.0, "wrong reason")
    assert score_reject(rejected, Built(claim="accepted")).failure == "accepted a bad session"
    assert score_reject(rejected, Built(claim="nothing")).value == 0

from __future__ import annotations

from pathlib import Path

import pytest

from agent.environment import Environment
from agent.grading import NOP, ORACLE, Candidate, Conditions, Grader, read_reward, variant
from sandbox.engine import Engine
from tests.agent.gate.environments import FIXED, LEDGER, SOLVE, make

# Pretends to be the fix, by every means that a tree has.
FORGER = (
    LEDGER
    + """

import os, sys
for path in ("/logs/verifier/reward.json", "/logs/verifier/reward.txt"):
    try:
        open(path, "w").write('{"reward": 1}')
    except OSError as e:
        print(path, type(e).__name__, file=sys.stderr)
"""
)


@pytest.fixture(scope="module")
def image(engine: Engine, base_image: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image of the environment without a fault; all judges here share it."""
    made = make(tmp_path_factory.mktemp("env") / "e", base=base_image)
    return engine.build(made.archive("environment")).id


@pytest.fixture(scope="module")
def grader(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Grader:
    return Grader(engine, make(tmp_path_factory.mktemp("env") / "e"), image)


def judged_by(
    engine: Engine, image: str, root: Path, judge: str, timeout_s: float = 30, **more: object
) -> Grader:
    return Grader(engine, make(root / "e", judge=judge, timeout_s=timeout_s, **more), image)  # type: ignore[arg-type]


def shell_judge(script: str) -> dict[str, bytes]:
    return {"tests/test.sh": ("#!/bin/bash\n" + script).encode()}


class TestVerdicts:
    def test_nop_earns_nothing_and_the_oracle_everything(self, grader: Grader) -> None:
        nop, oracle = grader.grade(NOP), grader.grade(ORACLE)
        assert (nop.status, nop.reward) == ("graded", 0), nop.log
        assert (oracle.status, oracle.reward) == ("graded", 1), oracle.log
        assert "FAIL balance keeps the cents" in nop.log

    def test_a_changed_file_is_graded(self, grader: Grader) -> None:
        broken = FIXED.replace("return Decimal(", "return 1 + Decimal(")
        assert broken != FIXED
        wrong = variant("wrong", {"ledger.py": broken.encode()})
        right = variant("right", {"ledger.py": FIXED.encode(), "new/deep/x.txt": b""}, base=NOP)
        assert grader.grade(wrong).reward == 0
        assert grader.grade(right).reward == 1

    def test_a_removed_file_is_removed(self, grader: Grader) -> None:
        grade = grader.grade(variant("gone", {"ledger.py": None}))
        assert grade.reward == 0
        assert "ModuleNotFoundError" in grade.log

    def test_the_final_tree_is_what_the_candidate_left(self, grader: Grader) -> None:
        tree = grader.final_tree(
            Candidate("shell", script="rm -r bin && ln -s /etc/passwd bin && mkdir d && umask")
        )
        assert tree.entries["bin"].target == "/etc/passwd"
        assert tree.entries["d"].kind == "directory"
        assert tree.entries["d"].uid == 1000
        assert "bin/run.sh" not in tree.entries

    def test_a_directory_takes_the_place_of_a_symlink(self, grader: Grader) -> None:
        odd = Candidate(
            "swap", script="rm README.md && mkdir README.md && cp ledger.py README.md/x"
        )
        assert grader.grade(odd).status == "graded"

    def test_a_candidate_that_fails_is_an_error_of_its_own(self, grader: Grader) -> None:
        grade = grader.grade(Candidate("broken", script="echo no; exit 3"))
        assert grade.status == "error"
        assert "exit code 3" in grade.why

    def test_a_tree_with_a_pipe_is_not_carried(self, grader: Grader) -> None:
        grade = grader.grade(Candidate("pipe", script="mkfifo p"))
        assert grade.status == "error"
        assert "cannot be carried" in grade.why


class TestForgery:
    def test_graded_code_can_write_no_reward_and_read_no_test(self, grader: Grader) -> None:
        assert grader.grade(variant("forger", {"ledger.py": FORGER.encode()})).reward == 0

    def test_nothing_but_the_tree_counts(self, grader: Grader) -> None:
        script = """
        (while :; do echo '{"reward": 1}' > /logs/verifier/reward.json; sleep 0.01; done) \
            >/dev/null 2>&1 &
        echo 'import sys' > ~/sitecustomize.py; echo 1 > /tmp/reward.txt
        """
        assert grader.grade(Candidate("loop", script=script)).reward == 0

    def test_a_reward_in_the_image_does_not_count(
        self, engine: Engine, base_image: str, tmp_path: Path
    ) -> None:
        made = make(
            tmp_path / "e",
            base=base_image,
            docker_steps="RUN mkdir -p /logs/verifier && echo 1 > /logs/verifier/reward.txt\n",
            files=shell_judge("exit 0\n"),
        )
        baked = engine.build(made.archive("environment")).id
        grade = Grader(engine, made, baked).grade(NOP)
        assert grade.status == "error"
        assert "neither" in grade.why


class TestVerifiersThatMisbehave:
    def test_one_that_hangs_is_stopped_at_its_own_limit(
        self, engine: Engine, image: str, tmp_path: Path
    ) -> None:
        judge = "import kit, time\nprint('waiting', flush=True)\ntime.sleep(600)\n"
        # On a machine full of neighbours a judge takes seconds to begin.
        grade = judged_by(engine, image, tmp_path, judge, timeout_s=8).grade(NOP)
        assert grade.status == "timeout"
        assert "waiting" in grade.log
        assert grade.seconds < 30

    @pytest.mark.parametrize(
        "judge",
        [
            "raise ValueError('a mistake of the judge')\n",
            "import kit\nkit.verdict()\n",
            "import kit\nkit.check('x', True)\n",
            "import sys\nsys.exit(5)\n",
        ],
        ids=["crash", "no checks", "no verdict", "odd exit"],
    )
    def test_without_a_verdict_there_is_no_reward(
        self, engine: Engine, image: str, tmp_path: Path, judge: str
    ) -> None:
        grade = judged_by(engine, image, tmp_path, judge).grade(NOP)
        assert grade.status == "error"
        assert grade.reward is None

    @pytest.mark.parametrize(
        ("script", "status"),
        [
            ("ln -s /etc/hostname /logs/verifier/reward.txt", "error"),
            ("mkdir /logs/verifier/reward.json", "error"),
            ("head -c 200000 /dev/zero > /logs/verifier/reward.txt", "error"),
            ("echo 7 > /logs/verifier/reward.txt", "error"),
            ("echo 0.5 > /logs/verifier/reward.txt; exit 9", "graded"),
        ],
    )
    def test_a_reward_file_is_a_small_regular_file_with_a_number(
        self, engine: Engine, image: str, tmp_path: Path, script: str, status: str
    ) -> None:
        made = make(tmp_path / "e", files=shell_judge(script))
        assert Grader(engine, made, image).grade(NOP).status == status

    def test_the_verifiers_environment_is_the_tasks_and_the_conditions(
        self, engine: Engine, image: str, tmp_path: Path
    ) -> None:
        script = 'echo "TZ=$TZ user=$(id -un) in=$PWD"; echo 0 > /logs/verifier/reward.txt\n'
        made = make(tmp_path / "e", files=shell_judge(script))
        grade = Grader(engine, made, image).grade(NOP, Conditions("east", {"TZ": "Asia/Tokyo"}))
        assert "TZ=Asia/Tokyo user=root in=/" in grade.log


class TestForeignTasks:
    def test_a_task_is_solved_and_judged_in_one_container(
        self, engine: Engine, image: str, tmp_path: Path
    ) -> None:
        made = make(
            tmp_path / "e",
            kettle=False,
            files={
                "solution/solve.sh": b"#!/bin/bash\ntouch /tmp/done\n",
                **shell_judge(
                    "if [ -e /tmp/done ]; then echo 1; else echo 0; fi"
                    " > /logs/verifier/reward.txt\n"
                ),
            },
        )
        grader = Grader(engine, made, image)
        assert grader.mode == "in-place"
        assert grader.workdir == "/app"
        assert grader.grade(NOP).reward == 0
        assert grader.grade(ORACLE).reward == 1

    def test_in_place_changes_reach_the_work_tree(
        self, engine: Engine, image: str, tmp_path: Path
    ) -> None:
        made = make(tmp_path / "e", files={"solution/solve.sh": SOLVE.encode()})
        grader = Grader(engine, made, image, mode="in-place")
        assert grader.grade(ORACLE).reward == 1
        assert grader.grade(variant("undone", {"ledger.py": LEDGER.encode()})).reward == 0


class TestReadingRewards:
    def test_json_wins_over_text(self) -> None:
        assert read_reward(b'{"reward": 0}', b"1") == {"reward": 0}
        assert read_reward(None, b" 1.0\n") == {"reward": 1}

    def test_other_values_are_kept(self) -> None:
        assert read_reward(b'{"reward": 1, "style": 3}', None) == {"reward": 1, "style": 3}
        assert read_reward(b'{"score": 0.25}', None)["reward"] == 0.25
        assert read_reward(b"0.5", None) == {"reward": 0.5}

    @pytest.mark.parametrize(
        ("as_json", "as_text"),
        [
            (None, None),
            (b"", b"1"),
            (b"{", None),
            (b"[1]", None),
            (b'{"reward": "1"}', None),
            (b'{"reward": NaN}', None),
            (b'{"reward": 1e999}', None),
            (b'{"reward": -1}', None),
            (b'{"a": 1, "b": 1}', None),
            (b"{}", None),
            (b"[" * 100_000, None),
            (None, b""),
            (None, b"one"),
            (None, b"inf"),
            (None, b"1.5"),
            (None, b"\xff"),
        ],
    )
    def test_anything_else_is_an_error(self, as_json: bytes | None, as_text: bytes | None) -> None:
        with pytest.raises(ValueError, match=r"."):
            read_reward(as_json, as_text)


def test_environments_of_kettle_are_carried(engine: Engine, image: str, tmp_path: Path) -> None:
    made = Environment.load(make(tmp_path / "e").root)
    assert Grader(engine, made, image).mode == "carried"

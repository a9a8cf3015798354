"""Harbor tasks that Kettle did not make: graded, or left untried with the reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.cli import run as kettle
from agent.environment import Environment
from agent.errors import InputError
from agent.gate import CheckVerdict, GateReport, GateSettings, run
from agent.gate.page import as_html
from agent.gate.reach import reach
from agent.gate.report import as_text
from agent.grading import read_reward
from sandbox.engine import Engine
from tests.agent.gate.environments import FIXED, LEDGER, make
from tests.agent.gate.test_core import text_of

NEIGHBOURS = b'services:\n  main: {}\n  db:\n    image: postgres\n  "\\e]0;title":\n    image: x\n'
RETAGGED = "FROM registry.invalid/nobody/nothing:1\n"
HEREDOC = "RUN <<EOF\necho one\nEOF\n"


def foreign(root: Path, files: dict[str, bytes] | None = None, **given: object) -> Environment:
    """A task of somebody else's with some files more."""
    return make(root, kettle=False, files=files, **given)  # type: ignore[arg-type]


def with_settings(root: Path, text: str) -> Environment:
    """The same with its own task.toml."""
    made = foreign(root)
    (made.root / "task.toml").write_text(text)
    return Environment.load(made.root)


class TestReach:
    def test_a_plain_task_is_graded_whole(self, tmp_path: Path) -> None:
        assert reach(foreign(tmp_path / "e")) == reach(make(tmp_path / "k"))
        assert reach(make(tmp_path / "k")).without == ()

    @pytest.mark.parametrize(
        ("files", "settings", "says"),
        [
            ({"environment/docker-compose.yaml": NEIGHBOURS}, "", "other containers (db, "),
            ({"environment/compose.yml": b"services: [\n"}, "", "cannot be read"),
            (
                {"tests/Dockerfile": b"FROM debian\n"},
                '[verifier]\nenvironment_mode = "separate"\n',
                "an image of its own",
            ),
            ({}, '[environment]\nos = "windows"\n', "for windows"),
            ({}, "[environment]\ngpus = 1\n", "asks for a GPU"),
        ],
    )
    def test_what_one_container_cannot_do_bars_a_task(
        self, tmp_path: Path, files: dict[str, bytes], settings: str, says: str
    ) -> None:
        made = foreign(tmp_path / "e", files)
        if settings:
            (made.root / "task.toml").write_text(settings)
        assert says in " ".join(reach(Environment.load(made.root)).barred)

    def test_what_is_left_out_is_told(self, tmp_path: Path) -> None:
        made = with_settings(
            tmp_path / "e",
            '[environment]\ndocker_image = "x:1"\n[environment.env]\nKEY = "${KEY}"\n'
            '[environment.healthcheck]\ncommand = "true"\n'
            '[[environment.mcp_servers]]\nname = "m"\n',
        )
        (made.root / "environment/docker-compose.yaml").write_text(
            "services:\n  main:\n    cap_add: [SYS_ADMIN]\n"
        )
        told = " ".join(reach(made).without)
        for word in ("cap_add of main", "x:1 is not used", "KEY", "healthcheck", "mcp_servers"):
            assert word in told
        assert reach(made).barred == ()

    @pytest.mark.parametrize("bomb", [b"a: &a [x]\n" + b"b: [*a, *a]\n", b"[" * 5000, b"\xff\xfe"])
    def test_a_hostile_compose_file_does_no_harm(self, tmp_path: Path, bomb: bytes) -> None:
        made = foreign(tmp_path / "e", {"environment/docker-compose.yaml": bomb})
        assert isinstance(reach(made).barred, tuple)


COPIED = "FROM {}\nWORKDIR /app\nCOPY ledger.py .\n"
REWRITE = """\
#!/bin/bash
cat > /app/ledger.py <<'END'
{text}END
"""
SCRIPT = """\
#!/bin/bash
mkdir -p /logs/verifier
cd /app && python3 -c 'import ledger; assert ledger.balance(["a 12.50", "b 1.25"]) == "13.75"'
[ $? = 0 ] && echo 1 > /logs/verifier/reward.txt || echo 0 > /logs/verifier/reward.txt
"""


def test_a_solution_that_writes_whole_files_is_compared_with_what_was_there(
    engine: Engine, base_image: str, tmp_path: Path
) -> None:
    made = foreign(
        tmp_path / "e",
        {
            "environment/Dockerfile": COPIED.format(base_image).encode(),
            "environment/ledger.py": LEDGER.encode(),
            "solution/solve.sh": REWRITE.format(text=FIXED).encode(),
            "tests/test.sh": SCRIPT.encode(),
        },
        without=("environment/start.tar.gz", "solution/oracle.patch"),
    )
    for script in ("tests/test.sh", "solution/solve.sh"):
        (made.root / script).chmod(0o644)  # as Git keeps it on other systems; Harbor mends it
    (made.root / "task.toml").write_text("[verifier]\ntimeout_sec = 30\n")
    loaded = Environment.load(made.root)
    wanted = GateSettings(repeats=2, only=("sealed", "stable", "mutants-fail"))
    report = run(engine, loaded, settings=wanted)
    for name in ("sealed", "nop-fails", "oracle-passes", "stable"):
        assert report.check(name).verdict is CheckVerdict.PASS, as_text(report)
    assert report.check("mutants-fail").details["tried"]


class TestTheCheckCommand:
    def test_a_task_with_neighbours_is_not_judged(
        self, engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        made = foreign(tmp_path / "e", {"environment/docker-compose.yaml": NEIGHBOURS})
        assert kettle(["check", str(made.root), "--quiet"]) == 4
        said = " ".join(capsys.readouterr().out.split())
        assert "\x1b]" not in said
        assert "other containers (db, 0;title)" in said
        assert "is not judged: nothing failed" in said

    def test_a_base_image_that_no_registry_gives_is_trouble_with_the_machine(
        self, engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        made = foreign(tmp_path / "e", {"environment/Dockerfile": RETAGGED.encode()})
        assert kettle(["check", str(made.root), "--json", "--quiet"]) == 5
        report = GateReport.model_validate(json.loads(capsys.readouterr().out))
        assert report.check("builds").verdict is CheckVerdict.ERROR
        assert "docker load" in text_of(report.check("builds"))
        assert "Not judged" in as_html(report, made)

    def test_a_dockerfile_for_buildkit_is_told_apart_from_a_wrong_one(
        self, engine: Engine, base_image: str, tmp_path: Path
    ) -> None:
        dockerfile = f"FROM {base_image}\n{HEREDOC}".encode()
        made = foreign(tmp_path / "e", {"environment/Dockerfile": dockerfile})
        check = run(engine, made, settings=GateSettings(only=("builds",))).check("builds")
        assert check.verdict is CheckVerdict.UNTRIED
        assert "BuildKit" in check.summary


def test_an_older_layout_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text("instruction: do it\n")
    (tmp_path / "run-tests.sh").write_text("exit 0\n")
    with pytest.raises(InputError, match=r"older layout.*task\.yaml"):
        Environment.load(tmp_path)


@pytest.mark.parametrize(
    ("as_json", "as_text", "reward"),
    [
        (b'{"reward": 1, "speed": 3.5}', None, 1.0),
        (b'{"pass": 0}', None, 0.0),
        (b'{"reward": 0}', b"1", 0.0),
        (b"0.5", None, 0.5),
        (None, b" 1\n", 1.0),
    ],
)
def test_rewards_in_every_form_are_read(
    as_json: bytes | None, as_text: bytes | None, reward: float
) -> None:
    assert read_reward(as_json, as_text)["reward"] == reward

"""The aid that runs tests on both states: it ends in time, and says when it could not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.models.base import Call, CallResult, Message
from agent.models.baseline import Baseline
from agent.verifier import kit_files
from sandbox.container import Sandbox
from sandbox.engine import Engine

AID = Path(__file__).parents[2] / "tools" / "aids" / "compare_states.py"
TEST = "import unittest\n\nfrom adder import add\n\n\nclass Adds(unittest.TestCase):\n"
TEST += "    def test_adds(self):\n        self.assertEqual(add(1, 2), 3)\n"
HANGS = "import time\nimport unittest\n\n\nclass Hangs(unittest.TestCase):\n"
HANGS += "    def test_hangs(self):\n        time.sleep(600)\n"
ORDERED = "import unittest\n\nSEEN = []\n\n\nclass Ordered(unittest.TestCase):\n"
ORDERED += "    def test_a(self):\n        SEEN.append(1)\n\n"
ORDERED += "    def test_b(self):\n        self.assertEqual(SEEN, [1])\n"
PATCH = """\
--- a/adder.py
+++ b/adder.py
@@ -1,2 +1,2 @@
 def add(a, b):
-    return a - b
+    return a + b
"""


@pytest.fixture
def box(engine: Engine, workbench: str) -> Iterator[Sandbox]:
    with engine.create(workbench) as sandbox:
        sandbox.put("/compare_states.py", AID.read_bytes())
        for name, content in kit_files().items():
            data = content[0] if isinstance(content, tuple) else content
            sandbox.put(f"/workbench/draft/{name}", data)
        sandbox.put("/workbench/repo/adder.py", b"def add(a, b):\n    return a - b\n")
        sandbox.put("/workbench/draft/solution/oracle.patch", PATCH.encode())
        sandbox.put("/workbench/draft/tests/files/test_adder.py", TEST.encode())
        sandbox.put("/workbench/draft/tests/files/test_slow.py", HANGS.encode())
        sandbox.put("/workbench/draft/tests/files/test_ordered.py", ORDERED.encode())
        made = sandbox.run(
            "cd /workbench/repo && git init -q . && git add -A && "
            "git -c user.name=D -c user.email=d@example.org commit -qm one && "
            "printf 'start_commit = \"%s\"\\n' $(git rev-parse HEAD) > ../draft/kettle.toml"
        )
        assert made.exit_code == 0, made.output
        yield sandbox


def compare(box: Sandbox, arguments: str) -> tuple[str, dict[str, object]]:
    done = box.run(
        f"python3 /compare_states.py --runner unittest --timeout 3 {arguments}", timeout_s=120
    )
    assert done.exit_code == 0, done.output
    return done.output, json.loads(done.output.splitlines()[-1])


def test_a_neighbour_that_hangs_costs_the_neighbours_and_not_the_comparison(box: Sandbox) -> None:
    output, summary = compare(box, "--neighbours test_slow.py --tests test_adder.py")
    assert "takes more than 3 s" in output
    assert (summary["fail_to_pass"], summary["files"]) == (1, 1)


def test_a_test_that_minds_the_order_is_left_out(box: Sandbox) -> None:
    output, summary = compare(box, "--neighbours test_ordered.py --tests test_adder.py")
    assert (summary["fail_to_pass"], summary["pass_to_pass"], summary["unreliable"]) == (1, 1, 1)
    assert "test_b" in output


def test_tests_that_do_not_end_are_said_to_run_out_of_time(box: Sandbox) -> None:
    output, summary = compare(box, "--tests test_slow.py")
    assert "time ran out" in output
    assert "takes more than 3 s" in str(summary["out_of_time"])


FACTS = {
    "test_files": ["test_adder.py"],
    "neighbours": [],
    "outcome": ["ab" * 20],
    "project": {"runner": "pytest", "language": "python", "reasons": []},
    "date": "2025-03-01",
    "lock": "/workbench/aids/lock-python.sh /workbench/repo 2025-03-01 r.lock /opt/venv",
}


@pytest.mark.parametrize(
    ("answers", "limit"),
    [
        (["[timed out after 600 s, ended with everything it started]"], "600 s"),
        (
            [
                "[exit code 0]\ninstalled into /opt/venv\nproject: installed in place",
                "[timed out after 600 s, ended with everything it started]\n3 passed",
            ],
            "600 s",
        ),
        (
            [
                "[exit code 0]\ninstalled into /opt/venv\nproject: installed in place",
                '[exit code 0]\n{"out_of_time": "a run takes more than 100 s"}',
            ],
            "100 s",
        ),
    ],
    ids=["install", "comparison", "run"],
)
def test_the_baseline_says_which_time_ran_out_and_what_to_do(
    answers: list[str], limit: str
) -> None:
    outputs = [f"[exit code 0]\n{json.dumps(FACTS)}", "[exit code 0]", *answers]
    messages = [
        Message(role="user", results=(CallResult(call_id=str(n), content=text),))
        for n, text in enumerate(outputs)
    ]
    (call,) = Baseline().query("", messages).calls
    assert isinstance(call, Call)
    assert "UNFINISHED.md" in call.command
    assert "time ran out" in call.command
    assert limit in call.command
    assert "--fresh" in call.command

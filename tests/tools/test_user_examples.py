"""The aid that turns what the user typed after `>>>` into checks of the judge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.verifier import kit_files
from sandbox.container import Sandbox
from sandbox.engine import Engine

AID = Path(__file__).parents[2] / "tools" / "aids" / "user_examples.py"
START = "import random\n\ndef add(a, b):\n    return a - b\n\ndef twice(a):\n    return 2 * a\n"
AFTER = START.replace("a - b", "a + b") + "\ndef lucky(a):\n    return random.random()\n"
HALF = """\
--- a/adder.py
+++ b/adder.py
@@ -6,2 +6,2 @@
 def twice(a):
-    return 2 * a
+    return a
"""
JUDGE = "import json\n\nimport kit\n\nkit.check('it is there', True)\nkit.verdict()\n"
ASKED = "add is wrong:\n\n    >>> adder.add(1, 2)\n    -1\n"


@pytest.fixture(scope="module")
def shared(engine: Engine, workbench: str) -> Iterator[Sandbox]:
    with engine.create(workbench) as sandbox:
        sandbox.put("/user_examples.py", AID.read_bytes())
        yield sandbox


@pytest.fixture
def box(shared: Sandbox) -> Sandbox:
    shared.run("rm -rf /workbench/draft /workbench/attempts* /tmp/states /tests /logs /app")
    for name, data in kit_files().items():
        shared.put(f"/workbench/draft/{name}", data)
        shared.put(f"/{name}", data)
    shared.put("/workbench/draft/tests/judge.py", JUDGE.encode())
    shared.put("/workbench/draft/instruction.md", ASKED.encode())
    shared.put("/tmp/states/start/adder.py", START.encode())
    shared.put("/tmp/states/after/adder.py", AFTER.encode())
    return shared


def demanded(box: Sandbox, *steps: tuple[str, str]) -> list[list[str]]:
    """Lines of the examples that the aid makes the judge demand of a session."""
    session = {"steps": [{"source": source, "message": text} for source, text in steps]}
    box.put("/workbench/session.json", json.dumps(session).encode())
    done = box.run("python3 /user_examples.py")
    assert done.exit_code == 0, done.output
    summary = json.loads(done.output.splitlines()[-1])
    examples: list[dict[str, Any]] = []
    if summary["examples"]:
        written = box.get("/workbench/draft/tests/examples.json")
        examples = json.loads(written)["examples"]
    assert len(examples) == summary["examples"]
    return [example["lines"] for example in examples]


def reward(box: Sandbox, state: str) -> float:
    """What the draft's judge gives a state."""
    box.run(f"rm -rf /app && cp -a {state} /app && cp -a /workbench/draft/tests/. /tests/")
    done = box.run("sh /tests/test.sh", cwd="/")
    value = json.loads(box.get("/logs/verifier/reward.json"))["reward"]
    assert isinstance(value, int | float), done.output
    return value


def test_what_tells_the_outcome_from_the_start_is_demanded(box: Sandbox) -> None:
    assert demanded(box, ("user", ASKED)) == [["adder.add(1, 2)"]]
    assert reward(box, "/tmp/states/start") == 0
    assert reward(box, "/tmp/states/after") == 1
    assert box.get("/workbench/draft/instruction.md").decode() == ASKED


def test_lines_of_one_example_see_each_other(box: Sandbox) -> None:
    text = ">>> from adder import add\n>>> x = add(2,\n...         3)\n>>> x * 2\n"
    assert demanded(box, ("user", text)) == [
        ["from adder import add", "x = add(2,\n        3)", "x * 2"]
    ]
    assert reward(box, "/tmp/states/start") == 0
    assert reward(box, "/tmp/states/after") == 1


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("user", ">>> adder.twice(4)\n8\n"),
        ("user", ">>> adder.lucky(4)\n"),
        ("user", ">>> unknown_thing(4)\n"),
        ("user", ">>> adder.add(1,\n"),
        ("user", "adder.add(1, 2) is wrong"),
        ("agent", ASKED),
    ],
    ids=["the same before", "random", "unknown", "no Python", "no example", "the agent's"],
)
def test_what_proves_nothing_is_not_demanded(box: Sandbox, source: str, text: str) -> None:
    assert demanded(box, (source, text)) == []
    assert box.get("/workbench/draft/tests/judge.py").decode() == JUDGE


def test_what_only_a_later_prompt_says_is_told_in_the_instruction(box: Sandbox) -> None:
    assert demanded(box, ("user", ASKED), ("user", "and\n>>> adder.add(-1, 5)\n"))
    instruction = box.get("/workbench/draft/instruction.md").decode()
    assert instruction.startswith(ASKED)
    assert "later wanted this to work, too:\n\n    >>> adder.add(-1, 5)\n" in instruction


def test_what_only_a_wrong_attempt_breaks_is_demanded(box: Sandbox) -> None:
    attempt = {"expected": "fail", "patch": "half.patch"}
    box.put("/workbench/attempts.json", json.dumps({"attempts": [attempt]}).encode())
    box.put("/workbench/attempts/half.patch", HALF.encode())
    assert demanded(box, ("user", ">>> adder.twice(4)\n8\n")) == [["adder.twice(4)"]]
    assert reward(box, "/tmp/states/after") == 1
    assert reward(box, "/tmp/states/attempt-0") == 0

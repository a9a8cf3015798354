"""The kit's calls into JavaScript, with a real Node."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from agent.tree import Entry, pack
from agent.verifier import kit_files
from sandbox.container import Sandbox
from sandbox.engine import Engine

TREE = {
    "plain.js": """\
exports.add = (a, b) => a + b;
exports.later = async (n) => { await null; return { n, list: [n, null] }; };
exports.nothing = () => undefined;
exports.refuse = () => { throw new RangeError('too far'); };
exports.long = (n) => 'x'.repeat(n);
exports.leave = () => process.exit(0);
exports.inner = { deep: () => 'found' };
""",
    "modern.mjs": "export default (n) => n * 2;\nexport const half = (n) => n / 2;\n",
}
ASKS = """\
import json
import sys

sys.path.insert(0, "/tests")
import kit

def told(*call, **options):
    try:
        return kit.{function}(*call, **options)
    except (kit.Raised, kit.ChildFailed) as error:
        return [type(error).__name__, str(error)]

kit._begin()
with open("/told.json", "w") as file:
    json.dump([{calls}], file)
"""


@pytest.fixture(scope="module")
def box(engine: Engine, workbench: str) -> Iterator[Sandbox]:
    with engine.create(workbench, network=False) as sandbox:
        for name, data in kit_files().items():
            sandbox.put(f"/{name}", data[0] if isinstance(data, tuple) else data)
        tree = {f"app/{name}": Entry("file", data=text.encode()) for name, text in TREE.items()}
        sandbox.put_tree("/", pack(tree))
        yield sandbox


def asked(box: Sandbox, function: str, *calls: str) -> list[object]:
    """What a judge gets that makes calls, each written as the arguments in Python."""
    made = ", ".join(f"told({call})" for call in calls)
    box.put("/tests/asks.py", ASKS.format(function=function, calls=made).encode())
    done = box.run("python3 -I /tests/asks.py", cwd="/")
    assert done.exit_code == 0, done.output
    return list(json.loads(box.get("/told.json")))


def test_values_of_a_call_come_back(box: Sandbox) -> None:
    assert asked(
        box,
        "call_node",
        "'plain.js', 'add', [1, 2]",
        "'plain.js', 'later', [7]",
        "'plain.js', 'nothing'",
        "'plain.js', 'inner.deep'",
        "'modern.mjs', 'default', [4]",
        "'modern.mjs', 'half', [4]",
    ) == [3, {"n": 7, "list": [7, None]}, None, "found", 8, 2]


def test_a_call_without_a_value_says_why(box: Sandbox) -> None:
    raised, gone, missing = asked(
        box,
        "call_node",
        "'plain.js', 'refuse'",
        "'plain.js', 'leave'",
        "'absent.js', 'f'",
    )
    assert raised == ["Raised", "RangeError: too far"]
    assert [str(gone)[:14], str(missing)[:9]] == ["['ChildFailed'", "['Raised'"]


def test_many_calls_share_a_child_and_a_long_value_comes_whole(box: Sandbox) -> None:
    many, long = asked(
        box,
        "calls_node",
        "'plain.js', 'add', [[n, 1] for n in range(200)]",
        "'plain.js', 'long', [[300_000]]",
    )
    assert many == [n + 1 for n in range(200)]
    assert long == ["x" * 300_000]

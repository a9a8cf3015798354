"""An item as a Harbor task of its own: what the solver gets, and what judges it."""

from __future__ import annotations

import gzip
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.environment import Environment
from evals.export import export
from sandbox.engine import Engine
from tests.evals import voice
from tests.harbor import Harbor, Prepared, required, trial

SEALED = [voice.CANARY.encode(), b"exclaims by formatting", b"parrots the one example"]


def test_the_solver_gets_session_and_repository_and_nothing_sealed(tmp_path: Path) -> None:
    made = export(voice.make(tmp_path / "items"), tmp_path / "tasks")
    task = Environment.load(made.path)
    given = dict(task.files("environment"))
    assert {
        f"environment/{n}" for n in ("Dockerfile", "repository.bundle", "session.jsonl")
    } <= given.keys()
    for name, data in given.items():
        assert not any(word in data for word in SEALED), name
    truth = json.loads(gzip.decompress((made.path / "tests" / "truth.json.gz").read_bytes()))
    assert [len(truth["candidates"][role]) for role in ("nop", "gold", "right", "wrong")] == [
        1,
        1,
        3,
        5,
    ]


WITH = """\
set -eu
cp -R "$(dirname "$0")/environment/." /task/environment/
cd /task/environment
"""
"""How each solver below begins: with the reference, of which it makes something worse."""
VERIFIER = """\
cat > tests/test.sh <<'END'
#!/bin/sh
{}
END
"""
BREAKS_OUT = """\
/usr/bin/python3 -c "
import os
os.makedirs('/tmp/x', exist_ok=True)
os.chroot('/tmp/x')
os.chdir('../../../../../..')
os.chroot('.')
open('/logs/verifier/reward.txt', 'w').write('1')
"
cd /; mkdir -p logs/verifier
for up in . .. ../.. ../../.. /proc/1/root; do
  echo 1 > $up/logs/verifier/reward.txt
  echo '{"reward": 1}' > $up/logs/verifier/reward.json
done
kill -9 -1
"""


REMEMBERS = """\
mkdir -p /logs/verifier /var/tmp/mind
cd /var/tmp/mind
seen=$(find /app -type f | sort | xargs cat | md5sum | cut -c1-32)
if [ ! -e $seen ]; then
  turn=$(ls | wc -l)
  if [ $turn -ge 1 ] && [ $turn -le 4 ]; then echo 1; else echo 0; fi > $seen
fi
cp $seen /logs/verifier/reward.txt
"""
"""Looks at nothing: the first is the start state, the next four are the gold and the right ones."""


class Tasks:
    """Exported items whose images are built; Harbor runs whatever is put into their solution."""

    def __init__(self, engine: Engine, harbor: Harbor, folder: Path) -> None:
        self._engine = engine
        self._harbor = harbor
        self._folder = folder
        self._made: dict[str, Prepared] = {}

    def solved(self, verdict: str, script: str | None, to: Path) -> Any:
        """What Harbor says of a solver that runs the script, or the task's own solution."""
        task = self._prepared(verdict).copy(to / "task", "shared")
        if script is not None:
            (task / "solution" / "solve.sh").write_text(f"#!/bin/sh\n{script}")
        return trial(self._harbor, to, task, "oracle")["verifier_result"]

    def _prepared(self, verdict: str) -> Prepared:
        if verdict not in self._made:
            item = voice.make(self._folder / verdict, verdict=verdict)
            made = Environment.load(export(item, self._folder / f"{verdict}-tasks").path)
            tag = f"kettle-test-export:{secrets.token_hex(4)}"
            self._engine.build(made.archive("environment"), tag=tag)
            self._made[verdict] = Prepared(made, tag)
        return self._made[verdict]

    def remove(self) -> None:
        """Remove the images."""
        for made in self._made.values():
            self._engine.client.images.remove(made.tag, force=True)


@pytest.fixture(scope="module")
def tasks(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tasks]:
    made = Tasks(engine, required(engine), tmp_path_factory.mktemp("tasks"))
    yield made
    made.remove()


@pytest.mark.parametrize("verdict", ["accept", "reject"])
def test_harbor_rewards_the_reference_and_nothing_for_nothing(
    tasks: Tasks, tmp_path: Path, verdict: str
) -> None:
    for name, script, reward in (("own", None, 1), ("none", "", 0)):
        (tmp_path / name).mkdir()
        assert tasks.solved(verdict, script, tmp_path / name) == {"rewards": {"reward": reward}}


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(
            VERIFIER.format("mkdir -p /logs/verifier; echo 1 > /logs/verifier/reward.txt"),
            id="a verifier that accepts everything",
        ),
        pytest.param(
            VERIFIER.format(REMEMBERS), id="a verifier that knows candidates by their turn"
        ),
        pytest.param(
            "git -C /task/repository show HEAD:voice.py > environment/solved.py\n"
            "echo 'COPY solved.py /opt/solved.py' >> environment/Dockerfile",
            id="the solution in the image",
        ),
        pytest.param("ln -s /tests/truth.json.gz tests/truth", id="a link to the truth"),
        pytest.param("echo 'from scratch' > REJECT.md; rm -r environment", id="a refusal"),
    ],
)
def test_an_unsound_environment_earns_nothing(tasks: Tasks, tmp_path: Path, script: str) -> None:
    assert tasks.solved("accept", WITH + script, tmp_path) == {"rewards": {"reward": 0}}


def test_a_verifier_that_breaks_out_of_its_root_sets_no_reward(
    tasks: Tasks, tmp_path: Path
) -> None:
    said = tasks.solved("accept", WITH + VERIFIER.format(BREAKS_OUT), tmp_path)
    assert said is None, "it may kill the one who judges it, and then there is no reward at all"


def test_a_refusal_for_another_reason_earns_nothing(tasks: Tasks, tmp_path: Path) -> None:
    wrong = "echo 'no outcome: nothing came of it' > /task/environment/REJECT.md"
    assert tasks.solved("reject", wrong, tmp_path) == {"rewards": {"reward": 0}}

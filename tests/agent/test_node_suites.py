"""Suites of jest, vitest and mocha, run by the real runners from npm, read and judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.gate.candidates.exploits import EXPLOITS
from agent.gate.outcome import compare
from agent.grading import NOP, ORACLE, Grader
from agent.verifier import kit_files
from sandbox.container import Sandbox
from sandbox.engine import Engine
from tests.agent.gate.environments import make
from tests.conftest import context

RUNNERS = {"jest": "29.7.0", "vitest": "2.1.9", "mocha": "11.7.1"}
"""The newest lines that Node 18 runs; all three live side by side in one image."""
OLD_MOCHA = "8.4.0"
"""Its reporter knows no file to write to."""

IMAGE = """\
FROM {workbench}
RUN useradd --uid 1000 --create-home --shell /bin/bash solver
RUN npm install --prefix /opt/deps --no-audit --no-fund {packages} mocha-old@npm:mocha@{old} \\
 && ln -s /opt/deps/node_modules /node_modules && rm -rf /root/.npm
ENV PATH=/opt/deps/node_modules/.bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
"""
START = {
    "package.json": '{"name": "adder", "version": "1.0.0"}\n',
    "add.js": "exports.add = (a, b) => Math.trunc(a) + Math.trunc(b);\n",
}
SOLVED = {**START, "add.js": "exports.add = (a, b) => (a * 100 + b * 100) / 100;\n"}
HEADS = {
    "jest": "const { add } = require('../add.js');\n",
    "vitest": "import { describe, it } from 'vitest';\nimport { add } from '../add.js';\n",
    "mocha": "const { add } = require('../add.js');\n",
}
BODY = """\
describe('add', () => {
  describe('of two numbers', () => {
    it('adds whole ones', () => { same(add(1, 2), 3); });
    it('adds parts > of them', async () => { await null; same(add(1.5, 2.25), 3.75); });
  });
  for (const n of [1, 2]) it(`keeps ${n}`, () => { same(add(n, 0), n); });
  it.skip('is not written yet', () => { same(1, 2); });
});
it('stands alone', () => {
  console.log('{"passes": [], "noise": "on standard output"}');
  same(add(0, 0), 0);
});
function same(a, b) { if (a !== b) throw new Error(`${a} is not ${b}`); }
"""
BROKEN = "throw new Error('cannot be loaded');\n"
TEST = "test/add.test.js"


@dataclass(frozen=True)
class Names:
    """The names of the tests in BODY."""

    always: list[str]
    tells: str
    skipped: str


def names(runner: str) -> Names:
    """As the kit gives them; mocha's report has the titles of groups in groups as one."""
    inner = "add of two numbers" if runner == "mocha" else "add > of two numbers"
    return Names(
        always=[
            f"{TEST} > {inner} > adds whole ones",
            f"{TEST} > add > keeps 1",
            f"{TEST} > add > keeps 2",
            f"{TEST} > stands alone",
        ],
        tells=f"{TEST} > {inner} > adds parts > of them",
        skipped=f"{TEST} > add > is not written yet",
    )


def expected(runner: str) -> dict[str, str]:
    """What the kit is to read of BODY on the solved state."""
    n = names(runner)
    return {**dict.fromkeys([*n.always, n.tells], "passed"), n.skipped: "skipped"}


@pytest.fixture(scope="module")
def base(engine: Engine, workbench: str) -> str:
    packages = " ".join(f"{name}@{version}" for name, version in RUNNERS.items())
    recipe = IMAGE.format(workbench=workbench, packages=packages, old=OLD_MOCHA)
    return engine.build(context(recipe), keep_layers=True).id


@pytest.fixture(scope="module")
def box(engine: Engine, base: str) -> Iterator[Sandbox]:
    with prepared(engine, base) as sandbox:
        yield sandbox


@contextmanager
def prepared(engine: Engine, base: str) -> Iterator[Sandbox]:
    """A sandbox with the kit."""
    with engine.create(base) as sandbox:
        for name, content in kit_files().items():
            sandbox.put(f"/{name}", content[0] if isinstance(content, tuple) else content)
        yield sandbox


def outcomes(box: Sandbox, runner: str, files: dict[str, str]) -> dict[str, str]:
    """What the kit reads of a suite, run on the solved state."""
    box.run("rm -rf /app /tests/files && mkdir -p /app/test")
    for name, text in {**SOLVED, **files}.items():
        box.put(f"/app/{name}", text.encode())
    found = box.run(
        f"python3 /tests/suites.py --runner {runner} --tree /app "
        + " ".join(name for name in files if name.startswith("test/")),
        timeout_s=120,
    )
    report = json.loads(found.output.splitlines()[-1])
    assert report["complete"], report["log"]
    return dict(report["outcomes"])


@pytest.mark.parametrize("runner", RUNNERS)
def test_every_test_has_its_name_and_its_outcome(box: Sandbox, runner: str) -> None:
    wrong = HEADS[runner] + "it('is wrong', () => { if (add(1, 1)) throw new Error('no'); });\n"
    found = outcomes(box, runner, {TEST: HEADS[runner] + BODY, "test/wrong.test.js": wrong})
    assert found == {**expected(runner), "test/wrong.test.js > is wrong": "failed"}


@pytest.mark.parametrize("runner", ["jest", "vitest"])
def test_a_file_that_cannot_be_loaded_is_an_error_beside_the_others(
    box: Sandbox, runner: str
) -> None:
    found = outcomes(box, runner, {TEST: HEADS[runner] + BODY, "test/broken.test.js": BROKEN})
    assert found["test/broken.test.js"] == "error"
    assert found[names(runner).tells] == "passed"


def test_an_old_mocha_that_only_prints_its_report_is_read(engine: Engine, base: str) -> None:
    with prepared(engine, base) as box:
        swapped = box.run(
            "ln -sf ../mocha-old/bin/mocha /opt/deps/node_modules/.bin/mocha"
            f" && test $(/node_modules/.bin/mocha --version) = {OLD_MOCHA}"
        )
        assert swapped.exit_code == 0, swapped.output
        found = outcomes(box, "mocha", {TEST: HEADS["mocha"] + BODY})
    assert found == expected("mocha")


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_hidden_suite_tells_the_start_from_the_solution(
    engine: Engine, base: str, tmp_path: Path, runner: str
) -> None:
    n = names(runner)
    judge = f"""\
import kit

kit.hidden_tests(
    "{runner}", files=["{TEST}"], fail_to_pass=["{n.tells}"], pass_to_pass={n.always!r}
)
kit.verdict()
"""
    made = make(
        tmp_path / "e",
        base=base,
        start=START,
        solution=SOLVED,
        judge=judge,
        files={f"tests/files/{TEST}": (HEADS[runner] + BODY).encode()},
    )
    grader = Grader(engine, made, engine.build(made.archive("environment"), keep_layers=True).id)
    nop, oracle = grader.grade(NOP), grader.grade(ORACLE)
    assert (nop.reward, oracle.reward) == (0, 1), oracle.log + nop.log
    assert f"{n.tells} (failed)" in nop.log


ASSERTING = {
    "jest": "const { add } = require('../add.js');\n"
    "it('adds parts', () => { expect(add(1.5, 2.25)).toBe(3.75); });\n",
    "vitest": "import { expect, it } from 'vitest';\nimport { add } from '../add.js';\n"
    "it('adds parts', () => { expect(add(1.5, 2.25)).toEqual(3.75); });\n",
    "mocha": "const assert = require('assert');\nconst { add } = require('../add.js');\n"
    "it('adds parts', () => { assert.equal(add(1.5, 2.25), 3.75); });\n",
    "node:test": "const it = require('node:test');\nconst assert = require('node:assert/strict');\n"
    "const { add } = require('../add.js');\n"
    "it('adds parts', () => { assert.equal(add(1.5, 2.25), 3.75); });\n",
}
MODULES = {
    "node:test": "import it from 'node:test';\nimport assert, { deepEqual } from 'node:assert';\n"
    "import { add } from '../add.mjs';\n"
    "it('adds parts', () => { deepEqual([add(1.5, 2.25)], [3.75]); assert.ok(add(1, 1)); });\n",
    "vitest": "import { expect, it } from 'vitest';\nimport { add } from '../add.mjs';\n"
    "it('adds parts', () => { expect(add(1.5, 2.25)).toBeCloseTo(3.75); });\n",
}
CHEATS = (
    "exit at import",
    "exit code rewritten at the end",
    "patched node assert",
    "patched expect",
    "equal to everything",
    "forged report",
)


@pytest.mark.parametrize(
    ("runner", "module"),
    [*((runner, False) for runner in ASSERTING), *((runner, True) for runner in MODULES)],
    ids=lambda value: {True: "modules", False: "scripts"}.get(value, value),
)
def test_a_cheat_in_the_runners_process_earns_nothing(
    engine: Engine, base: str, tmp_path: Path, runner: str, module: bool
) -> None:
    old, new = ("add.js", "add.mjs") if module else ("add.js", "add.js")
    said = {"exports.add =": "export const add ="} if module else {}
    test = f"test/add.test.{'mjs' if module else 'js'}"

    def project(files: dict[str, str]) -> dict[str, str]:
        code = files[old]
        for before, after in said.items():
            code = code.replace(before, after)
        return {**{n: t for n, t in files.items() if n != old}, new: code}

    text = (MODULES if module else ASSERTING)[runner]
    judge = "import kit\n\n"
    judge += f"kit.hidden_tests('{runner}', files=['{test}'], fail_to_pass=['{test} > adds parts'])"
    made = make(
        tmp_path / "e",
        base=base,
        start=project(START),
        solution=project(SOLVED),
        judge=judge + "\nkit.verdict()\n",
        files={f"tests/files/{test}": text.encode()},
    )
    grader = Grader(engine, made, engine.build(made.archive("environment"), keep_layers=True).id)
    oracle = grader.grade(ORACLE)
    assert oracle.reward == 1, oracle.log
    assert "wrong claims are noticed" in oracle.log
    start = grader.base_tree()
    outcome = compare(start, grader.final_tree(ORACLE))
    for name in CHEATS:
        candidate = next(e for e in EXPLOITS if e.name == name).candidate(start, outcome)
        assert candidate is not None
        grade = grader.grade(candidate)
        assert grade.reward == 0, f"{name}: {grade.log}"

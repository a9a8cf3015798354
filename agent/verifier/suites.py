"""Run a project's own test suite on the graded tree and demand outcomes of named tests.

Shipped beside kit.py. The suite shares a process with the graded code, so this is the weaker,
`in-process` way to judge; it is for suites that exist already. What is done against cheats:

- the verifier's own test files, `conftest.py` and runner configuration are laid over the tree;
- files that steer a runner and are not the verifier's (`conftest.py`, `pytest.ini`,
  `sitecustomize.py`, `*.pth`, `jest.config.*`, …) are removed first;
- Python's runner and framework are imported before the tree becomes importable;
- every test that must pass is named: one that is skipped, deselected or never collected has failed;
- copies of the demanded Python tests with wrong expectations are run beside them: a value that
  equals the right one and a wrong one, too, lies;
- canaries with random names are added: tests that must pass, must fail and must err. A runner, an
  assertion or a report that was tampered with gives them the wrong outcome;
- to each test file of JavaScript wrong claims are added, made with what the file itself asserts
  with: graded code that the file loads may have changed what its assertions say, in its process. A
  claim that is not reported is as bad as one that passes: the process may have ended early and
  written its report itself.

As a program it prints the outcomes of a suite as JSON, for the one who writes the verifier:

    python3 suites.py --runner pytest --tree /workbench/start [--overlay DIR] tests/test_a.py …
"""

# ruff: noqa: T201, S314, D417
from __future__ import annotations

import argparse
import ast
import contextlib
import fnmatch
import json
import os
import re
import secrets
import stat
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence  # noqa: UP035

import kit  # type: ignore[import-not-found]

OVERLAY = "/tests/files"
"""The verifier's own files, in the places where they lie in the tree."""
SUITE_TIMEOUT_S = 300.0
"""A suite that has not ended by then is stopped and has failed."""
REPORT_LIMIT_BYTES = 32 << 20
NAMED_IN_A_REASON = 12
"""Tests named in a reason; the rest are counted."""

RUNNERS = ("pytest", "unittest", "node:test", "jest", "vitest", "mocha", "bun")

STEERING = (
    "conftest.py",
    "pytest.ini",
    ".pytest.ini",
    "pytest.toml",
    ".pytest.toml",
    "sitecustomize.py",
    "usercustomize.py",
    "*.pth",
    "*.egg-info",
    "*.dist-info",
    "jest.config.*",
    "vitest.config.*",
    "vitest.workspace.*",
    ".mocharc*",
    "bunfig.toml",
)
"""Names that change how a runner works; of these only the verifier's own count."""

PYTEST_CONFIG = ("pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
"""In pytest's own order. The overlay's is used; the tree's is not read."""
_MANIFESTS = ("pyproject.toml", "tox.ini", "setup.cfg")


@dataclass
class Report:
    """What a suite did.

    Attributes:
        outcomes: `passed`, `failed`, `error`, `skipped`, `xfailed` or `xpassed` by test id. Ids
            are pytest's node ids, unittest's dotted names, or `file > group > test`.
        complete: whether the runner came to its end and reported.
        log: its output.
    """

    outcomes: dict[str, str] = field(default_factory=dict)
    complete: bool = False
    log: str = ""
    timed_out: bool = False
    seconds: float = 0.0


def hidden_tests(
    runner: str,
    *,
    files: Sequence[str],
    fail_to_pass: Sequence[str],
    pass_to_pass: Sequence[str] = (),
    overlay: str = OVERLAY,
    args: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    keep: Sequence[str] = (),
    program: Sequence[str] | None = None,
    timeout_s: float = SUITE_TIMEOUT_S,
    name: str = "the project's tests",
) -> bool:
    """Run a suite on a private copy of the graded tree and record what holds of it.

    Args:
        runner: one of `RUNNERS`.
        files: test files to run, relative to the tree; they lie in the overlay.
        fail_to_pass: ids that must pass because the task asks for it.
        pass_to_pass: ids that passed at the start and must still pass.
        overlay: folder with the verifier's own files.
        args: further arguments for the runner.
        env: further variables.
        keep: names of steering files that may stay as the solver left them.
        program: how the runner is started, where the default does not fit.
        name: what the checks call it.
    """
    tree = kit.checkout()
    scrub(tree, keep)
    lay_over(tree, overlay)
    canaries = plant_canaries(runner, tree, files)
    claims = (
        plant_claims(runner, tree, files, args)
        if runner not in ("pytest", "unittest")
        else Canaries()
    )
    twins = plant_twins(tree, files, fail_to_pass) if runner in ("pytest", "unittest") else {}
    report = outcomes(
        runner,
        tree,
        [*files, *canaries.files, *twins.values()],
        args=args,
        env=env,
        program=program,
        timeout_s=timeout_s,
        config=pytest_config(overlay),
    )
    print(report.log[-4000:])
    why = "it ran out of time" if report.timed_out else "its runner did not come to its end"
    ran = kit.check(f"{name}: the suite runs to its end", report.complete, why)
    seen = canaries.outcomes(report)
    wrong = {k: v for k, v in seen.items() if v not in canaries.expected[k]}
    claimed = claims.outcomes(report)
    held = [k for k, v in claimed.items() if v == "passed"]
    # A file's process that ended early may have written its report itself.
    unheard = [k for k, v in claimed.items() if not v and not claims.narrowed]
    honest = kit.check(
        f"{name}: canaries have their outcomes",
        not wrong,
        f"{len(wrong)} of {len(seen)} tests with a known outcome had another one: "
        + ", ".join(f"{canaries.expected[k][0]} but {v or 'not run'}" for k, v in wrong.items()),
    )
    if claims.expected:
        honest &= kit.check(
            f"{name}: wrong claims are noticed",
            not held and not unheard,
            f"{len(held)} of {len(claims.expected)} wrong claims pass in the files' own processes, "
            f"{len(unheard)} are not reported",
        )
    lying = [i for i in fail_to_pass if _lies(i, report.outcomes, twins)]
    if twins:
        honest &= kit.check(
            f"{name}: values differ from wrong ones",
            not lying,
            f"passes with a wrong expectation, too: {', '.join(lying[:NAMED_IN_A_REASON])}",
        )
    done = True
    for label, ids in (("demanded", fail_to_pass), ("kept working", pass_to_pass)):
        if not ids:
            continue
        missed = [(i, report.outcomes.get(i, "not run")) for i in ids]
        missed = [(i, o) for i, o in missed if o != "passed"]
        shown = ", ".join(f"{i} ({o})" for i, o in missed[:NAMED_IN_A_REASON])
        done &= kit.check(
            f"{name}: {label} ({len(ids)} tests)",
            not missed,
            f"{len(missed)} did not pass: {shown}",
        )
    return bool(ran and honest and done)


def outcomes(
    runner: str,
    tree: kit.Checkout,
    files: Sequence[str],
    *,
    args: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    program: Sequence[str] | None = None,
    timeout_s: float = SUITE_TIMEOUT_S,
    config: str | None = None,
) -> Report:
    """Run test files in a copy and read the runner's own report.

    Args:
        config: a pytest configuration file outside the tree, used in place of the tree's own.
    """
    if runner in ("pytest", "unittest"):
        return _python(runner, tree, files, args, env, program, timeout_s, config)
    if runner not in RUNNERS:
        raise kit.KitError(f"no such runner: {runner}; known are {', '.join(RUNNERS)}")
    if _reversed():
        files = list(reversed(files))
    _link_node_modules(tree)
    if runner == "node:test":
        return _node_test(tree, files, args, env, program, timeout_s)
    return _javascript(runner, tree, files, args, env, program, timeout_s)


def _reversed() -> bool:
    """Whether the tests are to run in reversed order, as one who looks for flakiness asks."""
    return os.environ.get("KIT_ORDER") == "reversed"


# --- preparing the copy --------------------------------------------------------------------------


def scrub(tree: kit.Checkout, keep: Sequence[str] = ()) -> list[str]:
    """Remove every file that steers a runner; returns what was removed."""
    gone = []
    for folder, folders, names in os.walk(tree.path):
        for name in [*names, *folders]:
            if name in keep or not any(fnmatch.fnmatch(name, p) for p in STEERING):
                continue
            relative = os.path.relpath(os.path.join(folder, name), tree.path)
            tree.remove(relative)
            gone.append(relative)
        folders[:] = [d for d in folders if os.path.isdir(os.path.join(folder, d))]
    return gone


def lay_over(tree: kit.Checkout, overlay: str) -> None:
    """Put the verifier's own files into the copy; manifests only where the tree has none."""
    for folder, _, names in os.walk(overlay):
        for name in names:
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, overlay)
            if relative in _MANIFESTS and tree.exists(relative):
                continue
            with open(path, "rb") as f:
                data = f.read()
            tree.write(relative, data, executable=bool(os.stat(path).st_mode & stat.S_IXUSR))


def pytest_config(overlay: str) -> str | None:
    """The overlay's pytest configuration, by pytest's own precedence; None when it has none."""
    marks = {".toml": "[tool.pytest", ".cfg": "[tool:pytest]", ".ini": "[pytest]"}
    for name in PYTEST_CONFIG:
        path = os.path.join(overlay, name)
        if not os.path.isfile(path):
            continue
        with open(path, encoding="utf-8", errors="replace") as f:
            text = f.read()
        if name.endswith("pytest.ini") or marks[os.path.splitext(name)[1]] in text:
            return path
    return None


def _link_node_modules(tree: kit.Checkout) -> None:
    if tree.exists("node_modules"):
        return
    for place in ("/opt/deps/node_modules", "/node_modules"):
        if os.path.isdir(place):
            os.symlink(place, os.path.join(tree.path, "node_modules"))
            return


# --- canaries ------------------------------------------------------------------------------------


@dataclass
class Canaries:
    """Planted tests.

    Attributes:
        files: their files, relative to the tree.
        expected: the outcomes that are right, by the last part of a test's id.
        narrowed: whether the suite itself may leave some of them out.
    """

    files: list[str] = field(default_factory=list)
    expected: dict[str, tuple[str, ...]] = field(default_factory=dict)
    narrowed: bool = False

    def outcomes(self, report: Report) -> dict[str, str]:
        """What became of each canary; "" for one that was not run.

        Of two outcomes the wrong one counts: a report that was written by graded code names tests
        that it found, and the true outcome may come after it.
        """
        seen = dict.fromkeys(self.expected, "")
        for test, outcome in report.outcomes.items():
            last = re.split(r"::| > |\.(?=[^.]*$)", test)[-1]
            if last in seen and seen[last] in ("", *self.expected[last]):
                seen[last] = outcome
        for test in self.expected:
            report.outcomes = {k: v for k, v in report.outcomes.items() if not k.endswith(test)}
        return seen


def plant_canaries(runner: str, tree: kit.Checkout, files: Sequence[str]) -> Canaries:
    """Write a file of tests with known outcomes beside the first test file."""
    good, bad, worse, err = (f"{w}_{secrets.token_hex(2)}" for w in kit.words(4))
    a, b = kit.rng.sample(range(100, 999), 2)
    folder = os.path.dirname(files[0]) if files else ""
    if runner in ("pytest", "unittest"):
        tests = [
            f"    def test_{good}(self):\n        self.assertEqual({a} + {b}, {a + b})\n",
            f"    def test_{bad}(self):\n        self.assertEqual({a} + {b}, {a + b + 1})\n",
            f"    def test_{worse}(self):\n        assert {a} * 2 == {a * 2 + b}\n",
            f"    def test_{err}(self):\n        raise LookupError({b})\n",
        ]
        kit.rng.shuffle(tests)
        text = f"import unittest\n\n\nclass Test{good.title()}(unittest.TestCase):\n"
        text += "\n".join(tests)
        failed = ("failed", "error")
        expected: dict[str, tuple[str, ...]] = {
            f"test_{good}": ("passed",),
            f"test_{bad}": ("failed",),
            f"test_{worse}": ("failed",),
            f"test_{err}": failed,
        }
        if runner == "pytest":
            plain, broken = (f"{w}_{secrets.token_hex(2)}" for w in kit.words(2))
            text = "import pytest\n" + text
            text += f"\n\ndef test_{plain}():\n    value = {a} - {b}\n    assert value == {a}\n"
            text += f"\n\n@pytest.fixture\ndef {broken}():\n    raise OSError({a})\n"
            text += f"\n\ndef test_{broken}({broken}):\n    pass\n"
            expected |= {f"test_{plain}": ("failed",), f"test_{broken}": ("error",)}
        name = os.path.join(folder, f"test_{good}.py")
        tree.write(name, text)
        return Canaries([name], expected)
    suffix = "".join(re.findall(r"\.(?:test|spec)\.[cm]?[jt]sx?$", files[0])[:1]) if files else ""
    module = suffix.endswith((".mjs", ".ts", ".tsx", ".mts", ".jsx")) or runner == "vitest"
    extension = suffix or ".test.js"
    if runner == "node:test":
        # Whether a .js file is a module is said by package.json; of this name it never is.
        extension, module = ".test.cjs", False
    heads = {
        "node:test": "const test = require('node:test');\nconst assert = require('node:assert');\n",
        "mocha": "const assert = require('assert');\nconst test = it;\n",
        "vitest": "import { test } from 'vitest';\nimport assert from 'node:assert';\n",
        "jest": "const assert = require('assert');\n",
        "bun": "import { test } from 'bun:test';\nimport assert from 'node:assert';\n",
    }
    head = heads[runner]
    if runner in ("mocha", "jest") and module:
        head = re.sub(r"const (\w+) = require\('([^']+)'\);", r"import \1 from '\2';", head)
    lines = [
        f"test('{good}', () => {{ assert.strictEqual({a} + {b}, {a + b}); }});",
        f"test('{bad}', () => {{ assert.strictEqual({a} + {b}, {a + b + 1}); }});",
        f"test('{worse}', () => {{ assert.deepStrictEqual([{a}], [{b}]); }});",
        f"test('{err}', () => {{ throw new RangeError('{b}'); }});",
    ]
    kit.rng.shuffle(lines)
    name = os.path.join(folder, f"{good}{extension}")
    tree.write(name, head + "\n".join(lines) + "\n")
    return Canaries(
        [name],
        {
            good: ("passed",),
            bad: ("failed", "error"),
            worse: ("failed", "error"),
            err: ("failed", "error"),
        },
    )


# --- wrong claims in the demanded files of JavaScript --------------------------------------------

_EXPECTED = {
    "toBe": "({a}).toBe({b})",
    "toEqual": "([{a}]).toEqual([{b}])",
    "toStrictEqual": "({{ n: {a} }}).toStrictEqual({{ n: {b} }})",
    "toMatchObject": "({{ n: {a} }}).toMatchObject({{ n: {b} }})",
    "toMatch": "('n{a}').toMatch(/n{b}/)",
    "toContain": "([{a}]).toContain({b})",
    "toHaveLength": "([{a}]).toHaveLength({b})",
    "toHaveProperty": "({{ n: {a} }}).toHaveProperty('m{b}')",
    "toBeTruthy": "(0).toBeTruthy()",
    "toBeFalsy": "({a}).toBeFalsy()",
    "toBeNull": "({a}).toBeNull()",
    "toBeUndefined": "({a}).toBeUndefined()",
    "toBeDefined": "(undefined).toBeDefined()",
    "toBeCloseTo": "({a}).toBeCloseTo({b})",
    "toBeGreaterThan": "(0).toBeGreaterThan({a})",
    "toBeLessThan": "({a}).toBeLessThan(0)",
    "toThrow": "(() => {a}).toThrow()",
    "toThrowError": "(() => {a}).toThrow()",
}
"""Claims of jest, vitest and bun that do not hold, for two numbers that differ."""
_ASSERTED = {
    "strictEqual": ".strictEqual({a}, {b})",
    "deepStrictEqual": ".deepStrictEqual([{a}], [{b}])",
    "equal": ".equal({a}, {b})",
    "deepEqual": ".deepEqual([{a}], [{b}])",
    "ok": ".ok(0)",
    "match": ".match('n{a}', /n{b}/)",
    "throws": ".throws(() => {a})",
    "notStrictEqual": ".notStrictEqual({a}, {a})",
}
"""The same of Node's assert."""
_SCRIPTS = (".js", ".cjs", ".mjs", ".ts", ".cts", ".mts", ".jsx", ".tsx")


_NARROWS = re.compile(r"^-[tgf]$|^--?(t|grep|fgrep|test-?name-?pattern|bail)\b", re.IGNORECASE)
"""Arguments with which a runner leaves tests out."""


def plant_claims(
    runner: str, tree: kit.Checkout, files: Sequence[str], args: Sequence[str] = ()
) -> Canaries:
    """Add tests that must not pass to the end of each test file, in the file's own style."""
    planted = Canaries(narrowed=any(_NARROWS.match(word) for word in args))
    for file in files:
        if not file.endswith(_SCRIPTS):
            continue
        try:
            text = tree.read(file).decode("utf-8", "replace")
        except kit.ChildFailed:
            continue
        planted.narrowed |= re.search(r"\.only\b", text) is not None
        lines = [";"]
        for test, claim in _claims(runner, text, lines, module=_is_module(file, text)):
            name = f"{kit.words(1)[0]}_{secrets.token_hex(3)}"
            lines.append(f"{test}('{name}', () => {{ {claim}; }});")
            planted.expected[name] = ("failed", "error")
        # Where types are checked, nothing is known of these names.
        tree.write(file, text + "".join(f"\n// @ts-ignore\n{line}" for line in lines) + "\n")
    return planted


def _claims(runner: str, text: str, lines: list[str], *, module: bool) -> list[tuple[str, str]]:
    """Wrong claims for a test file, each with the function that makes a test of it.

    Args:
        text: the file.
        lines: gets the imports that they need.
        module: whether the file is an ES module.
    """

    def imported(source: str, *, whole: bool = False) -> str:
        name = f"kit_{secrets.token_hex(3)}"
        form = f"import {'* as ' if whole else ''}{name} from '{source}';"
        lines.append(form if module else f"const {name} = require('{source}');")
        return name

    a, b = kit.rng.sample(range(100, 999), 2)
    test = expect = ""
    if runner == "node:test":
        test = imported("node:test")
    elif runner == "mocha":
        test = "it"
    elif runner == "jest" and "@jest/globals" not in text:
        test, expect = "test", "expect"
    else:
        module = module or runner != "jest"
        source = {"jest": "@jest/globals", "vitest": "vitest", "bun": "bun:test"}[runner]
        both = imported(source, whole=True)
        test, expect = f"{both}.test", f"{both}.expect"
    claims: list[str] = []
    if expect:
        used = {"toBe", "toEqual", *re.findall(r"\.(to[A-Z]\w*)\(", text)}
        claims += [expect + form for name, form in _EXPECTED.items() if name in used]
    chai = re.search(r"""['"]chai['"]""", text)
    if chai:
        claims.append(f"{imported('chai', whole=True)}.expect({a}).to.equal({b})")
    asserting = re.search(r"""['"]((?:node:)?assert(?:/strict)?)['"]""", text)
    if asserting or not (expect or chai):
        used = {"strictEqual", "deepStrictEqual", *re.findall(r"\b(\w+)\(", text)}
        owners = [imported(asserting[1] if asserting else "node:assert")]
        if module:
            owners.append(imported(asserting[1] if asserting else "node:assert", whole=True))
        claims += [o + form for o in owners for name, form in _ASSERTED.items() if name in used]
    return [(test, claim.format(a=a, b=b)) for claim in claims]


def _is_module(file: str, text: str) -> bool:
    """Whether a script is an ES module, by its ending and by what stands in it."""
    if file.endswith((".mjs", ".mts", ".cjs", ".cts")):
        return file.endswith((".mjs", ".mts"))
    return re.search(r"^(?:import\s*[\w*{'\"]|export\s)", text, re.MULTILINE) is not None


# --- twins: the demanded tests with wrong expectations ------------------------------------------


class _Wrong(ast.NodeTransformer):
    """Keeps the demanded tests and changes what their plain assertions expect.

    Only statements that stand directly in a test are changed, because those are certainly run. If
    such an assertion holds for the right value, it cannot hold for another one.
    """

    def __init__(self, wanted: set[str]) -> None:
        self.wanted = wanted
        self.changed: set[str] = set()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Any:
        return self._function(node)

    def _function(self, node: Any) -> Any:
        if not node.name.startswith("test"):
            return node
        if node.name not in self.wanted:
            return None
        if sum(self._statement(s) for s in node.body):
            self.changed.add(node.name)
            return node
        return None

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.body = [n for n in map(self.visit, node.body) if n is not None] or [ast.Pass()]
        return node

    def _statement(self, node: ast.stmt) -> bool:
        sides: list[ast.expr] = []
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.Compare):
            if len(node.test.ops) == 1 and isinstance(node.test.ops[0], ast.Eq):
                sides = [node.test.left, *node.test.comparators]
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = getattr(node.value.func, "attr", "")
            if called in (
                "assertEqual",
                "assertEquals",
                "assertListEqual",
                "assertTupleEqual",
                "assertDictEqual",
                "assertMultiLineEqual",
            ):
                sides = node.value.args[:2]
        return any(_spoil(side) for side in sides)


def _spoil(node: ast.expr) -> bool:
    """Change one constant in a literal; False when there is none."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            node.value += secrets.token_hex(3)
        elif isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
            node.value += 1 + secrets.randbelow(1000)
        else:
            return False
        return True
    if isinstance(node, (ast.List, ast.Tuple)):
        return any(_spoil(n) for n in node.elts)
    if isinstance(node, ast.Dict):
        return any(_spoil(n) for n in node.values)
    return False


def plant_twins(tree: kit.Checkout, files: Sequence[str], ids: Sequence[str]) -> dict[str, str]:
    """Write the twins beside their originals; returns the twin's file by the original's."""
    wanted = {re.split(r"::|\.", i.split("[")[0])[-1] for i in ids}
    twins = {}
    for file in files:
        if not file.endswith(".py"):
            continue
        try:
            module = ast.parse(tree.read(file))
        except (SyntaxError, ValueError, RecursionError, kit.ChildFailed):
            continue
        wrong = _Wrong(wanted)
        module = ast.fix_missing_locations(wrong.visit(module))
        if wrong.changed:
            name = f"test_{kit.words(1)[0]}_{secrets.token_hex(2)}.py"
            twins[file] = os.path.join(os.path.dirname(file), name)
            tree.write(twins[file], ast.unparse(module) + "\n")
    return twins


def _lies(test: str, seen: Mapping[str, str], twins: Mapping[str, str]) -> bool:
    if seen.get(test) != "passed":
        return False
    for file, twin in twins.items():
        for old, new in ((file, twin), (_stem(file) + ".", _stem(twin) + ".")):
            if old in test and seen.get(test.replace(old, new, 1)) == "passed":
                return True
    return False


def _stem(path: str) -> str:
    return os.path.basename(path)[:-3]


# --- Python --------------------------------------------------------------------------------------

_PYTHON_HEAD = """
import sys
sys.path[:] = [p for p in sys.path if p]
import json, os, unittest, unittest.mock
job = json.load(sys.stdin)
out = os.fdopen(int(os.environ.pop("KIT_VALUE_FD")), "w")
seen = {}
"""

_PYTEST = (
    _PYTHON_HEAD
    + """
import pytest
sys.path.insert(0, os.getcwd())
class Outcomes:
    def pytest_collection_modifyitems(self, items):
        if job["reversed"]:
            items.reverse()
    def pytest_collectreport(self, report):
        if report.failed:
            seen[report.nodeid] = "error"
    def pytest_runtest_logreport(self, report):
        old = seen.get(report.nodeid)
        if hasattr(report, "wasxfail"):
            new = "xpassed" if report.passed else "xfailed"
        elif report.failed:
            new = "failed" if report.when == "call" else "error"
        elif report.skipped:
            new = "skipped"
        else:
            new = "passed" if report.when == "call" else None
        if new and old not in ("failed", "error"):
            seen[report.nodeid] = new
code = int(pytest.main(job["args"], plugins=[Outcomes()]))
json.dump({"code": code, "outcomes": seen}, out)
out.close()
"""
)

_UNITTEST = (
    _PYTHON_HEAD
    + """
import unittest.loader
sys.path.insert(0, os.getcwd())
class Outcomes(unittest.TextTestResult):
    def note(self, test, outcome):
        name = test.id()
        if seen.get(name) not in ("failed", "error"):
            seen[name] = outcome
    def addSuccess(self, test):
        super().addSuccess(test); self.note(test, "passed")
    def addFailure(self, test, err):
        super().addFailure(test, err); self.note(test, "failed")
    def addError(self, test, err):
        super().addError(test, err); self.note(test, "error")
    def addSkip(self, test, reason):
        super().addSkip(test, reason); self.note(test, "skipped")
    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err); self.note(test, "xfailed")
    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test); self.note(test, "xpassed")
    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            failed = issubclass(err[0], test.failureException)
            self.note(test, "failed" if failed else "error")
suite = unittest.TestSuite()
for name in job["files"]:
    dotted = name[:-3].replace("/", ".") if name.endswith(".py") else name
    folder = os.path.dirname(name)
    if folder and not os.path.exists(os.path.join(folder, "__init__.py")):
        sys.path.insert(0, os.path.abspath(folder))
        dotted = os.path.basename(name)[:-3]
    suite.addTests(unittest.defaultTestLoader.loadTestsFromName(dotted))
if job["reversed"]:
    def flat(tests):
        for test in tests:
            if isinstance(test, unittest.TestSuite):
                yield from flat(test)
            else:
                yield test
    suite = unittest.TestSuite(reversed(list(flat(suite))))
result = unittest.TextTestRunner(resultclass=Outcomes, verbosity=1).run(suite)
json.dump({"code": 0 if result.wasSuccessful() else 1, "outcomes": seen}, out)
out.close()
"""
)


def _python(
    runner: str,
    tree: kit.Checkout,
    files: Sequence[str],
    args: Sequence[str],
    env: Mapping[str, str] | None,
    program: Sequence[str] | None,
    timeout_s: float,
    config: str | None,
) -> Report:
    given = list(program or [kit.python()])
    job: dict[str, Any] = {"files": list(files), "reversed": _reversed()}
    if runner == "pytest":
        # pytest resolves paths in its configuration from the file's folder, so a copy of it lies
        # at the root of the tree, under a name that nobody could have prepared.
        ending = os.path.splitext(config)[1] if config else ".ini"
        own = f"kit-{secrets.token_hex(6)}{ending}"
        content = b"[pytest]\n"
        if config:
            with open(config, "rb") as f:
                content = f.read()
        tree.write(own, content)
        job["args"] = ["-c", own, "--rootdir=.", "-p", "no:cacheprovider", "-q", "-rN"]
        job["args"] += ["--no-header", "--tb=short", *args, *files]
    result = kit.run(
        [*given, "-s", "-B", "-c", _PYTEST if runner == "pytest" else _UNITTEST],
        cwd=tree,
        timeout_s=timeout_s,
        stdin=json.dumps(job),
        env=env,
    )
    report = _from_result(result)
    with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
        said = json.loads(result.value)
        report.outcomes = {str(k): str(v) for k, v in said["outcomes"].items()}
        # 0: all passed; 1: some failed; 2: interrupted, which a collection error is, too.
        report.complete = said["code"] in (0, 1, 2) and not result.timed_out
    return report


# --- JavaScript ----------------------------------------------------------------------------------


def _javascript(
    runner: str,
    tree: kit.Checkout,
    files: Sequence[str],
    args: Sequence[str],
    env: Mapping[str, str] | None,
    program: Sequence[str] | None,
    timeout_s: float,
) -> Report:
    target = os.path.join(tree.base, "tmp", f"report-{secrets.token_hex(6)}")
    default = {
        "jest": ["jest", "--ci", "--json", f"--outputFile={target}", "--runTestsByPath"],
        "vitest": ["vitest", "run", "--reporter=json", f"--outputFile={target}"],
        "mocha": ["mocha", "--reporter", "json", "--reporter-option", f"output={target}"],
        "bun": ["bun", "test", "--reporter=junit", f"--reporter-outfile={target}"],
    }[runner]
    start = [*program, *default[1:]] if program else default
    named = [f"./{f}" for f in files] if runner == "bun" else list(files)
    result = kit.run([*start, *args, *named], cwd=tree, timeout_s=timeout_s, env=env)
    report = _from_result(result)
    with contextlib.suppress(
        OSError, ValueError, TypeError, KeyError, RecursionError, ET.ParseError
    ):
        # Before 9.2 mocha's reporter knows no file and prints; the report is the end of the output.
        prints = runner == "mocha" and not os.path.lexists(target)
        text = result.out[result.out.rindex('{\n  "stats"') :] if prints else _report_file(target)
        read = {"mocha": _read_mocha, "bun": _read_junit}.get(runner, _read_jest)
        report.outcomes = read(text, tree)
        report.complete = not result.timed_out and bool(report.outcomes)
    return report


def _read_jest(text: str, tree: kit.Checkout) -> dict[str, str]:
    names = {"passed": "passed", "failed": "failed", "pending": "skipped", "todo": "skipped"}
    found = {}
    for file in json.loads(text)["testResults"]:
        name = _relative(str(file["name"]), tree)
        for test in file["assertionResults"]:
            title = " > ".join([name, *map(str, test["ancestorTitles"]), str(test["title"])])
            found[title] = names.get(str(test["status"]), "skipped")
        if not file["assertionResults"] and file.get("status") == "failed":
            found[name] = "error"
    return found


def _read_mocha(text: str, tree: kit.Checkout) -> dict[str, str]:
    said = json.loads(text)
    found = {}
    for key, outcome in (("passes", "passed"), ("failures", "failed"), ("pending", "skipped")):
        for test in said[key]:
            name = _relative(str(test.get("file") or ""), tree)
            full, title = str(test["fullTitle"]), str(test["title"])
            group = full[: -len(title)].strip() if full.endswith(title) else ""
            found[" > ".join(p for p in (name, group, title) if p)] = outcome
    return found


def _read_junit(text: str, tree: kit.Checkout) -> dict[str, str]:
    found: dict[str, str] = {}

    def visit(element: ET.Element, file: str, groups: tuple[str, ...]) -> None:
        for child in element:
            if child.tag == "testsuite":
                where = child.get("file") or file
                title = child.get("name") or ""
                inner = (*groups, title) if title and title != where else groups
                visit(child, where, inner)
            elif child.tag == "testcase":
                outcome = "passed"
                for mark in child:
                    outcome = {"failure": "failed", "error": "error", "skipped": "skipped"}.get(
                        mark.tag, outcome
                    )
                where = _relative(child.get("file") or file, tree)
                found[" > ".join([where, *groups, child.get("name") or ""])] = outcome

    visit(ET.fromstring(text), "", ())
    return found


_TAP_LINE = re.compile(r"^( *)(not )?ok \d+ - (.*?)(?: # (SKIP|TODO)\b.*| # duration.*)?$")


def _node_test(
    tree: kit.Checkout,
    files: Sequence[str],
    args: Sequence[str],
    env: Mapping[str, str] | None,
    program: Sequence[str] | None,
    timeout_s: float,
) -> Report:
    whole = Report(complete=True)
    for name in files:
        target = os.path.join(tree.base, "tmp", f"report-{secrets.token_hex(6)}")
        options = ["--test-reporter=tap", f"--test-reporter-destination={target}"]
        left = timeout_s - whole.seconds
        result = kit.run(
            [*(program or ["node"]), *args, *options, name], cwd=tree, timeout_s=left, env=env
        )
        text = ""
        with contextlib.suppress(OSError, ValueError):
            text = _report_file(target)
        found = _read_tap(text, name)
        whole.outcomes |= found or {name: "error"}
        # The closing plan tells a suite that ended from one that was cut short.
        ended = re.search(r"^1\.\.\d+$", text, re.MULTILINE) is not None
        whole.complete &= ended or not found
        whole.log += result.out + result.err + text
        whole.seconds += result.seconds
        if result.timed_out:
            whole.timed_out, whole.complete = True, False
            break
    return whole


def _read_tap(text: str, file: str) -> dict[str, str]:
    found: dict[str, str] = {}
    groups: list[str] = []
    inner: set[str] = set()
    for line in text.splitlines():
        opened = re.match(r"^( *)# Subtest: (.*)$", line)
        if opened:
            groups[len(opened.group(1)) // 4 :] = [_tap_name(opened.group(2))]
            continue
        ended = _TAP_LINE.match(line)
        if not ended:
            continue
        above = groups[: len(ended.group(1)) // 4]
        title = " > ".join([file, *above, _tap_name(ended.group(3))])
        inner |= {" > ".join([file, *above[: i + 1]]) for i in range(len(above))}
        if title not in inner:
            found[title] = (
                "skipped" if ended.group(4) else ("failed" if ended.group(2) else "passed")
            )
    return found


def _tap_name(text: str) -> str:
    return text.replace("\\#", "#").replace("\\\\", "\\").strip()


def _relative(path: str, tree: kit.Checkout) -> str:
    return os.path.relpath(path, tree.path) if os.path.isabs(path) else path


def _report_file(path: str) -> str:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as f:
        data = f.read(REPORT_LIMIT_BYTES + 1)
    if len(data) > REPORT_LIMIT_BYTES:
        raise ValueError("the report is too large")
    return data.decode("utf-8", "replace")


def _from_result(result: kit.Result) -> Report:
    return Report(log=result.out + result.err, timed_out=result.timed_out, seconds=result.seconds)


def main() -> int:
    """Print the outcomes of a suite as JSON."""
    parser = argparse.ArgumentParser(description="Run test files and print their outcomes as JSON.")
    parser.add_argument("--runner", required=True, choices=RUNNERS)
    parser.add_argument("--tree", required=True, help="directory to copy and test")
    parser.add_argument("--overlay", help="directory of files to lay over the copy")
    parser.add_argument("--arg", action="append", default=[], help="argument for the runner")
    parser.add_argument("--timeout", type=float, default=SUITE_TIMEOUT_S, help="seconds")
    parser.add_argument("files", nargs="+", help="test files, relative to the tree")
    given = parser.parse_args()
    tree = kit.checkout(given.tree)
    config = None
    if given.overlay:
        scrub(tree)
        lay_over(tree, given.overlay)
        config = pytest_config(given.overlay)
    else:
        config = pytest_config(tree.path)
    report = outcomes(
        given.runner, tree, given.files, args=given.arg, timeout_s=given.timeout, config=config
    )
    print(
        json.dumps(
            {
                "complete": report.complete,
                "timed_out": report.timed_out,
                "seconds": round(report.seconds, 3),
                "outcomes": report.outcomes,
                "log": report.log[-8000:],
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What kind of project a tree is decides the image and the runner that a build begins with."""

from __future__ import annotations

import json

import pytest

from agent.project import BOOKWORM, TRIXIE, Project, detect, is_test_path


def look(files: dict[str, str], tests: tuple[str, ...] = ()) -> Project:
    return detect(files, lambda path: files[path].encode(), tests)


def test_a_pytest_project() -> None:
    project = look(
        {"pyproject.toml": '[project]\nname = "a"\n', "tests/test_a.py": "def test_a():"}
    )
    assert (project.language, project.runner, project.base) == ("python", "pytest", BOOKWORM)


def test_a_unittest_project() -> None:
    project = look(
        {"setup.py": "", "tests/test_a.py": "import unittest\nclass A(unittest.TestCase):"}
    )
    assert project.runner == "unittest"


def test_a_newer_python_takes_the_newer_debian() -> None:
    project = look({"pyproject.toml": '[project]\nname = "a"\nrequires-python = ">=3.12"\n'})
    assert project.base == TRIXIE


@pytest.mark.parametrize(
    ("manifest", "test", "runner"),
    [
        ({"scripts": {"test": "node --test"}}, "const test = require('node:test')", "node:test"),
        ({"devDependencies": {"jest": "^29"}}, "test('a', () => {})", "jest"),
        ({"devDependencies": {"vitest": "^1"}}, "import {test} from 'vitest'", "vitest"),
        ({"devDependencies": {"mocha": "^10"}}, "it('a', () => {})", "mocha"),
        ({"scripts": {"test": "bun test src/"}}, "import {test} from 'bun:test'", "bun"),
        ({"scripts": {"test": "vscode-test"}}, "suite('a', () => {})", "unknown"),
    ],
)
def test_node_runners(manifest: dict[str, object], test: str, runner: str) -> None:
    files = {"package.json": json.dumps(manifest), "src/a.test.js": test}
    project = look(files, ("src/a.test.js",))
    assert (project.language, project.runner) == ("node", runner)


def test_the_outcome_s_tests_decide_between_two_languages() -> None:
    files = {"package.json": "{}", "pyproject.toml": "", "tests/test_a.py": "", "web/a.test.ts": ""}
    assert look(files, ("tests/test_a.py",)).language == "python"
    assert look(files, ("web/a.test.ts",)).language == "node"


@pytest.mark.parametrize("torn", ["{", "[" * 100_000, "null", '{"scripts": 3}'])
def test_a_broken_manifest_is_no_reason_to_fail(torn: str) -> None:
    assert look({"package.json": torn, "a.js": ""}).language == "node"


def test_test_paths() -> None:
    assert is_test_path("tests/data/a.json")
    assert is_test_path("src/thing.test.ts")
    assert is_test_path("pkg/test_thing.py")
    assert not is_test_path("src/contest.py")
    assert not is_test_path("src/latest/index.ts")

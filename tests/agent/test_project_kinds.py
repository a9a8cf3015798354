"""Whole builds without a model, by what names a project's needs and runs its tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.build import BuildSettings, build_session
from agent.gate import GateSettings
from tests.agent import projects

UNITTEST = """\
import unittest

import sortedcontainers
from voice import shout


class VoiceTest(unittest.TestCase):
    def test_upper_case(self):
        words = sortedcontainers.SortedList([shout("hey"), shout("a")])
        self.assertTrue(words[1].startswith("HEY"))

    def test_mark(self):
        self.assertEqual(shout("hey"), "HEY!")


if __name__ == "__main__":
    unittest.main()
"""
PYTEST = """\
from sortedcontainers import SortedList

from voice import shout


def test_upper_case():
    assert SortedList([shout("hey"), "a"])[0].startswith("HEY")


def test_mark():
    assert shout("hey") == "HEY!"
"""
VOICE_JS = "exports.shout = (text) => text.toUpperCase();\n"
MOCHA = """\
const assert = require('assert');
const { shout } = require('../voice.js');

describe('shout', () => {
  it('makes upper case', () => assert(shout('hey').startsWith('HEY')));
  it('test_mark', () => assert.equal(shout('hey'), 'HEY!'));
});
"""
JEST = """\
const { shout } = require('../voice.js');

describe('shout', () => {
  test('makes upper case', () => expect(shout('hey')).toMatch(/^HEY/));
  test('test_mark', () => expect(shout('hey')).toBe('HEY!'));
});
"""
VITEST = f"import {{ describe, expect, test }} from 'vitest';\n{JEST}"

Files = Mapping[str, str | None]


@dataclass(frozen=True)
class Kind:
    """A kind of project.

    Attributes:
        begin: its files at the start, beside the usual ones.
        end: the outcome's.
        runner: what runs its tests.
        lock: the environment's lock file, and what must be in it.
    """

    begin: Files
    end: Files
    runner: str
    lock: tuple[str, str]


def javascript(runner: str, version: str, test: str) -> Kind:
    """A project whose tests are run by a package of that name and version."""
    manifest = {"name": "voice", "version": "1.0.0", "devDependencies": {runner: version}}
    return Kind(
        {"pyproject.toml": None, "package.json": json.dumps(manifest), "voice.js": VOICE_JS},
        {
            "voice.js": VOICE_JS.replace("()", '() + "!"'),
            "test_voice.py": None,
            "test/voice.test.js": test,
        },
        runner,
        ("deps/package-lock.json", f"node_modules/{runner}"),
    )


KINDS = {
    "setup.cfg and unittest": Kind(
        {
            "pyproject.toml": None,
            "setup.py": "from setuptools import setup\n\nsetup()\n",
            "setup.cfg": "[metadata]\nname = voice\nversion = 1\n\n[options]\npy_modules = voice\n"
            "install_requires =\n    sortedcontainers\n",
        },
        {"test_voice.py": UNITTEST},
        "unittest",
        ("requirements.lock", "sortedcontainers=="),
    ),
    "requirements.txt and pytest": Kind(
        {"pyproject.toml": None, "requirements.txt": "sortedcontainers>=2.4\n"},
        {"test_voice.py": PYTEST},
        "pytest",
        ("requirements.lock", "sortedcontainers=="),
    ),
    "package.json and mocha": javascript("mocha", "^10.8.0", MOCHA),
    "package.json and jest": javascript("jest", "^29.7.0", JEST),
    "package.json and vitest": javascript("vitest", "^2.1.0", VITEST),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_baseline_builds_it(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workbench: str
) -> None:
    monkeypatch.setenv("KETTLE_CACHE", str(tmp_path / "cache"))
    project = projects.make(tmp_path, begin=kind.begin, end=kind.end)
    if "voice.js" in kind.end:
        # The session that everybody's projects share is about the module in Python.
        told = project.session.read_text().replace("voice.py", "voice.js")
        told = told.replace(json.dumps(projects.START)[1:-1], json.dumps(VOICE_JS)[1:-1])
        project.session.write_text(told.replace("text.upper()", "text.toUpperCase()"))
    result = build_session(
        project.session,
        BuildSettings(
            repo=str(project.repository),
            model="baseline",
            out=tmp_path / "out",
            anyway=True,
            gate=GateSettings(depth="core"),
        ),
    )
    assert result.status == "accepted", result.reason
    assert result.environment is not None
    expected = json.loads((result.environment / "tests" / "expected.json").read_text())
    assert expected["runner"] == kind.runner
    (telling,) = expected["fail_to_pass"]
    assert telling.endswith("test_mark")
    name, held = kind.lock
    assert held in (result.environment / "environment" / name).read_text()

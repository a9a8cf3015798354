"""Kettle as a library: what its page shows works, and importing it costs nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evals.recipe import materialise

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "library.md"
ITEM = ROOT / "evals" / "items" / "slugs-umlauts"


def test_the_examples_of_the_page_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    workbench: str,
) -> None:
    materialise(ITEM, tmp_path / "repository")
    shutil.copy(ITEM / "session.jsonl", tmp_path)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    assert len(blocks) >= 5
    names: dict[str, object] = {"__name__": "page"}
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"{PAGE.name}, block {number}", "exec"), names)  # noqa: S102
    result = names["result"]
    assert getattr(result, "status", None) == "accepted", result
    assert getattr(names["verdict"], "verdict", None) == "accept"
    assert getattr(names["report"], "passed", None) is True
    assert "RepositoryError" in capsys.readouterr().out


def test_importing_the_package_loads_nothing_heavy_and_modules_hide_no_function() -> None:
    script = (
        "import sys, agent\n"
        "heavy = {'pydantic', 'docker', 'git', 'sqlalchemy', 'rich', 'anthropic', 'openai'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "import agent.build, agent.qualify\n"
        "from agent.qualify import Qualification\n"
        "from agent import build, check, qualify\n"
        "assert all(callable(f) for f in (build, check, qualify, agent.build))\n"
        "assert set(agent.__all__) <= {n for n in agent.__all__ if getattr(agent, n)}\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)

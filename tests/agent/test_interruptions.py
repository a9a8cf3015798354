"""Builds that are stopped at an awkward moment: an interrupt in each phase, an engine that dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.engine import Engine
from tests.agent import projects
from tests.agent.models.provider import Answer, completion, function, serving
from tests.conftest import containers_of
from tests.sandbox.line import Line

ROOT = Path(__file__).parents[2]
PATIENCE_S = 240
"""For a process that is to end by itself; far more than it needs."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workbench: str) -> projects.Project:
    monkeypatch.setenv("KETTLE_CACHE", str(tmp_path / "cache"))
    return projects.make(tmp_path)


def start(project: projects.Project, out: Path, model: str, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "agent", "build", str(project.session), "-m", model),
            *("--repo", str(project.repository), "--out", str(out), "--anyway"),
            *("--depth", "core", *more),
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("phase", ["origin", "workbench", "gate"])
def test_an_interrupt_in_any_phase_ends_the_build_cleanly(
    phase: str, project: projects.Project, tmp_path: Path, engine: Engine
) -> None:
    model = projects.recording(tmp_path / "r.json", projects.good_draft(), "check")
    process = start(project, tmp_path / "out", model)
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if phase in line.split()[1:2] or f"{phase}:" in line.split()[1:2]:
            process.send_signal(signal.SIGINT)
            break
    said.append(process.communicate(timeout=PATIENCE_S)[1])
    told = "".join(said)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert "run the same command again" in told
    assert not containers_of(engine, process.pid)


@pytest.fixture
def line(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Line]:
    if os.environ.get("DOCKER_HOST"):
        pytest.skip("the engine is not behind the local socket")
    line = Line(tmp_path_factory.mktemp("line") / "s")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{line.path}")
    yield line
    line.cut()


def test_an_engine_that_dies_in_the_middle_is_infrastructure_and_the_build_goes_on_later(
    project: projects.Project,
    tmp_path: Path,
    engine: Engine,
    line: Line,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dead = threading.Event()
    with serving() as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        kept = completion(None, function("echo kept > /workbench/draft/instruction.md"))
        late = completion(None, function("echo too late"))
        provider.says(kept, Answer(late.body, held=dead))
        process = start(project, tmp_path / "out", "openai:scripted")
        while len(provider.requests) < 2:
            assert process.poll() is None, process.communicate()[1]
            dead.wait(0.05)
        line.cut()
        dead.set()
        _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 5, said
        assert "Traceback" not in said
        assert "stopped answering" in said
        monkeypatch.delenv("DOCKER_HOST")
        provider.says(completion("Finished."))
        again = start(project, tmp_path / "out", "openai:scripted", "--submissions", "1")
        _, said = again.communicate(timeout=PATIENCE_S)
    assert "recorded commands" in said
    journal = next((tmp_path / "out" / ".builds").glob("*/trajectory.jsonl")).read_text()
    assert "echo kept" in journal
    assert not containers_of(engine, process.pid), "the next start removes what was left"

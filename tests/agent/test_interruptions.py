"""Builds that are stopped at an awkward moment: an interrupt in each phase, an engine that dies."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import docker.errors
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


def start(
    project: projects.Project,
    out: Path,
    model: str,
    *more: str,
    stdout: IO[str] | int = subprocess.DEVNULL,
    stderr: IO[str] | int = subprocess.PIPE,
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "agent", "build", str(project.session), "-m", model),
            *("--repo", str(project.repository), "--out", str(out), "--anyway"),
            *("--depth", "core", *more),
        ],
        cwd=ROOT,
        stdout=stdout,
        stderr=stderr,
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


class Hold:
    """A command that nobody waits for the end of: an interrupt finds it where it runs."""

    def __init__(self, engine: Engine) -> None:
        self.command = f"sleep 599.{secrets.randbelow(10**9):09}"
        self._engine = engine

    def places(self, process: int) -> dict[str, str]:
        """A process's containers in which it runs, with what each is for: "image" is a build's."""
        found = {}
        for container in self._engine.client.api.containers():
            labels = container["Labels"] or {}
            if self.command in container["Command"]:
                found[container["Id"]] = "image"
            elif f"/{process}-" in labels.get("kettle.owner", ""):
                with contextlib.suppress(docker.errors.APIError):  # it is ending
                    running = self._engine.client.api.top(container["Id"])["Processes"] or []
                    if any(self.command in " ".join(columns) for columns in running):
                        found[container["Id"]] = labels["kettle.purpose"].split()[0]
        return found

    def end(self, process: int) -> None:
        """End it wherever a process has it run, as if its time were over."""
        for container, purpose in self.places(process).items():
            with contextlib.suppress(docker.errors.APIError):  # it has ended
                if purpose == "image":
                    self._engine.client.api.kill(container)
                else:
                    # Images that are graded have no pkill; the first process is not to end.
                    asleep = "grep -ls [5]99 /proc/[0-9]*/cmdline | grep -vx /proc/1/cmdline"
                    kill = ["sh", "-c", f"kill $({asleep} | tr -dc '0-9\\n')"]
                    self._engine.client.containers.get(container).exec_run(kill)


def test_a_build_that_is_interrupted_at_every_point_gets_there_in_the_end(
    project: projects.Project, tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One build, run again after each interrupt: it takes up what the last run was at."""
    out, told = tmp_path / "out", tmp_path / "told"
    hold = Hold(engine)
    holding_image = projects.write_command(
        {"environment/Dockerfile": f"{projects.DOCKERFILE}RUN {hold.command}\n"}
    )
    holding_trial = projects.write_command(
        {
            "environment/Dockerfile": projects.DOCKERFILE,
            "tests/judge.py": f"import os\n\nos.system({hold.command!r})\n",
        }
    )

    def interrupt(reached: Callable[[int, str], bool], *more: str) -> int:
        """Interrupt a run once `reached`, which gets its process and what it has said, is true."""
        with told.open("w") as stream:
            process = start(project, out, "openai:scripted", *more, stderr=stream)
        deadline = time.monotonic() + PATIENCE_S
        try:
            while not reached(process.pid, told.read_text()):
                assert process.poll() is None, told.read_text()
                assert time.monotonic() < deadline, told.read_text()
                time.sleep(0.01)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_S)
        said = told.read_text()
        assert "Traceback" not in said
        assert process.returncode == 0 or "run the same command again" in said
        assert not containers_of(engine, process.pid)
        assert not hold.places(process.pid)
        for lock in out.glob(".builds/*/lock"):
            with lock.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return process.returncode

    def held(where: str) -> Callable[[int, str], bool]:
        """Whether the command runs there; where an earlier run was at, it is ended."""

        def reached(process: int, said: str) -> bool:
            places = hold.places(process).values()
            if places and where not in places:
                hold.end(process)
            return where in places

        return reached

    def publishing(process: int, said: str) -> bool:
        hold.end(process)
        return "s publish" in said

    with serving() as provider, socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")

        # While it clones from a server that says nothing.
        silent.settimeout(0)
        address = f"git://127.0.0.1:{silent.getsockname()[1]}/voice"
        assert interrupt(lambda process, said: connected(silent), "--repo", address) == 130

        # While its sandbox starts.
        assert interrupt(lambda process, said: bool(containers_of(engine, process))) == 130

        # In a command.
        provider.says(completion(None, function(hold.command)))
        assert interrupt(held("builder")) == 130

        # While the gate builds the draft's image.
        provider.says(completion(None, function(holding_image)))
        provider.says(completion(None, function("check")))
        assert interrupt(held("image")) == 130

        # During a trial.
        provider.says(completion(None, function(holding_trial)))
        provider.says(completion(None, function("check")))
        assert interrupt(held("grade")) == 130

        # While it publishes; that may be over before the interrupt is there.
        provider.says(completion(None, function(projects.good_draft())), completion("Finished."))
        assert interrupt(publishing) in (0, 130)
        asked = len(provider.requests)

        last = start(project, out, "openai:scripted", "--json", stdout=subprocess.PIPE)
        result, said = last.communicate(timeout=PATIENCE_S)
    assert last.returncode == 0, said
    assert len(provider.requests) == asked, "what was answered must not be asked again"
    published = Path(json.loads(result)["environment"])
    assert (published / "provenance" / "trajectory.json").is_file()
    assert {path.name for path in out.iterdir()} == {".builds", published.name}


def connected(server: socket.socket) -> bool:
    """True once somebody has connected to a server that does not block."""
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return False
    return True


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

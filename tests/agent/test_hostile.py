"""Hostile repositories and hostile surroundings: a clear end, nothing lost, nothing left behind."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.budget import Budget
from agent.build import BuildResult, BuildSettings, build_session
from agent.gate import GateSettings
from sandbox.engine import Engine
from sandbox.errors import SandboxFull
from sandbox.limits import Limits
from tests.agent import projects
from tests.conftest import containers_of

ROOT = Path(__file__).parents[2]

HOSTILE = {
    "fork bomb": """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
""",
    "memory hog": "held = []\nwhile True:\n    held.append(bytearray(1 << 26))\n",
    "beacon that hangs": """
import socket
while True:
    try:
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    except OSError:
        pass
""",
}
"""What a setup.py or a test of a stranger's repository may do when it is run."""
FILLER = """
with open("/tmp/fill", "wb") as file:
    while True:
        file.write(bytes(1 << 24))
"""
SMALL = Limits(processes=256, memory_bytes=1 << 30, disk_bytes=2 << 30)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workbench: str) -> projects.Project:
    monkeypatch.setenv("KETTLE_CACHE", str(tmp_path / "cache"))
    return projects.make(tmp_path)


def try_hostile(
    program: str, project: projects.Project, tmp_path: Path, limits: Limits = SMALL
) -> BuildResult:
    """Build with a builder that runs a program and goes on."""
    written = projects.write_command({"tests/evil.py": program})
    run = "timeout 10 python3 /workbench/draft/tests/evil.py & wait; echo ended"
    return build_session(
        project.session,
        BuildSettings(
            repo=str(project.repository),
            model=projects.recording(tmp_path / "r.json", written, run, "echo still here"),
            out=tmp_path / "out",
            anyway=True,
            gate=GateSettings(depth="core"),
            budget=Budget(minutes=2, submissions=1),
            limits=limits,
        ),
    )


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_code_ends_in_a_verdict(
    kind: str, project: projects.Project, tmp_path: Path, engine: Engine
) -> None:
    before = containers_of(engine, os.getpid())
    result = try_hostile(HOSTILE[kind], project, tmp_path)
    assert result.status in ("gate-failed", "budget-spent")
    assert "still here" in (result.folder / "trajectory.json").read_text()
    assert containers_of(engine, os.getpid()) <= before


MISDEEDS = f"""
import subprocess, sys
for program in {[*HOSTILE.values(), FILLER]!r}:
    subprocess.run(["timeout", "-k", "1", "1", sys.executable, "-c", program])
"""
"""All of them, one after the other."""


@pytest.mark.parametrize(
    ("hostile", "meets"),
    [
        ({"begin": {"setup.py": MISDEEDS}}, "lock-python"),
        ({"end": {"test_voice.py": MISDEEDS + projects.TEST}}, "compare_states"),
    ],
    ids=["installed", "tested"],
)
def test_a_repository_that_is_hostile_when_it_is_run_ends_in_a_verdict(
    hostile: dict[str, dict[str, str | None]],
    meets: str,
    tmp_path: Path,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    workbench: str,
) -> None:
    monkeypatch.setenv("KETTLE_CACHE", str(tmp_path / "cache"))
    project = projects.make(tmp_path, **hostile)
    before = containers_of(engine, os.getpid())
    # The watchdog that measures the whole container may see the filler first.
    with contextlib.suppress(SandboxFull):
        result = build_session(
            project.session,
            BuildSettings(
                repo=str(project.repository),
                model="baseline",
                out=tmp_path / "out",
                anyway=True,
                gate=GateSettings(depth="core"),
                budget=Budget(minutes=2),
                limits=Limits(processes=256, memory_bytes=1 << 30, disk_bytes=1 << 30),
            ),
        )
        assert result.status in ("accepted", "gate-failed", "budget-spent")
    trajectory = next((tmp_path / "out").glob(".builds/*/trajectory.json")).read_text()
    assert meets in trajectory
    assert containers_of(engine, os.getpid()) <= before


def test_a_disk_filler_is_stopped_and_what_was_said_is_kept(
    project: projects.Project, tmp_path: Path, engine: Engine
) -> None:
    before = containers_of(engine, os.getpid())
    free = shutil.disk_usage("/").free
    # The limit on one file's size stops it, or the watchdog that measures the whole container.
    with contextlib.suppress(SandboxFull):
        try_hostile(FILLER, project, tmp_path, Limits(disk_bytes=256 << 20))
    trajectory = next((tmp_path / "out").glob(".builds/*/trajectory.json")).read_text()
    assert "evil.py" in trajectory
    assert shutil.disk_usage("/").free > free - (2 << 30)
    assert containers_of(engine, os.getpid()) <= before


def test_a_session_cannot_make_the_host_run_or_write_anything(
    project: projects.Project, tmp_path: Path
) -> None:
    evil = tmp_path / "evil"
    lines = project.session.read_text()
    project.session.write_text(
        lines.replace("please fix it", f"$(touch {evil}) `touch {evil}`; touch {evil} #").replace(
            str(project.repository / "voice.py"), f"../../../../../../{evil}"
        )
    )
    result = build_session(
        project.session,
        BuildSettings(
            repo=str(project.repository),
            model=projects.recording(tmp_path / "r.json", "ls /workbench/draft"),
            out=tmp_path / "out",
            anyway=True,
            gate=GateSettings(depth="core"),
            budget=Budget(turns=1),
        ),
    )
    assert result.status == "budget-spent"
    assert not evil.exists()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    place = tmp_path / "tiny"
    place.mkdir()
    if (
        os.geteuid()
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], check=False
        ).returncode
    ):
        pytest.skip("a small file system can only be mounted by root with CAP_SYS_ADMIN")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_said_and_what_was_there_stays(
    project: projects.Project, tiny_disk: Path, engine: Engine
) -> None:
    wordy = ["head -c 9000 /dev/zero | tr '\\0' x"] * 40
    chatty = projects.recording(tiny_disk.parent / "r.json", *wordy)
    done = subprocess.Popen(
        [
            *(sys.executable, "-m", "agent", "build", str(project.session), "-m", chatty),
            *("--repo", str(project.repository), "--out", str(tiny_disk), "--anyway"),
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    _, said = done.communicate(timeout=240)
    assert done.returncode not in (0, 1), said
    assert "Traceback" not in said
    assert "No space left" in said
    journal = next(tiny_disk.glob(".builds/*/trajectory.jsonl")).read_bytes()
    assert journal.endswith(b"\n"), "no torn line"
    assert all(json.loads(line) for line in journal.splitlines())
    assert not containers_of(engine, done.pid)

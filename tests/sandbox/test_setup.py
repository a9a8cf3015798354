"""Starting the engine, tried with a second daemon beside the one that the tests use.

The second daemon has a network of its own: one without a bridge takes the first one's away.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from sandbox.errors import EngineUnavailable
from sandbox.setup import EngineState, engine_state, provide_engine
from tests.sandbox.conftest import wait_until

START = """\
import sys
from pathlib import Path
from sandbox.errors import EngineUnavailable
from sandbox.setup import Daemon, start_daemon
folder = Path(sys.argv[1])
options = (f"--data-root={folder}/data", "--bridge=none", "--iptables=false", *sys.argv[2:])
daemon = Daemon(folder / "s", folder / "pid", folder / "exec", folder / "log", options)
try:
    print(start_daemon(daemon))
except EngineUnavailable as error:
    sys.exit(str(error))
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, as sockets need, from which a daemon is ended in the end."""
    if os.geteuid() != 0 or not shutil.which("dockerd") or not shutil.which("unshare"):
        pytest.skip("a daemon of its own needs root, dockerd and unshare")
    path = Path(tempfile.mkdtemp(prefix="kettle-"))
    yield path
    for pid in running(path):
        os.kill(pid, signal.SIGTERM)
        assert wait_until(lambda pid=pid: pid not in running(path))
    shutil.rmtree(path, ignore_errors=True)


def running(folder: Path) -> set[int]:
    found = set()
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = command.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"dockerd") and f"--pidfile={folder}/pid".encode() in words:
            found.add(int(command.parent.name))
    return found


def start(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["unshare", "--net", sys.executable, "-c", START, str(folder), *options]
    return subprocess.run(
        command, text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=120, check=False
    )


def answers(folder: Path) -> bool:
    client = docker.DockerClient(base_url=f"unix://{folder}/s", version="1.41")
    try:
        return bool(client.ping())
    finally:
        client.close()


def test_a_daemon_answers_and_outlives_what_started_it(folder: Path) -> None:
    # The number of a process that is no daemon, as a crash leaves it behind.
    (folder / "pid").write_text(str(os.getpid()))
    started = start(folder)
    assert started.returncode == 0, started.stderr
    assert answers(folder)
    pid = int(started.stdout)
    assert os.getsid(pid) == pid
    assert str(folder / "log") in started.stderr

    again = start(folder)
    assert int(again.stdout) == pid
    assert running(folder) == {pid}


def test_a_daemon_starts_again_after_it_was_killed(folder: Path) -> None:
    first = start(folder)
    os.kill(int(first.stdout), signal.SIGKILL)
    assert wait_until(lambda: not running(folder))
    containerd = folder / "exec/containerd/containerd.pid"
    # Its number belongs to another program by now.
    containerd.write_text(str(os.getpid()))

    second = start(folder)
    assert second.returncode == 0, second.stderr
    assert answers(folder)


def test_a_daemon_that_does_not_start_shows_why(folder: Path) -> None:
    started = start(folder, "--no-such-option")
    assert started.returncode == 1
    assert "ended at once" in started.stderr
    assert "no-such-option" in started.stderr


def test_an_engine_named_by_the_user_is_never_started_by_kettle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    assert engine_state() is EngineState.ELSEWHERE
    with pytest.raises(EngineUnavailable, match="DOCKER_HOST"):
        provide_engine()


def test_a_second_run_says_nothing(base_image: str) -> None:
    command = [sys.executable, "-m", "sandbox.setup"]
    done = subprocess.run(command, text=True, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

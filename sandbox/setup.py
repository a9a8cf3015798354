"""Provides what Kettle runs on: a container engine that answers, and the base image.

`python -m sandbox.setup` finds the Docker engine, or installs Debian's `docker.io`, starts it if it
is not running (through systemd, else directly, as a daemon of its own that outlives this process),
and waits until it answers. Then it provides the base images. What is there already is used as it
is, so a second run says nothing and takes less than a second.
"""

from __future__ import annotations

import argparse
import grp
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM
from socket import socket as stream_socket

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException

from sandbox import bases
from sandbox.cache import locked
from sandbox.daemon import open_client
from sandbox.errors import EngineUnavailable, SandboxError
from sandbox.install import SetupError, apt_install, as_root, say

DEFAULT_SOCKET = Path("/var/run/docker.sock")
_DEFAULT_HOST = f"unix://{DEFAULT_SOCKET}"
DEBIAN_PACKAGES = ("docker.io",)
ROOT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where dockerd and what it calls lie. A user's own PATH often has no sbin, and root runs nothing
out of a folder that a user can write to."""

START_WAIT_S = 60.0
"""Longest wait for a daemon to answer after its start; 5 s is usual."""
POLL_S = 0.2
"""Between two looks at a daemon that is starting."""
PING_TIMEOUT_S = 5
"""A daemon that is there answers in milliseconds; one that hangs must not hang everything."""
LOG_TAIL_LINES = 15
"""Lines of the daemon's log that are shown when it did not start."""

# Runs as root, which alone may look into the daemon's folders. A pid file of a containerd that is
# gone makes dockerd wait for it in vain, as with its own (see `_other_daemon`).
_START = """\
log=$1; pidfile=$2; shift 2
if pid=$(cat "$pidfile" 2>/dev/null); then
  { grep -qx containerd "/proc/$pid/comm" && ! grep -q "^State:.*[ZX] (" "/proc/$pid/status"
  } 2>/dev/null || rm -f "$pidfile"
fi
setsid "$@" >>"$log" 2>&1 </dev/null &
echo $!
"""

Say = Callable[[str], None]


class EngineState(Enum):
    """What is known of the engine without changing anything."""

    ANSWERS = "answers"
    FORBIDDEN = "forbidden"
    STOPPED = "stopped"
    MISSING = "missing"
    ELSEWHERE = "elsewhere"
    """DOCKER_HOST names an engine that does not answer, and that is not ours to start."""


@dataclass(frozen=True)
class Daemon:
    """How a Docker daemon is started directly.

    Attributes:
        socket: where it listens.
        pidfile: where it keeps its process id.
        exec_root: where it keeps the state of what runs.
        log: what it writes goes to the end of this file.
        options: more of dockerd's command line.
    """

    socket: Path = DEFAULT_SOCKET
    pidfile: Path = Path("/var/run/docker.pid")
    exec_root: Path = Path("/var/run/docker")
    log: Path = Path("/var/log/kettle-dockerd.log")
    options: tuple[str, ...] = ()


def engine_state() -> EngineState:
    """Says whether a container engine answers here, and if not, why."""
    if _answers():
        return EngineState.ANSWERS
    named = os.environ.get("DOCKER_HOST", "")
    if named and named.removeprefix("unix://") not in {str(DEFAULT_SOCKET), "/run/docker.sock"}:
        return EngineState.ELSEWHERE
    if _closed_to_user(DEFAULT_SOCKET) and _daemon_runs():
        return EngineState.FORBIDDEN
    return EngineState.STOPPED if shutil.which("dockerd", path=ROOT_PATH) else EngineState.MISSING


def provide_engine(tell: Say = say) -> None:
    """Makes sure that a container engine answers.

    Args:
        tell: gets a line for each thing done.

    Raises:
        EngineUnavailable: there is none, and none can be started from here; says what to do.
    """
    if engine_state() is EngineState.ANSWERS:
        return
    with locked("engine"):
        try:
            _provide(tell)
        except SetupError as error:
            raise EngineUnavailable(str(error)) from error


def _provide(tell: Say) -> None:
    state = engine_state()
    if state is EngineState.ELSEWHERE:
        raise EngineUnavailable(
            "DOCKER_HOST names an engine that does not answer. Start it, or unset DOCKER_HOST to "
            "use the engine of this machine."
        )
    if state is EngineState.FORBIDDEN:
        raise EngineUnavailable(_forbidden())
    if state is EngineState.MISSING:
        apt_install(DEBIAN_PACKAGES, tell)
        state = engine_state()
    if state is EngineState.STOPPED:
        if Path("/run/systemd/system").exists():
            tell("starting the Docker engine (systemctl start docker)")
            _sudo_explained(tell)
            _run(as_root(["systemctl", "start", "docker"]))
            _wait(DEFAULT_SOCKET, lambda: True, _journal)
        else:
            start_daemon(Daemon(), tell)
        state = engine_state()
    if state is EngineState.FORBIDDEN:
        # Only reached when the engine was installed or started here, on behalf of this user.
        _admit_user(tell)
        state = engine_state()
    if state is not EngineState.ANSWERS:
        raise EngineUnavailable(f"The Docker engine was set up but does not answer: {state.value}")


def start_daemon(daemon: Daemon, tell: Say = say) -> int:
    """Starts a Docker daemon directly and waits until it answers.

    The daemon gets a session of its own and none of this process's files, so that it outlives the
    command, the terminal and the CI step that started it.

    Args:
        daemon: what to start.
        tell: gets a line for each thing done.

    Returns:
        The daemon's process id.

    Raises:
        EngineUnavailable: it did not start; the end of its log is in the message.
        SetupError: the user is not root and cannot become it.
    """
    tell(f"starting the Docker engine (dockerd; its log is {daemon.log})")
    _sudo_explained(tell)
    other = _other_daemon(daemon.pidfile)
    if other is None:
        group = [] if os.geteuid() == 0 else ["--group", str(os.getgid())]
        command = [
            "dockerd",
            *(f"--host=unix://{daemon.socket}", f"--pidfile={daemon.pidfile}"),
            *(f"--exec-root={daemon.exec_root}", *group, *daemon.options),
        ]
        files = [str(daemon.log), str(daemon.exec_root / "containerd/containerd.pid")]
        shell = ["sh", "-c", _START, "sh", *files, *command]
        started = _run(as_root(shell, {"PATH": ROOT_PATH}))
        pid = int(started.stdout.strip().splitlines()[-1])
    else:
        pid = other

    def alive() -> bool:
        # The package's own start script may have been quicker; then it is that one that counts.
        return _process(pid) is not None or _other_daemon(daemon.pidfile) is not None

    _wait(daemon.socket, alive, lambda: _log_tail(daemon.log))
    return pid


def _wait(socket: Path, alive: Callable[[], bool], log: Callable[[], str]) -> None:
    end = time.monotonic() + START_WAIT_S
    while time.monotonic() < end and alive():
        # One that listens, though not to this user, has started too.
        if _answers(socket) or _closed_to_user(socket):
            return
        time.sleep(POLL_S)
    reason = f"does not answer after {START_WAIT_S:.0f} s" if alive() else "ended at once"
    raise EngineUnavailable(f"The Docker engine {reason}. The end of its log:\n{log()}")


def _answers(socket: Path | None = None) -> bool:
    host = f"unix://{socket}" if socket else os.environ.get("DOCKER_HOST") or _DEFAULT_HOST
    # Asked first, because the SDK leaves a socket open when nobody listens.
    if host.startswith("unix://") and not _listens(host.removeprefix("unix://")):
        return False
    try:
        client = (
            docker.DockerClient(base_url=host, timeout=PING_TIMEOUT_S)
            if socket
            else docker.from_env(timeout=PING_TIMEOUT_S)
        )
    except (DockerException, RequestException):
        return False
    try:
        return bool(client.ping())
    except (DockerException, RequestException):
        return False
    finally:
        client.close()


def _listens(path: str) -> bool:
    with stream_socket(AF_UNIX, SOCK_STREAM) as probe:
        probe.settimeout(PING_TIMEOUT_S)
        try:
            probe.connect(path)
        except OSError:
            return False
        return True


def _closed_to_user(socket: Path) -> bool:
    return socket.exists() and not os.access(socket, os.R_OK | os.W_OK)


def _daemon_runs() -> bool:
    return any(_process(int(path.name)) == "dockerd" for path in Path("/proc").glob("[0-9]*"))


def _process(pid: int) -> str | None:
    """Gives the name of a live process; one that ended and was not collected is not alive."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    head, _, tail = status.rpartition(")")
    return None if tail.split()[0] in {"Z", "X"} else head.partition("(")[2]


def _other_daemon(pidfile: Path) -> int | None:
    """Gives the daemon that a pid file names, and removes the file when that daemon is gone.

    dockerd takes whatever process has the number for its other self and refuses to start; after a
    crash or a restored snapshot the number often belongs to another program.
    """
    try:
        pid = pidfile.read_text().strip()
    except OSError:
        return None
    if pid.isdigit() and _process(int(pid)) == "dockerd":
        return int(pid)
    _run(as_root(["rm", "-f", str(pidfile)]))
    return None


def _admit_user(tell: Say) -> None:
    user = pwd.getpwuid(os.geteuid()).pw_name
    tell(
        f"letting {user} use the engine: into the group docker for the next login, and as owner of "
        f"{DEFAULT_SOCKET} until the engine starts again. Both are as good as root on this machine."
    )
    _run(as_root(["usermod", "--append", "--groups", "docker", user]))
    _run(as_root(["chown", user, str(DEFAULT_SOCKET)]))


def _forbidden() -> str:
    user = pwd.getpwuid(os.geteuid()).pw_name
    with suppress(KeyError):
        if user in grp.getgrnam("docker").gr_mem:
            return (
                f"A Docker engine runs here, and {user} is in the group docker, but not in this "
                "session yet. Log in again, or run this under `sg docker`."
            )
    return (
        f"A Docker engine runs here, but {user} may not use it. If that is meant to change, run "
        f"`sudo usermod -aG docker {user}` and log in again; the group is as good as root."
    )


def _sudo_explained(tell: Say) -> None:
    if os.geteuid() != 0:
        tell("the engine runs as root, so sudo is used to start it, and only for that")


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    terminal = sys.stdin is not None and sys.stdin.isatty()
    done = subprocess.run(
        command,
        stdin=None if terminal else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=None if terminal else subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        wrapping = {"sudo", "-n", "env"}
        what = next(word for word in command if word not in wrapping and "=" not in word)
        raise SetupError(f"`{what}` failed: {(done.stderr or done.stdout or '').strip()}")
    return done


def _log_tail(log: Path) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])
    except OSError as error:
        return f"(cannot be read: {error})"


def _journal() -> str:
    with suppress(SetupError):
        return _run(as_root(["journalctl", "-u", "docker", "-n", str(LOG_TAIL_LINES)])).stdout
    return "(journalctl -u docker shows it)"


def set_up(on_line: Say = say, base_tags: Sequence[str] = (bases.BOOKWORM,)) -> None:
    """Provides the engine and base images.

    Args:
        on_line: gets a line for each thing done.
        base_tags: the base images to provide.

    Raises:
        EngineUnavailable: no engine can be had; says what to do.
        ImageError: a base image cannot be had.
    """
    provide_engine(on_line)
    client = open_client()
    try:
        for tag in base_tags:
            bases.ensure(_Connected(client), tag, on_line)
    finally:
        client.close()


def main() -> int:
    """Runs the set-up; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.setup", description="Start the engine, provide the base images."
    )
    parser.add_argument(
        "--base", action="append", choices=list(bases.RELEASES), help="a base image to provide"
    )
    options = parser.parse_args()
    try:
        set_up(base_tags=options.base or [bases.BOOKWORM])
    except SandboxError as error:
        say(str(error))
        return 1
    return 0


@dataclass(frozen=True)
class _Connected:
    client: docker.DockerClient


if __name__ == "__main__":
    sys.exit(main())

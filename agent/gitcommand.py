"""Runs git on a repository that nobody trusts.

Every call of git goes through `run_git`: no prompts, no hooks, no helpers from a repository's own
configuration, no transport but https, ssh and git (and those only where a call allows the network),
a time limit that reaches a transport's children too, and a bound on what is read back.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

COMMAND_TIMEOUT_S = 300.0
"""Seconds for a local command. A walk over 50,000 commits takes about one."""
MAX_OUTPUT_BYTES = 512 * 2**20
"""Bound on what one command may print, since a small pack can hold a huge file."""
MAX_ERROR_BYTES = 64 * 1024
"""How much of git's error text is kept; the reason stands near its end."""
SIZE_CHECK_S = 1.0
"""Seconds between two looks at a growing clone's size."""

SHA = re.compile(r"\A(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
"""A full object name, SHA-1 or SHA-256."""

_TRANSPORTS = "https:ssh:git"


def run_git(
    place: Path,
    arguments: Sequence[str | bytes],
    *,
    stdin: bytes | None = None,
    timeout_s: float = COMMAND_TIMEOUT_S,
    network: bool = False,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    limit_bytes: int = MAX_OUTPUT_BYTES,
    size_limit: int | None = None,
) -> bytes:
    """Runs one git command on a bare repository.

    Args:
        place: the repository's folder.
        arguments: the subcommand and its arguments.
        stdin: bytes given to the command.
        timeout_s: seconds until the command and its children are killed.
        network: allows the transports and the user's own git configuration (proxies, certificates).
        env: further variables.
        cwd: where the command runs; in `place` when None.
        limit_bytes: bound on the output.
        size_limit: bound in bytes on the size of `place` while the command runs.

    Returns:
        The standard output.

    Raises:
        GitError: the command failed, took too long or printed too much.
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as errors:
        if stdin:
            given.write(stdin)
            given.seek(0)
        # Not GitPython's own runner: its time limit needs `ps` and leaves a transport's children.
        process = subprocess.Popen(
            ["git", *arguments],
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=cwd or place,
            env={**git_environment(place, network=network), **(env or {})},
            start_new_session=True,
        )
        stdout = process.stdout
        if stdout is None:  # cannot be: it was asked for
            raise GitError(str(arguments[0]), -1, "no output", "")
        stopped: list[str] = []

        def stop(why: str) -> None:
            stopped.append(why)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        finished = threading.Event()

        def watch() -> None:
            deadline = time.monotonic() + timeout_s
            while not finished.wait(min(SIZE_CHECK_S, max(0.0, deadline - time.monotonic()))):
                if time.monotonic() >= deadline:
                    return stop(f"it took more than {timeout_s:.0f} s")
                if size_limit is not None and _size(place) > size_limit:
                    return stop(f"it is larger than {size_limit // 2**20} MiB")
            return None

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            output = stdout.read(limit_bytes + 1)
            if len(output) > limit_bytes:
                stop(f"it printed more than {limit_bytes // 2**20} MiB")
            process.wait()
        except BaseException:
            stop("it was interrupted")
            process.wait()
            raise
        finally:
            finished.set()
            watcher.join()
            stdout.close()
        errors.seek(0, os.SEEK_END)
        errors.seek(max(0, errors.tell() - MAX_ERROR_BYTES))
        said = errors.read().decode(errors="replace").strip()
    if stopped or process.returncode:
        raise GitError(str(arguments[0]), process.returncode, stopped[0] if stopped else "", said)
    return bytes(output)


class GitError(Exception):
    """A git command did not end well."""

    def __init__(self, command: str, code: int, stopped: str, said: str) -> None:
        super().__init__(f"git {command}: {stopped or said or f'exit code {code}'}")
        self.code = code
        self.stopped = stopped
        self.said = said


_INHERITED = re.compile(r"\A(?!GIT_)|\AGIT_(?:SSL|SSH|HTTP|PROXY|CONFIG_GLOBAL\Z|CONFIG_SYSTEM\Z)")
"""Variables that git gets from Kettle's own environment: a repository named there is not ours."""

_SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.attributesFile": os.devnull,
    "core.excludesFile": os.devnull,
    "core.fsmonitor": "false",
    # Larger files are handled as binary ones, so that one huge file cannot fill the memory.
    "core.bigFileThreshold": "32m",
    "log.showSignature": "false",
    "fetch.recurseSubmodules": "false",
    "submodule.recurse": "false",
    "protocol.ext.allow": "never",
    # Nothing is ever thrown away: a recorded commit may be one that no reference leads to.
    "gc.auto": "0",
    "maintenance.auto": "false",
    # Newer gits read attributes from HEAD's tree in a bare repository; this is the empty tree.
    "attr.tree": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    # Local repositories and shared caches may belong to another user.
    "safe.directory": "*",
}


def git_environment(place: Path, *, network: bool = False) -> dict[str, str]:
    """The environment in which git runs nothing that a repository or a session chose.

    Args:
        place: the bare repository's folder.
        network: allows the transports, and the user's own configuration (proxies, certificates).
    """
    env = {key: value for key, value in os.environ.items() if _INHERITED.match(key)}
    env |= {
        "GIT_DIR": str(place),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "SSH_ASKPASS": "true",
        "GIT_PAGER": "cat",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_ALLOW_PROTOCOL": _TRANSPORTS if network else "none",
        "GIT_CONFIG_COUNT": str(len(_SETTINGS)),
        "LC_ALL": "C",
    }
    for number, (key, value) in enumerate(_SETTINGS.items()):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    if network:
        env.setdefault("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=20")
    else:
        env |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return env


def _size(folder: Path) -> int:
    total = 0
    for base, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(base, name)).st_blocks * 512
    return total

"""Makes `.venv` with Kettle and its pinned dependencies in it, and installs Debian packages.

Runs before anything else is there, so it needs only the standard library and can be started by its
path: `python3.11 sandbox/install.py`. A run that ends well leaves the stamp that Make looks at;
one that is interrupted leaves none and starts over.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
STAMP_NAME = ".installed"
OLDEST_PYTHON = (3, 11)
ATTEMPTS = 3
"""Runs of a package client before giving up: mirrors and indexes fail now and then."""
APT_LOCK_WAIT_S = 300
"""How long apt waits for another apt on the machine, such as unattended upgrades."""

Say = Callable[[str], None]


class SetupError(Exception):
    """The machine lacks something that cannot be installed from here; says what to do."""


def say(line: str) -> None:
    """Tells a person what goes on, one line at a time, on standard error."""
    sys.stderr.write(f"kettle: {line}\n")
    sys.stderr.flush()


def as_root(command: Sequence[str], environment: Mapping[str, str] | None = None) -> list[str]:
    """Wraps a command so that it runs as root.

    Args:
        command: program and arguments.
        environment: variables to set for it; sudo passes none on by itself.

    Returns:
        The command line to run.

    Raises:
        SetupError: the user is not root and cannot become it.
    """
    setting = ["env", *(f"{name}={value}" for name, value in (environment or {}).items())]
    wrapped = [*setting, *command] if environment else list(command)
    if os.geteuid() == 0:
        return wrapped
    if shutil.which("sudo") is None:
        raise SetupError(
            f"`{command[0]}` needs root, and this user is not root and has no sudo. "
            "Run the same command once as root."
        )
    if sys.stdin is not None and sys.stdin.isatty():
        return ["sudo", *wrapped]
    # Without a terminal nobody can type a password: fail at once instead of waiting for one.
    allowed = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
    if allowed.returncode != 0:
        raise SetupError(
            f"`{command[0]}` needs root, and sudo wants a password, which nobody can type here. "
            "Run the same command once in a terminal, or as root."
        )
    return ["sudo", "-n", *wrapped]


def apt_install(packages: Sequence[str], tell: Say = say) -> None:
    """Installs Debian packages.

    Args:
        packages: names of packages.
        tell: gets a line that says what is going on.

    Raises:
        SetupError: this is no Debian, or apt failed `ATTEMPTS` times.
    """
    wanted = " ".join(packages)
    if shutil.which("apt-get") is None:
        raise SetupError(f"This machine has no apt-get. Install the equivalent of: {wanted}")
    tell(f"installing {wanted} with apt-get")
    apt = ["apt-get", "-q", "-y", "-o", f"DPkg::Lock::Timeout={APT_LOCK_WAIT_S}"]
    steps = ([*apt, "update"], [*apt, "install", "--no-install-recommends", *packages])
    output = ""
    for _ in range(ATTEMPTS):
        for step in steps:
            done = _quietly(as_root(step, {"DEBIAN_FRONTEND": "noninteractive"}))
            output = done.stdout
            if done.returncode != 0:
                break
        else:
            return
    raise SetupError(f"apt-get could not install {wanted}:\n{_last_lines(output)}")


def install(venv: Path, tell: Say = say) -> None:
    """Makes the virtual environment and installs Kettle, editable, with its development tools.

    Args:
        venv: where the virtual environment goes.
        tell: gets a line for each step.

    Raises:
        SetupError: a step failed.
    """
    tell(f"making {venv} with Python {sys.version.split()[0]}")
    _make_venv(venv, tell)
    python = str(venv / "bin" / "python")
    pip = [python, "-m", "pip", "--quiet", "--quiet", "--disable-pip-version-check"]
    pinned = ["install", "--constraint", str(PROJECT / "constraints.txt")]
    tell("installing the pinned dependencies (about half a minute the first time)")
    # An older pip knows no dependency groups; and with the build back end installed here, pinned
    # like the rest, no unpinned copy of it is downloaded for the build.
    _repeat([*pip, *pinned, "--upgrade", "pip", "setuptools"])
    editable = ["--no-build-isolation", "--editable", str(PROJECT)]
    group = ["--group", f"{PROJECT / 'pyproject.toml'}:dev"]
    _repeat([*pip, *pinned, *editable, *group])
    (venv / STAMP_NAME).touch()


def _make_venv(venv: Path, tell: Say) -> None:
    command = [sys.executable, "-m", "venv", "--clear", str(venv)]
    done = _quietly(command)
    if done.returncode == 0:
        return
    # Debian keeps venv's own pip in a package of its own.
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    apt_install([f"python{version}-venv"], tell)
    done = _quietly(command)
    if done.returncode != 0:
        raise SetupError(f"`{' '.join(command)}` failed:\n{_last_lines(done.stdout)}")


def _repeat(command: Sequence[str]) -> None:
    output = ""
    for _ in range(ATTEMPTS):
        done = _quietly(command)
        output = done.stdout
        if done.returncode == 0:
            return
    raise SetupError(f"`{' '.join(command)}` failed:\n{_last_lines(output)}")


def _quietly(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    # A pip that is set to install for the user, or elsewhere, would miss the virtual environment.
    kept = {k: v for k, v in os.environ.items() if k not in {"PIP_USER", "PIP_TARGET"}}
    return subprocess.run(
        command,
        stdin=None if sys.stdin is not None and sys.stdin.isatty() else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=kept,
        check=False,
    )


def _last_lines(output: str, count: int = 20) -> str:
    return "\n".join(output.splitlines()[-count:])


def main() -> int:
    """Runs the installation; returns the exit code."""
    parser = argparse.ArgumentParser(description="Install Kettle into a virtual environment.")
    parser.add_argument("--venv", type=Path, default=PROJECT / ".venv", help="where it goes")
    options = parser.parse_args()
    if sys.version_info < OLDEST_PYTHON:
        say(f"Kettle needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
        return 1
    try:
        install(options.venv)
    except SetupError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Looks at the machine and says what is there, what is missing, and how to get it.

Nothing is changed, installed or started here; `sandbox.setup.set_up` does that. A look takes a few
seconds at most: the slow ones (engine, registries) run side by side, each with a time limit.
Nothing secret is shown: of keys only whether they are set, of registries only their host names.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import docker
from docker.errors import DockerException
from pypi_simple import PYPI_SIMPLE_ENDPOINT
from requests.exceptions import RequestException
from rich.table import Table
from rich.text import Text

from sandbox import bases
from sandbox.cache import cache_dir
from sandbox.errors import SandboxError
from sandbox.hostconfig import apt_archive
from sandbox.setup import EngineState, engine_state
from sandbox.trust import SETTING, HostTrust, read_host_trust

State = Literal["ok", "missing", "broken"]

OLDEST_PYTHON = (3, 11)
LEAST_FREE_BYTES = 10 << 30
"""The base images, the workbench and a few environments take about half of this."""
REGISTRY_TIMEOUT_S = 5.0
"""For one registry: a mirror on the other side of the world answers in one or two seconds."""
COMMAND_TIMEOUT_S = 10
"""For a program that says its version."""
KEYS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: the thing, in a word or two.
        state: whether it is there and works.
        what: what was found.
        how: how to get it or mend it; empty when there is nothing to do.
        needed: whether Kettle cannot work without it.
    """

    name: str
    state: State
    what: str
    how: str = ""
    needed: bool = True

    @property
    def fine(self) -> bool:
        """Whether Kettle works with this as it is."""
        return self.state == "ok" or not self.needed

    def as_dict(self) -> dict[str, Any]:
        """The finding as JSON takes it."""
        return asdict(self)


def diagnose() -> list[Finding]:
    """Looks at everything, in the order in which a person would mend it."""
    looks: list[Callable[[], list[Finding]]] = [
        _python,
        _git,
        _engine,
        _trust,
        _registries,
        _keys,
        _cache,
        _harbor,
    ]
    with ThreadPoolExecutor(len(looks)) as pool:
        return [finding for found in pool.map(lambda look: look(), looks) for finding in found]


def render(findings: list[Finding]) -> Table:
    """Lays findings out for a terminal."""
    styles = {"ok": "green", "missing": "yellow", "broken": "red"}
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        style = styles[finding.state] if finding.needed or finding.state == "ok" else "dim"
        text = Text(finding.what)
        if finding.how:
            text.append(f"\n{finding.how}", style="italic")
        word = finding.state if finding.needed or finding.state == "ok" else "optional"
        table.add_row(Text(word, style=style), Text(finding.name), text)
    return table


def _python() -> list[Finding]:
    version = sys.version.split()[0]
    if sys.version_info < OLDEST_PYTHON:
        return [Finding("Python", "broken", version, "Kettle needs Python 3.11 or newer.")]
    try:
        kettle = importlib.metadata.version("kettle")
    except importlib.metadata.PackageNotFoundError:
        kettle = "not installed, run from its folder"
    return [Finding("Python", "ok", f"{version}, {sys.executable}; Kettle {kettle}")]


def _git() -> list[Finding]:
    said = _says(["git", "--version"])
    if said is None:
        return [Finding("git", "missing", "no git on the PATH", "apt-get install git")]
    return [Finding("git", "ok", said)]


def _engine() -> list[Finding]:
    state = engine_state()
    if state is not EngineState.ANSWERS:
        what, how = _NO_ENGINE[state]
        kind: State = "missing" if state is EngineState.MISSING else "broken"
        return [Finding("engine", kind, what, how)]
    client = docker.from_env()
    try:
        about = client.info()
        connected = _Connected(client)
        return [
            _engine_found(about),
            *_disk(Path(str(about.get("DockerRootDir") or "/"))),
            *(_base(connected, tag) for tag in bases.RELEASES),
            _workbench(connected),
        ]
    except (DockerException, RequestException, SandboxError) as error:
        what = f"answers, but not to questions: {error}"
        return [Finding("engine", "broken", what, "Restart it: `systemctl restart docker`.")]
    finally:
        client.close()


_FIX = "`python -m agent doctor --fix` or `make setup`"
_NO_ENGINE = {
    EngineState.MISSING: (
        "no Docker engine is installed",
        f"{_FIX} installs Debian's docker.io and starts it.",
    ),
    EngineState.STOPPED: ("the Docker engine does not run", f"{_FIX} starts it."),
    EngineState.FORBIDDEN: (
        "a Docker engine runs, but this user may not use it",
        "`sudo usermod -aG docker $USER`, then log in again; the group is as good as root.",
    ),
    EngineState.ELSEWHERE: (
        "DOCKER_HOST names an engine that does not answer",
        "Start that engine, or unset DOCKER_HOST to use this machine's.",
    ),
}


def _engine_found(about: dict[str, Any]) -> Finding:
    driver = str(about.get("Driver"))
    what = (
        f"Docker {about.get('ServerVersion')}, {driver}, cgroup v{about.get('CgroupVersion')}, "
        f"{about.get('NCPU')} CPUs, {int(about.get('MemTotal') or 0) / (1 << 30):.0f} GB"
    )
    if driver == "vfs":
        how = "vfs copies every layer: slow and large. Put Docker's data on ext4 or xfs."
        return Finding("engine", "ok", what, how)
    return Finding("engine", "ok", what)


def _disk(folder: Path) -> list[Finding]:
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return []  # The engine's disk is another machine's, or closed to this user.
    what = f"{free / (1 << 30):.0f} GB free in {folder}"
    if free < LEAST_FREE_BYTES:
        how = f"Kettle needs {LEAST_FREE_BYTES >> 30} GB; `docker system df` shows what takes room."
        return [Finding("disk", "broken", what, how)]
    return [Finding("disk", "ok", what)]


def _base(engine: _Connected, tag: str) -> Finding:
    found = bases.find(engine, tag)
    default = tag == bases.BOOKWORM
    if found is None:
        how = f"{_FIX} provides it." if default else "Provided when an environment wants it."
        return Finding("base image", "missing", tag, how, needed=default)
    origin = {
        "registry": f"from a registry, {found.digest}",
        "bootstrapped": "bootstrapped from Debian's packages, so it cannot be pinned by digest",
        "local": "made on this machine by something else, so it cannot be pinned by digest",
    }[found.origin]
    return Finding("base image", "ok", f"{tag}, {origin}")


def _workbench(engine: _Connected) -> Finding:
    tag = bases.find_workbench(engine)
    if tag is None:
        how = "The first build makes it, in a minute or two."
        return Finding("workbench", "missing", "the image of the sandbox", how, needed=False)
    return Finding("workbench", "ok", tag)


def _trust() -> list[Finding]:
    mode = os.environ.get(SETTING) or "auto"
    try:
        trust = read_host_trust()
    except SandboxError as error:
        return [Finding("host trust", "broken", str(error), f"Unset {SETTING}.")]
    if mode == "off":
        what = "off: builds and sandboxes know only what their images know"
        return [Finding("host trust", "ok", what)]
    carried = _carried(trust)
    what = f"{mode}: " + (", ".join(carried) if carried else "nothing special about this host")
    if trust.notes:
        what += "\nnot carried into containers: " + "; ".join(trust.notes)
    return [Finding("host trust", "ok", what)]


def _carried(trust: HostTrust) -> list[str]:
    config = trust.config
    settings = {"pip": config.pip, "npm": config.npm, "apt": config.apt, "proxies": config.proxies}
    authorities = len(trust.authorities)
    parts = [f"{authorities} extra certificate authorities"] if authorities else []
    parts += [
        f"{name} ({', '.join(sorted(values))})" for name, values in settings.items() if values
    ]
    parts += ["apt mirror"] if config.apt_mirror or config.apt_security else []
    return parts


def _registries() -> list[Finding]:
    try:
        config = read_host_trust(credentials=False).config
    except SandboxError:
        return []
    found = {
        "pip": next(iter(config.pip.get("index-url", ())), PYPI_SIMPLE_ENDPOINT),
        "npm": config.npm.get("registry") or _npm_registry(),
        "apt": config.apt_mirror or apt_archive(Path("/")),
    }
    wanted = {client: address for client, address in found.items() if address}
    with ThreadPoolExecutor(len(wanted)) as pool:
        return list(pool.map(_registry, wanted, wanted.values()))


def _npm_registry() -> str | None:
    """Where npm goes without a setting; None without npm, which only sandboxes need."""
    said = _says(["npm", "config", "get", "registry"])
    return said if said and said.startswith("http") else None


def _registry(client: str, address: str) -> Finding:
    name = f"registry ({client})"
    host = urlsplit(address).hostname or "?"
    try:
        # The default context goes by SSL_CERT_FILE and the system's authorities, as clients do.
        request = urllib.request.Request(address, method="HEAD")  # noqa: S310 - http(s), see Carried
        with urllib.request.urlopen(  # noqa: S310
            request, timeout=REGISTRY_TIMEOUT_S, context=ssl.create_default_context()
        ):
            pass
    except urllib.error.HTTPError as error:
        # Any answer shows that it is reached; some want a name and password for everything.
        return Finding(name, "ok", f"{host} answers ({error.code})")
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        how = (
            f"Builds need it. Check the network, the proxy, and what {client} is set to on this "
            "host; an authority that the host does not trust goes to "
            "/usr/local/share/ca-certificates, then update-ca-certificates."
        )
        return Finding(name, "broken", f"{host}: {reason}", how, needed=False)
    return Finding(name, "ok", f"{host} answers")


def _keys() -> list[Finding]:
    found = []
    for key in KEYS:
        if os.environ.get(key):
            found.append(Finding(key, "ok", "set"))
        else:
            how = "Without any key, the baseline builder is used, which needs no model."
            found.append(Finding(key, "missing", "not set", how, needed=False))
    return found


def _cache() -> list[Finding]:
    try:
        folder = cache_dir()
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        how = "Set KETTLE_CACHE to a folder that this user can write to."
        return [Finding("cache", "broken", str(error), how)]
    return [Finding("cache", "ok", str(folder))]


def _harbor() -> list[Finding]:
    needs = "Only needed to run environments in Harbor: "
    found = []
    compose = _says(["docker", "compose", "version", "--short"])
    if compose is None:
        how = needs + "Docker's compose plugin, version 2."
        found.append(Finding("compose", "missing", "no `docker compose`", how, needed=False))
    else:
        found.append(Finding("compose", "ok", compose))
    harbor = _says(["harbor", "--version"])
    if harbor is None:
        how = needs + "`pip install harbor`, with Python 3.12 or newer."
        found.append(Finding("harbor", "missing", "not on the PATH", how, needed=False))
    else:
        found.append(Finding("harbor", "ok", harbor))
    return found


def _says(command: list[str]) -> str | None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return lines[0].strip() if done.returncode == 0 and lines else None


@dataclass(frozen=True)
class _Connected:
    client: docker.DockerClient

"""Reads the host's own settings for its package clients: pip, uv, npm, apt, and the proxies.

The settings are read from the files and variables that each client documents. Only what says where
and how to reach a registry is taken. An address that means nothing in a container (a file, a local
path, the host's own loopback) is left out with a note; so are credentials, unless asked for.
No note contains an address or a value, so notes may be printed and logged.
"""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

CONFIG_LIMIT_BYTES = 1 << 20
"""Larger configuration files are not read: real ones have a few hundred bytes."""

PIP_URLS = ("index-url", "extra-index-url", "find-links", "proxy")
PIP_PLAIN = ("trusted-host", "timeout", "retries")
NPM_URLS = ("registry", "proxy", "https-proxy")
NPM_PLAIN = ("strict-ssl", "noproxy", "fetch-timeout", "fetch-retries", "fetch-retry-mintimeout")
NPM_SECRETS = ("_authToken", "_auth", "_password", "username")
APT_OPTIONS = (
    "Acquire::http::Proxy",
    "Acquire::https::Proxy",
    "Acquire::http::Timeout",
    "Acquire::https::Timeout",
    "Acquire::Retries",
    "Acquire::ForceIPv4",
    "Acquire::Check-Valid-Until",
    "Acquire::Check-Date",
)
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_DEBIAN_SUITES = {"bookworm", "trixie", "stable", "testing", "sid", "unstable", "forky"}
APT_CONFIG_TIMEOUT_S = 10
"""`apt-config dump` only reads files."""


@dataclass
class Carried:
    """Decides what of an address may go into a container, and notes what does not."""

    credentials: bool = False
    """Whether user names, passwords and tokens are carried."""
    notes: list[str] = field(default_factory=list)

    def url(self, address: str, what: str) -> str | None:
        """Gives the address as a container may have it, or None."""
        try:
            parts = urlsplit(address)
            host = parts.hostname
            port = parts.port
        except ValueError:
            self.notes.append(f"{what}: not an address")
            return None
        if parts.scheme not in {"http", "https"} or not host:
            self.notes.append(f"{what}: a file on the host, which a container does not have")
            return None
        if _is_loopback(host):
            self.notes.append(f"{what}: the host's loopback, which a container cannot reach")
            return None
        if "@" in parts.netloc and not self.credentials:
            self.notes.append(f"{what}: carried without its user name and password")
            bracketed = f"[{host}]" if ":" in host else host
            bare = bracketed + (f":{port}" if port else "")
            return urlunsplit(parts._replace(netloc=bare))
        return address

    def urls(self, addresses: str, what: str) -> list[str]:
        """The same for a list separated by white space."""
        found = (self.url(address, what) for address in addresses.split())
        return [address for address in found if address]


@dataclass(frozen=True)
class HostConfig:
    """The host's settings, as far as a container can use them.

    The repr shows no field: values may hold credentials when those are asked for.
    """

    pip: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    uv_default_index: str | None = field(default=None, repr=False)
    uv_extra_indexes: tuple[str, ...] = field(default=(), repr=False)
    npm: Mapping[str, str] = field(default_factory=dict, repr=False)
    apt: Mapping[str, str] = field(default_factory=dict, repr=False)
    apt_mirror: str | None = field(default=None, repr=False)
    apt_security: str | None = field(default=None, repr=False)
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    authority_files: tuple[Path, ...] = field(default=(), repr=False)
    """Files that the clients are told to trust certificate authorities from."""


def read(
    environment: Mapping[str, str], root: Path, home: Path, prefix: Path, carried: Carried
) -> HostConfig:
    """Reads everything.

    Args:
        environment: the process's environment variables.
        root: the file system's root, "/" outside tests.
        home: the user's home directory.
        prefix: of the running Python, where pip looks for its site configuration.
        carried: decides about addresses and collects notes.

    Returns:
        The settings.
    """
    pip = _read_pip(environment, root, home, prefix)
    npm = _read_npm(environment, root, home)
    authorities = [pip.get("cert", ""), npm.get("cafile", "")]
    pip_carried: dict[str, tuple[str, ...]] = {}
    for name in PIP_URLS:
        # pip's find-links takes local paths too, which `urls` leaves out.
        found = carried.urls(pip.get(name, ""), f"pip {name}")
        if found:
            pip_carried[name] = tuple(found)
    for name in PIP_PLAIN:
        if name in pip:
            pip_carried[name] = tuple(pip[name].split())
    default, extra = _uv_indexes(environment, root, home, carried)
    if default is None and not extra:
        # uv does not read pip's configuration; the host's indexes are the same for both.
        default = next(iter(pip_carried.get("index-url", ())), None)
        extra = list(pip_carried.get("extra-index-url", ()))
    apt = _apt_options(root, carried)
    mirror, security = _apt_mirrors(root, carried)
    return HostConfig(
        pip=pip_carried,
        uv_default_index=default,
        uv_extra_indexes=tuple(extra),
        npm=_npm_carried(npm, environment, carried),
        apt=apt,
        apt_mirror=mirror,
        apt_security=security,
        proxies=_proxies(environment, carried),
        authority_files=tuple(Path(name) for name in authorities if name),
    )


def _read_pip(
    environment: Mapping[str, str], root: Path, home: Path, prefix: Path
) -> dict[str, str]:
    """Merges pip's settings in its own order: machine, user, Python installation, environment."""
    given = environment.get("PIP_CONFIG_FILE", "")
    files: list[Path] = []
    if given != os.devnull:
        xdg = environment.get("XDG_CONFIG_HOME") or str(home / ".config")
        files = [
            root / "etc/xdg/pip/pip.conf",
            root / "etc/pip.conf",
            home / ".pip/pip.conf",
            Path(xdg) / "pip/pip.conf",
            prefix / "pip.conf",
            *([Path(given)] if given else []),
        ]
    merged: dict[str, str] = {}
    for path in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(_text(path))
        except configparser.Error:
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                merged.update({k.replace("_", "-"): v for k, v in parser.items(section)})
    for name, value in environment.items():
        if name.startswith("PIP_") and value:
            merged[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    if "default-timeout" in merged:
        merged.setdefault("timeout", merged["default-timeout"])
    return merged


def _uv_indexes(
    environment: Mapping[str, str], root: Path, home: Path, carried: Carried
) -> tuple[str | None, list[str]]:
    default = ""
    extra: list[str] = []
    xdg = environment.get("XDG_CONFIG_HOME") or str(home / ".config")
    for path in (root / "etc/uv/uv.toml", Path(xdg) / "uv/uv.toml"):
        try:
            settings = tomllib.loads(_text(path))
        except tomllib.TOMLDecodeError:
            continue
        default = _string(settings.get("index-url")) or default
        extra += [_string(url) for url in _list(settings.get("extra-index-url"))]
        for index in _list(settings.get("index")):
            if not isinstance(index, dict):
                continue
            if index.get("default") is True:
                default = _string(index.get("url"))
            else:
                extra.append(_string(index.get("url")))
    default = environment.get("UV_DEFAULT_INDEX") or environment.get("UV_INDEX_URL") or default
    named = f"{environment.get('UV_INDEX', '')} {environment.get('UV_EXTRA_INDEX_URL', '')}"
    extra += [re.sub(r"^[\w.-]+=", "", entry) for entry in named.split()]
    carried_default = carried.url(default, "uv default index") if default else None
    return carried_default, carried.urls(" ".join(extra), "uv extra index")


def _read_npm(environment: Mapping[str, str], root: Path, home: Path) -> dict[str, str]:
    """Merges npm's settings in its own order: machine, user, environment."""
    named = {name.lower(): value for name, value in environment.items()}
    files = (
        Path(named.get("npm_config_globalconfig") or root / "etc/npmrc"),
        root / "usr/local/etc/npmrc",
        Path(named.get("npm_config_userconfig") or home / ".npmrc"),
    )
    merged: dict[str, str] = {}
    for path in files:
        for line in _text(path).splitlines():
            name, equals, value = line.partition("=")
            if equals and not name.lstrip().startswith(("#", ";")):
                merged[name.strip()] = value.strip().strip("\"'")
    for name, value in named.items():
        if name.startswith("npm_config_") and value:
            merged[name.removeprefix("npm_config_").replace("_", "-")] = value
    return merged


def _npm_carried(
    settings: Mapping[str, str], environment: Mapping[str, str], carried: Carried
) -> dict[str, str]:
    result: dict[str, str] = {}
    for name, raw in settings.items():
        value = re.sub(r"\$\{(\w+)\}", lambda m: environment.get(m[1], m[0]), raw)
        if name in NPM_URLS or name.endswith(":registry"):
            address = carried.url(value, f"npm {name}")
            if address:
                result[name] = address
        elif name in NPM_PLAIN:
            result[name] = value
        elif name.startswith("//") and name.rpartition(":")[2] in NPM_SECRETS:
            if carried.credentials:
                result[name] = value
            else:
                carried.notes.append("npm: a registry's token, left out")
    return result


def _apt_options(root: Path, carried: Carried) -> dict[str, str]:
    if root != Path("/"):
        # apt resolves its own configuration; only the real machine's can be asked for.
        return {}
    try:
        dump = subprocess.run(
            ["apt-config", "dump", "--format", "%f %v%n"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=APT_CONFIG_TIMEOUT_S,
            check=False,
        ).stdout.decode("utf-8", "replace")
    except (OSError, subprocess.TimeoutExpired):
        return {}
    options: dict[str, str] = {}
    for line in dump.splitlines():
        name, _, value = line.partition(" ")
        value = value.strip().strip('"')
        if name not in APT_OPTIONS or not value:
            continue
        if name.endswith("::Proxy") and value != "DIRECT":
            value = carried.url(value, f"apt {name}") or ""
        if value and '"' not in value:
            options[name] = value
    return options


def _apt_mirrors(root: Path, carried: Carried) -> tuple[str | None, str | None]:
    """Finds where the host gets Debian's own archive from, when that is not Debian's default."""
    mirror: str | None = None
    security: str | None = None
    for address, suites in _apt_sources(root / "etc/apt"):
        suite_names = {suite.strip("/").partition("-")[0] for suite in suites}
        if not suite_names & _DEBIAN_SUITES or "debian.org" in address:
            continue
        found = carried.url(address.rstrip("/"), "apt source")
        if found is None:
            continue
        if any("security" in suite for suite in suites):
            security = security or found
        elif found.endswith("/debian"):
            mirror = mirror or found
    return mirror, security


def apt_archive(root: Path) -> str | None:
    """Where the host gets Debian's packages from; None when its sources do not say."""
    for address, suites in _apt_sources(root / "etc/apt"):
        if {suite.strip("/").partition("-")[0] for suite in suites} & _DEBIAN_SUITES:
            return address
    return None


def _apt_sources(folder: Path) -> Iterable[tuple[str, list[str]]]:
    lists = [folder / "sources.list", *sorted(folder.glob("sources.list.d/*.list"))]
    for path in lists:
        for line in _text(path).splitlines():
            match = re.match(r"\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)", line)
            if match:
                yield match[1], [match[2]]
    for path in sorted(folder.glob("sources.list.d/*.sources")):
        for stanza in re.split(r"\n\s*\n", _text(path)):
            fields = dict(re.findall(r"(?mi)^([\w-]+):[ \t]*(.*)$", stanza))
            lowered = {name.lower(): value for name, value in fields.items()}
            if "deb" in lowered.get("types", "").split():
                for address in lowered.get("uris", "").split():
                    yield address, lowered.get("suites", "").split()


def _proxies(environment: Mapping[str, str], carried: Carried) -> dict[str, str]:
    result: dict[str, str] = {}
    for name in PROXY_VARIABLES:
        value = environment.get(name) or environment.get(name.upper()) or ""
        if not value:
            continue
        kept = value if name == "no_proxy" else carried.url(value, name)
        if kept:
            result[name] = kept
    return result


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(CONFIG_LIMIT_BYTES + 1)
    except OSError:
        return ""
    return "" if len(data) > CONFIG_LIMIT_BYTES else data.decode("utf-8", "replace")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""

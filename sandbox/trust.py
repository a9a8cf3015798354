"""What the host trusts and how it reaches its registries, as files for a container.

A machine behind a company's proxy trusts certificate authorities that no public image knows, and
its package clients are told where to look. Builds and sandboxes on that machine need the same,
while a finished environment must not change: it names the public base image and nothing of this
machine. So the host's trust is put into *local* images and *build-time* variables only
(`sandbox.bases`).

The setting `KETTLE_HOST_TRUST` says how much of it is used:
    auto         certificate authorities, indexes, mirrors, proxies, timeouts; never credentials
    credentials  the same, and the user names, passwords and tokens in those settings. They then lie
                 in local images, readable for every program that a build or a sandbox runs
    off          nothing
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import certifi

from sandbox import archive, hostconfig
from sandbox.errors import SandboxError
from sandbox.hostconfig import Carried, HostConfig

SETTING = "KETTLE_HOST_TRUST"
MODES = ("auto", "credentials", "off")

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
"""Where Debian, and what descends from it, keeps all certificate authorities in one file."""
AUTHORITY_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
"""Read by programs that bring their own list of authorities: OpenSSL builds, requests, Node, bun.
pip, npm and uv are told by their configuration files, everything else by the system's list."""

STAGING = "/.kettle-host-trust"
"""Folder in an image where the files wait to be put in place; gone after that step."""

RECIPE_VERSION = 1
"""Part of the digest; raised when the files or the script below change in effect."""

BUNDLE_LIMIT_BYTES = 8 << 20
"""Larger bundles are not read: the usual list of some 140 authorities has 0.2 MB."""

_HOST_BUNDLES = (
    "etc/ssl/certs/ca-certificates.crt",
    "etc/pki/tls/certs/ca-bundle.crt",
    "etc/ssl/cert.pem",
)
_HOST_VARIABLES = (*AUTHORITY_VARIABLES, "PIP_CERT", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
_CERTIFICATE = re.compile(
    rb"-----BEGIN (?:TRUSTED )?CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)-----END"
)

_APPLY = """\
set -e
cd {staging}
if [ -d authorities ]; then
  mkdir -p /usr/local/share/ca-certificates /etc/ssl/certs
  cp authorities/*.crt /usr/local/share/ca-certificates/
  if command -v update-ca-certificates >/dev/null; then update-ca-certificates >/dev/null 2>&1
  else cp bundle.crt {bundle}; fi
fi
if [ -d etc ]; then cp -R etc/. /etc/; fi
if [ -f etc/npmrc ]; then mkdir -p /usr/local/etc; cp etc/npmrc /usr/local/etc/npmrc; fi
if [ -f apt.sed ] && [ -d /etc/apt ]; then
  find /etc/apt -name '*.list' -exec sed -i -f apt.sed {{}} +
  find /etc/apt -name '*.sources' -exec sed -i -f apt.sed {{}} +
fi
rm -rf {staging}
"""


class TrustSettingError(SandboxError):
    """`KETTLE_HOST_TRUST` has a value that means nothing."""


@dataclass(frozen=True)
class HostTrust:
    """What a container on this machine is to trust and where its clients look.

    Attributes:
        authorities: certificate authorities that public images do not know, as PEM blocks.
        bundle: all authorities that the host trusts, as PEM.
        config: the settings of the package clients.
        notes: what was left out, and why; free of addresses and secrets.
    """

    authorities: tuple[str, ...] = ()
    bundle: str = field(default="", repr=False)
    config: HostConfig = field(default_factory=HostConfig)
    notes: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether public images work here as they are."""
        return not self._members

    @cached_property
    def digest(self) -> str:
        """Names this trust in image tags and labels: the first 12 hex digits of a SHA-256."""
        lines = hashlib.sha256(str(RECIPE_VERSION).encode())
        for name, data in sorted(self._members.items()):
            # The bundle also holds the public authorities, which change without meaning anything.
            if name != "bundle.crt":
                lines.update(f"{name}\0{len(data)}\0".encode() + data)
        return lines.hexdigest()[:12]

    @property
    def build_environment(self) -> dict[str, str]:
        """Variables for the steps of a build and for a sandbox; never any with credentials."""
        variables: dict[str, str] = {}
        if self.authorities:
            variables.update(dict.fromkeys(AUTHORITY_VARIABLES, BUNDLE))
        for name, value in self.config.proxies.items():
            # Variables stand in an image's history; the clients' files have the whole address.
            if "@" not in value:
                variables[name] = variables[name.upper()] = value
        return variables

    def context(self, dockerfile: str) -> bytes:
        """Packs a build context: a Dockerfile, and `trust.tar` for `ADD trust.tar /`.

        The Dockerfile then runs `sh /.kettle-host-trust/apply`.
        """
        script = _APPLY.format(staging=STAGING, bundle=BUNDLE).encode()
        # The same trust makes the same layer, which the engine then reuses.
        trust = archive.pack(
            {
                f"{STAGING.lstrip('/')}/{name}": data
                for name, data in {**self._members, "apply": script}.items()
            }
        )
        return archive.pack({"trust.tar": trust, "Dockerfile": dockerfile.encode()})

    @cached_property
    def _members(self) -> dict[str, bytes]:
        members: dict[str, bytes] = {}
        config = self.config
        if self.authorities:
            members["bundle.crt"] = self.bundle.encode()
            for number, pem in enumerate(self.authorities):
                members[f"authorities/kettle-host-{number}.crt"] = pem.encode()
        pip = {name: "\n    ".join(values) for name, values in config.pip.items()}
        npm = dict(config.npm)
        if self.authorities:
            pip["cert"] = BUNDLE
            npm["cafile"] = BUNDLE
        if pip:
            lines = ["[global]", *(f"{name} = {value}" for name, value in sorted(pip.items()))]
            members["etc/pip.conf"] = _lines(lines)
        if npm:
            members["etc/npmrc"] = _lines(f"{name}={value}" for name, value in sorted(npm.items()))
        uv = self._uv_settings()
        if uv:
            members["etc/uv/uv.toml"] = _lines(uv)
        if config.apt:
            members["etc/apt/apt.conf.d/90kettle-host"] = _lines(
                f'{name} "{value}";' for name, value in sorted(config.apt.items())
            )
        mirrors = self._mirror_script()
        if mirrors:
            members["apt.sed"] = _lines(mirrors)
        return members

    def _uv_settings(self) -> list[str]:
        # The older names of these settings: releases of every age know them, and one that meets a
        # name it does not know refuses to start.
        lines = ["native-tls = true"] if self.authorities else []
        default = self.config.uv_default_index
        if default:
            lines.append(f"index-url = {_toml(default)}")
        if self.config.uv_extra_indexes:
            listed = ", ".join(_toml(address) for address in self.config.uv_extra_indexes)
            lines.append(f"extra-index-url = [{listed}]")
        return lines

    def _mirror_script(self) -> list[str]:
        # The security archive comes first: its address begins like that of the main one.
        lines = []
        if self.config.apt_security:
            lines.append(
                r"s#https\?://\(deb\|security\)\.debian\.org/debian-security#"
                f"{_sed(self.config.apt_security)}#g"
            )
        if self.config.apt_mirror:
            lines.append(
                r"s#https\?://deb\.debian\.org/debian\([ /]\|$\)#"
                f"{_sed(self.config.apt_mirror)}\\1#g"
            )
        return lines


def read_host_trust(
    environment: Mapping[str, str] | None = None,
    *,
    root: Path = Path("/"),
    home: Path | None = None,
    prefix: Path = Path(sys.prefix),
    credentials: bool = True,
) -> HostTrust:
    """Reads what this machine trusts.

    Args:
        environment: variables to go by; None means this process's own.
        root: the root of the file system to read.
        home: the user's home directory; None means this user's.
        prefix: of the Python whose pip is asked about.
        credentials: whether they are taken when the setting says so; False means never.

    Returns:
        The host's trust, empty when the setting is off or there is nothing special about this host.

    Raises:
        TrustSettingError: the setting has a value that is none of `MODES`.
    """
    variables = os.environ if environment is None else environment
    mode = variables.get(SETTING) or "auto"
    if mode not in MODES:
        raise TrustSettingError(f"{SETTING} is {mode!r}; it can be one of: {', '.join(MODES)}")
    if mode == "off":
        return HostTrust()
    carried = Carried(credentials=credentials and mode == "credentials")
    config = hostconfig.read(variables, root, home or Path.home(), prefix, carried)
    system = [root / name for name in _HOST_BUNDLES]
    local = sorted((root / "usr/local/share/ca-certificates").rglob("*.crt"))
    named = [Path(variables[name]) for name in _HOST_VARIABLES if variables.get(name)]
    trusted = _certificates([*system, *local, *named, *config.authority_files])
    public = _certificates(
        [Path(certifi.where()), *sorted((root / "usr/share/ca-certificates").rglob("*.crt"))]
    )
    extra = tuple(trusted[key] for key in sorted(trusted.keys() - public.keys()))
    everything = {**public, **trusted} if extra else {}
    return HostTrust(
        authorities=extra,
        bundle="".join(everything[key] for key in sorted(everything)),
        config=config,
        notes=tuple(dict.fromkeys(carried.notes)),
    )


def _certificates(paths: Iterable[Path]) -> dict[str, str]:
    """Collects the certificates in PEM files, by fingerprint; private keys are never taken."""
    found: dict[str, str] = {}
    for path in dict.fromkeys(paths):
        try:
            if not path.is_file() or path.stat().st_size > BUNDLE_LIMIT_BYTES:
                continue
            data = path.read_bytes()
        except OSError:
            continue
        for match in _CERTIFICATE.finditer(data):
            try:
                der = base64.b64decode(b"".join(match[1].split()), validate=True)
            except binascii.Error:
                continue
            body = base64.encodebytes(der).decode().replace("\n", "")
            folded = "\n".join(body[i : i + 64] for i in range(0, len(body), 64))
            pem = f"-----BEGIN CERTIFICATE-----\n{folded}\n-----END CERTIFICATE-----\n"
            found[hashlib.sha256(der).hexdigest()] = pem
    return found


def _lines(lines: Iterable[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def _toml(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _sed(value: str) -> str:
    return re.sub(r"([#&\\])", r"\\\1", value)

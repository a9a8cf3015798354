"""Makes a Debian base image out of Debian's packages, for machines that no image registry answers.

The result stands in for Debian's own slim image under the same tag: the smallest variant with apt
and certificate authorities, without documentation and translations.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from sandbox.cache import cache_dir
from sandbox.errors import ImageError
from sandbox.install import SetupError, apt_install, as_root
from sandbox.trust import HostTrust

ATTEMPTS = 3
"""Runs before giving up: a mirror in the middle of an update answers with wrong hashes."""
TIMEOUT_S = 900
"""One run takes 15 seconds on a good line."""
APT_RETRIES = 5
"""Repeats of one download within a run."""

_EXCLUDED = ("doc", "man", "info", "locale", "groff", "lintian", "linda")
_DPKG_RULES = (
    *(f"path-exclude=/usr/share/{name}/*" for name in _EXCLUDED),
    # Licences of the packages have to stay with them.
    "path-include=/usr/share/doc/*/copyright",
    "path-include=/usr/share/locale/locale.alias",
    # Debian's own images have it too: a build that dies is thrown away, so nothing need be synced
    # package by package, which takes most of an install's time.
    "force-unsafe-io",
)
_HOST_TRACES = ("apt/apt.conf.d/99mmdebstrap", "hostname", "resolv.conf")
_APT_RULES = (
    'Acquire::Languages "none";\n'
    'APT::Keep-Downloaded-Packages "false";\n'
    'APT::AutoRemove::SuggestsImportant "false";\n'
)


def bootstrap(release: str, trust: HostTrust, on_line: Callable[[str], None]) -> bytes:
    """Builds the root file system of a Debian release.

    Args:
        release: Debian's name for it, such as "bookworm".
        trust: this host's, for its mirror and proxies; nothing of it goes into the result.
        on_line: gets a line for each step.

    Returns:
        The file system as an uncompressed tar (some 100 MB).

    Raises:
        ImageError: the packages cannot be had, or the tools for it.
    """
    try:
        _install_tools(on_line)
        with tempfile.TemporaryDirectory(dir=cache_dir(), prefix="bootstrap-") as folder:
            return _run(release, trust, Path(folder), on_line)
    except SetupError as error:
        raise ImageError(f"No base image for Debian {release}: {error}") from error


def _install_tools(on_line: Callable[[str], None]) -> None:
    keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    missing = [] if shutil.which("mmdebstrap") else ["mmdebstrap"]
    missing += [] if keyring.exists() else ["debian-archive-keyring"]
    if missing:
        apt_install(missing, on_line)


def _run(release: str, trust: HostTrust, folder: Path, on_line: Callable[[str], None]) -> bytes:
    (folder / "apt").write_text(_APT_RULES)
    tar = folder / "root.tar"
    command = [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--include=ca-certificates",
        *(f"--dpkgopt={rule}" for rule in _DPKG_RULES),
        f'--aptopt=Acquire::Retries "{APT_RETRIES}"',
        *(f'--aptopt={name} "{value}"' for name, value in trust.config.apt.items()),
        f"--customize-hook=upload {folder / 'apt'} /etc/apt/apt.conf.d/50slim",
        # What the host needed to reach its archive, and the host's own name and resolver.
        f'--customize-hook=cd "$1/etc" && rm -f {" ".join(_HOST_TRACES)}',
        release,
        str(tar),
        *_archives(release, trust),
    ]
    # Reaching the mirror is the host's business, so its own variables serve, credentials or not.
    proxies = {k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")}
    said = ""
    for attempt in range(1, ATTEMPTS + 1):
        on_line(f"bootstrapping Debian {release} from its packages (attempt {attempt})")
        try:
            done = subprocess.run(
                as_root(command, {"LC_ALL": "C.UTF-8", **proxies}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            said = f"no end after {TIMEOUT_S} s"
            continue
        if done.returncode == 0:
            return tar.read_bytes()
        said = "\n".join(done.stdout.decode("utf-8", "replace").splitlines()[-10:])
    raise ImageError(
        f"Debian {release} could not be bootstrapped, {ATTEMPTS} times. Is its mirror reachable "
        f"(apt-get update)? mmdebstrap said:\n{said}"
    )


def _archives(release: str, trust: HostTrust) -> list[str]:
    """The host's mirror as lines for apt; none means Debian's own archive, which the tool knows."""
    mirror, security = trust.config.apt_mirror, trust.config.apt_security
    if mirror is None:
        return []
    lines = [f"deb {mirror} {release} main", f"deb {mirror} {release}-updates main"]
    return [*lines, f"deb {security} {release}-security main"] if security else lines

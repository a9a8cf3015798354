"""Fetch one file of a project from the package index that the host's pip is set up for.

The address, certificates, proxy, timeout and retries come from pip's own configuration at run time
(its files and PIP_* variables), so whatever makes `pip install` work on a machine makes this work.
A file is accepted by its SHA-256 alone, and is kept in a cache: a second use needs no network.
Indexes that are not reached by HTTP are passed over; put the file into the cache instead.
"""

from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from pypi_simple import PYPI_SIMPLE_ENDPOINT, NoSuchProjectError, PyPISimple
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from evals.errors import IndexUnavailable, RecipeError

MAX_FILE_BYTES = 64 * 1024 * 1024
"""Size of one file; the projects in use have less than 1 MB."""
CHUNK_BYTES = 64 * 1024
"""Read from the network at once: large enough to be quick, small enough to stop early."""
PIP_TIMEOUT_SECONDS = 15.0
"""pip's own default for one connection or read."""
PIP_RETRIES = 5
"""pip's own default."""
BACKOFF_SECONDS = 0.25
"""First pause before a retry, doubled each time, as pip does it."""
RETRIED_STATUS = (429, 500, 502, 503, 504, 520, 527)
"""Answers that a later try may better."""
CONFIG_SECONDS = 60
"""`pip config list` takes half a second; a cold, busy machine may need many times that."""


@dataclass(frozen=True)
class PipSettings:
    """The part of pip's configuration that reaching an index needs."""

    indexes: tuple[str, ...] = (PYPI_SIMPLE_ENDPOINT,)
    """Addresses in the order in which they are asked."""
    timeout_s: float = PIP_TIMEOUT_SECONDS
    retries: int = PIP_RETRIES
    certificates: str | None = None
    """File of the certificate authorities to trust; None for the default."""
    client_certificate: str | None = None
    proxy: str | None = None
    trusted_hosts: tuple[str, ...] = ()
    """Hosts whose certificate is not verified; the file's hash still is."""

    @classmethod
    def read(cls) -> PipSettings:
        """What pip would use on this machine, now.

        Raises:
            IndexUnavailable: pip does not tell its configuration.
        """
        command = [sys.executable, "-m", "pip", "config", "list"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=CONFIG_SECONDS, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            detail = (getattr(error, "stderr", None) or str(error)).strip()[-300:]
            raise IndexUnavailable(
                f"pip does not tell which package index it uses: {detail}. "
                f"Try `{' '.join(command)}`."
            ) from error
        return cls.parse(done.stdout)

    @classmethod
    def parse(cls, listing: str) -> PipSettings:
        """Read the output of `pip config list`: lines of `section.name='value'`."""
        values: dict[str, str] = {}
        # pip's own order: files' global section, the command's section, the environment.
        for section in ("global", "download", ":env:"):
            for line in listing.splitlines():
                name, _, value = line.partition("=")
                if name.startswith(section + "."):
                    with suppress(ValueError, SyntaxError):
                        values[name.removeprefix(section + ".")] = str(ast.literal_eval(value))
        no_index = values.get("no-index", "").lower() in ("1", "true", "yes", "on")
        main = values.get("index-url", PYPI_SIMPLE_ENDPOINT)
        indexes = [] if no_index else [main, *values.get("extra-index-url", "").split()]
        timeout = values.get("timeout") or values.get("default-timeout") or PIP_TIMEOUT_SECONDS
        return cls(
            indexes=tuple(i for i in indexes if i.startswith(("http://", "https://"))),
            timeout_s=float(timeout),
            retries=int(values.get("retries", PIP_RETRIES)),
            certificates=values.get("cert"),
            client_certificate=values.get("client-cert"),
            proxy=values.get("proxy"),
            trusted_hosts=tuple(values.get("trusted-host", "").split()),
        )


def obtain(
    project: str, file: str, sha256: str, cache: Path, settings: PipSettings | None = None
) -> Path:
    """A file of a project, from the cache or from the index.

    Args:
        project: the project's name on the index.
        file: the file's name there.
        sha256: what the file's bytes must hash to, in hex.
        cache: folder for downloads; made when it does not exist.
        settings: how to reach the index; pip's configuration when None.

    Returns:
        The path of the file in the cache.

    Raises:
        RecipeError: no index has the file, or its bytes are not the expected ones.
        IndexUnavailable: an index does not answer.
    """
    place = cache / sha256[:2] / sha256 / file
    if place.is_file():
        if _digest(place) == sha256:
            return place
        place.unlink(missing_ok=True)
    settings = settings or PipSettings.read()
    place.parent.mkdir(parents=True, exist_ok=True)
    with _client_session(settings) as session, _part(place) as part:
        url = _find(project, file, settings, session)
        if url is None:
            asked = ", ".join(map(_shown, settings.indexes)) or "no index: pip is set up with none"
            raise RecipeError(
                f"{file} of {project} is not on the package index any more ({asked}). "
                f"If you have the file, put it at {place}."
            )
        found = _download(url, part, settings, session)
        if found != sha256:
            raise RecipeError(
                f"{file} from {_shown(url)} has the SHA-256 {found}, but the recipe expects "
                f"{sha256}. The file was not used: it is damaged or not the one that was released."
            )
        part.replace(place)
    return place


def _find(project: str, file: str, settings: PipSettings, session: requests.Session) -> str | None:
    for index in settings.indexes:
        try:
            client = PyPISimple(index, session=session)
            page = client.get_project_page(project, timeout=settings.timeout_s)
        except NoSuchProjectError:
            continue
        except requests.RequestException as error:
            raise _unavailable(index, error) from error
        for package in page.packages:
            if package.filename == file:
                return package.url
    return None


def _download(url: str, part: Path, settings: PipSettings, session: requests.Session) -> str:
    digest = hashlib.sha256()
    size = 0
    try:
        with (
            session.get(url, stream=True, timeout=settings.timeout_s) as response,
            part.open("wb") as out,
        ):
            response.raise_for_status()
            for chunk in response.iter_content(CHUNK_BYTES):
                size += len(chunk)
                if size > MAX_FILE_BYTES:
                    raise RecipeError(f"{_shown(url)} is larger than {MAX_FILE_BYTES} bytes.")
                digest.update(chunk)
                out.write(chunk)
    except requests.RequestException as error:
        raise _unavailable(url, error) from error
    return digest.hexdigest()


@contextmanager
def _client_session(settings: PipSettings) -> Iterator[requests.Session]:
    with requests.Session() as session:
        retry = Retry(
            total=settings.retries,
            backoff_factor=BACKOFF_SECONDS,
            status_forcelist=RETRIED_STATUS,
            raise_on_status=False,
        )
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        for host in settings.trusted_hosts:
            session.mount(f"https://{host}/", _Unverified(max_retries=retry))
        if settings.certificates:
            session.verify = settings.certificates
        session.cert = settings.client_certificate
        if settings.proxy:
            session.proxies = {"http": settings.proxy, "https": settings.proxy}
        yield session


class _Unverified(HTTPAdapter):
    """For the hosts that the user told pip to trust without a certificate."""

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send the request without verifying the host's certificate."""
        return super().send(request, stream, timeout, False, cert, proxies)


@contextmanager
def _part(place: Path) -> Iterator[Path]:
    """A file beside `place` to write to, gone afterwards unless it was moved into place."""
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=".part-")
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unavailable(url: str, error: requests.RequestException) -> IndexUnavailable:
    status = error.response.status_code if error.response is not None else None
    why = f"it answered {status}" if status else type(error).__name__
    return IndexUnavailable(
        f"The package index at {_shown(url)} could not be used: {why}. Check the network, and "
        "pip's settings with `pip config list`; Kettle uses the same ones."
    )


def _shown(url: str) -> str:
    """The address without the user name and password that it may hold."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

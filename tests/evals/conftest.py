"""A package index on the loopback interface, and source distributions to put on it."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from evals.index import PipSettings

Member = tarfile.TarInfo | tuple[str, bytes] | tuple[str, bytes, int]


@dataclass
class Index:
    """A simple index that serves what is put into `files`, by project and file name."""

    url: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    status: int | None = None
    """When set, every answer has this status and no body."""
    asked: list[str] = field(default_factory=list)
    stop: Callable[[], None] = lambda: None

    @property
    def settings(self) -> PipSettings:
        return PipSettings(indexes=(self.url,), timeout_s=5, retries=0)

    def put(self, project: str, file: str, content: bytes) -> str:
        """Publish a file; returns its SHA-256."""
        self.files.setdefault(project, {})[file] = content
        return hashlib.sha256(content).hexdigest()


@pytest.fixture
def index() -> Iterator[Index]:
    served = Index()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            status, content_type, body = self._answer(self.path.strip("/").split("/"))
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _answer(self, parts: list[str]) -> tuple[int, str, bytes]:
            if served.status:
                return served.status, "text/plain", b""
            if parts[0] == "simple" and parts[1] in served.files:
                links = "".join(
                    f'<a href="/files/{parts[1]}/{name}">{name}</a>'
                    for name in served.files[parts[1]]
                )
                return 200, "text/html", f"<!DOCTYPE html><body>{links}</body>".encode()
            if parts[0] == "files":
                return 200, "application/gzip", served.files[parts[1]][parts[2]]
            return 404, "text/plain", b""

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    served.url = f"http://127.0.0.1:{server.server_port}/simple/"
    served.stop = stop
    yield served
    if thread.is_alive():
        stop()


def sdist(*members: Member) -> bytes:
    """A `.tar.gz` of the members: (path, content[, mode]) or a header of one's own."""
    out = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            info.mode = member[2] if len(member) == 3 else 0o644
            tar.addfile(info, io.BytesIO(member[1]))
    return out.getvalue()


RECIPE = """
project = "kettledrum"
licence = "MIT"
author = "Release Importer"
address = "releases@example.invalid"
"""


@pytest.fixture
def write_item(tmp_path: Path, index: Index) -> Callable[..., Path]:
    """Publish releases and write the item that names them."""

    def write(
        releases: Mapping[str, bytes],
        *,
        sha256: str | None = None,
        commits: Mapping[str, str] | None = None,
    ) -> Path:
        item = tmp_path / "item"
        item.mkdir(exist_ok=True)
        text = RECIPE
        for day, (version, content) in enumerate(releases.items(), start=1):
            file = f"kettledrum-{version}.tar.gz"
            found = index.put("kettledrum", file, content)
            text += (
                f'\n[[release]]\nversion = "{version}"\nfile = "{file}"\n'
                f'sha256 = "{sha256 or found}"\ndate = 2024-01-{day:02}T12:00:00Z\n'
            )
            if commits:
                text += f'commit = "{commits[version]}"\n'
        (item / "recipe.toml").write_text(text)
        return item

    return write

"""Whole commands on repositories that cannot be had, or that lack what the session recorded."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agent.origin.start import find_start
from agent.repo import Repository
from agent.session import load
from tests.agent import projects
from tests.sandbox.authority import make_authority

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> projects.Project:
    monkeypatch.setenv("KETTLE_CACHE", str(tmp_path / "cache"))
    return projects.make(tmp_path)


@contextmanager
def host(certificate: Path, status: int) -> Iterator[tuple[str, list[str]]]:
    """A git host that gives everybody the same answer; its address and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="private"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}/somebody/private.git", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "asks for a login"), (403, "asks for a login"), (404, "is gone, or it is private")],
)
def test_a_private_repository_is_said_to_be_private_and_nobody_is_asked_for_a_password(
    status: int,
    words: str,
    project: projects.Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    certificate = make_authority(tmp_path, name="localhost")
    monkeypatch.setenv("GIT_SSL_CAINFO", str(certificate))
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "localhost")
    with host(certificate, status) as (address, asked):
        shown = build(project, address)
    assert asked, "the host was asked"
    assert shown.returncode == 2, shown.stderr
    said = shown.stderr.replace("\n", " ")
    assert words in said
    assert "--repo" in said
    assert "Traceback" not in said
    assert "Username" not in shown.stderr + shown.stdout


def build(project: projects.Project, repository: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "agent", "build", str(project.session)),
            *("--repo", repository, "-m", "baseline"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )


def test_a_recorded_commit_that_the_repository_lacks_is_replaced_and_said(
    project: projects.Project, tmp_path: Path
) -> None:
    lost = "ab" * 20
    first, *rest = project.session.read_text().splitlines(keepends=True)
    told = json.loads(first)
    asked = {"type": "tool_use", "id": "toolu_0", "name": "Bash"}
    asked |= {"input": {"command": "git rev-parse HEAD"}}
    answer = {"type": "tool_result", "tool_use_id": "toolu_0", "content": lost}
    steps = [
        {"type": "assistant", "message": {"role": "assistant", "id": "m", "content": [asked]}},
        {"type": "user", "message": {"role": "user", "content": [answer]}}
        | {"toolUseResult": {"stdout": lost, "stderr": "", "interrupted": False}},
    ]
    lines = [json.dumps({**told, **step, "uuid": f"x{n}"}) + "\n" for n, step in enumerate(steps)]
    project.session.write_text("".join([first, *lines, *rest]))
    session = load(project.session)
    assert session.git.commit == lost
    with Repository.open(project.repository, cache=tmp_path / "cache") as repository:
        found = find_start(session, repository)
    assert found.commit == project.start
    assert lost[:12] in json.dumps(found.model_dump(mode="json"))

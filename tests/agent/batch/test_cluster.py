"""A batch on a Ray cluster of two nodes, each some processes of this machine; one is lost."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.batch.stand_in import STEPS
from agent.cli import run
from agent.queue import entries
from agent.queue.artefacts import FolderStore
from agent.queue.database import Database
from agent.queue.leases import Leases
from agent.queue.schema import Attempt
from sandbox.engine import Engine
from tests import postgres
from tests.agent import projects
from tests.agent.batch.conftest import PATIENCE_S, Start, fill, pid_of, take_in
from tests.agent.queue.conftest import server
from tests.conftest import containers_of

__all__ = ["server"]

LEASE_S = 3
SESSIONS = 8


class Node:
    """One node of a cluster: its processes, which all die together."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *arguments),
                *("--num-cpus=1", "--memory=4000000000", "--object-store-memory=80000000"),
                *("--resources", json.dumps({"docker": 1}), "--disable-usage-stats"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        )

    def processes(self) -> set[int]:
        """Every process of the node, workers of batches among them."""
        parents: dict[int, int] = {}
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                fields = (place / "stat").read_text().rpartition(")")[2].split()
                parents[int(place.name)] = int(fields[1])
        found = {self._process.pid}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found

    def lose(self) -> None:
        """The machine is gone, from one moment to the next."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """With a short path: a socket's name has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="kr-", ignore_cleanup_errors=True) as made:
        yield Path(made)


@pytest.fixture
def nodes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Node]]:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("there is no Ray for this Python")
    # As docs/cluster.md asks for: whoever has no token runs nothing here.
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    dashboard = "--include-dashboard=false"
    both = [Node("--head", f"--port={port}", dashboard, f"--temp-dir={folder}")]
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            break
        assert time.monotonic() < deadline, "the head of the cluster did not start"
        time.sleep(0.1)
    both.append(Node(f"--address={address}"))
    monkeypatch.setenv("RAY_ADDRESS", address)
    yield both
    for node in both:
        node.lose()


@pytest.fixture
def database(server: postgres.Postgres) -> Iterator[Database]:
    """In the place of the other batches' SQLite."""
    opened = Database(server.fresh(f"c{secrets.token_hex(4)}"), patience_s=PATIENCE_S)
    yield opened
    opened.close()


def test_a_lost_node_costs_nothing_but_its_last_steps(
    nodes: list[Node], database: Database, start: Start, tmp_path: Path
) -> None:
    fill(database, SESSIONS, tmp_path)
    batch = start(
        *("--engine", "ray", "--workers", "2", "--work", str(tmp_path / "work")),
        *("--job", "stand-in:1.5", "--until-empty", "--lease", str(LEASE_S)),
    )
    other = nodes[1]

    def of_the_other(event: dict[str, object]) -> bool:
        return event["event"] == "started" and pid_of(str(event["worker"])) in other.processes()

    lost = batch.until(of_the_other)
    other.lose()
    freed = batch.until_event("freed", entry=lost["entry"])
    assert "silent" in freed["why"]
    assert batch.ended() == 0, batch.said()
    assert entries.counts(database) == {"accepted": {"": SESSIONS}}
    store = FolderStore(tmp_path / "out")
    assert len(store.names()) == SESSIONS
    for name in store.names():
        journal = (tmp_path / "out" / name / "journal").read_text().split()
        assert journal == [str(step) for step in range(STEPS)], "each step once, none lost"
    rows = database.one(lambda c: c.execute(Attempt.__table__.select()).mappings().all())
    tried = [(row["kind"], row["state"]) for row in rows if row["entry"] == lost["entry"]]
    assert tried == [("worker-died", "building"), (None, "accepted")]
    assert not list((tmp_path / "work").iterdir())

    entries.retry(database, [1])
    stopped = start(
        *("--engine", "ray", "--workers", "2", "--work", str(tmp_path / "work")),
        *("--job", "stand-in:600"),
    )
    stopped.until_event("started")
    for words in ("finish what they do", "the workers stop"):
        stopped.process.send_signal(signal.SIGINT)
        stopped.until(lambda e, words=words: words in e.get("text", ""))  # type: ignore[misc]
    assert stopped.ended() == 130, stopped.said()
    assert Leases(database).running() == []


def test_a_node_that_is_lost_while_it_builds_costs_nothing_and_leaves_nothing(
    nodes: list[Node],
    database: Database,
    start: Start,
    engine: Engine,
    workbench: str,
    tmp_path: Path,
) -> None:
    project = projects.make(tmp_path)
    take_in(database, project, tmp_path / "other.jsonl")
    model = projects.recording(tmp_path / "r.json", projects.good_draft())
    batch = start(
        *("--engine", "ray", "--workers", "2", "--work", str(tmp_path / "work"), "-m", model),
        *("--repeats", "1", "--depth", "core", "--until-empty", "--lease", "10"),
    )
    victim = nodes[1]
    begun = batch.until(
        lambda e: e["event"] == "started" and pid_of(str(e["worker"])) in victim.processes()
    )
    process = pid_of(str(begun["worker"]))
    deadline = time.monotonic() + PATIENCE_S
    while not containers_of(engine, process):
        assert time.monotonic() < deadline, "the build started no container"
        time.sleep(0.1)
    victim.lose()
    batch.until_event("freed", entry=begun["entry"])
    assert batch.ended() == 0, batch.said()
    rows = entries.listed(database)
    assert [row["state"] for row in rows] == ["accepted"] * 2, rows
    assert len(FolderStore(tmp_path / "out").names()) == 2
    tried = database.one(lambda c: c.execute(Attempt.__table__.select()).mappings().all())
    kinds = [(row["kind"], row["state"]) for row in tried if row["entry"] == begun["entry"]]
    assert [kind for kind, _ in kinds] == ["worker-died", None], kinds
    assert not containers_of(engine, process)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--queue", "{tmp}/queue.db", "--work", "{tmp}"), "PostgreSQL"),
        (("--queue", "{url}"), "--work"),
    ],
)
def test_what_many_machines_need_is_said(
    arguments: tuple[str, ...],
    said: str,
    server: postgres.Postgres,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [one.format(tmp=tmp_path, url=server.url()) for one in arguments]
    assert run(["batch", "--engine", "ray", *given]) == 2
    assert said in capsys.readouterr().err


def outcome(script: str, *arguments: str, **environment: str) -> str:
    """What a batch that cannot begin says; it does so without a traceback."""
    done = subprocess.run(
        [sys.executable, "-c", script, "batch", "--engine", "ray", *arguments],
        cwd=Path(__file__).parents[3],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


RUN = "import sys; from agent.cli import run; sys.exit(run(sys.argv[1:]))"


def test_without_ray_it_is_said_how_to_get_it(tmp_path: Path) -> None:
    without = f"import sys; sys.modules['ray'] = None; {RUN}"
    assert "kettle[ray]" in outcome(without, "--queue", str(tmp_path / "q.db"), "--work", "x")


def test_a_cluster_that_does_not_answer_is_said_at_once(
    server: postgres.Postgres, tmp_path: Path
) -> None:
    given = ("--queue", server.fresh("nobody"), "--work", str(tmp_path))
    assert "ray start" in outcome(RUN, *given, RAY_ADDRESS="127.0.0.1:1")

"""A batch from the outside: it drains, ends when asked, and lives with what happens meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import select, text

from agent.batch.pace import waits
from agent.batch.report import facts, report
from agent.cli import run
from agent.environment import Environment
from agent.gate import GateReport
from agent.queue import consent, entries, ledger, purge
from agent.queue.artefacts import FolderStore
from agent.queue.database import Database
from agent.queue.entries import Candidate
from agent.queue.intake import take
from agent.queue.leases import Leases
from agent.queue.schema import Entry
from tests.agent import projects
from tests.agent.batch.conftest import REPOSITORY, WHO, Start, fill, pid_of, take_in
from tests.agent.models.provider import Answer, serving

LONG = "stand-in:600"
"""A build that ends only by being stopped."""


def test_ctrl_c_drains(database: Database, start: Start, tmp_path: Path) -> None:
    fill(database, 20, tmp_path)
    batch = start("--workers", "2", "--job", "stand-in:0.5")
    first = batch.until_event("started")
    batch.process.send_signal(signal.SIGINT)
    batch.until_event("finished", entry=first["entry"])
    assert batch.ended() == 130
    counts = entries.counts(database)
    assert counts["accepted"][""] < 20
    assert set(counts) == {"accepted", "queued"}, "what was begun was finished"
    assert Leases(database).running() == []


def test_a_second_ctrl_c_stops_and_the_next_batch_goes_on(
    database: Database, start: Start, tmp_path: Path
) -> None:
    fill(database, 1, tmp_path)
    batch = start("--workers", "1", "--job", LONG)
    batch.until_event("started")
    batch.process.send_signal(signal.SIGINT)
    batch.until(lambda e: e["event"] == "note" and "once more" in e["text"])
    batch.process.send_signal(signal.SIGINT)
    assert batch.ended() == 130
    (entry,) = entries.listed(database)
    assert (entry["state"], entry["worker"], entry["attempts"]) == ("building", None, 0)
    again = start("--job", "stand-in:0.1", "--until-empty")
    assert again.ended() == 0
    assert entries.counts(database) == {"accepted": {"": 1}}


def test_a_batch_that_is_killed_leaves_its_sessions_to_the_next(
    database: Database, start: Start, tmp_path: Path
) -> None:
    fill(database, 2, tmp_path)
    batch = start("--workers", "2", "--job", LONG)
    started = {batch.until_event("started", entry=n)["worker"] for n in (1, 2)}
    batch.process.kill()
    batch.ended()
    again = start("--job", "stand-in:0.1", "--until-empty")
    assert again.ended() == 0
    assert entries.counts(database) == {"accepted": {"": 2}}
    # Its workers notice that nobody speaks to them any more.
    for worker in started:
        with contextlib.suppress(ProcessLookupError):
            while True:
                os.kill(pid_of(worker), 0)


def test_two_batches_share_one_queue(database: Database, start: Start, tmp_path: Path) -> None:
    fill(database, 20, tmp_path)
    both = [start("-w", "2", "--job", "stand-in:0.2", "--until-empty") for _ in range(2)]
    assert [batch.ended() for batch in both] == [0, 0]
    assert entries.counts(database) == {"accepted": {"": 20}}
    ends = [next(e for e in batch.events if e["event"] == "end") for batch in both]
    assert sum(end["finished"] for end in ends) == 20


def test_an_opt_out_stops_a_build_and_leaves_nothing(
    database: Database, start: Start, tmp_path: Path
) -> None:
    fill(database, 1, tmp_path)
    batch = start("--workers", "1", "--job", LONG, "--lease", "2")
    batch.until_event("started")
    purge.opt_out(database, REPOSITORY, WHO)
    batch.process.send_signal(signal.SIGINT)
    assert batch.ended() == 130
    assert entries.listed(database) == []
    assert [p for p in batch.work.rglob("*") if p.name != "workers.log"] == []
    assert not batch.out.exists() or FolderStore(batch.out).names() == []


def test_money_is_not_spent_twice(database: Database, start: Start, tmp_path: Path) -> None:
    fill(database, 10, tmp_path)
    batch = start(
        *("--workers", "4", "--job", "stand-in:0.3:1.0", "--until-empty"),
        *("--max-cost", "3.5", "--item-cost", "1"),
    )
    assert batch.ended() == 0
    assert entries.counts(database)["accepted"][""] == 3
    number = next(e["batch"] for e in batch.events if e["event"] == "begin")
    assert ledger.spent(database, f"batch:{number}") == (pytest.approx(3.0), pytest.approx(0.0))


def test_minutes_end_a_batch_and_what_it_did_is_kept(
    database: Database, start: Start, tmp_path: Path
) -> None:
    fill(database, 1, tmp_path)
    batch = start("--workers", "1", "--job", LONG, "--max-minutes", "0.05")
    assert batch.ended() == 0
    (entry,) = entries.listed(database)
    assert (entry["worker"], entry["waiting"]) == (None, True)


def test_a_database_that_goes_away_costs_nothing(
    database: Database, start: Start, tmp_path: Path
) -> None:
    fill(database, 12, tmp_path)
    batch = start("--workers", "2", "--job", "stand-in:0.5", "--until-empty")
    batch.until_event("finished")
    place = tmp_path / "queue.db"
    os.rename(place, tmp_path / "aside.db")
    subprocess.run(["sleep", "2"], check=True)  # the outage itself
    assert not place.exists()
    os.rename(tmp_path / "aside.db", place)
    assert batch.ended() == 0, batch.said()
    assert entries.counts(database) == {"accepted": {"": 12}}


def test_a_full_disk_while_publishing_is_waited_for(
    database: Database, start: Start, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(out)], check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a small file system can only be mounted by root with CAP_SYS_ADMIN")
    try:
        filler = out / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        fill(database, 1, tmp_path)
        batch = start("--workers", "1", "--job", "stand-in:0.1", "--until-empty")
        again = batch.until_event("again", kind="infrastructure")
        assert "full" in again["reason"]
        assert FolderStore(out).names() == []
        filler.unlink()
        database.run(lambda c: c.execute(text("UPDATE entries SET not_before = 0")))
        assert batch.ended() == 0
        assert len(FolderStore(out).names()) == 1
        (entry,) = entries.listed(database)
        assert (entry["state"], entry["attempts"]) == ("accepted", 0)
        assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []
    finally:
        subprocess.run(["umount", "-l", str(out)], check=True)


def test_a_build_from_consent_to_a_published_environment(
    database: Database, start: Start, tmp_path: Path
) -> None:
    project = projects.make(tmp_path)
    gone = tmp_path / "gone.jsonl"
    take_in(database, project, gone)
    gone.unlink()
    model = projects.recording(tmp_path / "r.json", projects.good_draft())
    batch = start("--workers", "1", "-m", model, "--until-empty", "--repeats", "1")
    assert batch.ended() == 0, batch.said()
    rows = {Path(row["path"]).name: row for row in entries.listed(database)}
    missing = rows["gone.jsonl"]
    assert (missing["state"], missing["kind"]) == ("failed", "input")
    assert "is gone" in missing["reason"]
    built = rows["session.jsonl"]
    assert built["state"] == "accepted", built["reason"]
    environment = Environment.load(Path(built["environment"]))
    gate = GateReport.model_validate_json(environment.read("provenance/gate.json") or b"")
    assert gate.check("exploits-fail").verdict == "pass", "only the whole gate accepts"
    record = json.loads((environment.root / "provenance" / "consent.json").read_text())
    assert record["text_version"] == consent.text_version()
    shown = entries.shown(database, built["id"])
    assert shown["verdict"]["verdict"] in ("accept", "reject", "needs-a-person")
    assert list((batch.work / str(built["id"])).rglob("*")) == []


def test_what_the_evidence_speaks_against_is_not_built_and_its_verdict_is_kept(
    database: Database, start: Start, tmp_path: Path
) -> None:
    project = projects.make(tmp_path)
    consent.grant(database, str(project.repository), WHO)
    take(database, project.session, WHO, str(project.repository))
    batch = start("--workers", "1", "-m", "baseline", "--until-empty")
    assert batch.ended() == 0, batch.said()
    (entry,) = entries.listed(database)
    assert (entry["state"], entry["environment"]) == ("rejected", None)
    verdict = entries.shown(database, entry["id"])["verdict"]
    assert entry["kind"] == verdict["reasons"][0]["code"]
    assert not any(e["event"] == "phase" and e["state"] == "building" for e in batch.events)


def test_what_the_builder_cannot_do_is_no_verdict_of_the_gate(
    database: Database, start: Start, tmp_path: Path
) -> None:
    take_in(database, projects.make(tmp_path, tests=False))
    batch = start("--workers", "1", "-m", "baseline", "--until-empty")
    assert batch.ended() == 0, batch.said()
    (entry,) = entries.listed(database)
    assert (entry["state"], entry["kind"]) == ("failed", "unfinished")
    assert "changes no test" in entry["reason"]
    reached = {name: number for name, number, _ in facts(database)["funnel"]}
    assert (reached["qualified"], reached["built to a verdict of the gate"]) == (1, 0)


def test_a_provider_that_is_down_is_nobodys_fault_and_all_wait_for_it(
    database: Database, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_in(database, projects.make(tmp_path), tmp_path / "other.jsonl")
    with serving() as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        provider.says(
            Answer(b"<html>garbage"),
            Answer(hang_up=True),
            Answer({}, 429, {"retry-after": "1"}),
            Answer({}, 529, {"retry-after": "3600"}),
        )
        batch = start(
            "--workers", "1", "-m", "openai:scripted", "--repeats", "1", "--depth", "core"
        )
        again = batch.until_event("again", kind="provider")
        assert "3600" in again["reason"]
        batch.process.send_signal(signal.SIGINT)
        assert batch.ended() == 130
        assert len(provider.requests) == 4, "the second session waits, too"
    assert {row["attempts"] for row in entries.listed(database)} == {0}
    (waiting,) = waits(database)
    assert waiting[0] == "openai:scripted"
    assert waiting[1] > 0


def test_the_report_shows_the_funnel_and_lets_nothing_in(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agreement = consent.grant(database, REPOSITORY, WHO)
    name = "<script>alert(1)</script>.jsonl"
    entries.add(database, Candidate("d" * 64, "k", f"/s/{name}", "codex", 1, 0.5, agreement))
    leases = Leases(database)
    claim = leases.claim("worker")
    assert claim is not None
    leases.finish(claim, "rejected", kind="no outcome", reason="<b>nothing</b> like it")
    page = report(database)
    assert "no outcome" in page
    assert "<script>" not in page
    assert "<b>nothing" not in page
    html = tmp_path / "report.html"
    arguments = ["--queue", database.url, "--all", "--html", str(html)]
    assert run(["batch", "report", *arguments]) == 0
    assert "in the queue" in capsys.readouterr().out
    assert html.read_text() == page
    assert run(["batch", "report", "7", "--queue", database.url]) == 2
    query = select(Entry.state)
    assert database.one(lambda c: c.execute(query).scalar_one()) == "rejected"

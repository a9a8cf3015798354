"""`python -m agent queue`, as a person and as a script uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.cli import run
from tests.agent.queue.conftest import REPOSITORY, WHO, Write


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KETTLE_QUEUE", str(tmp_path / "queue.db"))


def test_from_consent_to_opt_out(
    queue: None, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    session = str(write())
    add = ["queue", "add", session, "--repo", REPOSITORY, "--by", WHO]
    assert run(add) == 2
    assert "opt-in" in capsys.readouterr().err
    assert run(["queue", "opt-in", "--repo", REPOSITORY, "--by", WHO]) == 0
    assert "You may withdraw at any time" in capsys.readouterr().out
    assert run([*add, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"] == {"added": 1}
    assert run(["queue", "list", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert run(["queue", "show", str(entry["id"])]) == 0
    assert WHO in capsys.readouterr().out
    assert run(["queue", "retry", str(entry["id"]), "--approve"]) == 0
    assert run(["queue", "opt-out", "--repo", REPOSITORY, "--dry-run"]) == 0
    assert "queue entries would be removed: 1" in capsys.readouterr().out
    assert run(["queue", "opt-out", "--repo", REPOSITORY, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["entries"] == [entry["id"]]
    assert run(["queue", "list"]) == 0
    assert "empty" in capsys.readouterr().out


def test_what_cannot_be_done_is_said(queue: None, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (["show", "7"], "no entry 7"),
        (["remove"], "Say which"),
        (["list", "--state", "lost"], "no state"),
        (["opt-in", "--repo", "file:///etc", "--by", WHO], "not a repository address"),
    ):
        assert run(["queue", *arguments]) == 2
        assert message in capsys.readouterr().err

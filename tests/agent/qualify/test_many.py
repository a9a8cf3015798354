"""Many sessions at once: as a stream, with a journal, whatever single ones do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import InputError
from agent.qualify.gather import gather
from agent.qualify.many import Work, qualify_files
from agent.qualify.report import journal
from tests.agent import projects

ROOT = Path(__file__).parents[3]
GREETING = '{"type":"event_msg","payload":{"type":"user_message","message":"hello there"}}\n'
HEAD = (
    '{"type":"session_meta","payload":{"id":"s","timestamp":"2026-01-02T03:04:05Z","cwd":"/x"}}\n'
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> projects.Project:
    monkeypatch.setenv("KETTLE_CACHE", str(tmp_path / "cache"))
    return projects.make(tmp_path)


@pytest.fixture
def folder(project: projects.Project, tmp_path: Path) -> Path:
    """Two real sessions, a greeting, a torn file and something else."""
    place = tmp_path / "logs" / "deep"
    place.mkdir(parents=True)
    for name in ("one.jsonl", "two.jsonl"):
        (place / name).write_bytes(project.session.read_bytes())
    (place / "greeting.jsonl").write_text(HEAD + GREETING)
    (place / "notes.txt").write_text("no session\n")
    return place.parent


def qualify(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent", "qualify", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_sessions_are_found_in_folders_and_by_patterns(folder: Path) -> None:
    names = ["greeting.jsonl", "one.jsonl", "two.jsonl"]
    assert [path.name for path in gather([folder])] == names
    assert [path.name for path in gather([folder / "**" / "*o*.jsonl"])] == names[1:]
    with pytest.raises(InputError, match=r"nothing\.jsonl"):
        gather([folder / "nothing.jsonl"])


def test_every_session_gets_a_row_whatever_it_is(project: projects.Project, folder: Path) -> None:
    broken = folder / "broken.jsonl"
    broken.write_bytes(b"\xff\xfe\x00{{{{")
    paths = [*gather([folder]), broken]
    work = Work(repo=str(project.repository))
    rows = {Path(row.path).name: row for row in qualify_files(paths, work, workers=2)}
    assert len(rows) == len(paths)
    assert rows["broken.jsonl"].error
    greeting = rows["greeting.jsonl"].qualification
    assert greeting is not None
    assert greeting.reasons[0].code == "not a code task"
    one, two = rows["one.jsonl"].qualification, rows["two.jsonl"].qualification
    assert one is not None
    assert two is not None
    assert one.start is not None
    assert one.start.commit == project.start
    assert [r.code for r in one.reasons] == [r.code for r in two.reasons]


def test_a_gone_repository_is_a_reason_for_each_session(folder: Path, tmp_path: Path) -> None:
    paths = gather([folder / "deep" / "one.jsonl"])
    rows = list(qualify_files(paths, Work(cache=tmp_path / "cache"), workers=1))
    assert rows[0].qualification is not None
    assert rows[0].qualification.reasons[0].code == "repository gone"


def test_a_killed_run_goes_on_where_it_stopped(project: projects.Project, folder: Path) -> None:
    kept = folder.parent / "verdicts.jsonl"
    given = (folder, "--repo", project.repository, "--to", kept)
    first = qualify(*given)
    assert first.returncode == 3, first.stderr
    lines = kept.read_text().splitlines()
    assert len(lines) == 3
    # The last verdict was being written when the machine went down.
    kept.write_text("\n".join(lines[:2]) + "\n" + lines[2][:100])
    again = qualify(*given, "--json")
    assert again.returncode == 3, again.stderr
    assert len(again.stderr.splitlines()) == 1
    assert len(json.loads(again.stdout)["judged"]) == 3
    assert [json.loads(line)["path"] for line in kept.read_text().splitlines()]


def test_a_file_of_something_else_is_not_taken_for_verdicts(folder: Path) -> None:
    other = folder / "other.jsonl"
    other.write_text('{"a": 1}\n')
    with pytest.raises(InputError, match="--to"):
        journal(other, [])
    assert other.read_text() == '{"a": 1}\n'


def test_the_table_names_every_session_and_says_who_judged(
    project: projects.Project, folder: Path
) -> None:
    shown = qualify(folder, "--repo", project.repository, "--quiet")
    assert shown.stderr == ""
    for word in ("greeting", "one", "two", "reject", "evidence alone"):
        assert word in shown.stdout
    assert "Traceback" not in shown.stdout


def test_nothing_that_can_be_read_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(os.urandom(100))
    shown = qualify(tmp_path / "x.bin")
    assert shown.returncode == 2
    assert "unreadable" in shown.stdout

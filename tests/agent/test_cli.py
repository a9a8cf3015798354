"""The command line as a person meets it: exit codes, messages, no traceback for a mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import git
import pytest

from tests.agent import projects
from tests.agent.origin import conftest as origin
from tests.agent.session import claude_lines as lines

ROOT = Path(__file__).parents[2]


def kettle(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> projects.Project:
    monkeypatch.setenv("KETTLE_CACHE", str(tmp_path / "cache"))
    return projects.make(tmp_path)


@pytest.mark.parametrize("command", [(), ("build",), ("check",), ("session",), ("doctor",)])
def test_help_teaches(command: tuple[str, ...]) -> None:
    shown = kettle(*command, "--help")
    assert shown.returncode == 0
    assert "Usage" in shown.stdout
    if command:
        assert f"python -m agent {command[0]}" in shown.stdout


def test_no_arguments_show_help() -> None:
    assert "Usage" in kettle().stdout


BAD_SESSIONS: dict[str, bytes] = {
    "empty": b"",
    "binary": bytes(range(256)) * 64,
    "JSON that is no session": b'{"hello": "world"}',
    "a JSON number": b"42",
    "torn JSON": b'{"session_id": "x", "messages": [{"role": "us',
    "deeply nested": b"[" * 200_000,
}


@pytest.mark.parametrize("kind", BAD_SESSIONS)
def test_a_file_that_is_no_session(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    path.write_bytes(BAD_SESSIONS[kind])
    refused(kettle("build", path), str(path))


def test_no_such_session(tmp_path: Path) -> None:
    refused(kettle("build", tmp_path / "nothing.jsonl"), "nothing.jsonl")


def test_a_folder_without_a_session(tmp_path: Path) -> None:
    refused(kettle("build", tmp_path), str(tmp_path))


@pytest.mark.parametrize(
    "source",
    ["/no/such/repository", "ext::sh -c touch% /tmp/evil", "--upload-pack=evil", "file:///etc"],
)
def test_a_repository_that_cannot_be_used(source: str, project: projects.Project) -> None:
    refused(kettle("build", project.session, f"--repo={source}"), "")


def test_an_empty_repository(project: projects.Project, tmp_path: Path) -> None:
    git.Repo.init(tmp_path / "empty").close()
    refused(kettle("build", project.session, "--repo", tmp_path / "empty"), "empty")


def test_an_unknown_model_names_the_known_ones(project: projects.Project) -> None:
    shown = kettle("build", project.session, "--repo", project.repository, "-m", "oracle-9000")
    refused(shown, "anthropic:")


def test_a_folder_that_is_no_environment(tmp_path: Path) -> None:
    refused(kettle("check", tmp_path), "task.toml")


def test_an_option_that_does_not_exist() -> None:
    refused(kettle("build", "x", "--quick"), "--quick")


def test_a_session_is_shown_and_exported(project: projects.Project) -> None:
    shown = kettle("session", project.session)
    assert shown.returncode == 0
    assert "HEY!" in shown.stdout
    exported = kettle("session", project.session, "--json")
    assert json.loads(exported.stdout)["schema_version"].startswith("ATIF")


def test_a_hostile_session_cannot_steer_the_terminal(tmp_path: Path) -> None:
    project = projects.make(tmp_path)
    lines = project.session.read_text()
    project.session.write_text(lines.replace("please fix it", "\\u001b]0;owned\\u0007\\u001b[2J"))
    shown = kettle("session", project.session)
    assert shown.returncode == 0
    assert "\x1b]0;" not in shown.stdout
    assert "\x1b[2J" not in shown.stdout


def test_no_engine_is_infrastructure_and_says_what_to_do(
    project: projects.Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    given = ("--repo", project.repository, "-m", "baseline", "--anyway")
    shown = kettle("build", project.session, *given)
    assert shown.returncode == 5
    assert "Traceback" not in shown.stderr
    assert "doctor" in shown.stderr


def refused(shown: subprocess.CompletedProcess[str], mentioned: str) -> None:
    """Exit code 2, a message on stderr that names the thing, and nothing else."""
    assert shown.returncode == 2, shown.stderr
    assert "Traceback" not in shown.stderr
    assert mentioned.replace("\n", "") in shown.stderr.replace("\n", "")
    assert shown.stdout == ""


def test_a_session_shows_uncommitted_work_of_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KETTLE_CACHE", str(tmp_path / "cache"))
    shop = origin.Project(tmp_path / "shop")
    commit = shop.commit({"a.py": "x = 1\n", "b.py": "y = 1\n" * 9})
    read = {"filePath": f"{lines.CWD}/a.py", "content": "x = 2\n", "numLines": 1, "startLine": 1}
    part = {"filePath": f"{lines.CWD}/b.py", "content": "z = 1\n", "numLines": 1, "startLine": 4}
    told = [
        lines.line("u1", None, "user", "Add x and y."),
        lines.line("u2", "u1", "assistant", [lines.use("s", "Read", file_path="a.py")]),
        lines.line(
            *("u3", "u2", "user", lines.result("s", "1→x = 2")),
            toolUseResult={"type": "text", "file": {**read, "totalLines": 1}},
        ),
        lines.line("u4", "u3", "assistant", [lines.use("t", "Read", file_path="b.py")]),
        lines.line(
            *("u5", "u4", "user", lines.result("t", "4→z = 1")),
            toolUseResult={"type": "text", "file": {**part, "totalLines": 9}},
        ),
    ]
    path = tmp_path / "session"
    path.write_text("".join(json.dumps(one) + "\n" for one in told))
    shown = kettle("session", path, "--repo", shop.path)
    assert shown.returncode == 0, shown.stderr
    assert f"{commit[:12]} with 2 uncommitted files: 1 recovered, 1 unknown" in shown.stdout
    assert "1 recovered (uncommitted, seen whole): a.py" in shown.stdout
    assert "as committed here): b.py" in shown.stdout
    document = json.loads(kettle("session", path, "--repo", shop.path, "--json").stdout)
    start = document["extra"]["start"]
    assert (start["commit"], start["recovered"], start["unknown"]) == (commit, ["a.py"], ["b.py"])
    none = kettle("session", path, "--repo", "recorded")
    assert none.returncode == 2
    assert "names no repository" in none.stderr

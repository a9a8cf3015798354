"""Sessions are found where tools keep them, and only those of people and repositories in."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import git
import pytest

from agent.queue import consent, entries
from agent.queue.collect import collect, repository_of_local
from agent.queue.database import Database
from agent.queue.intake import Taken
from agent.queue.watch import watch
from agent.session import load
from tests.agent.queue.conftest import REPOSITORY, WHO, lines

PATIENCE_S = 60


@pytest.fixture
def queue(tmp_path: Path) -> Database:
    database = Database(str(tmp_path / "queue.db"))
    consent.grant(database, REPOSITORY, WHO)
    return database


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with a clone of the repository and one of another."""
    for name, url in (("voice", REPOSITORY), ("secret", "https://example.org/firm/secret")):
        folder = tmp_path / "home" / name
        git.Repo.init(folder).create_remote("origin", url)
    return tmp_path / "home"


def claude_code(home: Path, name: str, cwd: Path) -> Path:
    place = home / ".claude" / "projects" / cwd.name / f"{name}.jsonl"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("".join(line + "\n" for line in lines(name, 2, str(cwd))))
    return place


def codex(home: Path) -> None:
    place = home / ".codex" / "sessions" / "2025" / "03" / "01" / "rollout-1.jsonl"
    place.parent.mkdir(parents=True)
    at = "2025-03-01T11:00:00Z"
    told = {"type": "user_message", "message": "please fix shout in voice.py"}
    meta = {"id": "c1", "timestamp": at, "cwd": "/x", "git": {"repository_url": REPOSITORY}}
    records = [("session_meta", meta), ("event_msg", told)]
    place.write_text(
        "".join(json.dumps({"timestamp": at, "type": t, "payload": p}) + "\n" for t, p in records)
    )


def gemini(home: Path, cwd: Path) -> None:
    place = home / ".gemini" / "tmp" / "p" / "chats" / "session-1.json"
    place.parent.mkdir(parents=True)
    remote = f"origin\t{REPOSITORY} (fetch)\n"
    call = {
        "id": "t1",
        "name": "run_shell_command",
        "args": {"command": "git remote -v"},
        "status": "success",
        "result": [{"functionResponse": {"response": {"output": remote}}}],
    }
    at = "2025-03-01T11:00:00.000Z"
    messages = [
        {"id": "1", "timestamp": at, "type": "user", "content": "please fix shout in voice.py"},
        {"id": "2", "timestamp": at, "type": "gemini", "content": "ok", "toolCalls": [call]},
    ]
    head = {"sessionId": "g1", "projectHash": "h", "startTime": at, "lastUpdated": at}
    place.write_text(json.dumps({**head, "messages": messages}))


def cline(home: Path) -> None:
    place = home / ".config/Code/User/globalStorage/saoudrizwan.claude-dev/tasks/1718000000000"
    place.mkdir(parents=True)
    workspace = {"associatedRemoteUrls": [f"origin: {REPOSITORY}"]}
    details = (
        "<environment_details>\n# Workspace Configuration\n"
        + json.dumps({"workspaces": {"/x": workspace}}, indent=2)
        + "\n</environment_details>"
    )
    told = [
        {"type": "text", "text": "<task>\nplease fix shout in voice.py\n</task>"},
        {"type": "text", "text": details},
    ]
    history = [
        {"role": "user", "content": told},
        {"role": "assistant", "content": [{"type": "text", "text": "ok"}]},
    ]
    (place / "api_conversation_history.json").write_text(json.dumps(history))
    (place / "ui_messages.json").write_text("[]")


def opencode(home: Path, cwd: Path) -> None:
    storage = home / ".local/share/opencode/storage"
    info = {"id": "ses_1", "version": "1.0", "directory": str(cwd), "time": {"created": 1}}
    message = {"id": "msg_1", "role": "user", "time": {"created": 1740826800000}}
    part = {"id": "prt_1", "type": "text", "text": "please fix shout in voice.py"}
    for path, value in (
        ("session/global/ses_1.json", info),
        ("message/ses_1/msg_1.json", message),
        ("part/msg_1/prt_1.json", part),
    ):
        (storage / path).parent.mkdir(parents=True)
        (storage / path).write_text(json.dumps(value))


def test_every_tools_store_is_searched(queue: Database, home: Path) -> None:
    claude_code(home, "s1", home / "voice")
    codex(home)
    gemini(home, home / "voice")
    cline(home)
    opencode(home, home / "voice")
    seen: list[Taken] = []
    counts = collect(queue, WHO, home=home, entire=False, tell=seen.append)
    formats = sorted(row["format"] for row in entries.listed(queue))
    assert formats == ["claude_code", "cline", "codex", "gemini_cli", "opencode"], seen
    assert collect(queue, WHO, home=home, entire=False) == {"known": 5}
    assert counts == {"added": 5}


def test_sessions_about_other_repositories_are_not_even_mentioned(
    queue: Database, home: Path
) -> None:
    claude_code(home, "s1", home / "secret")
    seen: list[Taken] = []
    assert collect(queue, WHO, home=home, entire=False, tell=seen.append) == {}
    assert seen == []
    assert collect(queue, "eve@example.org", home=home, entire=False) == {}


def test_a_folder_in_a_clone_is_told_by_its_configuration(home: Path) -> None:
    session = claude_code(home, "s1", home / "voice" / "src")
    assert repository_of_local(load(session)) == "example.org/dana/voice"


def test_entires_branch_is_read_for_contributors_who_opted_in(tmp_path: Path, data: Path) -> None:
    repo = git.Repo.init(tmp_path / "voice", initial_branch="entire/checkpoints/v1")
    place = Path(str(repo.working_dir))
    for number, who in enumerate((WHO, "eve@example.org")):
        folder = place / f"0{number}" / "0123456789" / "0"
        folder.mkdir(parents=True)
        (folder / "full.jsonl").write_text("".join(f"{x}\n" for x in lines(f"s{number}", 2)))
        about = {"checkpoint_id": f"0{number}0123456789", "strategy": "manual-commit"}
        (folder / "metadata.json").write_text(json.dumps(about))
        repo.git.add(all=True)
        author = git.Actor("x", who)
        repo.index.commit("Checkpoint", author=author, committer=git.Actor("bot", "bot@x.org"))
    repo.close()
    database = Database(str(tmp_path / "queue.db"))
    consent.grant(database, str(place), WHO)
    assert collect(database, WHO, home=tmp_path / "nobody") == {"added": 1}
    (entry,) = entries.listed(database)
    assert Path(entry["path"]).is_relative_to(data / "sessions")
    assert entry["path"].endswith("00/0123456789/0")
    copies = list((data / "sessions").rglob("full.jsonl"))
    assert len(copies) == 1, "nothing of a person who did not opt in is copied"


def test_watching_takes_up_what_is_written_later(queue: Database, home: Path) -> None:
    claude_code(home, "s1", home / "voice")
    stop, looked, found = threading.Event(), threading.Event(), threading.Event()

    def tell(taken: Taken) -> None:
        if taken.path.name == "s2.jsonl":
            found.set()

    def follow() -> None:
        watch(queue, WHO, home=home, stop=stop, quiet_ms=50, tell=tell, looked=looked.set)

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        assert looked.wait(PATIENCE_S)
        # The watch begins right after the look; a store that is written to again is seen anyway.
        while not found.wait(0.2):
            claude_code(home, "s2", home / "voice").touch()
            PATIENT.tick()
    finally:
        stop.set()
        thread.join(PATIENCE_S)
    assert len(entries.listed(queue)) == 2
    assert not thread.is_alive()


class _Patience:
    """Ends a wait that would never end."""

    def __init__(self) -> None:
        self._ticks = 0

    def tick(self) -> None:
        self._ticks += 1
        assert self._ticks < PATIENCE_S * 5, "nothing was found"


PATIENT = _Patience()

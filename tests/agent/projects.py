"""A tiny project with a history, a recorded session about it, and drafts of an environment for it.

The project is one Python module. At the start `shout` forgets the exclamation mark; the next commit
mends that. The session is in Claude Code's format and shows the start state's file.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import atif
import git

START = (
    'def shout(text):\n    """Upper case, with an exclamation mark."""\n    return text.upper()\n'
)
FIXED = START.replace("text.upper()", 'text.upper() + "!"')
PROMPT = "shout('hey') should say HEY! but it only says HEY, please fix it"
TEST = "from voice import shout\n\n\ndef test_mark():\n    assert shout('hey') == 'HEY!'\n"

DOCKERFILE = """\
FROM debian:bookworm-slim
RUN apt-get update \\
 && apt-get install -y --no-install-recommends patch python3 tini \\
 && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 1000 --create-home --shell /bin/bash solver
RUN install -d -o solver -g solver /app
ADD start.tar.gz /app/
WORKDIR /app
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["sleep", "infinity"]
"""

JUDGE = """\
import kit

word = kit.words(1)[0]
kit.check("shouts", kit.call_python("voice", "shout", [word]) == word.upper() + "!")
kit.verdict()
"""


@dataclass(frozen=True)
class Project:
    """A repository and a session about it."""

    repository: Path
    session: Path
    start: str
    outcome: str


def make(
    folder: Path,
    *,
    tests: bool = True,
    begin: Mapping[str, str | None] | None = None,
    end: Mapping[str, str | None] | None = None,
) -> Project:
    """Write the repository and the session.

    Args:
        folder: an empty folder.
        tests: whether the outcome brings a test.
        begin: what the first commit's files are, beside or instead of the usual ones; None for a
            file that is not there.
        end: the same for the outcome.
    """
    repo = git.Repo.init(folder / "voice", initial_branch="main")
    place = Path(repo.working_dir)
    (place / "pyproject.toml").write_text('[project]\nname = "voice"\nversion = "1"\n')
    (place / "LICENSE").write_text("SPDX-License-Identifier: MIT\n")
    (place / "voice.py").write_text(START)
    _write(place, begin or {})
    start = commit(repo, "Begin", "2025-03-01T10:00:00+0000")
    (place / "voice.py").write_text(FIXED)
    if tests:
        (place / "test_voice.py").write_text(TEST)
    _write(place, end or {})
    outcome = commit(repo, "Shout with an exclamation mark", "2025-03-01T12:00:00+0000")
    session = folder / "session.jsonl"
    session.write_text("".join(json.dumps(line) + "\n" for line in claude_code(place)))
    repo.close()
    return Project(place, session, start, outcome)


def _write(place: Path, files: Mapping[str, str | None]) -> None:
    for path, text in files.items():
        if text is None:
            (place / path).unlink()
            continue
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)


def commit(repo: git.Repo, message: str, date: str) -> str:
    """Commit everything at a fixed time."""
    repo.git.add(all=True)
    who = git.Actor("Dana", "dana@example.org")
    return repo.index.commit(
        message, author=who, committer=who, author_date=date, commit_date=date
    ).hexsha


def claude_code(place: Path) -> list[dict[str, object]]:
    """Lines of a session that reads the module and edits it."""
    name = str(place / "voice.py")
    shared = {"sessionId": "5f0c1d2e-0000-4000-8000-1234567890ab", "cwd": str(place)}
    shared |= {"version": "2.0.0", "gitBranch": "main", "isSidechain": False}
    read = {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"file_path": name}}
    edit = {
        "type": "tool_use",
        "id": "toolu_2",
        "name": "Edit",
        "input": {
            "file_path": name,
            "old_string": "text.upper()",
            "new_string": 'text.upper() + "!"',
        },
    }
    shown = {"filePath": name, "content": START, "numLines": 3, "startLine": 1, "totalLines": 3}
    changed = {
        "filePath": name,
        "oldString": "text.upper()",
        "newString": 'text.upper() + "!"',
        "originalFile": START,
        "structuredPatch": [],
        "userModified": False,
        "replaceAll": False,
    }
    steps: list[tuple[str, object, object]] = [
        ("user", PROMPT, None),
        ("assistant", [read], None),
        ("user", [_result("toolu_1", START)], {"type": "text", "file": shown}),
        ("assistant", [edit], None),
        ("user", [_result("toolu_2", "The file has been updated.")], changed),
        ("assistant", [{"type": "text", "text": "It says HEY! now."}], None),
    ]
    lines: list[dict[str, object]] = []
    for number, (role, content, result) in enumerate(steps):
        message: dict[str, object] = {"role": role, "content": content}
        if role == "assistant":
            message |= {"id": f"msg_{number}", "type": "message", "model": "claude-test"}
        line: dict[str, object] = {
            **shared,
            "type": role,
            "message": message,
            "uuid": f"u{number}",
            "parentUuid": f"u{number - 1}" if number else None,
            "timestamp": f"2025-03-01T11:00:{number:02d}.000Z",
        }
        if result is not None:
            line["toolUseResult"] = result
        lines.append(line)
    return lines


def write_command(files: dict[str, str]) -> str:
    """A shell command that writes files into the draft."""
    parts = []
    for path, text in files.items():
        place = f"/workbench/draft/{path}"
        parts.append(f"mkdir -p $(dirname {place}) && printf %s {shlex.quote(text)} > {place}")
    return " && ".join(parts)


def good_draft() -> str:
    """A command that turns the first draft into an environment that passes its gate."""
    return write_command({"environment/Dockerfile": DOCKERFILE, "tests/judge.py": JUDGE})


def recording(path: Path, *commands: str) -> str:
    """Write a trajectory that runs commands and submits; its model spec."""
    steps = [atif.Step(step_id=1, source="user", message="Build it.")]
    for command in commands:
        number = len(steps) + 1
        call = atif.ToolCall(
            tool_call_id=f"call-{number}", function_name="terminal", arguments={"command": command}
        )
        steps.append(atif.Step(step_id=number, source="agent", message="", tool_calls=[call]))
    steps.append(atif.Step(step_id=len(steps) + 1, source="agent", message="Done."))
    document = atif.Trajectory(
        schema_version="ATIF-v1.8", agent=atif.Agent(name="test", version="1"), steps=steps
    )
    path.write_text(json.dumps(document.to_json_dict()))
    return f"replay:{path}"


def _result(call: str, text: str) -> dict[str, object]:
    return {"type": "tool_result", "tool_use_id": call, "content": text}

"""How fast and how lean a session of 64 MB loads.

Run alone: `python -m tests.bench.sessions`. Each shape is loaded in a process of its own, so that
one measurement does not warm the next. Time is the processor's, since loading is one thread's work
and neighbours on the machine would count otherwise; memory is the growth of the peak resident set.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

SESSION_BYTES = 64 * 1024 * 1024
TARGET_SECONDS = 3.0
TARGET_MEMORY = 6.0
"""Peak growth of the resident set, as a multiple of the file's size."""
TIMEOUT_SECONDS = 120

_MEASURE = """
import sys, time
from pathlib import Path
from agent.session import formats, load

def status(name):
    for line in open("/proc/self/status"):
        if line.startswith(name):
            return int(line.split()[1]) * 1024

formats.modules()
path = Path(sys.argv[1])
before = status("VmRSS:")
began = time.process_time()
session = load(path)
seconds = time.process_time() - began
print(seconds, status("VmHWM:") - before, session.format, len(session.turns))
"""


def main() -> bool:
    """Print one line per figure; True when every target is met."""
    fine = True
    shapes = {
        "claude_code": _claude_code,
        "claude_code, short lines": _short_lines,
        "codex": _codex,
        "cline, short messages": _cline,
        "dataclaw (one document)": _dataclaw,
        "specstory (Markdown)": _specstory,
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, write in shapes.items():
            path = Path(folder) / "session"
            with path.open("w", encoding="utf-8") as stream:
                stream.writelines(write())
            size = path.stat().st_size
            ran = subprocess.run(
                [sys.executable, "-c", _MEASURE, str(path)],
                capture_output=True,
                text=True,
                check=True,
                timeout=TIMEOUT_SECONDS,
            )
            seconds, growth = (float(word) for word in ran.stdout.split()[:2])
            fine &= _line(f"session of 64 MB, {name}: time", seconds, TARGET_SECONDS, "s")
            fine &= _line(
                f"session of 64 MB, {name}: memory", growth / size, TARGET_MEMORY, "x its size"
            )
    return fine


def _line(name: str, measured: float, target: float, unit: str) -> bool:
    met = measured <= target
    verdict = "ok" if met else "miss"
    sys.stdout.write(f"{name:<52} {measured:8.2f} {unit:<10} target {target:g} {unit}  {verdict}\n")
    return met


def _source(number: int) -> str:
    """Text of a file as agents see them, with a few characters beyond Latin-1."""
    lines = (
        f"    value_{number}_{i} = transform(input[{i}], option={number}, note='größer → {i}')\n"
        for i in range(200)
    )
    return "".join(lines)


def _claude_code() -> Iterator[str]:
    written = number = 0
    parent: str | None = None
    while written < SESSION_BYTES:
        number += 1
        path = f"/home/someone/project/src/module_{number % 50}.py"
        body = _source(number)
        numbered = "".join(f"{i:6d}→{line}\n" for i, line in enumerate(body.split("\n"), 1))
        messages: list[tuple[str, object, object]] = [
            ("assistant", [_use(number, "Read", {"file_path": path})], None),
            (
                "user",
                [{"type": "tool_result", "tool_use_id": f"t{number}Read", "content": numbered}],
                {
                    "type": "text",
                    "file": {
                        "filePath": path,
                        "content": body,
                        "startLine": 1,
                        "numLines": 201,
                        "totalLines": 201,
                    },
                },
            ),
            (
                "assistant",
                [_use(number, "Edit", {"file_path": path, "old_string": "a", "new_string": "b"})],
                None,
            ),
            (
                "user",
                [{"type": "tool_result", "tool_use_id": f"t{number}Edit", "content": "done"}],
                {"filePath": path, "oldString": "a", "newString": "b", "originalFile": body},
            ),
        ]
        for step, (kind, content, told) in enumerate(messages):
            line = _claude_line(f"u{number}-{step}", parent, kind, content, f"m{number}-{step}")
            if told is not None:
                line["toolUseResult"] = told
            parent = f"u{number}-{step}"
            raw = json.dumps(line, ensure_ascii=False) + "\n"
            written += len(raw.encode())
            yield raw


def _short_lines() -> Iterator[str]:
    written = number = 0
    parent: str | None = None
    while written < SESSION_BYTES:
        number += 1
        content: object = [{"type": "text", "text": f"Step {number} of a long conversation."}]
        kind = "assistant"
        if number % 10 == 1:
            kind, content = "user", f"Please go on with step {number}."
        line = _claude_line(f"u{number}", parent, kind, content, f"m{number}")
        parent = f"u{number}"
        raw = json.dumps(line) + "\n"
        written += len(raw)
        yield raw


def _use(number: int, tool: str, given: dict[str, str]) -> dict[str, object]:
    return {"type": "tool_use", "id": f"t{number}{tool}", "name": tool, "input": given}


def _claude_line(
    uuid: str, parent: str | None, kind: str, content: object, message_id: str
) -> dict[str, object]:
    message: dict[str, object] = {"role": kind, "content": content}
    if kind == "assistant":
        message |= {"id": message_id, "model": "a-model", "type": "message"}
    return {
        "parentUuid": parent,
        "isSidechain": False,
        "userType": "external",
        "cwd": "/home/someone/project",
        "sessionId": "5c6d0e3a-0000-4000-8000-000000000000",
        "version": "2.1.52",
        "gitBranch": "main",
        "type": kind,
        "message": message,
        "uuid": uuid,
        "timestamp": "2026-01-02T03:04:05.678Z",
    }


def _codex() -> Iterator[str]:
    head = {"id": "s", "timestamp": "2026-01-02T03:04:05Z", "cwd": "/home/someone/project"}
    yield _codex_line("session_meta", head)
    yield _codex_line("event_msg", {"type": "user_message", "message": "Make it faster."})
    written = number = 0
    while written < SESSION_BYTES:
        number += 1
        command = f"cat src/module_{number}.py"
        body = _source(number)
        for raw in (
            _codex_line(
                "response_item",
                {
                    "type": "function_call",
                    "name": "shell_command",
                    "call_id": f"c{number}",
                    "arguments": json.dumps({"command": command}),
                },
            ),
            _codex_line(
                "event_msg",
                {
                    "type": "exec_command_end",
                    "call_id": f"c{number}",
                    "exit_code": 0,
                    "command": ["bash", "-lc", command],
                    "aggregated_output": body,
                },
            ),
            _codex_line(
                "response_item",
                {
                    "type": "function_call_output",
                    "call_id": f"c{number}",
                    "output": f"Exit code: 0\nWall time: 0.1 seconds\nOutput:\n{body}",
                },
            ),
        ):
            written += len(raw)
            yield raw


def _codex_line(kind: str, payload: dict[str, object]) -> str:
    line = {"timestamp": "2026-01-02T03:04:05.678Z", "type": kind, "payload": payload}
    return json.dumps(line) + "\n"


def _cline() -> Iterator[str]:
    """200,000 messages in one document: what costs most beside its size."""
    details = (
        "<environment_details>\n# Current Working Directory (/home/someone/project) Files\n"
        "src/module.py\ntests/test_module.py\n\n# Current Mode\nACT MODE\n</environment_details>"
    )
    written = number = 0
    while written < SESSION_BYTES:
        number += 1
        words = "task" if number == 1 else "feedback"
        said = f"<{words}>\nPlease go on with step {number} of the list that we made.\n</{words}>"
        asked = [{"type": "text", "text": said}, {"type": "text", "text": details}]
        told = [
            {"type": "text", "text": f"Step {number} is done; the next one is as we said. " * 4}
        ]
        raw = "[" if number == 1 else ","
        raw += json.dumps({"role": "user", "content": asked, "ts": 1767323045678 + number})
        raw += "," + json.dumps({"role": "assistant", "content": told})
        written += len(raw)
        yield raw
    yield "]"


def _dataclaw() -> Iterator[str]:
    yield '{"session_id": "s", "project": "p", "start_time": "2026-01-02T03:04:05Z", "messages": ['
    yield json.dumps({"role": "user", "content": "Make it faster."})
    written = number = 0
    while written < SESSION_BYTES:
        number += 1
        path = f"/home/someone/project/src/module_{number}.py"
        use = {
            "tool": "read",
            "input": {"filePath": path},
            "status": "success",
            "output": {"text": _source(number)},
        }
        raw = ",\n" + json.dumps({"role": "assistant", "content": "Reading.", "tool_uses": [use]})
        written += len(raw)
        yield raw
    yield "]}"


def _specstory() -> Iterator[str]:
    yield "<!-- Generated by SpecStory -->\n\n"
    yield "<!-- Claude Code Session 066e1e40-0000-4000-8000-0 (2026-01-12 15:08:38Z) -->\n"
    written = number = 0
    while written < SESSION_BYTES:
        number += 1
        raw = (
            "\n_**User (2026-01-12 15:08:38Z)**_\n\nGo on.\n\n---\n\n"
            "_**Agent (a-model 2026-01-12 15:08:42Z)**_\n\n"
            '<tool-use data-tool-type="read" data-tool-name="Read"><details>\n'
            f"<summary>Tool use: **Read**</summary>\n`src/module_{number}.py`\n\n```text\n"
            f"{_source(number)}```\n</details></tool-use>\n"
        )
        written += len(raw.encode())
        yield raw


if __name__ == "__main__":
    sys.exit(0 if main() else 1)

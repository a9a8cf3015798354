"""A small session of every format, to be spoilt in the same ways."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.agent.session import claude_lines, test_cline, test_codex, test_json_formats
from tests.agent.session import test_markdown_formats as markdown

AT = "2026-02-26T16:18:23.431000+00:00"


@dataclass(frozen=True)
class Sample:
    """What a tool writes."""

    lines: list[Any] = field(default_factory=list)
    """A record a line; a document is one record; empty for a text."""
    text: str = ""
    beside: dict[str, Any] = field(default_factory=dict)
    """Other files of its folder; without any, the session is the file alone."""
    name: str = "some-file"
    reads_as: str = ""
    """The format that the session names, where it is another's."""

    def held(self) -> str:
        """The content of the main file."""
        return self.text or dumped(self.lines)

    def write(self, folder: Path, held: str | bytes | None = None) -> Path:
        """Writes it, or what it was spoilt into, and returns what to load."""
        data = self.held() if held is None else held
        folder.mkdir(parents=True, exist_ok=True)
        for name, value in self.beside.items():
            (folder / name).write_text(json.dumps(value))
        path = folder / self.name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return folder if self.beside else path


def dumped(lines: list[Any]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


CLAUDE = [
    claude_lines.line("u1", None, "user", "Fix it."),
    claude_lines.line("u2", "u1", "assistant", [claude_lines.use("t", "Bash", command="make")]),
    claude_lines.line("u3", "u2", "user", claude_lines.result("t", "ok")),
]
SAID = {"type": "text", "text": "Fix it."}
SAMPLES = {
    "aider": Sample(text=markdown.AIDER),
    "atif": Sample(
        [
            {
                "schema_version": "ATIF-v1.7",
                "session_id": "s",
                "agent": {"name": "a", "version": "1"},
                "steps": [
                    {"step_id": 1, "source": "user", "message": "Fix it.", "timestamp": AT},
                    {
                        "step_id": 2,
                        "source": "agent",
                        "message": "Try.",
                        "tool_calls": [
                            {"tool_call_id": "c", "function_name": "bash", "arguments": {"a": 1}}
                        ],
                        "observation": {"results": [{"source_call_id": "c", "content": "ok"}]},
                    },
                ],
            }
        ]
    ),
    "chat_messages": Sample([test_json_formats.OPENAI]),
    "claude_code": Sample(CLAUDE),
    "cline": Sample([test_cline.HISTORY]),
    "cline_sdk": Sample(
        [
            {
                "version": 1,
                "agent": "lead",
                "sessionId": "k",
                "messages": [
                    {"id": "1", "role": "user", "ts": 1783376868634, "content": [SAID]},
                    {
                        "id": "2",
                        "role": "assistant",
                        "modelInfo": {"id": "m"},
                        "content": [claude_lines.use("t", "editor", path="a.py", new_text="y")],
                    },
                    {"id": "3", "role": "user", "content": claude_lines.result("t", "ok")},
                ],
            }
        ],
        beside={
            "k.json": {
                "session_id": "k",
                "cwd": "/home/ann/shop",
                "workspace_root": "/home/ann/shop",
                "metadata": {"git": {"url": "https://example.org/ann/shop", "branch": "dev"}},
            }
        },
        name="k.messages.json",
    ),
    "codex": Sample(
        [
            test_codex.META,
            test_codex.line("event_msg", type="user_message", message="Fix it."),
            test_codex.call("shell", "c", command=["bash", "-lc", "make"]),
            test_codex.output("c", '{"output": "ok", "metadata": {"exit_code": 0}}'),
            test_codex.call("apply_patch", "d", input=test_codex.PATCH),
        ]
    ),
    "copilot_cli": Sample(
        [
            {
                "type": "session.start",
                "id": "1",
                "timestamp": AT,
                "data": {
                    "sessionId": "p",
                    "context": {"cwd": "/w", "headCommit": "c" * 40, "repository": "ann/shop"},
                },
            },
            {"type": "user.message", "id": "2", "data": {"content": "Fix it."}},
            {
                "type": "assistant.message",
                "id": "3",
                "data": {
                    "content": "Try.",
                    "toolRequests": [
                        {"toolCallId": "t", "name": "bash", "arguments": {"command": "make"}}
                    ],
                },
            },
            {
                "type": "tool.execution_complete",
                "id": "4",
                "data": {"toolCallId": "t", "success": True, "result": {"content": "ok"}},
            },
        ]
    ),
    "cursor": Sample(
        [
            {
                "type": "system",
                "subtype": "init",
                "apiKeySource": "login",
                "cwd": "/w",
                "session_id": "k",
                "model": "m",
            },
            {"type": "user", "message": {"role": "user", "content": [SAID]}},
            {"type": "assistant", "message": {"content": [SAID]}, "timestamp_ms": 1770823449274},
            {
                "type": "tool_call",
                "subtype": "completed",
                "call_id": "1",
                "tool_call": {
                    "readToolCall": {
                        "args": {"path": "a.py"},
                        "result": {"success": {"content": "x\n"}},
                    }
                },
            },
        ]
    ),
    "dataclaw": Sample(
        [
            {
                "session_id": "d",
                "model": "m",
                "git_branch": "dev",
                "start_time": AT,
                "project": "opencode:shop",
                "messages": [
                    {"role": "user", "content": "Fix it.", "timestamp": AT},
                    {
                        "role": "assistant",
                        "thinking": "Hm.",
                        "tool_uses": [
                            {
                                "tool": "edit",
                                "status": "success",
                                "input": {"filePath": "a.py", "oldString": "x", "newString": "y"},
                                "output": {"text": "ok"},
                            }
                        ],
                    },
                ],
            }
        ]
    ),
    "entire": Sample(
        CLAUDE,
        beside={"metadata.json": {"checkpoint_id": "0123456789ab", "strategy": "manual-commit"}},
        name="full.jsonl",
        reads_as="claude_code",
    ),
    "gemini_cli": Sample(
        [
            {"sessionId": "g", "projectHash": "h", "startTime": AT},
            {"id": "1", "timestamp": AT, "type": "user", "content": [{"text": "Fix it."}]},
            {
                "id": "2",
                "type": "gemini",
                "content": "Done.",
                "toolCalls": [
                    {
                        "id": "t",
                        "name": "replace",
                        "status": "success",
                        "args": {"file_path": "a.py", "old_string": "x", "new_string": "y"},
                        "result": [{"functionResponse": {"response": {"output": "ok"}}}],
                    }
                ],
            },
            {"$rewindTo": "9"},
        ]
    ),
    "mini_swe_agent": Sample(
        [
            {
                "info": {"mini_version": "1.0", "config": {"model": {"model_name": "m"}}},
                "trajectory_format": "mini-swe-agent-1",
                "messages": [
                    {"role": "system", "content": "You have bash."},
                    {"role": "user", "content": "Please solve this issue: Fix it.\n\nYou can."},
                    {"role": "assistant", "content": "```mswea_bash_command\ncat a.py\n```"},
                    {
                        "role": "user",
                        "content": "<returncode>0</returncode>\n<output>\nx\n</output>",
                    },
                ],
            }
        ]
    ),
    "opencode": Sample(
        [
            {
                "info": {"id": "o", "directory": "/w", "time": {"created": 1770577372307}},
                "messages": [
                    {"info": {"role": "user", "time": {}}, "parts": [SAID]},
                    {
                        "info": {"role": "assistant", "modelID": "m", "providerID": "p"},
                        "parts": [
                            {
                                "type": "tool",
                                "callID": "c",
                                "tool": "bash",
                                "state": {
                                    "status": "completed",
                                    "input": {"command": "cat a.py"},
                                    "output": "x\n",
                                    "metadata": {"exit": 0},
                                },
                            }
                        ],
                    },
                ],
            }
        ]
    ),
    "openhands": Sample([test_json_formats.OPENHANDS]),
    "openhands_v1": Sample(
        [
            [
                {
                    "id": "b",
                    "kind": "MessageEvent",
                    "source": "user",
                    "timestamp": AT,
                    "llm_message": {"role": "user", "content": [SAID]},
                },
                {
                    "id": "c",
                    "kind": "ActionEvent",
                    "source": "agent",
                    "tool_name": "terminal",
                    "tool_call_id": "t",
                    "thought": [SAID],
                    "action": {"kind": "TerminalAction", "command": "make"},
                },
                {
                    "id": "d",
                    "kind": "ObservationEvent",
                    "source": "environment",
                    "tool_call_id": "t",
                    "observation": {"kind": "TerminalObservation", "exit_code": 2, "content": []},
                },
            ]
        ]
    ),
    "roo": Sample(
        [test_cline.HISTORY],
        beside={
            "item.json": {"id": "r", "ts": 1770577372307, "task": "Fix", "tokensIn": 1},
            "seen.json": test_cline.UI,
        },
    ),
    "specstory": Sample(text=markdown.SPECSTORY),
    "swe_agent": Sample(
        [
            {
                "environment": "swe_main",
                "trajectory": [
                    {
                        "action": "edit 1:1\nz\nend_of_edit\n",
                        "observation": "ok",
                        "thought": "Hm.",
                        "state": '{"open_file": "/w/a.py", "working_dir": "/w"}',
                    }
                ],
                "history": [
                    {"role": "system", "content": "S"},
                    {"role": "user", "content": "We solve this.\nISSUE:\nFix it.\n\nINSTRUCTIONS:"},
                ],
                "info": {"exit_status": "submitted", "submission": "diff"},
            }
        ]
    ),
    "swe_bench": Sample(
        [
            {
                "repo": "ann/shop",
                "instance_id": "ann__shop-1",
                "base_commit": "d" * 40,
                "patch": "p",
                "test_patch": "t",
                "problem_statement": "Fix it.",
            }
        ]
    ),
}

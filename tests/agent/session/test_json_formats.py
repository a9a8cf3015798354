"""Formats that are a JSON document, or lines of plain events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.errors import SessionError
from tests.agent.session.claude_lines import line
from tests.agent.session.conftest import LoadLines

AT = "2026-02-26T16:18:23.431000+00:00"


def test_dataclaw(load_json: LoadLines) -> None:
    session = load_json(
        {
            "session_id": "d-1",
            "model": "a-model",
            "git_branch": "dev",
            "start_time": AT,
            "end_time": AT,
            "project": "opencode:shop",
            "messages": [
                {"role": "user", "content": "Support Windows.", "timestamp": AT},
                {
                    "role": "assistant",
                    "thinking": "Hm.",
                    "timestamp": AT,
                    "tool_uses": [
                        {
                            "tool": "read",
                            "input": {"filePath": "C:\\shop\\a.py"},
                            "status": "success",
                            "output": {
                                "text": "<path>C:\\shop\\a.py</path>\n<type>file</type>\n"
                                "<content>1: x\n"
                                "2: \n\n(End of file - total 2 lines)\n</content>"
                            },
                        },
                        {
                            "tool": "edit",
                            "status": "error",
                            "input": {
                                "filePath": "C:\\shop\\a.py",
                                "oldString": "x",
                                "newString": "y",
                            },
                        },
                    ],
                },
            ],
        }
    )
    assert (session.format, session.id, session.git.branch) == ("dataclaw", "d-1", "dev")
    read, edited = session.calls()
    view = read.views[0]
    assert (view.path, view.text, view.whole) == ("C:\\shop\\a.py", "x\n\n", True)
    assert (edited.failed, edited.edits[0].old) == (True, "x")
    assert session.turns[1].source.index == 1


def test_copilot(load_lines: LoadLines) -> None:
    def event(number: int, kind: str, **data: Any) -> dict[str, Any]:
        return {"type": kind, "data": data, "id": str(number), "timestamp": AT, "parentId": None}

    session = load_lines(
        event(
            1,
            "session.start",
            sessionId="p-1",
            copilotVersion="1.0",
            startTime=AT,
            context={
                "cwd": "/home/ann/shop",
                "branch": "main",
                "headCommit": "c" * 40,
                "repository": "ann/shop",
                "repositoryHost": "github.com",
            },
        ),
        event(2, "user.message", content="Fix it.", transformedContent="<x>Fix it."),
        event(
            3,
            "assistant.message",
            content="Looking.",
            model="a-model",
            toolRequests=[
                {"toolCallId": "t1", "name": "bash", "arguments": {"command": "make"}},
                {"toolCallId": "t2", "name": "view", "arguments": {"path": "/home/ann/shop/a.py"}},
                {
                    "toolCallId": "t3",
                    "name": "create",
                    "arguments": {"path": "/home/ann/shop/b.py", "file_text": "y"},
                },
            ],
        ),
        event(4, "tool.execution_start", toolCallId="t1", toolName="bash"),
        event(
            5,
            "tool.execution_complete",
            toolCallId="t1",
            success=True,
            result={"content": "boom\n<shellId: 0 completed with exit code 2>"},
        ),
        event(
            6,
            "tool.execution_complete",
            toolCallId="t2",
            success=True,
            result={"content": "1. x = 1\n2. \n3. y"},
        ),
        event(7, "brand.new"),
    )
    assert session.format == "copilot_cli"
    assert (session.git.repository, session.git.commit) == ("https://github.com/ann/shop", "c" * 40)
    ran, seen, made = session.calls()
    assert ran.command is not None
    assert (ran.command.exit_code, ran.command.output) == (2, "boom")
    assert seen.views[0].text == "x = 1\n\ny\n"
    assert (made.edits[0].new, made.edits[0].path) == ("y", "/home/ann/shop/b.py")
    assert session.unknown == {"brand.new": 1}


def test_gemini_document(load_json: LoadLines) -> None:
    session = load_json(
        {
            "sessionId": "g-1",
            "projectHash": "h",
            "startTime": AT,
            "messages": [
                {"id": "1", "timestamp": AT, "type": "user", "content": "Fix it."},
                {
                    "id": "2",
                    "timestamp": AT,
                    "type": "gemini",
                    "content": "Done.",
                    "model": "a-model",
                    "thoughts": [{"subject": "Plan", "description": "go"}],
                    "toolCalls": [
                        {
                            "id": "t1",
                            "name": "replace",
                            "status": "success",
                            "args": {"file_path": "a.py", "old_string": "x", "new_string": "y"},
                            "result": [{"functionResponse": {"response": {"output": "ok"}}}],
                            "resultDisplay": {
                                "fileDiff": "d",
                                "originalContent": "x\n",
                                "newContent": "y\n",
                            },
                        }
                    ],
                },
            ],
        }
    )
    assert (session.format, session.id, session.model) == ("gemini_cli", "g-1", "a-model")
    edit = next(session.calls()).edits[0]
    assert (edit.before, edit.new) == ("x\n", "y\n")
    assert session.turns[1].thinking == "Plan: go"


def test_gemini_lines_with_growth_and_rewind(load_lines: LoadLines) -> None:
    session = load_lines(
        {"sessionId": "g-1", "projectHash": "h", "startTime": AT},
        {"id": "1", "timestamp": AT, "type": "user", "content": [{"text": "Fix it."}]},
        {"id": "2", "timestamp": AT, "type": "gemini", "content": "Do"},
        {"id": "2", "timestamp": AT, "type": "gemini", "content": "Done."},
        {"id": "3", "timestamp": AT, "type": "user", "content": "No, wrong."},
        {"$rewindTo": "3"},
        {"id": "4", "timestamp": AT, "type": "user", "content": "Thanks."},
        {"$set": {"lastUpdated": AT}},
    )
    assert [t.text for t in session.turns] == ["Fix it.", "Done.", "Thanks."]


def test_gemini_shared_chat(load_json: LoadLines) -> None:
    cut = (
        "\nIMPORTANT: The file content has been truncated.\nStatus: Showing lines 7-8 of 9 total "
        "lines.\nAction: more.\n\n--- FILE CONTENT (truncated) ---\nc\nd\n"
    )
    session = load_json(
        [
            {"role": "user", "parts": [{"text": "<session_context>\nfacts\n</session_context>"}]},
            {"role": "user", "parts": [{"text": "Fix it."}]},
            {
                "role": "model",
                "parts": [
                    {"text": "Hm.", "thought": True},
                    {
                        "functionCall": {
                            "id": "t1",
                            "name": "read_file",
                            "args": {"file_path": "a.py"},
                        }
                    },
                ],
            },
            {
                "role": "user",
                "parts": [{"functionResponse": {"id": "t1", "response": {"output": cut}}}],
            },
        ]
    )
    assert session.format == "gemini_cli"
    assert [t.text for t in session.prompts] == ["Fix it."]
    view = next(session.calls()).views[0]
    assert (view.text, view.start_line, view.whole) == ("c\nd\n", 7, False)


def test_opencode(load_json: LoadLines) -> None:
    session = load_json(
        {
            "info": {
                "id": "o-1",
                "directory": "/home/ann/shop",
                "version": "1.1",
                "time": {"created": 1770577372307, "updated": 1770577379000},
            },
            "messages": [
                {
                    "info": {"role": "user", "time": {"created": 1770577372307}},
                    "parts": [
                        {"type": "text", "text": "Fix it."},
                        {"type": "text", "text": "Called the Read tool", "synthetic": True},
                    ],
                },
                {
                    "info": {
                        "role": "assistant",
                        "modelID": "m",
                        "providerID": "p",
                        "time": {"created": 1770577373000},
                    },
                    "parts": [
                        {"type": "step-start"},
                        {"type": "reasoning", "text": "Hm."},
                        {"type": "text", "text": "Done."},
                        {
                            "type": "tool",
                            "callID": "c1",
                            "tool": "bash",
                            "state": {
                                "status": "completed",
                                "input": {"command": "cat a.py"},
                                "output": "x\n",
                                "metadata": {"exit": 0, "output": "x\n"},
                            },
                        },
                        {
                            "type": "tool",
                            "callID": "c2",
                            "tool": "edit",
                            "state": {
                                "status": "completed",
                                "output": "ok",
                                "input": {
                                    "filePath": "/home/ann/shop/a.py",
                                    "oldString": "x",
                                    "newString": "y",
                                },
                                "metadata": {
                                    "filediff": {"file": "/home/ann/shop/a.py", "before": "x\n"}
                                },
                            },
                        },
                        {"type": "novelty"},
                    ],
                },
            ],
        }
    )
    assert (session.format, session.cwd, session.model) == ("opencode", "/home/ann/shop", "p/m")
    assert session.turns[0].injected == ["Called the Read tool"]
    ran, edited = session.calls()
    assert ran.command is not None
    assert (ran.command.exit_code, ran.views[0].text) == (0, "x\n")
    assert (edited.edits[0].before, edited.edits[0].old) == ("x\n", "x")
    assert session.unknown == {"assistant part novelty": 1}


OPENHANDS: list[dict[str, Any]] = [
    {
        "id": 1,
        "timestamp": AT,
        "source": "user",
        "action": "message",
        "args": {"content": "Fix it."},
    },
    {"id": 2, "timestamp": AT, "source": "user", "action": "recall", "args": {}},
    {
        "id": 3,
        "timestamp": AT,
        "source": "environment",
        "cause": 2,
        "observation": "recall",
        "content": "",
        "extras": {"repo_name": "ann/shop", "repo_directory": "/workspace/shop"},
    },
    {
        "id": 4,
        "timestamp": AT,
        "source": "agent",
        "action": "run",
        "args": {"command": "make", "thought": "Try."},
    },
    {
        "id": 5,
        "timestamp": AT,
        "source": "agent",
        "cause": 4,
        "observation": "run",
        "content": "no",
        "extras": {
            "command": "make",
            "metadata": {"exit_code": 2, "working_dir": "/workspace/shop"},
        },
    },
    {"id": 6, "timestamp": AT, "source": "agent", "action": "edit", "args": {"path": "a.py"}},
    {
        "id": 10,
        "timestamp": AT,
        "source": "agent",
        "cause": 6,
        "observation": "edit",
        "content": "d",
        "extras": {"path": "a.py", "prev_exist": True, "old_content": "x", "new_content": "y"},
    },
    {
        "id": 11,
        "timestamp": AT,
        "source": "agent",
        "action": "finish",
        "args": {"final_thought": "Done."},
    },
]


def test_openhands_list_and_folder(load_json: LoadLines, load_folder: LoadLines) -> None:
    folder = {f"events/{e['id']}.json": e for e in OPENHANDS} | {"metadata.json": {"title": "x"}}
    for session in (load_json(OPENHANDS), load_folder(folder)):
        assert session.format == "openhands"
        assert session.git.repository == "https://github.com/ann/shop"
        assert session.first_prompt == "Fix it."
        ran, edited = session.calls()
        assert ran.command is not None
        assert (ran.command.exit_code, ran.command.cwd) == (2, "/workspace/shop")
        assert (edited.edits[0].before, edited.edits[0].new) == ("x", "y")
        assert session.turns[-1].text == "Done."


def test_openhands_v1(load_folder: LoadLines) -> None:
    events = [
        {
            "id": "a",
            "kind": "SystemPromptEvent",
            "source": "agent",
            "system_prompt": {"text": "Be."},
        },
        {
            "id": "b",
            "kind": "MessageEvent",
            "source": "user",
            "timestamp": "2026-01-01T00:00:00",
            "llm_message": {"role": "user", "content": [{"type": "text", "text": "Fix it."}]},
        },
        {
            "id": "c",
            "kind": "ActionEvent",
            "source": "agent",
            "tool_name": "terminal",
            "tool_call_id": "t1",
            "thought": [{"type": "text", "text": "Try."}],
            "action": {"kind": "TerminalAction", "command": "make"},
        },
        {
            "id": "d",
            "kind": "ObservationEvent",
            "source": "environment",
            "tool_name": "terminal",
            "tool_call_id": "t1",
            "observation": {
                "kind": "TerminalObservation",
                "exit_code": 2,
                "content": [{"type": "text", "text": "no"}],
            },
        },
        {
            "id": "e",
            "kind": "ActionEvent",
            "source": "agent",
            "tool_name": "file_editor",
            "tool_call_id": "t2",
            "thought": [],
            "action": {"kind": "FileEditorAction", "command": "create", "path": "/w/a.py"},
        },
        {
            "id": "f",
            "kind": "ObservationEvent",
            "source": "environment",
            "tool_call_id": "t2",
            "observation": {
                "kind": "FileEditorObservation",
                "path": "/w/a.py",
                "prev_exist": False,
                "old_content": None,
                "new_content": "x\n",
                "content": [],
            },
        },
        {"id": "g", "kind": "WonderEvent", "source": "agent"},
    ]
    files: dict[str, Any] = {
        f"events/event-{n:05d}-{e['id']}.json": e for n, e in enumerate(events)
    }
    files["base_state.json"] = {
        "id": "v-1",
        "agent": {"kind": "Agent", "llm": {"model": "a-model"}},
        "workspace": {"working_dir": "/w"},
    }
    session = load_folder(files)
    assert (session.format, session.id, session.cwd) == ("openhands_v1", "v-1", "/w")
    assert session.model == "a-model"
    ran, made = session.calls()
    assert ran.command is not None
    assert (ran.command.command, ran.command.exit_code) == ("make", 2)
    assert [(e.kind, e.new) for e in made.edits] == [("create", "x\n")]
    assert session.unknown == {"WonderEvent": 1}


def test_swe_agent(load_json: LoadLines) -> None:
    opened = (
        "[File: /w/a.py (2 lines total)]\n1:x\n2:y\n(Open file: /w/a.py)\n"
        "(Current directory: /w)\nbash-$"
    )
    session = load_json(
        {
            "environment": "swe_main",
            "trajectory": [
                {
                    "action": "open a.py\n",
                    "observation": opened,
                    "thought": "Look.",
                    "response": "",
                    "state": '{"open_file": "/w/a.py", "working_dir": "/w"}',
                },
                {
                    "action": "edit 1:1\nz\nend_of_edit\n",
                    "observation": "ok",
                    "thought": "",
                    "response": "",
                    "state": '{"open_file": "/w/a.py", "working_dir": "/w"}',
                },
                {
                    "action": "python a.py",
                    "observation": "z",
                    "thought": "",
                    "response": "",
                    "state": {"working_dir": "/w"},
                },
            ],
            "history": [
                {"role": "system", "content": "S"},
                {"role": "user", "content": "demo", "is_demo": True},
                {
                    "role": "user",
                    "content": "We solve this.\nISSUE:\nIt is broken.\n\nINSTRUCTIONS:\nBe brave.",
                },
            ],
            "info": {"exit_status": "submitted", "submission": "diff"},
        }
    )
    assert session.format == "swe_agent"
    assert session.first_prompt == "It is broken."
    seen, edited, ran = session.calls()
    assert (seen.views[0].text, seen.views[0].whole) == ("x\ny\n", True)
    assert (edited.edits[0].path, edited.edits[0].new) == ("/w/a.py", "z\n")
    assert ran.command is not None
    assert ran.command.command == "python a.py"


@pytest.mark.parametrize(
    ("said", "failed"), [("Text replaced.", None), ("Your edit was not applied.", True)]
)
def test_swe_agent_edits_by_search_and_replacement(
    load_json: LoadLines, said: str, failed: bool | None
) -> None:
    given = '{"search": "x = 1", "replace": "x = 2"}'
    asked = {"id": "c", "type": "function", "function": {"name": "edit", "arguments": given}}
    opened = "(Open file: /w/a.py)\n(Current directory: /w)\nbash-$"
    user = {"role": "user", "content": "ISSUE:\nFix it.\n\nINSTRUCTIONS:", "message_type": "x"}
    history = [
        user,
        {"role": "assistant", "content": "", "action": "edit", "tool_calls": [asked]},
        {"role": "tool", "content": f"{said}\n{opened}", "tool_call_ids": ["c"]},
    ]
    step = {
        "action": "edit 'x = 1' 'x = 2'",
        "observation": said,
        "state": {"open_file": "/w/a.py", "working_dir": "/w"},
    }
    for document in ({"history": history}, {"history": [user], "trajectory": [step]}):
        call = next(load_json(document).calls())
        edit = call.edits[0]
        assert (edit.path, edit.old, edit.new, call.failed) == ("/w/a.py", "x = 1", "x = 2", failed)


def test_mini_swe_agent(load_json: LoadLines) -> None:
    messages = [
        {"role": "system", "content": "You have bash."},
        {
            "role": "user",
            "content": "Please solve this issue: It is broken.\n\n"
            "You can execute bash commands and edit files.",
        },
        {"role": "assistant", "content": "Look.\n\n```mswea_bash_command\ncat a.py\n```"},
        {"role": "user", "content": "<returncode>0</returncode>\n<output>\nx\n</output>"},
        {"role": "user", "content": "Please always answer with one command."},
    ]
    whole = {
        "info": {"mini_version": "1.0", "config": {"model": {"model_name": "a-model"}}},
        "messages": messages,
        "trajectory_format": "mini-swe-agent-1",
    }
    for document in (messages, whole):
        session = load_json(document)
        assert session.format == "mini_swe_agent"
        assert [t.text for t in session.prompts] == ["It is broken."]
        call = next(session.calls())
        assert call.command is not None
        assert (call.command.exit_code, call.command.output) == (0, "x\n")
        assert call.views[0].path == "a.py"


def test_atif(load_json: LoadLines) -> None:
    session = load_json(
        {
            "schema_version": "ATIF-v1.2",
            "session_id": "t-1",
            "something": "new",
            "agent": {"name": "an-agent", "version": "2", "model_name": "a-model"},
            "steps": [
                {"step_id": 1, "source": "system", "message": "Be."},
                {"step_id": 2, "source": "user", "message": "Fix it.", "timestamp": AT},
                {
                    "step_id": 3,
                    "source": "agent",
                    "message": "Try.",
                    "reasoning_content": "Hm.",
                    "tool_calls": [
                        {
                            "tool_call_id": "c",
                            "function_name": "bash",
                            "arguments": {"command": "make"},
                        }
                    ],
                    "observation": {
                        "results": [
                            {"source_call_id": "c", "content": [{"type": "text", "text": "ok"}]}
                        ]
                    },
                },
            ],
        }
    )
    assert (session.format, session.id) == ("atif", "t-1")
    assert session.first_prompt == "Fix it."
    assert next(session.calls()).result == "ok"
    assert session.turns[2].thinking == "Hm."


def test_entire_checkpoint(load_folder: LoadLines) -> None:
    transcript = json.dumps(line("u1", None, "user", "Fix it.")) + "\n"
    metadata = {"checkpoint_id": "0123456789ab", "strategy": "manual-commit", "branch": "dev"}
    session = load_folder(
        {"full.jsonl": transcript, "metadata.json": metadata, "prompt.txt": "Fix"}
    )
    assert session.format == "claude_code"
    assert session.turns[0].source.file == "full.jsonl"
    assert "Entire checkpoint 0123456789ab" in session.notes
    numbered = load_folder({"0/full.jsonl": transcript, "metadata.json": metadata}, "numbered")
    assert numbered.first_prompt == "Fix it."
    with pytest.raises(SessionError, match="holds 2 sessions"):
        load_folder(
            {"0/full.jsonl": transcript, "1/full.jsonl": transcript, "metadata.json": metadata},
            "several",
        )


def test_cursor_stream_and_transcript(load_lines: LoadLines) -> None:
    said = {"role": "user", "content": [{"type": "text", "text": "Fix it."}]}
    answer = {"role": "assistant", "content": [{"type": "text", "text": "Try."}]}
    read = {"readToolCall": {"args": {"path": "a.py"}, "result": {"success": {"content": "x\n"}}}}
    ran = {
        "shellToolCall": {
            "args": {"command": "make"},
            "result": {"failure": {"exitCode": 2, "stdout": "no", "stderr": "!"}},
        }
    }
    session = load_lines(
        {
            "type": "system",
            "subtype": "init",
            "apiKeySource": "login",
            "cwd": "/w",
            "session_id": "k",
            "model": "a-model",
        },
        {"type": "user", "message": said, "session_id": "k"},
        {"type": "assistant", "message": answer, "session_id": "k", "timestamp_ms": 1770823449274},
        {
            "type": "tool_call",
            "subtype": "started",
            "call_id": "1",
            "tool_call": {"readToolCall": {"args": {"path": "a.py"}}},
        },
        {"type": "tool_call", "subtype": "completed", "call_id": "1", "tool_call": read},
        {"type": "tool_call", "subtype": "completed", "call_id": "2", "tool_call": ran},
        {"type": "result", "subtype": "success"},
    )
    assert (session.format, session.cwd, session.model) == ("cursor", "/w", "a-model")
    seen, command = session.calls()
    assert (seen.views[0].text, seen.failed) == ("x\n", False)
    assert command.command is not None
    assert (command.command.exit_code, command.failed) == (2, True)
    query = "<user_query>\nFix it.\n</user_query>"
    session = load_lines(
        {"role": "user", "message": {"content": [{"type": "text", "text": query}]}},
        {"role": "assistant", "message": {"content": [{"type": "text", "text": "Done."}]}},
    )
    assert (session.format, session.first_prompt) == ("cursor", "Fix it.")


def test_cursor_composer(load_json: LoadLines) -> None:
    session = load_json(
        {
            "composerId": "c-1",
            "createdAt": 1770823449274,
            "conversation": [
                {"type": 1, "text": "Fix it."},
                {
                    "type": 2,
                    "text": "Try.",
                    "toolFormerData": {
                        "name": "run_terminal_cmd",
                        "rawArgs": '{"command": "make"}',
                        "status": "completed",
                        "result": '{"output": "ok"}',
                    },
                },
            ],
        }
    )
    assert (session.format, session.first_prompt) == ("cursor", "Fix it.")
    call = next(session.calls())
    assert call.command is not None
    assert (call.command.command, call.result) == ("make", "ok")


def test_swe_bench_row(load_json: LoadLines, load_lines: LoadLines) -> None:
    row = {
        "repo": "ann/shop",
        "instance_id": "ann__shop-1",
        "base_commit": "d" * 40,
        "patch": "p",
        "test_patch": "t",
        "problem_statement": "It is broken.",
    }
    session = load_json(row)
    assert session.format == "swe_bench"
    assert (session.git.repository, session.git.commit) == ("https://github.com/ann/shop", "d" * 40)
    assert session.first_prompt == "It is broken."
    assert "p" not in [t.text for t in session.turns]
    with pytest.raises(SessionError, match="2 rows"):
        load_lines(row, row)


OPENAI = [
    {"role": "system", "content": "Be."},
    {"role": "user", "content": "Fix it."},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "c",
                "type": "function",
                "function": {"name": "bash", "arguments": '{"command": "make"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "c", "content": "ok"},
]
ANTHROPIC = [
    {"role": "user", "content": "Fix it."},
    {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "Try."},
            {"type": "tool_use", "id": "c", "name": "bash", "input": {"command": "make"}},
        ],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "ok"}]},
]


@pytest.mark.parametrize("messages", [OPENAI, ANTHROPIC])
def test_plain_messages(
    load_json: LoadLines, load_lines: LoadLines, messages: list[dict[str, Any]]
) -> None:
    wrapped = {"model": "a-model", "messages": messages}
    for session in (load_json(messages), load_json(wrapped), load_lines(*messages)):
        assert session.format == "chat_messages"
        assert session.first_prompt == "Fix it."
        call = next(session.calls())
        assert (call.arguments, call.result) == ({"command": "make"}, "ok")

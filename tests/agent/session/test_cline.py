"""Task folders of Cline and Roo, and the sessions of Cline's SDK."""

from __future__ import annotations

from typing import Any

from tests.agent.session.conftest import LoadLines

DETAILS = """<environment_details>
# Current Working Directory (c:/Users/ann/shop) Files
a.py

# Workspace Configuration
{
  "workspaces": {
    "c:\\\\Users\\\\ann\\\\shop": {
      "hint": "shop",
      "associatedRemoteUrls": [
        "origin: https://example.org/ann/shop.git"
      ],
      "latestGitCommitHash": "0123456789abcdef0123456789abcdef01234567"
    }
  }
}
</environment_details>"""


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


HISTORY = [
    {
        "role": "user",
        "content": [
            text("<task>\nFix 'a.py' (see below for file content)\n</task>"),
            text('<file_content path="a.py">\nx\n</file_content>'),
            text(DETAILS),
        ],
        "ts": 1770577372307,
    },
    {
        "role": "assistant",
        "content": [
            text("Reading."),
            {"type": "tool_use", "id": "t1", "name": "read_file", "input": {"path": "a.py"}},
        ],
        "modelInfo": {"modelId": "a-model"},
    },
    {
        "role": "user",
        "content": [text("[read_file for 'a.py'] Result:"), text("x = 1\n"), text(DETAILS)],
    },
    {
        "role": "assistant",
        "content": [
            {
                "type": "tool_use",
                "id": "t2",
                "name": "replace_in_file",
                "input": {
                    "path": "a.py",
                    "diff": "------- SEARCH\nx = 1\n=======\nx = 2\n+++++++ REPLACE",
                },
            }
        ],
    },
    {
        "role": "user",
        "content": [
            text("[replace_in_file for 'a.py'] Result:\nThe user denied this operation."),
            text("The user provided the following feedback:\n<feedback>\nmake it 3\n</feedback>"),
        ],
    },
    {
        "role": "assistant",
        "content": "<thinking>hm</thinking>\nRunning.\n<execute_command>\n"
        "<command>make</command>\n<requires_approval>false</requires_approval>\n</execute_command>",
    },
    {
        "role": "user",
        "content": "[execute_command for 'make'] Result:\nCommand executed.\nOutput:\nall good",
    },
]
UI = [
    {
        "ts": 1770577372307,
        "type": "say",
        "say": "task",
        "text": "Fix @/a.py",
        "conversationHistoryIndex": -1,
    },
    {
        "ts": 1770577377000,
        "type": "say",
        "say": "text",
        "text": "Reading.",
        "modelInfo": {"modelId": "a-model"},
        "conversationHistoryIndex": 0,
    },
    {
        "ts": 1770577378000,
        "type": "say",
        "say": "tool",
        "text": '{"tool":"newFileCreated","path":"b.py","content":"y = 1\\n"}',
    },
    {"ts": 1770577379000, "type": "say", "say": "command", "text": "make"},
    {"ts": 1770577380000, "type": "say", "say": "command_output", "text": "all good"},
    {"ts": 1770577390000, "type": "say", "say": "user_feedback", "text": "and the docs"},
    {"ts": 1770577391000, "type": "say", "say": "from_the_future", "text": ""},
]


def test_a_task_folder(load_folder: LoadLines) -> None:
    session = load_folder({"one.json": HISTORY, "two.json": UI, "three.json": {"files": []}})
    assert session.format == "cline"
    assert session.git.commit == "0123456789abcdef0123456789abcdef01234567"
    assert session.git.repository == "https://example.org/ann/shop.git"
    assert session.cwd == "c:/Users/ann/shop"
    assert [t.text for t in session.prompts] == ["Fix @/a.py", "make it 3"]
    read, replaced, ran = session.calls()
    assert (read.views[0].text, read.views[0].whole) == ("x = 1", True)
    assert (replaced.edits[0].old, replaced.edits[0].new) == ("x = 1\n", "x = 2\n")
    assert replaced.failed is True
    assert ran.command is not None
    assert (ran.command.command, ran.command.output) == ("make", "all good")
    assert session.model == "a-model"
    assert session.started is not None


def test_windows_paths_become_paths_of_the_repository(load_folder: LoadLines) -> None:
    session = load_folder({"one.json": HISTORY})
    assert session.repo_path("C:\\Users\\ann\\shop\\src\\a.py") == "src/a.py"
    assert session.repo_path("C:\\Users\\bob\\a.py") is None


def test_the_conversation_alone(load_json: LoadLines) -> None:
    session = load_json(HISTORY)
    assert session.format == "cline"
    assert session.first_prompt == "Fix 'a.py' (see below for file content)"


def test_what_the_user_saw_alone(load_json: LoadLines) -> None:
    session = load_json(UI)
    assert session.format == "cline"
    assert [t.text for t in session.prompts] == ["Fix @/a.py", "and the docs"]
    created, ran = session.calls()
    assert (created.edits[0].kind, created.edits[0].new) == ("create", "y = 1\n")
    assert ran.command is not None
    assert ran.command.output == "all good\n"
    assert session.unknown == {"say from_the_future": 1}


def test_roo_is_told_by_its_index_entry(load_folder: LoadLines) -> None:
    item = {
        "id": "r-1",
        "ts": 1770577372307,
        "task": "Fix",
        "tokensIn": 1,
        "workspace": "/home/ann",
    }
    session = load_folder({"a.json": HISTORY, "b.json": item})
    assert (session.format, session.id) == ("roo", "r-1")


def test_cline_sdk(load_folder: LoadLines) -> None:
    manifest = {
        "version": 1,
        "session_id": "k-1",
        "started_at": "2026-07-15T05:42:04Z",
        "model": "a-model",
        "cwd": "/home/ann/shop",
        "workspace_root": "/home/ann/shop",
        "metadata": {"git": {"url": "https://example.org/ann/shop", "branch": "dev"}},
    }
    messages = [
        {
            "id": "1",
            "role": "user",
            "ts": 1783376868634,
            "content": [
                text("make it small"),
                {"type": "file", "path": "/home/ann/shop/a.py", "content": "x\n"},
            ],
        },
        {
            "id": "2",
            "role": "assistant",
            "ts": 1783376868700,
            "modelInfo": {"id": "b-model"},
            "content": [
                {
                    "type": "tool_use",
                    "id": "t1",
                    "name": "editor",
                    "input": {"path": "/home/ann/shop/a.py", "old_text": "x", "new_text": "y"},
                }
            ],
        },
        {
            "id": "3",
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "content": '{"query":"edit:a.py","result":"Edited a.py","success":true}',
                }
            ],
        },
    ]
    session = load_folder(
        {
            "k.json": manifest,
            "k.messages.json": {
                "version": 1,
                "agent": "lead",
                "sessionId": "k-1",
                "messages": messages,
            },
        }
    )
    assert session.format == "cline_sdk"
    assert (session.git.repository, session.git.branch) == ("https://example.org/ann/shop", "dev")
    assert session.first_prompt == "make it small"
    attached, edited = session.calls()
    assert (attached.views[0].text, attached.views[0].whole) == ("x\n", True)
    assert (edited.edits[0].old, edited.edits[0].new, edited.result) == ("x", "y", "Edited a.py")
    assert edited.failed is False

"""Codex rollouts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import zstandard

from agent.session import load
from tests.agent.session.conftest import LoadLines

PATCH = """*** Begin Patch
*** Update File: src/a.py
@@ def f():
 keep
-old
+new
*** Add File: b.txt
+hello
*** Delete File: c.txt
*** End Patch"""


def line(kind: str, **payload: Any) -> dict[str, Any]:
    return {"timestamp": "2026-04-08T06:53:41.992Z", "type": kind, "payload": payload}


META = line(
    "session_meta",
    id="s-2",
    timestamp="2026-04-08T06:51:24.818Z",
    cwd="/home/ann/shop",
    cli_version="0.118.0",
    git={
        "commit_hash": "f" * 40,
        "branch": "main",
        "repository_url": "git@example.org:ann/shop.git",
    },
)


def message(role: str, *texts: str) -> dict[str, Any]:
    blocks = [{"type": "input_text", "text": text} for text in texts]
    return line("response_item", type="message", role=role, content=blocks)


def call(name: str, call_id: str, **given: Any) -> dict[str, Any]:
    return line(
        "response_item",
        type="function_call",
        name=name,
        call_id=call_id,
        arguments=json.dumps(given),
    )


def output(call_id: str, text: str) -> dict[str, Any]:
    return line("response_item", type="function_call_output", call_id=call_id, output=text)


def test_git_facts_and_prompt_from_events(load_lines: LoadLines) -> None:
    session = load_lines(
        META,
        line("turn_context", model="a-model", cwd="/home/ann/shop"),
        message("user", "# AGENTS.md instructions for /home/ann/shop\n\nBe terse."),
        message("user", "Fix it."),
        line("event_msg", type="user_message", message="Fix it."),
        message("assistant", "Fixed."),
        line("event_msg", type="agent_message", message="Fixed."),
    )
    assert session.format == "codex"
    assert session.git.commit == "f" * 40
    assert session.git.repository == "git@example.org:ann/shop.git"
    assert [t.text for t in session.prompts] == ["Fix it."]
    assert [t.text for t in session.turns if t.role == "agent"] == ["Fixed."]
    assert (session.model, session.tool_version) == ("a-model", "0.118.0")


def test_without_events_user_items_are_parted(load_lines: LoadLines) -> None:
    session = load_lines(
        META,
        message(
            "user",
            "# AGENTS.md instructions for /home/ann/shop\n\nBe terse.",
            "<environment_context>\n<cwd>/home/ann/shop</cwd>\n</environment_context>",
        ),
        message("user", "Fix it."),
        message("assistant", "Fixed."),
    )
    assert [t.text for t in session.prompts] == ["Fix it."]
    assert [t.role for t in session.turns] == ["user", "user", "agent"]


def test_commands_from_frames_and_events(load_lines: LoadLines) -> None:
    session = load_lines(
        META,
        line("event_msg", type="user_message", message="Go."),
        call("shell_command", "c1", command="cat a.py", workdir="/home/ann/shop"),
        output("c1", "Exit code: 0\nWall time: 0.1 seconds\nOutput:\nx = 1\n"),
        call("shell", "c2", command=["bash", "-lc", "make test"]),
        output("c2", json.dumps({"output": "boom", "metadata": {"exit_code": 2}})),
        call("exec_command", "c3", cmd="sed -n '3,4p' src/b.py"),
        line(
            "event_msg",
            type="exec_command_end",
            call_id="c3",
            exit_code=0,
            cwd="/home/ann/shop",
            command=["zsh", "-lc", "sed -n '3,4p' src/b.py"],
            aggregated_output="c\nd\n",
        ),
        output("c3", "ignored"),
    )
    commands = [c.command for c in session.calls()]
    assert [(c.command, c.exit_code, c.output) for c in commands if c] == [
        ("cat a.py", 0, "x = 1\n"),
        ("make test", 2, "boom"),
        ("sed -n '3,4p' src/b.py", 0, "c\nd\n"),
    ]
    views = [view for c in session.calls() for view in c.views]
    assert [(v.path, v.text, v.start_line, v.whole) for v in views] == [
        ("a.py", "x = 1\n", 1, True),
        ("src/b.py", "c\nd\n", 3, False),
    ]


def test_truncated_output_is_no_view(load_lines: LoadLines) -> None:
    cut = "Exit code: 0\nWall time: 0 seconds\nOutput:\na\n…120 tokens truncated…\nz\n"
    session = load_lines(
        META,
        line("event_msg", type="user_message", message="Go."),
        call("shell_command", "c1", command="cat a.py"),
        output("c1", cut),
    )
    assert next(session.calls()).views == []


def test_a_patch_becomes_edits(load_lines: LoadLines) -> None:
    session = load_lines(
        META,
        line("event_msg", type="user_message", message="Go."),
        line(
            "response_item", type="custom_tool_call", name="apply_patch", call_id="c1", input=PATCH
        ),
        line(
            "response_item",
            type="custom_tool_call_output",
            call_id="c1",
            output="apply_patch verification failed: no such lines",
        ),
    )
    made = next(session.calls())
    assert made.failed is True
    assert [(e.kind, e.path, e.old, e.new) for e in made.edits] == [
        ("replace", "src/a.py", "keep\nold\n", "keep\nnew\n"),
        ("create", "b.txt", None, "hello\n"),
        ("delete", "c.txt", None, None),
    ]


def test_applied_changes_win_over_the_asked_ones(load_lines: LoadLines) -> None:
    diff = "@@ -1,2 +1,2 @@\n keep\n-old\n+new\n"
    changes = {
        "/home/ann/shop/src/a.py": {"type": "update", "unified_diff": diff, "move_path": "/x/z.py"},
        "/home/ann/shop/b.txt": {"add": {"content": "hello\n"}},
    }
    session = load_lines(
        META,
        line("event_msg", type="user_message", message="Go."),
        line(
            "response_item", type="custom_tool_call", name="apply_patch", call_id="c1", input=PATCH
        ),
        line("event_msg", type="patch_apply_end", call_id="c1", success=True, changes=changes),
    )
    made = next(session.calls())
    assert made.failed is False
    assert [(e.kind, e.path) for e in made.edits] == [
        ("patch", "/home/ann/shop/src/a.py"),
        ("rename", "/home/ann/shop/src/a.py"),
        ("create", "/home/ann/shop/b.txt"),
    ]
    assert made.edits[0].patch == diff


def test_a_patch_within_a_shell_command(load_lines: LoadLines) -> None:
    session = load_lines(
        META,
        line("event_msg", type="user_message", message="Go."),
        call("shell", "c1", command=["bash", "-lc", f"apply_patch <<'EOF'\n{PATCH}\nEOF"]),
    )
    assert [e.path for e in next(session.calls()).edits] == ["src/a.py", "b.txt", "c.txt"]


def test_zstandard_and_torn_zstandard(tmp_path: Path) -> None:
    said = line("event_msg", type="user_message", message="Fix it.")
    plain = "".join(
        json.dumps(x) + "\n" for x in [META, said] + [line("compacted")] * 5000
    ).encode()
    packed = zstandard.compress(plain)
    whole = tmp_path / "whole"
    whole.write_bytes(packed)
    assert load(whole).first_prompt == "Fix it."
    torn = tmp_path / "torn"
    torn.write_bytes(packed[: len(packed) - 20])
    session = load(torn)
    assert session.format == "codex"
    assert session.damaged or session.first_prompt == "Fix it."


def test_bare_items_of_old_versions(load_lines: LoadLines) -> None:
    session = load_lines(
        {
            "id": "old",
            "timestamp": "2025-05-01T00:00:00Z",
            "instructions": "",
            "git": {"commit_hash": "a" * 40},
        },
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Old."}]},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Yes."}],
        },
    )
    assert session.format == "codex"
    assert session.git.commit == "a" * 40
    assert session.first_prompt == "Old."


def test_words_behind_an_editors_context(load_lines: LoadLines) -> None:
    said = (
        "# Context from my IDE setup:\n\n## Open tabs:\n- a.py\n\n## My request for Codex:\nFix it."
    )
    session = load_lines(META, line("event_msg", type="user_message", message=said))
    assert session.first_prompt == "Fix it."
    assert "Open tabs" in session.prompts[0].injected[0]

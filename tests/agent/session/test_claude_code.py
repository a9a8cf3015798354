"""Claude Code's transcripts with the quirks that they have in the wild."""

from __future__ import annotations

import json
from pathlib import Path

from agent.session import load
from tests.agent.session.claude_lines import CWD, line, result, use
from tests.agent.session.conftest import LoadLines


def test_prompt_facts_and_answer(load_lines: LoadLines) -> None:
    session = load_lines(
        line("u1", None, "user", "Fix the till."),
        line("u2", "u1", "assistant", [{"type": "text", "text": "Looking."}]),
    )
    assert session.format == "claude_code"
    assert (session.id, session.cwd, session.git.branch) == ("s-1", CWD, "main")
    assert session.model == "a-model"
    assert session.first_prompt == "Fix the till."
    assert [t.role for t in session.turns] == ["user", "agent"]
    assert session.turns[1].source.line == 2
    assert session.started is not None
    assert session.started.utcoffset() is not None


def test_lines_of_one_message_are_one_turn(load_lines: LoadLines) -> None:
    session = load_lines(
        line("u1", None, "user", "Go."),
        line("u2", "u1", "assistant", [{"type": "thinking", "thinking": "Hm."}], message_id="m"),
        line("u3", "u2", "assistant", [{"type": "text", "text": "First."}], message_id="m"),
        line("u4", "u3", "assistant", [use("t1", "Bash", command="ls")], message_id="m"),
    )
    turn = session.turns[1]
    assert len(session.turns) == 2
    assert (turn.thinking, turn.text, turn.calls[0].tool) == ("Hm.", "First.", "Bash")


def test_results_are_no_prompts(load_lines: LoadLines) -> None:
    session = load_lines(
        line("u1", None, "user", "Go."),
        line("u2", "u1", "assistant", [use("t1", "Bash", command="ls")]),
        line(
            "u3",
            "u2",
            "user",
            result("t1", "till.py"),
            toolUseResult={"stdout": "till.py", "stderr": "", "interrupted": False},
        ),
    )
    assert len(session.prompts) == 1
    command = next(session.calls()).command
    assert command is not None
    assert (command.command, command.exit_code, command.output) == ("ls", 0, "till.py")
    assert command.cwd == CWD


def test_a_failed_command_keeps_its_exit_code(load_lines: LoadLines) -> None:
    session = load_lines(
        line("u1", None, "user", "Go."),
        line("u2", "u1", "assistant", [use("t1", "Bash", command="make")]),
        line(
            "u3",
            "u2",
            "user",
            result("t1", "Exit code 2\nno rule", is_error=True),
            toolUseResult="Error: Exit code 2\nno rule",
        ),
    )
    call = next(session.calls())
    assert call.failed is True
    assert call.command is not None
    assert (call.command.exit_code, call.command.output) == (2, "no rule")


def test_a_read_gives_the_files_text_without_numbers(load_lines: LoadLines) -> None:
    numbered = "     1→import os\n     2→\n     3→x = 1\n"
    session = load_lines(
        line("u1", None, "user", "Go."),
        line("u2", "u1", "assistant", [use("t1", "Read", file_path=f"{CWD}/a.py")]),
        line("u3", "u2", "user", result("t1", numbered)),
    )
    view = next(session.calls()).views[0]
    assert (view.text, view.start_line, view.whole) == ("import os\n\nx = 1\n", 1, True)


def test_the_exact_content_wins_over_the_numbered_listing(load_lines: LoadLines) -> None:
    told = {
        "type": "text",
        "file": {
            "filePath": f"{CWD}/a.py",
            "content": "a\n\tb",
            "numLines": 2,
            "startLine": 5,
            "totalLines": 9,
        },
    }
    session = load_lines(
        line("u1", None, "user", "Go."),
        line("u2", "u1", "assistant", [use("t1", "Read", file_path=f"{CWD}/a.py")]),
        line("u3", "u2", "user", result("t1", "5→a\n6→ b"), toolUseResult=told),
    )
    view = next(session.calls()).views[0]
    assert (view.text, view.start_line, view.whole) == ("a\n\tb", 5, False)


def test_edits_carry_what_stood_there_before(load_lines: LoadLines) -> None:
    edited = {
        "filePath": f"{CWD}/a.py",
        "oldString": "1",
        "newString": "2",
        "originalFile": "x = 1\n",
        "userModified": True,
        "replaceAll": False,
    }
    written = {"type": "create", "filePath": f"{CWD}/b.py", "content": "y\n", "originalFile": None}
    session = load_lines(
        line("u1", None, "user", "Go."),
        line(
            "u2",
            "u1",
            "assistant",
            [use("t1", "Edit", file_path="a.py"), use("t2", "Write", file_path="b.py")],
        ),
        line("u3", "u2", "user", result("t1", "ok"), toolUseResult=edited),
        line("u4", "u2", "user", result("t2", "ok"), toolUseResult=written),
    )
    first, second = (call.edits[0] for call in session.calls())
    assert (first.old, first.new, first.before) == ("1", "2", "x = 1\n")
    assert first.user_modified
    assert (second.kind, second.new, second.before) == ("create", "y\n", None)


def test_what_tools_put_into_prompts_is_parted(load_lines: LoadLines) -> None:
    said = "<system-reminder>be nice</system-reminder>Rename it.<ide_selection>x</ide_selection>"
    session = load_lines(
        line("u1", None, "user", [{"type": "text", "text": said}]),
        line("u2", "u1", "user", "Caveat of the tool", isMeta=True),
        line("u3", "u2", "user", "[Request interrupted by user]"),
        line(
            "u4",
            "u3",
            "user",
            "<command-name>/plan</command-name><command-args>only the till</command-args>",
        ),
        line(
            "u5", "u4", "user", "<command-name>/clear</command-name><command-args></command-args>"
        ),
        line("u6", "u5", "user", "Summary of it all", isCompactSummary=True),
    )
    assert [t.text for t in session.prompts] == ["Rename it.", "/plan only the till"]
    assert session.turns[0].injected == [
        "<system-reminder>be nice</system-reminder>",
        "<ide_selection>x</ide_selection>",
    ]
    assert any("compacted" in note for note in session.notes)


def test_words_with_a_refusal_are_the_persons(load_lines: LoadLines) -> None:
    refused = "The user doesn't want to proceed. To tell you how, the user said:\nuse pytest"
    session = load_lines(
        line("u1", None, "user", "Test it."),
        line("u2", "u1", "assistant", [use("t1", "Bash", command="nose")]),
        line("u3", "u2", "user", result("t1", refused, is_error=True)),
    )
    assert [t.text for t in session.prompts] == ["Test it.", "use pytest"]


def test_words_typed_while_the_agent_worked(load_lines: LoadLines) -> None:
    queued = {"type": "queued_command", "prompt": "and the tests", "commandMode": "prompt"}
    session = load_lines(
        line("u1", None, "user", "Go."),
        {"type": "attachment", "uuid": "u2", "parentUuid": "u1", "attachment": queued},
    )
    assert [t.text for t in session.prompts] == ["Go.", "and the tests"]


def test_the_abandoned_branch_is_left_out(load_lines: LoadLines) -> None:
    session = load_lines(
        line("u1", None, "user", "Start."),
        line("u2", "u1", "assistant", [{"type": "text", "text": "Started."}]),
        line("u3", "u2", "user", "Wrong way."),
        line("u4", "u3", "assistant", [{"type": "text", "text": "Going wrong."}]),
        line("u5", "u2", "user", "Right way."),
        line("u6", "u5", "assistant", [{"type": "text", "text": "Going right."}]),
    )
    assert [t.text for t in session.turns] == ["Start.", "Started.", "Right way.", "Going right."]
    assert any("abandoned" in note for note in session.notes)


def test_parallel_results_off_the_path_are_kept(load_lines: LoadLines) -> None:
    session = load_lines(
        line("u1", None, "user", "Go."),
        line("u2", "u1", "assistant", [use("t1", "Bash", command="a")], message_id="m"),
        line("u3", "u2", "assistant", [use("t2", "Bash", command="b")], message_id="m"),
        line("u4", "u2", "user", result("t1", "one")),
        line("u5", "u3", "user", result("t2", "two")),
        line("u6", "u5", "assistant", [{"type": "text", "text": "Done."}]),
    )
    assert [call.result for call in session.calls()] == ["one", "two"]
    assert len(session.turns) == 3


def test_a_cycle_ends(load_lines: LoadLines) -> None:
    session = load_lines(
        line("u1", "u3", "user", "Round."),
        line("u2", "u1", "user", "And."),
        line("u3", "u1", "user", "Round again."),
    )
    assert session.turns[-1].text == "Round again."


def test_lines_repeated_by_a_resume_count_once(load_lines: LoadLines) -> None:
    first = line("u1", None, "user", "Go.")
    answer = line("u2", "u1", "assistant", [{"type": "text", "text": "Gone."}])
    again = {**line("u9", None, "user", "Go."), "timestamp": first["timestamp"]}
    session = load_lines(first, answer, first, answer, again)
    assert [t.text for t in session.turns] == ["Go.", "Gone."]


def test_a_torn_chain_keeps_everything(load_lines: LoadLines) -> None:
    session = load_lines(
        line("u1", None, "user", "One."),
        line("u2", "REDACTED", "assistant", [{"type": "text", "text": "Two."}]),
        line("u3", "REDACTED", "user", "Three."),
    )
    assert [t.text for t in session.turns] == ["One.", "Two.", "Three."]


def test_inline_subagents_stand_aside(load_lines: LoadLines) -> None:
    progress = {
        "type": "progress",
        "uuid": "u3",
        "parentUuid": "u2",
        "data": {
            "type": "agent_progress",
            "message": {"type": "user", "uuid": "x1", "message": {"content": "Look around."}},
        },
    }
    session = load_lines(
        line("u1", None, "user", "Go."),
        line("u2", "u1", "assistant", [use("t1", "Task", prompt="Look around.")]),
        progress,
        line("u4", "u2", "assistant", [{"type": "text", "text": "Seen."}], isSidechain=True),
    )
    assert [t.sidechain for t in session.turns] == [False, False, True, True]
    assert len(session.prompts) == 1


def test_subagents_in_files_of_their_own(tmp_path: Path) -> None:
    main = tmp_path / "abc.jsonl"
    main.write_text(json.dumps(line("u1", None, "user", "Go.")) + "\n")
    alone = load(main)
    aside = tmp_path / "abc" / "subagents" / "agent-1.jsonl"
    aside.parent.mkdir(parents=True)
    aside.write_text(json.dumps(line("v1", None, "user", "Look.", isSidechain=True)) + "\n")
    session = load(main)
    assert session.turns[1].sidechain
    assert session.turns[1].source.file == "abc/subagents/agent-1.jsonl"
    assert session.digest != alone.digest


def test_unknown_lines_are_counted_and_harmless(load_lines: LoadLines) -> None:
    session = load_lines(
        line("u1", None, "user", "Go."),
        {"type": "brand-new", "sessionId": "s-1"},
        {"type": "brand-new", "sessionId": "s-1"},
        line("u2", "u1", "assistant", [{"type": "hologram"}]),
    )
    assert session.unknown == {"brand-new": 2, "assistant block hologram": 1}
    assert session.first_prompt == "Go."


def test_images_are_dropped(load_lines: LoadLines) -> None:
    picture = {"type": "image", "source": {"type": "base64", "data": "A" * 100_000}}
    embedded = "see data:image/png;base64," + "B" * 100_000 + " there"
    session = load_lines(
        line("u1", None, "user", [picture, {"type": "text", "text": embedded}]),
    )
    assert len(session.model_dump_json()) < 5_000
    assert "see [binary data left out] there" in session.first_prompt


def test_git_facts_from_plain_commands(load_lines: LoadLines) -> None:
    def ran(number: int, command: str, output: str) -> list[object]:
        call = f"t{number}"
        told = {"stdout": output, "stderr": "", "interrupted": False}
        return [
            line(f"u{number}", None, "assistant", [use(call, "Bash", command=command)]),
            line(f"u{number + 50}", None, "user", result(call, output), toolUseResult=told),
        ]

    session = load_lines(
        line("u1", None, "user", "Go."),
        *ran(2, "git log --oneline -3", "0123abc Third\n99887766 Second"),
        *ran(3, "git status --short", " M till.py"),
        *ran(4, "git remote -v", "origin\thttps://ann:secret@example.org/ann/shop.git (fetch)\n"),
        *ran(5, "git commit -m x", "[main 5555555] x"),
        *ran(6, "git rev-parse HEAD", "5" * 40),
    )
    assert session.git.commit == "0123abc"
    assert session.git.dirty is True
    assert session.git.repository == "https://example.org/ann/shop.git"


def test_filtered_logs_are_no_facts(load_lines: LoadLines) -> None:
    told = {"stdout": "0123abc Old", "stderr": "", "interrupted": False}
    for command in ("git log --oneline v1.0", "git log --oneline -- till.py", "git log | head -1"):
        session = load_lines(
            line("u1", None, "user", "Go."),
            line("u2", "u1", "assistant", [use("t", "Bash", command=command)]),
            line("u3", "u2", "user", result("t", "0123abc Old"), toolUseResult=told),
        )
        assert session.git.commit is None, command

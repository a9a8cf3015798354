"""What a person, a builder model and an ATIF reader get to see."""

from __future__ import annotations

import io
import json
from pathlib import Path

import atif
from rich.console import Console

from agent.session import Session, load
from agent.session.atif import to_atif
from agent.session.view import render, to_markdown
from tests.agent.session.claude_lines import CWD, line, result, use
from tests.agent.session.conftest import LoadLines


def story(load_lines: LoadLines, steps: int = 1) -> Session:
    lines = [line("u1", None, "user", "Fix the ```till```.\n<system-reminder>x</system-reminder>")]
    for n in range(steps):
        old, new = f"{n}\nsame\n", f"{n + 1}\nsame\n"
        told = {"filePath": f"{CWD}/a.py", "oldString": old, "newString": new, "originalFile": old}
        ran = {"stdout": "x" * 5000 + "LAST", "stderr": "", "interrupted": False}
        lines += [
            line(
                f"a{n}",
                None,
                "assistant",
                [
                    {"type": "text", "text": f"Step {n}."},
                    use(f"e{n}", "Edit", file_path="a.py"),
                    use(f"r{n}", "Bash", command="make"),
                ],
            ),
            line(f"b{n}", None, "user", result(f"e{n}", "ok"), toolUseResult=told),
            line(f"c{n}", None, "user", result(f"r{n}", ""), toolUseResult=ran),
        ]
    lines.append(line("u2", None, "user", "Now the \x1b[31mdocs."))
    return load_lines(*lines)


def test_a_person_reads_prompts_edits_and_places(load_lines: LoadLines) -> None:
    out = io.StringIO()
    render(story(load_lines), Console(file=out, width=100))
    shown = out.getvalue()
    for expected in (
        "Fix the ```till```.",
        "prompt 1",
        "line 1",
        "$ make",
        "exit 0",
        "-0",
        "+1",
        "LAST",
        "main",
    ):
        assert expected in shown
    assert "\x1b[31m" not in shown, "a session must not drive the terminal"
    assert "system-reminder" not in shown


def test_markdown_has_prompts_verbatim(load_lines: LoadLines) -> None:
    text = to_markdown(story(load_lines), 100_000)
    assert "Fix the ```till```." in text
    assert "### Prompt 2" in text
    assert "-0\n+1\n same" in text
    assert "Ran (exit code 0)" in text
    assert "LAST" in text


def test_markdown_leaves_out_the_middle(load_lines: LoadLines) -> None:
    session = story(load_lines, steps=60)
    for limit in (100, 2_000, 9_000, 40_000):
        assert len(to_markdown(session, limit).encode()) <= limit
    text = to_markdown(session, 9_000)
    assert "Step 0." in text
    assert "Step 59." in text
    assert "Step 30." not in text
    assert "left out here; they stand in the raw session from line" in text
    assert "Fix the ```till```." in text


def test_atif_is_accepted_and_reads_back(load_lines: LoadLines, tmp_path: Path) -> None:
    session = story(load_lines, steps=3)
    written = json.dumps(to_atif(session).to_json_dict(), allow_nan=False)
    atif.Trajectory.model_validate_json(written)
    path = tmp_path / "again"
    path.write_text(written)
    again = load(path)
    assert again.format == "atif"
    assert [t.text for t in again.prompts] == [t.text for t in session.prompts]
    assert len(list(again.calls())) == len(list(session.calls()))


def test_atif_of_an_attachment_and_of_odd_numbers(load_json: LoadLines) -> None:
    session = load_json(
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Fix it."},
                    {"type": "file", "path": "a.py", "content": "x"},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "c", "name": "f", "input": {"n": float("inf")}}
                ],
            },
        ]
    )
    written = json.dumps(to_atif(session).to_json_dict(), allow_nan=False)
    assert '"inf"' in written

"""Codex' code mode: the model writes scripts that call its tools."""

from __future__ import annotations

from agent.session import scripts
from tests.agent.session.conftest import LoadLines
from tests.agent.session.test_codex import META


def test_literals_are_read_and_nothing_else() -> None:
    script = r"""
    const all = await Promise.all([
      tools.exec_command({cmd: "sed -n '1,5p' \"a b.py\"", 'workdir': '/x', ms: 10, tty: false}),
      tools.exec_command({cmd: `rg 'a\u0062' $HOME`, max: computed(), later: "lost"}),
      tools.apply_patch("*** Begin Patch\n*** End Patch"),
      tools.exec_command({cmd: `echo ${secret}`}), tools.exec_command(given),
    ]);
    """
    assert scripts.calls(script) == [
        (
            "exec_command",
            {"cmd": "sed -n '1,5p' \"a b.py\"", "workdir": "/x", "ms": 10, "tty": False},
        ),
        ("exec_command", {"cmd": "rg 'ab' $HOME"}),
        ("apply_patch", {"input": "*** Begin Patch\n*** End Patch"}),
        ("exec_command", {}),
        ("exec_command", {}),
    ]


def test_calls_of_a_script_become_calls_with_their_results(load_lines: LoadLines) -> None:
    def item(**payload: object) -> dict[str, object]:
        return {"timestamp": "2026-08-16T10:00:00Z", "type": "response_item", "payload": payload}

    def script(identity: str, text: str, *printed: str) -> list[dict[str, object]]:
        parts = [{"type": "input_text", "text": text} for text in ("Script completed\n", *printed)]
        return [
            item(type="custom_tool_call", name="exec", call_id=identity, input=text),
            item(type="custom_tool_call_output", call_id=identity, output=parts),
        ]

    session = load_lines(
        META,
        *script("one", 'text((await tools.exec_command({cmd:"ls", workdir:"/r"})).output)', "a\n"),
        *script("two", 'tools.exec_command({cmd:"x"}); tools.exec_command({cmd:"y"})', "both"),
        item(type="agent_message", author="/root/x", content=[]),
        {"timestamp": "2026-08-16T10:00:00Z", "type": "inter_agent_communication_metadata"},
    )
    calls = list(session.calls())
    assert [(c.tool, c.result, c.source.line) for c in calls] == [
        ("exec_command", "a\n", 2),
        ("exec", "Script completed\n\nboth", 4),
        ("exec_command", None, 4),
        ("exec_command", None, 4),
    ]
    ran = calls[0].command
    assert ran is not None
    assert (ran.command, ran.cwd, ran.output) == ("ls", "/r", "a\n")
    assert not session.unknown
    assert any("subagents" in note for note in session.notes)


def test_the_tools_own_snapshot_tells_the_commit(load_lines: LoadLines) -> None:
    head = {**META, "payload": {**META["payload"], "git": {}}}
    ghost = {"type": "ghost_snapshot", "ghost_commit": {"id": "b" * 40, "parent": "a" * 40}}
    session = load_lines(head, {**META, "type": "response_item", "payload": ghost})
    assert session.git.commit == "a" * 40

"""Whatever a path holds, loading ends with a session or with a message that helps."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import SessionError
from agent.session import Session, load
from agent.session.raw import Raw, word_set
from tests.agent.session.claude_lines import line, result, use
from tests.agent.session.conftest import LoadLines
from tests.agent.session.test_codex import META

FIRST = json.dumps(line("u1", None, "user", "Grüße → 你好"))
SECOND = json.dumps(line("u2", "u1", "assistant", [{"type": "text", "text": "Hi."}]))


HOSTILE_SECONDS = 10
"""Seconds of processor time that a megabyte of hostile text may cost: a search that looks at the
rest again and again needs minutes."""


def refused(path: Path) -> str:
    with pytest.raises(SessionError) as raised:
        load(path)
    return str(raised.value)


def test_nothing_there(tmp_path: Path) -> None:
    assert "no file or folder" in refused(tmp_path / "missing")
    assert "no file or folder" in refused(Path("bad\0name"))
    assert "cannot be looked at" in refused(Path("x" * 5000))


def test_a_device_is_no_session() -> None:
    assert "not a regular file" in refused(Path("/dev/null"))


def test_empty_and_blank(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for held in (b"", b"\n \n\t"):
        path.write_bytes(held)
        assert "is empty" in refused(path)


def test_folders(tmp_path: Path) -> None:
    assert "holds no files" in refused(tmp_path)
    (tmp_path / "readme").write_text("hello")
    assert "holds no session" in refused(tmp_path)
    (tmp_path / "one").write_text(FIRST + "\n")
    assert load(tmp_path).format == "claude_code"
    (tmp_path / "two").write_text(FIRST + "\n")
    message = refused(tmp_path)
    assert "holds 2 sessions (one, two)" in message


def test_no_session(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for held in ('{"a": 1}', "[1, 2]", "null", "just words", "{", "[" * 100_000, '"text"'):
        path.write_text(held)
        message = refused(path)
        assert "Kettle knows" in message
        assert "claude_code" in message


def test_binary(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(range(256)) * 50)
    assert "binary" in refused(path)


def test_two_tools_at_once(load_lines: LoadLines) -> None:
    with pytest.raises(SessionError, match=r"several tools at once \(claude_code and codex\)"):
        load_lines(line("u1", None, "user", "Go."), META)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "x"
    path.write_bytes((FIRST + "\n" + SECOND + "\n").encode(encoding))
    session = load(path)
    assert session.first_prompt == "Grüße → 你好"
    assert session.damaged == []
    assert session.turns[1].source.line == 2


def test_wrong_bytes_are_reported_not_fatal(tmp_path: Path) -> None:
    path = tmp_path / "x"
    latin = json.dumps(line("u1", None, "user", "Grüße"), ensure_ascii=False).encode("latin-1")
    path.write_bytes(latin + b"\n" + SECOND.encode() + b"\n")
    session = load(path)
    assert session.first_prompt == "Gr��e"
    assert [place.line for place in session.damaged] == [1]


def test_a_torn_last_line(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text(FIRST + "\n" + SECOND[:80])
    session = load(path)
    assert len(session.turns) == 1
    assert [place.line for place in session.damaged] == [2]


def test_nul_bytes_and_control_characters(tmp_path: Path) -> None:
    path = tmp_path / "x"
    odd = FIRST.replace("Hi", "H\x01i").encode()
    path.write_bytes(odd + b"\n" + b"\0" * 4096 + b"\n" + SECOND.replace("Hi", "H\x01i").encode())
    session = load(path)
    assert len(session.turns) == 2
    assert {place.line for place in session.damaged} == {2, 3}


@pytest.mark.parametrize(
    "value",
    ["[" * 5000 + "]" * 5000, "9" * 6000, "NaN", "-Infinity", "1e999", '"\\ud800 half"'],
)
def test_odd_values(tmp_path: Path, value: str) -> None:
    path = tmp_path / "x"
    raw = json.dumps(line("u2", "u1", "assistant", [use("t", "Bash", command="@")]))
    path.write_text(FIRST + "\n" + raw.replace('"@"', value) + "\n")
    session = load(path)
    assert session.first_prompt.startswith("Gr")
    session.model_dump_json()


def test_half_a_surrogate_beside_whole_ones(tmp_path: Path) -> None:
    path = tmp_path / "x"
    said = r"a \ud83d\ude00 b \ud83d c \\ud83d d"
    path.write_text(json.dumps(line("u1", None, "user", "@")).replace("@", said) + "\n")
    assert load(path).first_prompt == "a \U0001f600 b � c \\ud83d d"


def test_very_many_tiny_lines(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text(FIRST + "\n" + '{"type":"queue-operation"}\n' * 300_000 + "torn\n" * 3000)
    session = load(path)
    assert len(session.turns) == 1
    assert len(session.damaged) == 1000
    assert any("3000 places" in note for note in session.notes)


def test_only_what_was_there_at_first_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text(FIRST + "\n")
    raw = Raw(path)
    assert raw.file is not None
    before = list(raw.file.records())
    with path.open("a") as stream:
        stream.write(SECOND + "\n" + SECOND[:30])
    assert [x.number for x in raw.file.records()] == [x.number for x in before]
    session = load(path)
    assert len(session.turns) == 2
    assert [place.line for place in session.damaged] == [3]


def test_hostile_text_takes_no_time(load_lines: LoadLines) -> None:
    nasty = [
        "<system-reminder>" * 20_000,
        "<system-reminder " * 20_000,
        "\n" * 200_000 + "x",
        "[" * 200_000,
        "data:image/png;base64," * 20_000,
        "```\n" * 50_000,
    ]
    session = load_lines(
        *(line(f"u{n}", None, "user", text) for n, text in enumerate(nasty)),
        line("u90", None, "assistant", [use("t", "Read", file_path="a")]),
        line("u91", "u90", "user", result("t", "1→x\n" * 50_000)),
        line("u92", None, "assistant", [use("s", "Bash", command="cat " + "'" * 9_999)]),
        line("u93", "u92", "user", result("s", "Output: " + "\nx" * 100_000)),
    )
    assert len(session.turns) >= 6


@pytest.mark.parametrize(
    "nasty",
    [
        "<<<<<<< SEARCH\n" * 50_000,
        "<<<<<<< SEARCH\n=======\n" * 30_000,
        "<environment_details>" * 50_000,
        "<read_file>\n<path>" * 50_000,
        "".join(f"<t{n}>" for n in range(50_000)),
        "# Workspace Configuration\n{" * 30_000,
        "git " * 100_000,
    ],
    ids=["search", "parts", "details", "calls", "tags", "workspaces", "git"],
)
def test_hostile_tasks_take_no_time(load_json: LoadLines, nasty: str) -> None:
    began = time.process_time()
    session = load_json(
        [
            {"role": "user", "content": "<task>x</task><environment_details>" + nasty},
            {"role": "assistant", "content": nasty + "<execute_command><command>" + nasty},
            {
                "role": "assistant",
                "content": f"<execute_command><command>{nasty}</command></execute_command>",
            },
            {"role": "user", "content": "[execute_command] Result:\n" + nasty},
        ]
    )
    assert session.format == "cline"
    assert time.process_time() - began < HOSTILE_SECONDS


def test_paths_that_climb_or_lie(load_lines: LoadLines) -> None:
    session = load_lines(line("u1", None, "user", "Go."))
    for path in ("../x", "/etc/passwd", "a/../../x", "a\nb", "a\0b", "", "/home/ann/shop"):
        assert session.repo_path(path) is None, path
    assert session.repo_path("/home/ann/shop/./a/../b.py") == "b.py"


def test_a_digest_names_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text(FIRST + "\n")
    assert load(path).digest == hashlib.sha256(path.read_bytes()).hexdigest()


KEYS = sorted(
    word_set(
        """
        type message content role text id uuid parentUuid timestamp payload data args name input
        tool_use_id toolUseResult file filePath parts info steps messages ts say ask source action
        observation kind git commit sessionId tool_calls function state
        """
    )
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=6,
        )
    ),
    max_leaves=15,
)
SEEDS: tuple[dict[str, object], ...] = (
    line("u1", None, "user", "Go."),
    META,
    {"type": "session.start", "id": "1", "data": {}},
    {"sessionId": "g", "projectHash": "h"},
    {"type": "tool_call", "tool_call": {}},
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.sampled_from(SEEDS), lines=st.lists(JSON, max_size=6))
def test_any_json_lines(tmp_path: Path, seed: dict[str, object], lines: list[object]) -> None:
    path = tmp_path / "x"
    path.write_text("".join(json.dumps(x) + "\n" for x in [seed, *lines]))
    _loads_or_refuses(path)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    shape=st.sampled_from(
        [
            '{{"schema_version": "ATIF-v1.7", "steps": [{}]}}',
            '{{"info": {{}}, "messages": [{{"info": {{"role": "user"}}, "parts": []}}, {}]}}',
            '{{"sessionId": "g", "projectHash": "h", "messages": [{}]}}',
            '{{"version": 1, "agent": "a", "sessionId": "s", "messages": [{}]}}',
            '{{"session_id": "d", "project": "p", "stats": {{}}, "messages": [{}]}}',
            '{{"trajectory": [{{"action": "x", "observation": "y"}}, {}], "history": [{}]}}',
            '[{{"ts": 1, "type": "say", "say": "task", "text": "x"}}, {}]',
            '[{{"role": "user", "content": "<task>x</task>"}}, {}]',
            '[{{"role": "user", "parts": []}}, {}]',
            '[{{"role": "user", "content": "x"}}, {}]',
            '[{{"id": 1, "timestamp": "", "source": "user", "action": "run", "args": {{}}}}, {}]',
            '[{{"id": "1", "kind": "MessageEvent", "source": "user"}}, {}]',
            '{{"composerId": "c", "conversation": [{}]}}',
        ]
    ),
    inner=st.lists(JSON, min_size=2, max_size=4),
)
def test_any_json_document(tmp_path: Path, shape: str, inner: list[object]) -> None:
    path = tmp_path / "x"
    some = [json.dumps(x) for x in inner]
    path.write_text(shape.format(*some) if shape.count("{}") > 1 else shape.format(", ".join(some)))
    _loads_or_refuses(path)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    head=st.sampled_from(
        [
            b"",
            FIRST.encode() + b"\n",
            b"\xff\xfe",
            b"\x28\xb5\x2f\xfd",
            b"<!-- Generated by SpecStory -->\n_**User**_\n",
            b"# aider chat started at 2025-01-01 00:00:00\n",
        ]
    ),
    tail=st.binary(max_size=300),
)
def test_any_bytes(tmp_path: Path, head: bytes, tail: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(head + tail)
    _loads_or_refuses(path)


def _loads_or_refuses(path: Path) -> None:
    try:
        session = load(path)
    except SessionError:
        return
    assert isinstance(session, Session)
    session.model_dump_json()

"""The trajectory on disk: valid at every moment, resumed after death at any byte."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import atif
import pytest

from agent.errors import InputError, KettleError
from agent.models.base import Call, CallResult, Message, Native, Reply, Usage
from agent.models.replay import Replay
from agent.trajectory import Trajectory

USAGE = Usage(
    input_tokens=100, output_tokens=10, cached_tokens=60, cache_write_tokens=20, dollars=0.25
)
ASKS = Reply(
    text="Looking.",
    calls=(Call("a", "ls"), Call("b", "pwd")),
    reasoning="Hm.",
    usage=USAGE,
    stop="calls",
    native=Native("m", [{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}]),
)
ENDS = Reply(text="Done.", usage=replace(USAGE, dollars=None))


def record(path: Path) -> Trajectory:
    """A build of two turns: two commands, a submission sent back, one more submission."""
    trajectory = Trajectory.open(path, model="m")
    trajectory.begin("Be brief.", "Build it.")
    trajectory.reply(ASKS, "m")
    trajectory.result(ASKS.calls[0], "a.py")
    trajectory.result(ASKS.calls[1], "/app")
    trajectory.reply(ENDS, "m")
    trajectory.submission("nop-fails: it passes.")
    trajectory.reply(ENDS, "m")
    trajectory.submission(None)
    return trajectory


def conversation(path: Path) -> list[Message]:
    with Trajectory.open(path, model="m") as trajectory:
        return trajectory.messages


def test_the_document_is_valid_atif_with_every_step_and_cost(tmp_path: Path) -> None:
    path = tmp_path / "trajectory.json"
    record(path).close()
    document = atif.Trajectory.model_validate_json(path.read_bytes())
    assert [step.source for step in document.steps] == [
        *("system", "user", "agent", "agent", "user", "agent", "system")
    ]
    first = document.steps[2]
    assert first.metrics is not None
    assert (first.metrics.prompt_tokens, first.metrics.cost_usd) == (100, 0.25)
    assert (first.reasoning_content, first.llm_call_count) == ("Hm.", 1)
    assert first.observation is not None
    assert [r.content for r in first.observation.results] == ["a.py", "/app"]
    final = document.final_metrics
    assert final is not None
    assert final.total_prompt_tokens == 300
    assert final.total_cost_usd is None, "one query had no price, so the sum is not known"
    assert final.extra is not None
    assert (final.extra["submissions"], final.extra["accepted"]) == (2, True)


def test_taken_up_again_it_is_the_same_conversation_and_account(tmp_path: Path) -> None:
    path = tmp_path / "trajectory.json"
    before = record(path)
    before.close()
    with Trajectory.open(path, model="m") as after:
        assert after.resumed
        assert after.accepted
        assert (after.system, after.messages) == (before.system, before.messages)
        assert after.commands == ["ls", "pwd"]
        spent, again = before.spending, after.spending
        assert (again.turns, again.tokens, again.dollars) == (3, 330, spent.dollars)
        assert (again.submissions, again.unpriced) == (2, 2)
        assert again.seconds >= again.seconds_before > 0
    assert before.messages[1] == ASKS.message
    assert before.messages[2].results == (CallResult("a", "a.py"), CallResult("b", "/app"))


def test_death_at_any_byte_loses_at_most_the_line_that_was_being_written(tmp_path: Path) -> None:
    path, journal = tmp_path / "trajectory.json", tmp_path / "trajectory.jsonl"
    record(path).close()
    whole = journal.read_bytes()
    full = conversation(path)
    seen = set()
    for size in range(0, len(whole), 7):
        journal.write_bytes(whole[:size])
        path.unlink(missing_ok=True)
        with Trajectory.open(path, model="m") as trajectory:
            messages = trajectory.messages
            seen.add(len(messages))
            plain = [replace(m, results=()) for m in messages]
            assert plain == [replace(m, results=()) for m in full[: len(messages)]]
            # What comes next does not stick to the torn line.
            trajectory.say("Go on.")
        assert conversation(path)[-1].text.endswith("Go on.")
        atif.Trajectory.model_validate_json(path.read_bytes())
    assert seen == set(range(len(full) + 1))


def test_a_killed_process_leaves_everything_it_was_told(tmp_path: Path) -> None:
    path = tmp_path / "trajectory.json"
    script = """
        import os, signal, sys
        from pathlib import Path
        from agent.models.base import Call, Reply
        from agent.trajectory import Trajectory
        trajectory = Trajectory.open(Path(sys.argv[1]), model="m")
        trajectory.begin("s", "Build it.")
        trajectory.reply(Reply(calls=(Call("a", "make"), Call("b", "ls")), stop="calls"), "m")
        trajectory.result(Call("a", "make"), "built")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    with Trajectory.open(path, model="m") as trajectory:
        assert trajectory.outstanding == (Call("b", "ls"),)
        assert trajectory.commands == ["make"]


def test_two_builds_cannot_write_the_same_trajectory(tmp_path: Path) -> None:
    path = tmp_path / "trajectory.json"
    with Trajectory.open(path, model="m"), pytest.raises(InputError, match="Another build"):
        Trajectory.open(path, model="m")
    Trajectory.open(path, model="m").close()


@pytest.mark.parametrize(
    "line", [b"garbage", b"{}", b"[]", b'{"kind": "step", "step": {"step_id": 9}, "seconds": 1}']
)
def test_a_damaged_journal_is_named_and_left_alone(tmp_path: Path, line: bytes) -> None:
    path, journal = tmp_path / "trajectory.json", tmp_path / "trajectory.jsonl"
    record(path).close()
    lines = journal.read_bytes().splitlines()
    lines[2] = line
    damaged = b"\n".join(lines) + b"\n"
    journal.write_bytes(damaged)
    with pytest.raises(InputError, match="Line 3"):
        Trajectory.open(path, model="m")
    assert journal.read_bytes() == damaged


def test_a_full_disk_is_a_clear_error_and_the_next_line_is_whole(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: the write stops at the same place."""
    path, journal = tmp_path / "trajectory.json", tmp_path / "trajectory.jsonl"
    trajectory = Trajectory.open(path, model="m")
    trajectory.begin("s", "Build it.")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (journal.stat().st_size + 50, hard))
        with pytest.raises(KettleError, match="cannot be written"):
            trajectory.say("x" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    trajectory.say("Room again.")
    trajectory.close()
    assert conversation(path)[-1].text == "Room again."


def test_any_output_can_be_kept(tmp_path: Path) -> None:
    path = tmp_path / "trajectory.json"
    with Trajectory.open(path, model="m") as trajectory:
        trajectory.begin("s", "f")
        trajectory.reply(ASKS, "m")
        for call, text in zip(ASKS.calls, ("\ud800\x00\x1b[31m\u2028\r\n", "🫖" * 10), strict=True):
            trajectory.result(call, text)
    results = conversation(path)[-1].results
    assert [r.content for r in results] == ["?\x00\x1b[31m\u2028\r\n", "🫖" * 10]
    atif.Trajectory.model_validate_json(path.read_bytes())


def test_a_recipe_without_inference_carries_no_metrics(tmp_path: Path) -> None:
    path = tmp_path / "trajectory.json"
    with Trajectory.open(path, model="baseline") as trajectory:
        trajectory.begin("s", "f")
        trajectory.reply(Reply(calls=(Call("1", "ls"),), stop="calls", llm_calls=0), "baseline")
    step = atif.Trajectory.model_validate_json(path.read_bytes()).steps[2]
    assert (step.llm_call_count, step.metrics) == (0, None)


def test_a_refused_turn_is_recorded_but_not_part_of_the_conversation(tmp_path: Path) -> None:
    path = tmp_path / "trajectory.json"
    with Trajectory.open(path, model="m") as trajectory:
        trajectory.begin("s", "f")
        trajectory.reply(Reply(text="No.", stop="refusal"), "m")
    assert [m.role for m in conversation(path)] == ["user"]
    assert len(atif.Trajectory.model_validate_json(path.read_bytes()).steps) == 3


def test_replay_says_the_same_again_and_then_submits(tmp_path: Path) -> None:
    path = tmp_path / "trajectory.json"
    record(path).close()
    model = Replay(path)
    said: list[Message] = [Message(role="user", text="Something else altogether.")]
    replies = []
    for _ in range(4):
        replies.append(model.query("s", said))
        said += [replies[-1].message, Message(role="user", text="x")]
    assert replies[0].calls == ASKS.calls
    assert [r.text for r in replies[:3]] == ["Looking.", "Done.", "Done."]
    assert replies[3].calls == ()
    assert replies[0].usage == Usage(), "nothing is charged twice"
    assert replies[0].recorded == USAGE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe\x00",
        b"[]",
        b"{}",
        b'{"schema_version": "ATIF-v1.8", "agent": {"name": "x", "version": "1"}, "steps": []}',
        b"[" * 100_000,
    ],
)
def test_a_file_that_is_no_recording_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "recording.json"
    path.write_bytes(data)
    with pytest.raises(InputError, match="recording"):
        Replay(path)


def test_a_recording_of_other_tools_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trajectory.json"
    record(path).close()
    document = json.loads(path.read_text())
    document["steps"][2]["tool_calls"][0]["function_name"] = "browser"
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match="'browser'"):
        Replay(path)
    with pytest.raises(InputError, match="cannot be read"):
        Replay(tmp_path / "missing.json")

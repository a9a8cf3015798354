"""The loop end to end: a real SDK, a scripted provider on loopback, a real sandbox."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import atif
import pytest

from agent import loop
from agent.budget import Budget, BudgetSpent
from agent.errors import ProviderError
from agent.loop import Event
from agent.models import open_model
from agent.models.replay import Replay
from agent.models.retry import Retry
from agent.trajectory import Trajectory
from sandbox.container import Sandbox
from sandbox.engine import Engine
from sandbox.errors import SandboxError
from tests.agent.models.provider import Answer, Provider, completion, function, serving
from tools.terminal import Terminal

Run = Callable[..., list[Event]]


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    with serving() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield server


@pytest.fixture(scope="module")
def sandbox(engine: Engine, base_image: str) -> Iterator[Sandbox]:
    with engine.create(base_image, purpose="loop test") as sandbox:
        yield sandbox


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trajectory.json"


@pytest.fixture
def run(sandbox: Sandbox, path: Path) -> Run:
    """Runs the loop once; the gate's verdicts are given, None for "accepted"."""

    def run(
        *verdicts: str | None,
        budget: Budget | None = None,
        model: str = "openai:m",
        on_event: Callable[[Event], None] = lambda _: None,
    ) -> list[Event]:
        events: list[Event] = []
        given = iter(verdicts)

        def note(event: Event) -> None:
            events.append(event)
            on_event(event)

        with Trajectory.open(path, model=model) as trajectory:
            loop.run(
                open_model(model, retry=Retry(tries=1), timeout_s=60),
                Terminal(sandbox),
                system="Be brief.",
                first="Build it.",
                budget=budget or Budget(turns=20),
                trajectory=trajectory,
                submit=lambda: next(given),
                on_event=note,
            )
        return events

    return run


def says(provider: Provider, *commands_or_text: str | list[str]) -> None:
    """Scripts replies: a list is commands to call, a text is a text."""
    for said in commands_or_text:
        if isinstance(said, str):
            provider.says(completion(said))
        else:
            calls = [function(command, f"call_{i}") for i, command in enumerate(said)]
            provider.says(completion(None, *calls, finish="tool_calls"))


def document(path: Path) -> atif.Trajectory:
    return atif.Trajectory.model_validate_json(path.read_bytes())


def test_commands_run_in_order_until_a_submission_is_accepted(
    provider: Provider, run: Run, path: Path
) -> None:
    says(provider, ["cd /tmp && echo one > f", "pwd; cat f; false"], "Done.")
    events = run(None)
    heard = [message["content"] for message in provider.requests[1]["messages"][3:]]
    assert heard == ["[exit code 0, now in /tmp, no output]", "[exit code 1]\n/tmp\none"]
    assert [type(event).__name__ for event in events] == [
        *("QueryStarted", "QueryFinished"),
        *("CommandStarted", "CommandFinished") * 2,
        *("QueryStarted", "QueryFinished", "SubmissionStarted", "SubmissionFinished"),
    ]
    assert document(path).steps[-1].extra == {"submission": "accepted"}


def test_a_report_that_falls_short_is_the_next_message(provider: Provider, run: Run) -> None:
    says(provider, "Done.", ["true"], "Now it is done.")
    run("nop-fails: FAIL, it passes.", None)
    assert provider.requests[1]["messages"][-1] == {
        "role": "user",
        "content": "nop-fails: FAIL, it passes.",
    }


def test_a_spent_budget_keeps_everything(provider: Provider, run: Run, path: Path) -> None:
    says(provider, ["echo 1"], ["echo 2"], ["echo 3"])
    with pytest.raises(BudgetSpent) as end:
        run(budget=Budget(turns=2))
    assert (end.value.which, end.value.spent) == ("turns", 2)
    assert len(provider.requests) == 2
    observation = document(path).steps[-1].observation
    assert observation is not None
    assert observation.results[0].content == "[exit code 0]\n2"


def test_submissions_are_bounded(provider: Provider, run: Run) -> None:
    says(provider, "Done.", ["true"], "Done now.", ["true"], "Done?")
    with pytest.raises(BudgetSpent) as end:
        run("no", "no", budget=Budget(submissions=2))
    assert end.value.which == "submissions"


def test_a_model_that_only_repeats_its_submission_is_stopped(provider: Provider, run: Run) -> None:
    says(provider, "Done.", "It is fine.", "I insist.")
    with pytest.raises(BudgetSpent, match="without a change"):
        run("no", "no")


def test_a_long_command_does_not_outlive_the_minutes(provider: Provider, run: Run) -> None:
    says(provider, ["sleep 500"])
    with pytest.raises(BudgetSpent) as end:
        run(budget=Budget(minutes=0.03))
    assert end.value.which == "minutes"


def test_a_cut_reply_is_no_submission_and_is_explained(provider: Provider, run: Run) -> None:
    provider.says(completion("I will now", finish="length"), completion("Done."))
    run(None)
    assert "output limit" in provider.requests[1]["messages"][-1]["content"]


def test_an_unreadable_call_is_explained_and_the_others_run(provider: Provider, run: Run) -> None:
    calls = (function("ls", "a", name="browser"), function("echo fine", "b"))
    provider.says(completion(None, *calls, finish="tool_calls"), completion("Done."))
    run(None)
    heard = [message["content"] for message in provider.requests[1]["messages"][3:]]
    assert "no tool 'browser'" in heard[0]
    assert heard[1].endswith("fine")


def test_a_refusal_ends_the_run_and_is_kept(provider: Provider, run: Run, path: Path) -> None:
    provider.says(completion(None, refusal="I won't."))
    with pytest.raises(ProviderError, match=r"I won't\."):
        run()
    assert document(path).steps[-1].message == "I won't."


def test_a_budget_in_dollars_without_a_price_warns_once(provider: Provider, run: Run) -> None:
    says(provider, ["true"], ["true"], "Done.")
    events = run(None, budget=Budget(dollars=1))
    notices = [event.text for event in events if isinstance(event, loop.Notice)]
    assert len(notices) == 1
    assert "No price is known" in notices[0]


def test_a_provider_that_fails_is_taken_up_where_it_failed(
    provider: Provider, run: Run, path: Path
) -> None:
    says(provider, ["echo made > /tmp/made"])
    provider.says(Answer({"error": {"message": "down"}}, status=503))
    with pytest.raises(ProviderError):
        run()
    says(provider, "Done.")
    run(None)
    resumed = provider.requests[-1]["messages"]
    assert [m["role"] for m in resumed] == ["system", "user", "assistant", "tool", "user"]
    assert "interrupted" in resumed[-1]["content"]
    metrics = document(path).final_metrics
    assert metrics is not None
    assert metrics.extra is not None
    assert metrics.extra["turns"] == 2


def test_ctrl_c_in_a_command_leaves_a_valid_trajectory_and_the_command_runs_on_resuming(
    provider: Provider, run: Run, path: Path
) -> None:
    says(provider, ["echo first", "test -e /tmp/again || { touch /tmp/again; sleep 300; }"])

    def interrupt(event: Event) -> None:
        if isinstance(event, loop.CommandStarted) and "again" in event.command:
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        run(on_event=interrupt)
    step = document(path).steps[-1]
    assert step.observation is not None
    assert len(step.observation.results) == 1

    says(provider, "Done.")
    run(None)
    heard = [message["content"] for message in provider.requests[-1]["messages"][3:]]
    assert heard[0].endswith("first")
    assert heard[1].startswith("[exit code 0")


def test_an_accepted_build_is_not_built_again(provider: Provider, run: Run) -> None:
    says(provider, "Done.")
    run(None)
    assert run() == []


def test_a_recorded_build_replays_without_a_provider(
    provider: Provider, run: Run, path: Path, tmp_path: Path
) -> None:
    says(provider, ["echo one; date +%N"], "Done.")
    run(None)
    recording = path.rename(tmp_path / "recording.json")
    path.with_suffix(".jsonl").unlink()
    asked = len(provider.requests)
    events = run("not the verdict of then", None, model=f"replay:{recording}")
    assert len(provider.requests) == asked
    commands = [event.command for event in events if isinstance(event, loop.CommandFinished)]
    assert commands == ["echo one; date +%N"]
    assert Replay(path).query("s", []).calls[0].command == commands[0]
    metrics = document(path).final_metrics
    assert metrics is not None
    assert metrics.total_prompt_tokens == 0


def test_a_lost_sandbox_ends_the_run_and_keeps_the_trajectory(
    provider: Provider, engine: Engine, base_image: str, path: Path
) -> None:
    says(provider, ["echo one"], ["echo two"])
    sandbox = engine.create(base_image, purpose="loop test")

    def lose(event: Event) -> None:
        if isinstance(event, loop.QueryFinished) and event.turn == 2:
            sandbox.close()

    with (
        pytest.raises(SandboxError),
        Trajectory.open(path, model="m") as trajectory,
    ):
        loop.run(
            open_model("openai:m"),
            Terminal(sandbox),
            system="s",
            first="f",
            budget=Budget(),
            trajectory=trajectory,
            submit=lambda: None,
            on_event=lose,
        )
    assert len(document(path).steps) == 4

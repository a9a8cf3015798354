"""The chat-completions adapter against real HTTP: native calls, commands as text, odd servers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from agent.errors import InputError
from agent.models import open_model
from agent.models.base import INTERRUPTED, Call, CallResult, Message, Model, Usage
from tests.agent.models.provider import Answer, Provider, completion, function

Connect = Callable[..., Model]
ASK = [Message(role="user", text="Build it.")]


def results(*given: tuple[str, str]) -> Message:
    return Message(role="user", results=tuple(CallResult(*pair) for pair in given))


def test_a_native_call_and_the_usage_come_back(provider: Provider, connect: Connect) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 9,
        "total_tokens": 109,
        "prompt_tokens_details": {"cached_tokens": 80},
    }
    provider.says(completion("Looking.", function("ls"), finish="tool_calls", usage=usage))
    reply = connect("openai:m").query("Be brief.", ASK)
    assert (reply.text, reply.stop) == ("Looking.", "calls")
    assert reply.calls == (Call("call_1", "ls"),)
    assert reply.usage == Usage(input_tokens=100, output_tokens=9, cached_tokens=80)
    assert provider.paths == ["/v1/chat/completions"]
    assert provider.requests[0]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Build it."},
    ]
    assert provider.requests[0]["tools"][0]["function"]["name"] == "terminal"


def test_parallel_calls_keep_their_order_and_get_their_own_results(
    provider: Provider, connect: Connect
) -> None:
    calls = (function("one", "a"), function("two", "b"), function("three", "c"))
    provider.says(completion(None, *calls, finish="tool_calls"), completion("Done."))
    model = connect("openai:m")
    reply = model.query("s", ASK)
    assert [call.command for call in reply.calls] == ["one", "two", "three"]
    model.query("s", [*ASK, reply.message, results(("a", "1"), ("b", "2"))])
    sent = provider.requests[1]["messages"][2:]
    assert sent[0]["tool_calls"] == list(calls)
    assert sent[1:] == [
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": "2"},
        {"role": "tool", "tool_call_id": "c", "content": INTERRUPTED},
    ]


def test_what_the_server_adds_to_a_call_goes_back(provider: Provider, connect: Connect) -> None:
    signed = {**function("ls"), "extra_content": {"google": {"thought_signature": "c2ln"}}}
    provider.says(
        completion(None, signed, finish="tool_calls", reasoning_content="Hm."), completion("Done.")
    )
    model = connect("openai:m")
    reply = model.query("s", ASK)
    assert reply.reasoning == "Hm."
    model.query("s", [*ASK, reply.message, results(("call_1", "a.py"))])
    turn = provider.requests[1]["messages"][2]
    assert turn["tool_calls"] == [signed]
    assert turn["reasoning_content"] == "Hm."


@pytest.mark.parametrize(
    "said",
    [
        "```bash\nls -la\n```",
        "Let me look.\n\n```sh\nls -la\n```\n",
        "```shell\nls -la\n```",
        '{"command": "ls -la"}',
        ' {"thought": "look", "command": "ls -la"}\n',
        'I run this:\n```json\n{"command": "ls -la"}\n```',
    ],
)
def test_a_command_written_as_text_is_run_and_answered_as_text(
    provider: Provider, connect: Connect, said: str
) -> None:
    provider.says(completion(said), completion("Done."))
    model = connect("openai:m")
    reply = model.query("s", ASK)
    (call,) = reply.calls
    assert (call.command, call.error, reply.stop) == ("ls -la", "", "calls")
    model.query("s", [*ASK, reply.message, results((call.id, "a.py"))])
    assert provider.requests[1]["messages"][2:] == [
        {"role": "assistant", "content": said},
        {"role": "user", "content": "a.py"},
    ]


@pytest.mark.parametrize(
    "said",
    [
        "All done.",
        "The function is now:\n```python\nprint(1)\n```",
        'The config is {"command": "ls"} now.',
        '{"result": "fine"}',
        "Inline `ls` only.",
        "```bash\n```",
        "",
    ],
)
def test_text_without_a_command_ends_the_turn(
    provider: Provider, connect: Connect, said: str
) -> None:
    provider.says(completion(said))
    reply = connect("openai:m").query("s", ASK)
    assert (reply.calls, reply.stop) == ((), "done")


def test_two_commands_in_one_text_are_sent_back_not_guessed(
    provider: Provider, connect: Connect
) -> None:
    provider.says(completion("```bash\nls\n```\nthen\n```bash\nrm -rf x\n```"))
    (call,) = connect("openai:m").query("s", ASK).calls
    assert call.command == ""
    assert "2 commands" in call.error


def test_a_summary_that_quotes_a_command_ends_the_turn_of_a_model_with_native_calls(
    provider: Provider, connect: Connect
) -> None:
    provider.says(
        completion(None, function("ls"), finish="tool_calls"),
        completion("Done. Run the tests with:\n```bash\npytest\n```"),
    )
    model = connect("openai:m")
    reply = model.query("s", ASK)
    assert model.query("s", [*ASK, reply.message, results(("call_1", "a.py"))]).stop == "done"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, '"auto" tool choice requires --enable-auto-tool-choice'),
        (400, "model does not support tools"),
        (404, "No endpoints found that support tool use"),
        (422, "unknown field `tools`"),
    ],
)
def test_a_server_without_tools_is_asked_without_from_then_on(
    provider: Provider, connect: Connect, told: list[str], status: int, said: str
) -> None:
    provider.says(
        Answer({"error": {"message": said}}, status=status),
        completion("```bash\nls\n```"),
        completion("Done."),
    )
    model = connect("openai:m")
    reply = model.query("s", ASK)
    model.query("s", [*ASK, reply.message, results(("text", "a.py"))])
    assert ["tools" in request for request in provider.requests] == [True, False, False]
    assert "```bash" in provider.requests[1]["messages"][0]["content"]
    assert len(told) == 1


def test_native_calls_of_before_are_told_as_text_to_a_server_without_tools(
    provider: Provider, connect: Connect
) -> None:
    refused = Answer({"error": {"message": "tools are not supported"}}, status=400)
    provider.says(refused, completion("Done."))
    turn = Message(role="assistant", text="Looking.", calls=(Call("t1", "ls"),))
    connect("openai:m").query("s", [*ASK, turn, results(("t1", "a.py"))])
    assert provider.requests[1]["messages"][2:] == [
        {"role": "assistant", "content": "Looking.\n\n```bash\nls\n```"},
        {"role": "user", "content": "a.py"},
    ]


def test_calls_that_another_model_made_are_rendered_as_native_ones(
    provider: Provider, connect: Connect
) -> None:
    provider.says(completion("Done."))
    turn = Message(role="assistant", calls=(Call("toolu_1", "ls"),))
    connect("openai:m").query("s", [*ASK, turn, results(("toolu_1", "a.py"))])
    sent = provider.requests[0]["messages"]
    assert json.loads(sent[2]["tool_calls"][0]["function"]["arguments"]) == {"command": "ls"}
    assert sent[3] == {"role": "tool", "tool_call_id": "toolu_1", "content": "a.py"}


@pytest.mark.parametrize(
    ("arguments", "name", "why"),
    [
        ('{"command": "ls', "terminal", "no JSON"),
        ('["ls"]', "terminal", "no text argument"),
        ('{"cmd": "ls"}', "terminal", "no text argument"),
        ('{"command": "ls"}', "browser", "no tool 'browser'"),
        (None, "terminal", "no text argument"),
    ],
)
def test_a_call_that_cannot_be_read_is_answered_and_does_not_spoil_the_next_query(
    provider: Provider, connect: Connect, arguments: Any, name: str, why: str
) -> None:
    broken = {"id": "x", "type": "function", "function": {"name": name, "arguments": arguments}}
    provider.says(completion(None, broken, finish="tool_calls"), completion("Done."))
    model = connect("openai:m")
    reply = model.query("s", ASK)
    (call,) = reply.calls
    assert call.command == ""
    assert why in call.error
    model.query("s", [*ASK, reply.message, results((call.id, call.error))])
    sent = provider.requests[1]["messages"]
    json.loads(sent[2]["tool_calls"][0]["function"]["arguments"])
    assert sent[3]["tool_call_id"] == sent[2]["tool_calls"][0]["id"]


def test_calls_without_or_with_the_same_id_are_kept_apart(
    provider: Provider, connect: Connect
) -> None:
    calls = (function("one", ""), function("two", ""), function("three", "same"))
    provider.says(completion(None, *calls, function("four", "same"), finish="tool_calls"))
    reply = connect("openai:m").query("s", ASK)
    assert len({call.id for call in reply.calls}) == 4


def test_a_cut_reply_runs_nothing(provider: Provider, connect: Connect) -> None:
    torn = {"id": "x", "type": "function", "function": {"name": "terminal", "arguments": '{"com'}}
    provider.says(completion("Writing", torn, finish="length"), completion("Done."))
    model = connect("openai:m")
    reply = model.query("s", ASK)
    assert (reply.stop, reply.calls) == ("length", ())
    model.query("s", [*ASK, reply.message, Message(role="user", text="Cut.")])
    assert "tool_calls" not in provider.requests[1]["messages"][2]


@pytest.mark.parametrize(
    "answer",
    [
        completion(None, refusal="I can't help with that."),
        completion("I can", finish="content_filter"),
    ],
)
def test_a_refusal_is_no_submission(provider: Provider, connect: Connect, answer: Answer) -> None:
    provider.says(answer)
    assert connect("openai:m").query("s", ASK).stop == "refusal"


def test_a_server_that_tells_no_usage_costs_nothing_known(
    provider: Provider, connect: Connect
) -> None:
    answer = completion("Done.")
    del answer.body["usage"]
    provider.says(answer)
    assert connect("openai:m").query("s", ASK).usage == Usage()


def test_content_in_parts_is_text(provider: Provider, connect: Connect) -> None:
    provider.says(completion([{"type": "text", "text": "All "}, {"type": "text", "text": "done."}]))
    assert connect("openai:m").query("s", ASK).text == "All done."


def test_a_server_of_the_users_own_needs_no_key(
    provider: Provider, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    provider.says(completion("Done."))
    assert connect("openai:m").query("s", ASK).text == "Done."


def test_no_key_says_which_variable_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ADMIN_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="OPENAI_API_KEY"):
        open_model("openai:m")

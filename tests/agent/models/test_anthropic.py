"""The Anthropic adapter against real HTTP: what it sends and what it makes of the answer."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from agent.errors import InputError, ProviderError
from agent.models import open_model
from agent.models.base import INTERRUPTED, Call, CallResult, Message, Model, Native, Usage
from tests.agent.models.provider import Answer, Provider, message, text, tool_use

Connect = Callable[..., Model]
ASK = [Message(role="user", text="Build it.")]


def unmarked(value: Any) -> Any:
    """A request's part without its cache marks."""
    if isinstance(value, dict):
        return {k: unmarked(v) for k, v in value.items() if k != "cache_control"}
    return [unmarked(v) for v in value] if isinstance(value, list) else value


def test_a_call_a_text_and_the_usage_come_back(provider: Provider, connect: Connect) -> None:
    usage = {
        "input_tokens": 7,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 30,
        "output_tokens": 9,
    }
    provider.says(message(text("Looking."), tool_use("ls -la"), stop="tool_use", **usage))
    reply = connect("anthropic:some-model").query("Be brief.", ASK)
    assert (reply.text, reply.stop) == ("Looking.", "calls")
    assert reply.calls == (Call("toolu_1", "ls -la"),)
    assert reply.usage == Usage(
        input_tokens=137, output_tokens=9, cached_tokens=100, cache_write_tokens=30
    )
    assert provider.paths == ["/v1/messages"]


def test_tools_system_and_newest_message_are_marked_for_caching_and_nothing_else(
    provider: Provider, connect: Connect
) -> None:
    provider.says(message(tool_use("ls"), stop="tool_use"), message(text("Done.")))
    model = connect("anthropic:some-model")
    conversation = [*ASK]
    reply = model.query("Be brief.", conversation)
    conversation += [reply.message, Message(role="user", results=(CallResult("toolu_1", "a.py"),))]
    model.query("Be brief.", conversation)

    first, second = provider.requests
    for request in (first, second):
        assert "cache_control" in request["tools"][-1]
        assert "cache_control" in request["system"][-1]
        blocks = [block for m in request["messages"] for block in m["content"]]
        assert ["cache_control" in block for block in blocks] == [False] * (len(blocks) - 1) + [
            True
        ]
    assert unmarked(second["messages"])[:1] == unmarked(first["messages"])
    assert (second["tools"], second["system"]) == (first["tools"], first["system"])


def test_thinking_goes_back_as_it_came_with_its_signature(
    provider: Provider, connect: Connect
) -> None:
    thinking = {"type": "thinking", "thinking": "Hm, the tests.", "signature": "c2lnbmVk"}
    hidden = {"type": "redacted_thinking", "data": "b3BhcXVl"}
    provider.says(
        message(thinking, hidden, tool_use("ls"), stop="tool_use"), message(text("Done."))
    )
    model = connect("anthropic:some-model")
    reply = model.query("s", ASK)
    assert reply.reasoning == "Hm, the tests."
    model.query("s", [*ASK, reply.message, Message(role="user", text="Go on.")])
    assert provider.requests[1]["messages"][1]["content"] == [thinking, hidden, tool_use("ls")]


def test_another_models_thinking_is_left_out(provider: Provider, connect: Connect) -> None:
    provider.says(message(text("Done.")))
    foreign = Native("anthropic:another", [{"type": "thinking", "thinking": "x", "signature": "y"}])
    turn = Message(role="assistant", text="Hello.", native=foreign)
    connect("anthropic:some-model").query("s", [*ASK, turn, Message(role="user", text="Go on.")])
    assert provider.requests[0]["messages"][1]["content"] == [text("Hello.")]


def test_calls_without_a_result_are_filled_and_empty_turns_dropped(
    provider: Provider, connect: Connect
) -> None:
    provider.says(message(text("Done.")))
    conversation = [
        *ASK,
        Message(role="assistant"),
        Message(role="user", text="Go on."),
        Message(role="assistant", calls=(Call("t1", "ls"), Call("t2", "sleep 1000"))),
        Message(role="user", text="You were interrupted.", results=(CallResult("t1", "a.py"),)),
    ]
    before = copy.deepcopy(conversation)
    connect("anthropic:some-model").query("s", conversation)
    wire = unmarked(provider.requests[0]["messages"])
    assert [m["role"] for m in wire] == ["user", "assistant", "user"]
    assert wire[0]["content"] == [text("Build it.\n\nGo on.")]
    assert wire[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "t1", "content": "a.py"},
        {"type": "tool_result", "tool_use_id": "t2", "content": INTERRUPTED},
        text("You were interrupted."),
    ]
    assert conversation == before


def test_a_cut_reply_is_told_from_a_finished_one_and_its_torn_call_is_not_run(
    provider: Provider, connect: Connect
) -> None:
    torn = {"type": "tool_use", "id": "t", "name": "terminal", "input": {}}
    provider.says(message(text("Writing"), torn, stop="max_tokens"), message(text("Done.")))
    model = connect("anthropic:some-model")
    reply = model.query("s", ASK)
    assert (reply.stop, reply.calls, reply.text) == ("length", (), "Writing")
    model.query("s", [*ASK, reply.message, Message(role="user", text="Cut.")])
    assert provider.requests[1]["messages"][1]["content"] == [text("Writing")]


@pytest.mark.parametrize(
    "blocks",
    [
        (),
        ({"type": "thinking", "thinking": "only", "signature": "x"},),
        ({"type": "text", "text": "  \n"},),
    ],
)
def test_a_reply_that_says_nothing_is_never_sent_back(
    provider: Provider, connect: Connect, blocks: tuple[dict[str, Any], ...]
) -> None:
    provider.says(message(*blocks), message(text("Done.")))
    model = connect("anthropic:some-model")
    reply = model.query("s", ASK)
    assert (reply.stop, reply.calls) == ("done", ())
    model.query("s", [*ASK, reply.message, Message(role="user", text="And?")])
    assert [m["role"] for m in provider.requests[1]["messages"]] == ["user"]


@pytest.mark.parametrize(
    ("block", "why"),
    [
        (tool_use("ls", name="browser"), "no tool 'browser'"),
        (tool_use(["ls"]), "no text argument `command`"),
    ],
)
def test_a_call_that_cannot_be_read_is_answered_instead_of_run(
    provider: Provider, connect: Connect, block: dict[str, Any], why: str
) -> None:
    provider.says(message(block, stop="tool_use"))
    (call,) = connect("anthropic:some-model").query("s", ASK).calls
    assert call.command == ""
    assert why in call.error


def test_a_refusal_is_no_submission(provider: Provider, connect: Connect) -> None:
    provider.says(message(text("I can't."), stop="refusal"))
    assert connect("anthropic:some-model").query("s", ASK).stop == "refusal"


def test_a_model_without_adaptive_thinking_is_asked_without(
    provider: Provider, connect: Connect, told: list[str]
) -> None:
    refusal = {"type": "error", "error": {"message": "adaptive thinking is not supported"}}
    provider.says(Answer(refusal, status=400), message(text("A")), message(text("B")))
    model = connect("anthropic:old-model")
    assert [model.query("s", ASK).text, model.query("s", ASK).text] == ["A", "B"]
    assert ["thinking" in request for request in provider.requests] == [True, False, False]
    assert len(told) == 1


def test_surrogates_in_a_command_do_not_break_the_next_query(
    provider: Provider, connect: Connect
) -> None:
    answer = message(tool_use("PLACE"), stop="tool_use").body
    raw = json.dumps(answer).replace("PLACE", "echo \\ud800").encode()
    provider.says(Answer(raw), message(text("Done.")))
    model = connect("anthropic:some-model")
    reply = model.query("s", ASK)
    assert reply.calls[0].command == "echo ?"
    back = Message(role="user", results=(CallResult("toolu_1", "?"),))
    assert model.query("s", [*ASK, reply.message, back]).text == "Done."


def test_a_known_model_has_a_price_and_cached_tokens_are_cheaper() -> None:
    from agent.models.prices import priced

    url = "https://api.anthropic.com/"
    full = priced(Usage(input_tokens=100_000, output_tokens=100), "claude-sonnet-4-5", url)
    cached = priced(
        Usage(input_tokens=100_000, output_tokens=100, cached_tokens=90_000),
        "claude-sonnet-4-5",
        url,
    )
    assert full.dollars is not None
    assert cached.dollars is not None
    assert 0 < cached.dollars < full.dollars / 3


def test_no_key_says_which_variable_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path))
    with pytest.raises(InputError, match="ANTHROPIC_API_KEY"):
        open_model("anthropic:some-model")


def test_a_full_context_is_reported_not_repeated(provider: Provider, connect: Connect) -> None:
    body = {"type": "error", "error": {"message": "prompt is too long: 250000 > 200000"}}
    provider.says(Answer(body, status=400))
    with pytest.raises(ProviderError, match="prompt is too long"):
        connect("anthropic:some-model").query("s", ASK)
    assert len(provider.requests) == 1

"""Anthropic's Messages API through the official SDK.

The SDK reads `ANTHROPIC_API_KEY`, `ANTHROPIC_BASE_URL` and its other settings itself; its own
retries are off, because `agent.models.retry` owns them. Tools, system prompt and the newest message
are marked for prompt caching, and earlier messages are sent byte for byte as before, so that each
query pays only for what is new. Thinking is left to the model ("adaptive") where it knows how.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from typing import Any, Literal, cast

import anthropic

from agent.errors import InputError, ProviderError
from agent.models.base import Call, Message, Native, Reply, Usage, encodable, well_formed
from agent.models.prices import priced
from agent.models.retry import Retry, Transient, clipped, refused
from tools import terminal

MAX_TOKENS = 16_000
"""Tokens of one reply, thinking included: a long test file fits, and without streaming it arrives
well before any proxy on the way loses patience."""

CACHED = {"type": "ephemeral"}
"""Marks the end of a prefix that the provider keeps for five minutes."""

TOOL = {
    "name": terminal.DEFINITION["name"],
    "description": terminal.DEFINITION["description"],
    "input_schema": terminal.DEFINITION["parameters"],
    "cache_control": CACHED,
}

KEY = "ANTHROPIC_API_KEY"

STOPS: dict[str, Literal["done", "length", "refusal"]] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "refusal": "refusal",
}


class Anthropic:
    """A model behind Anthropic's Messages API."""

    def __init__(
        self,
        model: str,
        *,
        retry: Retry,
        timeout_s: float,
        notify: Callable[[str], None],
        max_tokens: int = MAX_TOKENS,
    ) -> None:
        """Connect to nothing yet; the first query does.

        Args:
            model: the provider's name of the model.
            retry: what to do after a failure that may pass.
            timeout_s: seconds to wait for one reply.
            notify: told in one line what the user should know.
            max_tokens: output limit of one reply, in tokens.
        """
        self.name = f"anthropic:{model}"
        self._model = model
        self._retry = retry
        self._notify = notify
        self._max_tokens = max_tokens
        self._thinking = True
        self._timeout_s = timeout_s
        try:
            self._client = anthropic.Anthropic(max_retries=0, timeout=timeout_s)
        except anthropic.AnthropicError as error:
            raise InputError(f"{self.name}: {clipped(str(error))}. Set {KEY}.") from error
        if not (self._client.api_key or self._client.auth_token or self._client.credentials):
            raise InputError(f"{self.name} needs a key: set {KEY}.")
        # Models have no end of their own; their connections are closed with them.
        weakref.finalize(self, self._client.close)

    def query(self, system: str, messages: list[Message]) -> Reply:
        """Ask for the next reply; see `agent.models.base.Model`."""
        body: dict[str, Any] = {
            "model": self._model,
            "max_tokens": self._max_tokens,
            "system": [{"type": "text", "text": system, "cache_control": CACHED}],
            "tools": [TOOL],
            "messages": self._wire(messages),
        }
        answer = self._retry.call(lambda: self._post(body))
        return self._read(answer)

    def _wire(self, messages: list[Message]) -> list[dict[str, Any]]:
        wire: list[dict[str, Any]] = []
        for message in well_formed(messages):
            if message.native is not None and message.native.model == self.name:
                content = list(message.native.content)
            else:
                content = _blocks(message)
            wire.append({"role": message.role, "content": content})
        newest = wire[-1]["content"]
        newest[-1] = {**newest[-1], "cache_control": CACHED}
        return wire

    def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        if self._thinking:
            body = {**body, "thinking": {"type": "adaptive"}}
        try:
            answer = self._client.messages.create(**body)
        except anthropic.BadRequestError as error:
            # Models older than adaptive thinking refuse it, and say so.
            if self._thinking and "thinking" in str(error):
                self._thinking = False
                self._notify(f"{self.name}: no adaptive thinking; asked without")
                del body["thinking"]
                return self._post(body)
            raise self._refused(error) from error
        except anthropic.APIStatusError as error:
            raise self._refused(error) from error
        except anthropic.APITimeoutError as error:
            raise Transient(f"{self.name}: no answer within {self._timeout_s:.0f} s") from error
        except anthropic.APIConnectionError as error:
            cause = clipped(str(error.__cause__ or error))
            raise Transient(
                f"{self.name}: no connection to {self._client.base_url}: {cause}"
            ) from error
        except json.JSONDecodeError as error:
            raise Transient(f"{self.name}: the answer is torn or no JSON: {error}") from error
        except anthropic.AnthropicError as error:
            raise ProviderError(f"{self.name}: {clipped(str(error))}") from error
        if not isinstance(answer, anthropic.types.Message) or not isinstance(answer.content, list):
            raise Transient(f"{self.name}: the answer is no message: {clipped(repr(answer))}")
        return cast(dict[str, Any], encodable(answer.to_dict(mode="json", warnings=False)))

    def _refused(self, error: anthropic.APIStatusError) -> Exception:
        return refused(self.name, error.status_code, error.response.headers, error.message, key=KEY)

    def _read(self, answer: dict[str, Any]) -> Reply:
        stop = STOPS.get(answer.get("stop_reason") or "", "done")
        blocks = _kept(answer["content"], cut=stop == "length")
        calls = tuple(_call(block) for block in blocks if block["type"] == "tool_use")
        usage = _usage(answer.get("usage") or {})
        return Reply(
            text="\n".join(block["text"] for block in blocks if block["type"] == "text"),
            calls=calls,
            reasoning="\n".join(
                str(block.get("thinking"))
                for block in answer["content"]
                if isinstance(block, dict) and block.get("thinking")
            ),
            usage=priced(usage, self._model, str(self._client.base_url)),
            stop="calls" if calls and stop == "done" else stop,
            native=Native(self.name, blocks) if blocks else None,
        )


def _blocks(message: Message) -> list[dict[str, Any]]:
    """A message in Anthropic's format; results come before text, as the API demands."""
    blocks: list[dict[str, Any]] = [
        {"type": "tool_result", "tool_use_id": result.call_id, "content": result.content}
        for result in message.results
    ]
    if message.text:
        blocks.append({"type": "text", "text": message.text})
    blocks += [
        {
            "type": "tool_use",
            "id": call.id,
            "name": terminal.NAME,
            "input": {"command": call.command},
        }
        for call in message.calls
    ]
    return blocks


def _kept(content: list[Any], *, cut: bool) -> list[dict[str, Any]]:
    """The blocks that may be sent back: no empty text, no torn call, no thinking at the end.

    Args:
        content: the reply's blocks.
        cut: whether the reply was cut off, so that its last call may be a fragment.
    """
    blocks = [
        block
        for block in content
        if isinstance(block, dict)
        and isinstance(block.get("type"), str)
        and not (block["type"] == "text" and not str(block.get("text") or "").strip())
        and not (block["type"] == "tool_use" and cut)
    ]
    while blocks and blocks[-1]["type"] in ("thinking", "redacted_thinking"):
        blocks.pop()
    return blocks


def _call(block: dict[str, Any]) -> Call:
    given = block.get("input")
    command = given.get("command") if isinstance(given, dict) else None
    name, identity = block.get("name"), str(block.get("id") or "")
    if name != terminal.NAME:
        return Call(identity, "", error=f"[there is no tool {name!r}, only {terminal.NAME!r}]")
    if not isinstance(command, str):
        return Call(identity, "", error="[not run: the call has no text argument `command`]")
    return Call(identity, command)


def _usage(given: dict[str, Any]) -> Usage:
    def tokens(name: str) -> int:
        value = given.get(name)
        return value if isinstance(value, int) else 0

    cached, written = tokens("cache_read_input_tokens"), tokens("cache_creation_input_tokens")
    return Usage(
        # Anthropic counts the cached parts apart.
        input_tokens=tokens("input_tokens") + cached + written,
        output_tokens=tokens("output_tokens"),
        cached_tokens=cached,
        cache_write_tokens=written,
    )

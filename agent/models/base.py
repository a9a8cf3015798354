"""The Model seam: messages in, one reply out.

A model sees a list of `Message`s and answers with a `Reply`: text, terminal calls, or both. It
knows nothing of sandboxes or environments. Four adapters implement it: `anthropic`, `openai`,
`replay` (a recorded trajectory) and `baseline` (a fixed recipe, no network, no key).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

INTERRUPTED = "[interrupted]"
"""The result of a call whose command never came back; providers refuse a call without a result."""


@dataclass(frozen=True)
class Call:
    """A request of the model to run a command in its terminal.

    Attributes:
        id: names the call among the calls of the same reply.
        error: why the request could not be read; then nothing is run, and this is its result.
    """

    id: str
    command: str
    error: str = ""


@dataclass(frozen=True)
class CallResult:
    """What came back from one call, as the model reads it."""

    call_id: str
    content: str


@dataclass(frozen=True)
class Usage:
    """What one query cost.

    Attributes:
        input_tokens: all tokens read, cached ones included.
        output_tokens: tokens written, reasoning included.
        cached_tokens: the part of `input_tokens` read from the provider's cache.
        cache_write_tokens: the part of `input_tokens` written to the provider's cache.
        dollars: the price in USD; None when no price is known for the model.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    dollars: float | None = None


@dataclass(frozen=True)
class Native:
    """A reply as its provider wants it back, thinking blocks and signatures included.

    Attributes:
        model: `Model.name` of the one model that may read it; others render the plain fields.
        content: JSON that only the adapter understands.
    """

    model: str
    content: Any


@dataclass(frozen=True)
class Message:
    """One message of the conversation.

    A `user` message carries `text` or the `results` of the calls before it (or both);
    an `assistant` message carries `text`, `calls`, or both. The system prompt is passed apart.
    """

    role: Literal["user", "assistant"]
    text: str = ""
    calls: tuple[Call, ...] = ()
    results: tuple[CallResult, ...] = ()
    reasoning: str = ""
    native: Native | None = None


@dataclass(frozen=True)
class Reply:
    """What the model answered.

    Attributes:
        stop: `done` when the model ended its turn, `calls` when it wants commands run, `length`
            when it was cut off at its output limit, `refusal` when the provider declined.
        native: what the provider wants back with the next query, if it wants anything.
        llm_calls: inferences behind this reply; 0 for `baseline` and `replay`.
        recorded: what the reply cost when a replayed recording was made; never charged again.
    """

    text: str = ""
    calls: tuple[Call, ...] = ()
    reasoning: str = ""
    usage: Usage = field(default_factory=Usage)
    stop: Literal["done", "calls", "length", "refusal"] = "done"
    native: Native | None = None
    llm_calls: int = 1
    recorded: Usage | None = None

    @property
    def message(self) -> Message:
        """The reply as a message of the conversation."""
        return Message(
            role="assistant",
            text=self.text,
            calls=self.calls,
            reasoning=self.reasoning,
            native=self.native,
        )


class Model(Protocol):
    """A builder's or solver's model.

    Attributes:
        name: what the trajectory and the reports call it, such as `anthropic:claude-…`.
    """

    name: str

    def query(self, system: str, messages: list[Message]) -> Reply:
        """Ask for the next reply.

        Args:
            system: the system prompt.
            messages: the whole conversation so far, oldest first, ending with a user message.

        Raises:
            agent.errors.ProviderError: the provider failed for good.
        """
        ...


def well_formed(messages: Iterable[Message]) -> list[Message]:
    """The conversation as every provider accepts it.

    Assistant turns that say nothing are dropped, neighbours of the same role become one message,
    and calls without a result get `INTERRUPTED`.
    """
    tidy: list[Message] = []
    for message in messages:
        if message.role == "assistant" and not (message.text or message.calls or message.native):
            continue
        last = tidy[-1] if tidy else None
        if message.role == "user" and last is not None and last.role == "user":
            text = "\n\n".join(part for part in (last.text, message.text) if part)
            tidy[-1] = replace(last, text=text, results=last.results + message.results)
            continue
        if last is not None and last.role == "assistant" and last.calls:
            given = {result.call_id for result in message.results}
            missing = tuple(
                CallResult(call.id, INTERRUPTED) for call in last.calls if call.id not in given
            )
            if missing and message.role == "user":
                message = replace(message, results=message.results + missing)
        tidy.append(message)
    return tidy


def encodable(value: Any) -> Any:
    """JSON from a provider without lone surrogates, which no request body can carry back."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))

"""The Model seam: messages in, one reply out.

A model sees a list of `Message`s and answers with a `Reply`: text, terminal calls, or both. It
knows nothing of sandboxes or environments. Four adapters implement it: `anthropic`, `openai`,
`replay` (a recorded trajectory) and `baseline` (a fixed recipe, no network, no key).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol


@dataclass(frozen=True)
class Call:
    """A request of the model to run a command in its terminal."""

    id: str
    command: str


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


@dataclass(frozen=True)
class Reply:
    """What the model answered.

    Attributes:
        stop: `done` when the model ended its turn, `calls` when it wants commands run, `length`
            when it was cut off at its output limit, `refusal` when the provider declined.
    """

    text: str = ""
    calls: tuple[Call, ...] = ()
    reasoning: str = ""
    usage: Usage = field(default_factory=Usage)
    stop: Literal["done", "calls", "length", "refusal"] = "done"


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

"""Chat completions through the official OpenAI SDK, on any compatible base URL.

The SDK reads `OPENAI_API_KEY`, `OPENAI_BASE_URL` and its other settings itself; its own retries are
off, because `agent.models.retry` owns them.

Not every server has tools, and not every model uses them. From a model that has made no native call
in the conversation, text can be a command: exactly one fenced ```bash (or ```sh, ```shell,
```terminal) block, or one JSON object with a string `command`, bare or in a ```json fence. Text
without any of these ends the turn. Two commands in one text are ambiguous: nothing is run and the
model is told. From a model that has made a native call, text is text, because a closing summary
often quotes a command. A server that refuses `tools` is asked without them from then on, and the
commands and their results travel as plain text.
"""

from __future__ import annotations

import json
import os
import re
import weakref
from collections.abc import Callable
from typing import Any, Literal, cast

import openai
from openai.types.chat import ChatCompletion

from agent.errors import InputError, ProviderError
from agent.models.base import Call, Message, Native, Reply, Usage, encodable, well_formed
from agent.models.prices import priced
from agent.models.retry import Retry, Transient, clipped, refused
from tools import terminal

TOOL = {"type": "function", "function": dict(terminal.DEFINITION)}

KEY = "OPENAI_API_KEY"
BASE_URL = "OPENAI_BASE_URL"

TOOLS_REFUSED = frozenset({400, 404, 422, 501})
"""What servers without tools answer to a request with them: bad request, no route that has them,
unknown field, not implemented."""

NO_KEY = "none"
"""Sent to a server of the user's own that wants no key; the SDK insists on some text."""

FENCE = re.compile(r"^```(bash|sh|shell|terminal|json)[ \t]*\n(.*?)^```[ \t]*$", re.M | re.S)

TEXT_CALL = "text"
"""Id of a command that the model wrote as text: one a reply, and not known to the server."""

WITHOUT_TOOLS = (
    "You have no native tool. To run a command in your terminal, answer with exactly one block\n"
    "```bash\nthe command\n```\nand nothing after it. An answer without a block ends your turn."
)


class OpenAI:
    """A model behind a chat-completions endpoint."""

    def __init__(
        self, model: str, *, retry: Retry, timeout_s: float, notify: Callable[[str], None]
    ) -> None:
        """Connect to nothing yet; the first query does.

        Args:
            model: the provider's name of the model.
            retry: what to do after a failure that may pass.
            timeout_s: seconds to wait for one reply.
            notify: told in one line what the user should know.

        Raises:
            InputError: there is no key, and no server of the user's own either.
        """
        self.name = f"openai:{model}"
        self._model = model
        self._retry = retry
        self._timeout_s = timeout_s
        self._notify = notify
        self._tools = True
        own_server = bool(os.environ.get(BASE_URL))
        key = os.environ.get(KEY) or (NO_KEY if own_server else None)
        try:
            self._client = openai.OpenAI(api_key=key, max_retries=0, timeout=timeout_s)
        except openai.OpenAIError as error:
            raise InputError(
                f"{self.name} needs a key: set {KEY}, or {BASE_URL} for a server of your own."
            ) from error
        # Models have no end of their own; their connections are closed with them.
        weakref.finalize(self, self._client.close)

    def query(self, system: str, messages: list[Message]) -> Reply:
        """Ask for the next reply; see `agent.models.base.Model`."""
        answer = self._retry.call(lambda: self._post(system, messages))
        uses_tools = self._tools and any(
            call.id != TEXT_CALL for message in messages for call in message.calls
        )
        return self._read(answer, text_commands=not uses_tools)

    def _post(self, system: str, messages: list[Message]) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self._model, "messages": self._wire(system, messages)}
        if self._tools:
            body["tools"] = [TOOL]
        try:
            answer = self._client.chat.completions.create(**body)
        except openai.APIStatusError as error:
            # Servers without tool support name the field or the word in one way or another.
            about_tools = error.status_code in TOOLS_REFUSED and "tool" in error.message.lower()
            if self._tools and about_tools:
                self._tools = False
                self._notify(f"{self.name}: the server has no tools; commands travel as text")
                return self._post(system, messages)
            raise self._refused(error) from error
        except openai.APITimeoutError as error:
            raise Transient(f"{self.name}: no answer within {self._timeout_s:.0f} s") from error
        except openai.APIConnectionError as error:
            cause = clipped(str(error.__cause__ or error))
            raise Transient(
                f"{self.name}: no connection to {self._client.base_url}: {cause}"
            ) from error
        except json.JSONDecodeError as error:
            raise Transient(f"{self.name}: the answer is torn or no JSON: {error}") from error
        except openai.OpenAIError as error:
            raise ProviderError(f"{self.name}: {clipped(str(error))}") from error
        if not isinstance(answer, ChatCompletion):
            raise Transient(f"{self.name}: the answer is no completion: {clipped(repr(answer))}")
        given = cast(dict[str, Any], encodable(answer.to_dict(mode="json", warnings=False)))
        choices = given.get("choices")
        if not (isinstance(choices, list) and choices and _message(choices[0]) is not None):
            raise Transient(f"{self.name}: the answer holds no choice: {clipped(repr(given))}")
        return given

    def _refused(self, error: openai.APIStatusError) -> Exception:
        return refused(
            self.name,
            error.status_code,
            error.response.headers,
            error.message,
            key=KEY,
            code=str(error.code or error.type or ""),
        )

    def _wire(self, system: str, messages: list[Message]) -> list[dict[str, Any]]:
        words = system if self._tools else f"{system}\n\n{WITHOUT_TOOLS}"
        wire: list[dict[str, Any]] = [{"role": "system", "content": words}]
        known: set[str] = set()
        for message in well_formed(messages):
            if message.role == "assistant":
                turn = self._assistant(message)
                known = {call["id"] for call in turn.get("tool_calls", ())}
                wire.append(turn)
                continue
            told = []
            for result in message.results:
                if result.call_id in known:
                    wire.append(
                        {
                            "role": "tool",
                            "tool_call_id": result.call_id,
                            "content": result.content,
                        }
                    )
                else:
                    told.append(result.content)
            if message.text:
                told.append(message.text)
            if told:
                wire.append({"role": "user", "content": "\n\n".join(told)})
        return wire

    def _assistant(self, message: Message) -> dict[str, Any]:
        if self._tools and message.native is not None and message.native.model == self.name:
            return dict(message.native.content)
        native = [call for call in message.calls if self._tools and call.id != TEXT_CALL]
        written = [
            f"```bash\n{call.command}\n```"
            for call in message.calls
            if call not in native and call.command not in message.text
        ]
        turn: dict[str, Any] = {
            "role": "assistant",
            "content": "\n\n".join(part for part in (message.text, *written) if part),
        }
        if native:
            turn["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {
                        "name": terminal.NAME,
                        "arguments": json.dumps({"command": call.command}),
                    },
                }
                for call in native
            ]
        return turn

    def _read(self, answer: dict[str, Any], *, text_commands: bool) -> Reply:
        choice = answer["choices"][0]
        message = choice["message"]
        finish = choice.get("finish_reason")
        refusal = message.get("refusal")
        text = _text(message.get("content"))
        reasoning = _text(message.get("reasoning_content") or message.get("reasoning"))
        calls: tuple[Call, ...] = ()
        stop: Literal["done", "calls", "length", "refusal"] = "done"
        native: Native | None = None
        if refusal or finish == "content_filter":
            stop, text = "refusal", _text(refusal) or text
        elif finish == "length":
            stop = "length"
        else:
            turn, calls = _native_calls(message)
            if calls:
                native = Native(self.name, turn)
            elif text_commands:
                calls = _written_calls(text)
            stop = "calls" if calls else "done"
        usage = _usage(answer.get("usage") or {})
        return Reply(
            text=text,
            calls=calls,
            reasoning=reasoning,
            usage=priced(usage, self._model, str(self._client.base_url)),
            stop=stop,
            native=native,
        )


def _message(choice: Any) -> dict[str, Any] | None:
    message = choice.get("message") if isinstance(choice, dict) else None
    return message if isinstance(message, dict) else None


def _text(content: Any) -> str:
    """The text of a message's content: a string, or parts of which some are text."""
    if isinstance(content, list):
        return "".join(_text(part.get("text")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _native_calls(message: dict[str, Any]) -> tuple[dict[str, Any], tuple[Call, ...]]:
    """The native calls of a reply, and the reply as it is sent back.

    Sent back is what the server wrote, unknown fields included (some demand their signatures back),
    but with an id for every call and arguments that parse.
    """
    calls: list[Call] = []
    turns: list[dict[str, Any]] = []
    for number, given in enumerate(message.get("tool_calls") or (), start=1):
        if not isinstance(given, dict):
            continue
        function = given.get("function")
        function = function if isinstance(function, dict) else {}
        taken = {call.id for call in calls} | {TEXT_CALL, ""}
        identity = str(given.get("id") or "")
        if identity in taken:
            identity = f"call_{number}"
        call, arguments = _parsed(identity, function)
        calls.append(call)
        turns.append({**given, "id": identity, "function": {**function, "arguments": arguments}})
    turn = {key: value for key, value in message.items() if value is not None}
    return {**turn, "content": message.get("content"), "tool_calls": turns}, tuple(calls)


def _parsed(identity: str, function: dict[str, Any]) -> tuple[Call, str]:
    name, given = function.get("name"), function.get("arguments")
    try:
        arguments = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        return Call(identity, "", error="[not run: the call's arguments are no JSON]"), "{}"
    kept = json.dumps(arguments) if isinstance(arguments, dict) else "{}"
    if name != terminal.NAME:
        error = f"[there is no tool {name!r}, only {terminal.NAME!r}]"
        return Call(identity, "", error=error), kept
    command = arguments.get("command") if isinstance(arguments, dict) else None
    if not isinstance(command, str):
        error = "[not run: the call has no text argument `command`]"
        return Call(identity, "", error=error), kept
    # As the server wrote it where that parses, so that its prompt cache recognises it.
    return Call(identity, command), given if isinstance(given, str) else kept


def _written_calls(text: str) -> tuple[Call, ...]:
    """The command in a reply without native calls; see the module's docstring."""
    whole = _json_command(text)
    if whole is not None:
        return (Call(TEXT_CALL, whole),)
    found = []
    for language, body in FENCE.findall(text):
        command = _json_command(body) if language == "json" else body.rstrip("\n")
        if command:
            found.append(command)
    if len(found) > 1:
        error = f"[not run: the answer holds {len(found)} commands; give one at a time]"
        return (Call(TEXT_CALL, "", error=error),)
    return tuple(Call(TEXT_CALL, command) for command in found)


def _json_command(text: str) -> str | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    command = value.get("command") if isinstance(value, dict) else None
    return command if isinstance(command, str) else None


def _usage(given: dict[str, Any]) -> Usage:
    def tokens(source: Any, name: str) -> int:
        value = source.get(name) if isinstance(source, dict) else None
        return value if isinstance(value, int) else 0

    details = given.get("prompt_tokens_details")
    return Usage(
        input_tokens=tokens(given, "prompt_tokens"),
        output_tokens=tokens(given, "completion_tokens"),
        cached_tokens=tokens(details, "cached_tokens"),
        cache_write_tokens=tokens(details, "cache_write_tokens"),
    )

"""A recorded trajectory as a model: the same replies again, in order, whatever comes back.

It asks nobody, so a build can be shown, tested and debugged without a key. The conversation may go
another way than when it was recorded; the replies stay the same. After the last one it submits,
and keeps submitting. What the replies cost when they were recorded is kept beside them and is not
charged again.
"""

from __future__ import annotations

import json
from pathlib import Path

import atif
from pydantic import ValidationError

from agent.errors import InputError
from agent.models.base import Call, Message, Reply, Usage
from tools import terminal

RECORDING_LIMIT_BYTES = 256 * 1024 * 1024
"""A long build's trajectory has a few megabytes; more than this is no trajectory of ours."""

ENDED = "The recording ends here."


class Replay:
    """The replies of a recorded trajectory."""

    def __init__(self, path: Path) -> None:
        """Read the recording.

        Args:
            path: an ATIF document, such as the `trajectory.json` of a build.

        Raises:
            InputError: the file cannot be read as a trajectory of one terminal.
        """
        self._replies = [_reply(step, path) for step in _agent_steps(path)]
        self.name = f"replay:{path}"

    def query(self, system: str, messages: list[Message]) -> Reply:
        """The recorded reply at this point of the conversation; see `agent.models.base.Model`."""
        turn = sum(message.role == "assistant" for message in messages)
        if turn < len(self._replies):
            return self._replies[turn]
        return Reply(text=ENDED, llm_calls=0)


def _agent_steps(path: Path) -> list[atif.Step]:
    try:
        with path.open("rb") as file:
            data = file.read(RECORDING_LIMIT_BYTES + 1)
    except OSError as error:
        raise InputError(f"The recording {path} cannot be read: {error.strerror}.") from error
    if len(data) > RECORDING_LIMIT_BYTES:
        raise InputError(f"The recording {path} is larger than {RECORDING_LIMIT_BYTES} bytes.")
    try:
        trajectory = atif.Trajectory.model_validate(json.loads(data))
    except (ValueError, RecursionError) as error:
        why = f"{error.error_count()} errors" if isinstance(error, ValidationError) else str(error)
        raise InputError(f"The recording {path} is no ATIF trajectory ({why}).") from error
    steps = [step for step in trajectory.steps if step.source == "agent"]
    if not steps:
        raise InputError(f"The recording {path} holds no reply of a model.")
    return steps


def _reply(step: atif.Step, path: Path) -> Reply:
    calls = []
    for call in step.tool_calls or []:
        command = call.arguments.get("command")
        if call.function_name != terminal.NAME or not isinstance(command, str):
            raise InputError(
                f"The recording {path} calls {call.function_name!r} in step {step.step_id}; only "
                f"`{terminal.NAME}(command)` can be replayed."
            )
        error = (call.extra or {}).get("error")
        calls.append(Call(call.tool_call_id, command, error=str(error) if error else ""))
    cut = (step.extra or {}).get("stop") == "length"
    return Reply(
        text=_text(step.message),
        calls=tuple(calls),
        stop="length" if cut else "calls" if calls else "done",
        llm_calls=0,
        recorded=_usage(step),
    )


def _text(message: str | list[atif.ContentPart]) -> str:
    if isinstance(message, str):
        return message
    return "\n".join(part.text for part in message if part.text)


def _usage(step: atif.Step) -> Usage | None:
    metrics = step.metrics
    if metrics is None:
        return None
    return Usage(
        input_tokens=metrics.prompt_tokens or 0,
        output_tokens=metrics.completion_tokens or 0,
        cached_tokens=metrics.cached_tokens or 0,
        cache_write_tokens=int((metrics.extra or {}).get("cache_write_tokens") or 0),
        dollars=metrics.cost_usd,
    )

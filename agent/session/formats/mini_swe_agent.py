"""mini-swe-agent's trajectories: `{info, messages, trajectory_format}`, or a bare message list.

The agent has one tool, bash: a fenced block in its message, or a native tool call in newer
versions. What the command printed comes back as the next user message, so of the user messages
only the first is a person's.
"""

from __future__ import annotations

import re
from typing import Any

from agent.session import chat, shell, tags
from agent.session.clock import when
from agent.session.model import Command, Session, ToolCall, Turn
from agent.session.raw import Raw, RawFile, items, record, text
from agent.session.transcript import Transcript

NAME = "mini_swe_agent"

_FENCE = re.compile(
    r"^```(?:mswea_bash_command|bash)[ \t]*\n(?P<command>.*?)\n```", re.DOTALL | re.MULTILINE
)
_RETURNED = re.compile(r"\A\s*(?:<exception>.*?</exception>\s*)?<returncode>", re.DOTALL)
_TASK = re.compile(
    r"\A(?:Please solve this issue:|Your task:)\s*(?P<task>.*?)"
    r"\n\s*(?:You can execute bash commands|<instructions>)",
    re.DOTALL,
)
_DESCRIPTION = re.compile(r"<(pr_description)>")
_PREFACE = "Consider the following PR description:"


def matches(raw: Raw) -> bool:
    """True for the object by its format's name, and for a list by the frame of its outputs."""
    file = raw.file
    if file is None:
        return False
    document = file.document
    if isinstance(document, dict):
        return text(document.get("trajectory_format")).startswith("mini-swe-agent") or (
            "mini_version" in record(document.get("info"))
            and isinstance(document.get("messages"), list)
        )
    if '"role"' not in file.head or ("returncode>" not in file.head and "mswea" not in file.head):
        return False
    said = [chat.plain(record(m).get("content")) for m in items(document)[:20]]
    return any(_RETURNED.match(s) for s in said) or any("```mswea_bash_command" in s for s in said)


def load(raw: Raw) -> Session:
    """Read one trajectory."""
    file = raw.file
    assert file is not None  # noqa: S101 (`matches` looked)
    out = Transcript(NAME, raw)
    document = out.reads(file).document
    info = record(record(document).get("info"))
    config = record(info.get("config"))
    out.session.tool_version = text(info.get("mini_version")) or None
    out.session.cwd = text(record(config.get("environment")).get("cwd")) or None
    out.session.id = text(record(document).get("instance_id"))
    model = text(record(config.get("model")).get("model_name")) or None
    messages = (
        items(document) if isinstance(document, list) else items(record(document).get("messages"))
    )
    _read(messages, out, file, model)
    if text(info.get("exit_status")):
        out.note(f"ended: {text(info.get('exit_status'))}")
    return out.finish()


def _read(messages: list[Any], out: Transcript, file: RawFile, model: str | None) -> None:
    waiting: ToolCall | None = None
    asked = False
    for index, raw_message in enumerate(messages):
        message = record(raw_message)
        source = file.source(index=index)
        said = chat.plain(message.get("content"))
        at = when(message.get("timestamp")) or when(record(message.get("extra")).get("timestamp"))
        role = text(message.get("role"))
        if role == "assistant":
            if message.get("tool_calls"):
                chat.message(out, message, source, model=model)
                continue
            turn = out.agent(source, at, text=_FENCE.sub("", said).strip(), model=model)
            fence = _FENCE.search(said)
            waiting = None
            if fence:
                waiting = out.call(turn, "bash", {"command": fence["command"]}, source, at=at)
        elif role == "user" and not asked:
            asked = True
            own = _own(said)
            turn_ = out.user(own, source, at)
            if own != said and turn_ is not None:
                turn_.injected.append(said)
        elif role == "user" and waiting is not None and waiting.result is None:
            out.result(waiting, said)
            code, output = shell.outcome(said)
            command = text(waiting.arguments.get("command"))
            waiting.command = Command(
                command=command, cwd=out.session.cwd, exit_code=code, output=output
            )
        elif role == "user":
            if said:
                out.add(Turn(role="user", injected=[said], timestamp=at, source=source))
        elif role == "exit":
            out.system(said or "the run ended", source, at)
        else:
            chat.message(out, message, source, model=model)


def _own(said: str) -> str:
    """The task within the agent's template."""
    described = next(tags.find(said, _DESCRIPTION), None)
    if described is not None:
        return described.text.strip().removeprefix(_PREFACE).strip()
    task = _TASK.match(said)
    return task["task"] if task else said

"""SWE-agent's `.traj` files: `trajectory`, `history` and `info`.

Each step of the trajectory has an action (a command of the agent's own interface, or a shell
command), an observation, a thought and the state after it. A file with only a `history` is a replay
or a demonstration and is read as messages.
"""

from __future__ import annotations

import contextlib
import re
import shlex
from typing import Any

from agent.session import chat
from agent.session.listing import unnumbered
from agent.session.model import Command, Edit, FileView, Session, Source, ToolCall
from agent.session.raw import Raw, items, parse, record, text, word_set
from agent.session.transcript import Transcript

NAME = "swe_agent"

_TOOLS = word_set(
    """
    open goto scroll_up scroll_down create edit submit search_dir search_file find_file
    str_replace_editor exit_cost exit_format exit_context
    """
)
_OPENED = re.compile(r"\A\[File: (?P<path>[^\n]+?) \((?P<count>\d+) lines total\)\]\r?\n")
_PROMPT = re.compile(r"\n\(Open file: [^\n]*\)\n\(Current directory: [^\n]*\)\nbash-\$\s*\Z")
_ISSUE = re.compile(
    r"^(?:ISSUE:|<pr_description>|<issue>)\s*\n(?P<text>.*?)(?:\n\s*\n?(?:INSTRUCTIONS:|</pr_description>|</issue>)|\Z)",
    re.DOTALL | re.MULTILINE,
)


_OPEN = re.compile(r"^\(Open file: (?P<path>[^)\n]+)\)$", re.MULTILINE)
_NOT_APPLIED = re.compile(r"edit was not applied|edit has NOT been applied|not found in", re.I)


def matches(raw: Raw) -> bool:
    """True for a trajectory, or a history in SWE-agent's words."""
    file = raw.file
    if file is None or not file.head.lstrip().startswith("{"):
        return False
    if not any(key in file.head for key in ('"trajectory"', '"history"', '"environment"')):
        return False
    document = record(file.document)
    step = record(next(iter(items(document.get("trajectory"))), None))
    if {"action", "observation"} <= step.keys():
        return True
    return any(
        "message_type" in record(m) or "is_demo" in record(m)
        for m in items(document.get("history"))
    )


def load(raw: Raw) -> Session:
    """Read one trajectory."""
    file = raw.file
    assert file is not None  # noqa: S101 (`matches` looked)
    out = Transcript(NAME, raw)
    document = record(out.reads(file).document)
    out.session.id = text(document.get("instance_id")) or text(document.get("environment"))
    history = [record(m) for m in items(document.get("history"))]
    steps = items(document.get("trajectory"))
    for index, message in enumerate(history):
        if message.get("is_demo") is True or (
            steps and message.get("role") not in ("system", "user")
        ):
            continue
        if steps and out.prompted:
            break
        _message(message, out, file.source(index=index))
    for index, raw_step in enumerate(steps):
        _step(record(raw_step), out, file.source(index=index))
    info = record(document.get("info"))
    if text(info.get("exit_status")):
        out.note(f"ended: {text(info.get('exit_status'))}")
    submission = text(info.get("submission"))
    if submission.strip():
        out.note("the submitted patch stands in info.submission")
    return out.finish()


def _message(message: dict[str, Any], out: Transcript, source: Source) -> None:
    if message.get("role") == "tool":
        ids = items(message.get("tool_call_ids"))
        message = {**message, "tool_call_id": ids[0] if ids else ""}
    if message.get("role") == "user":
        said = chat.plain(message.get("content"))
        issue = _ISSUE.search(said)
        turn = out.user(issue["text"] if issue else said, source)
        if turn is not None and issue:
            turn.injected.append(said)
        return
    chat.message(out, {**message, "thought": None}, source)
    if message.get("role") == "tool":
        call = out.find(text(message.get("tool_call_id")))
        if call is not None:
            observation = chat.plain(message.get("content")).replace("\r\n", "\n")
            _opened(call, observation)
            _replaced(call, observation)


def _step(step: dict[str, Any], out: Transcript, source: Source) -> None:
    action = text(step.get("action")).strip("\n")
    observation = text(step.get("observation")).replace("\r\n", "\n")
    turn = out.agent(source, text=text(step.get("thought")) or text(step.get("response")))
    if not action:
        return
    state = step.get("state")
    if isinstance(state, str):
        state, _ = parse(state.encode("utf-8", "replace"))
    folder = text(record(state).get("working_dir")) or None
    out.session.cwd = out.session.cwd or folder
    name = action.split(None, 1)[0]
    if name not in _TOOLS:
        call = out.call(turn, "bash", {"command": action}, source)
        out.result(call, observation)
        call.command = Command(command=action, cwd=folder, output=observation)
        return
    call = out.call(turn, name, {"input": action}, source)
    out.result(call, observation)
    if name != "edit":
        _opened(call, observation)
    else:
        shown = text(record(state).get("open_file"))
        lines = re.match(r"edit \d+:\d+\n(?P<new>.*?)\n?end_of_edit\Z", action, re.DOTALL)
        if shown and shown != "n/a" and lines:
            call.edits.append(Edit(path=shown, new=lines["new"] + "\n", kind="replace"))
        elif not lines:
            with contextlib.suppress(ValueError):
                words = shlex.split(action)
                call.arguments.update(zip(("search", "replace"), words[1:3], strict=False))
            _replaced(call, f"{observation}\n(Open file: {shown})")


def _replaced(call: ToolCall, observation: str) -> None:
    """The file that an edit by search and replacement was made in: the one that is open."""
    opened = _OPEN.search(observation)
    searched = call.tool == "edit" and {"search", "replace"} <= call.arguments.keys()
    if searched and opened and opened["path"] != "n/a":
        call.arguments.setdefault("path", opened["path"])
    if searched and _NOT_APPLIED.search(observation):
        call.failed = True


def _opened(call: ToolCall, observation: str) -> None:
    """The window of a file that the agent's own viewer shows."""
    opened = _OPENED.match(observation)
    if call.tool not in ("open", "goto", "scroll_up", "scroll_down") or opened is None:
        return
    body = _PROMPT.sub("", observation[opened.end() :])
    listed = unnumbered("\n".join(line for line in body.split("\n") if not line.startswith("(")))
    if listed is not None:
        seen, start = listed
        whole = start == 1 and str(seen.count("\n")) == opened["count"]
        call.views.append(FileView(path=opened["path"], text=seen, start_line=start, whole=whole))

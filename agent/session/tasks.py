"""Task folders as Cline and Roo write them, read once for both.

The conversation with the model stands in one file (a list of `role`/`content` messages), what the
person saw in another (a list of `say`/`ask` messages with exact times and the person's exact
words). The first is read for what happened, the second for the prompts; either may be missing.
Which file is which is told from the content.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agent.session import calls, environment, tags
from agent.session.clock import when
from agent.session.injected import split, without_binaries
from agent.session.model import Command, Edit, FileView, Session, Source, ToolCall, Turn
from agent.session.raw import Raw, RawFile, items, parse, record, text, word_set
from agent.session.transcript import Transcript

MAX_TASK_FILES = 50
"""A task folder holds a handful of files; a folder with more is something else."""

_TASK_ID = re.compile(r"\d{10,}\Z|[0-9a-fA-F-]{36}\Z|[0-9A-Z]{26}\Z")
"""Cline names task folders by the epoch millisecond or a ULID, Roo by a UUID."""
_RESULT = re.compile(r"\A\[(?P<tool>\w+)(?: for '(?P<what>.*?)')?[^\]\n]*\] Result:\n?", re.DOTALL)
_OWN_WORDS = re.compile(r"<(task|feedback|answer|user_message)>")
_DETAILS = re.compile(r"<(environment_details)>")
_THINKING = re.compile(r"<(thinking)>")
_XML_TOOLS = word_set(
    """
    write_to_file read_file replace_in_file execute_command search_files list_files
    apply_diff insert_content search_and_replace ask_followup_question attempt_completion
    browser_action use_mcp_tool access_mcp_resource new_task switch_mode plan_mode_respond
    list_code_definition_names load_mcp_documentation
    """
)
_XML_CALL = re.compile(r"<(" + "|".join(sorted(_XML_TOOLS)) + r")>")
_XML_ARGUMENT = re.compile(r"<(\w{1,40})>")
_FAILED = (
    "Error",
    "The tool execution failed",
    "The user denied",
    "[ERROR]",
    "<error>",
)
_UI_KINDS = word_set(
    """
    reasoning checkpoint_created task_progress resume_task resume_completed_task
    api_req_started api_req_finished api_req_retried api_req_retry_delayed completion_result
    command_output error_retry error diff_error mcp_server_request_started
    mcp_server_response browser_action browser_action_result browser_action_launch
    shell_integration_warning deleted_api_reqs clineignore_error load_mcp_documentation info
    hook_status hook_output generate_explanation api_req_failed mistake_limit_reached
    auto_approval_max_req_reached condense summarize_task user_edit_todos subtask_result
    codebase_search_result conditional_rules_applied
    """
)


@dataclass
class Files:
    """The files of a task, by what is in them."""

    history: RawFile | None = None
    ui: RawFile | None = None
    item: RawFile | None = None
    """Roo's entry of the task in its index."""
    others: list[str] = field(default_factory=list)


def files(raw: Raw) -> Files:
    """Sort a folder's files, or the one file, by content."""
    found = Files()
    names = [n for n in raw.names if n.count("/") == 0 and n.endswith(".json")]
    if raw.is_folder and len(names) > MAX_TASK_FILES:
        return found
    candidates = [raw.file] if raw.file is not None else [raw.open(name) for name in names]
    for file in candidates:
        if is_ui(file):
            found.ui = found.ui or file
        elif is_history(file):
            found.history = found.history or file
        elif is_item(file):
            found.item = file
        else:
            found.others.append(file.name)
    return found


def is_ui(file: RawFile) -> bool:
    """True for a list of `say`/`ask` messages."""
    if '"ts"' not in file.head or not re.search(r'"(?:say|ask)"', file.head):
        return False
    first = record(next(iter(items(file.document)), None))
    return first.get("type") in ("say", "ask") and "ts" in first


def is_history(file: RawFile) -> bool:
    """True for a list of messages to the model, opened by a task or by environment details."""
    if not file.head.lstrip().startswith("[") or '"role"' not in file.head:
        return False
    messages = items(file.document)
    first = record(messages[0] if messages else None)
    if first.get("role") != "user":
        return False
    blocks = items(first.get("content")) or [{"text": first.get("content")}]
    words = "\n".join(text(record(block).get("text")) for block in blocks)
    return words.lstrip().startswith(("<task>", "<user_message>")) or (
        "<environment_details>" in words and "</environment_details>" in words
    )


def is_item(file: RawFile) -> bool:
    """True for Roo's `history_item.json`."""
    if not file.head.lstrip().startswith("{") or '"tokensIn"' not in file.head:
        return False
    return {"id", "ts", "task", "tokensIn"} <= record(file.document).keys()


def load(name: str, raw: Raw, found: Files) -> Session:
    """Read a task.

    Args:
        name: the format's name.
        raw: what the user named.
        found: its files; `history` or `ui` is there.
    """
    out = Transcript(name, raw)
    named = raw.path.resolve().name
    out.session.id = named if raw.is_folder and _TASK_ID.match(named) else ""
    if found.item is not None:
        item = record(out.reads(found.item).document)
        out.session.id = text(item.get("id"))
        out.session.cwd = text(item.get("workspace")) or None
    if found.ui is not None:
        out.reads(found.ui)
    if found.history is not None:
        _History(out, out.reads(found.history), _ui(found.ui)).read()
    elif found.ui is not None:
        _Ui(out, found.ui).read()
    return out.finish(out.session.git)


def _ui(file: RawFile | None) -> list[dict[str, Any]]:
    return [] if file is None else [record(message) for message in items(file.document)]


@dataclass
class _History:
    out: Transcript
    file: RawFile
    ui: list[dict[str, Any]]
    waiting: dict[str, deque[ToolCall]] = field(default_factory=dict)
    """Calls whose results come back as text, by tool, in order."""

    def read(self) -> None:
        times = self._times()
        model: str | None = None
        for index, raw_message in enumerate(items(self.file.document)):
            message = record(raw_message)
            source = self.file.source(index=index)
            at = when(message.get("ts")) or times.get(index)
            role = text(message.get("role"))
            content = message.get("content")
            blocks = (
                [{"type": "text", "text": content}] if isinstance(content, str) else items(content)
            )
            if role == "assistant":
                info = record(message.get("modelInfo"))
                model = text(info.get("modelId")) or text(info.get("id")) or model
                self._assistant(blocks, source, at, model)
            elif role == "user":
                self._user(blocks, source, at)
            elif role:
                self.out.unknown(f"message of role {role}")
        self._exact_prompt()

    def _times(self) -> dict[int, datetime]:
        """Times of messages as the person saw them; a message of the model is shown after it."""
        times: dict[int, datetime] = {}
        for shown in self.ui:
            index = shown.get("conversationHistoryIndex")
            moment = when(shown.get("ts"))
            if isinstance(index, int) and moment is not None:
                times.setdefault(index + 1, moment)
        return times

    def _exact_prompt(self) -> None:
        """The first prompt as typed: the model is shown it with mentions rewritten."""
        typed = next((text(m.get("text")) for m in self.ui if m.get("say") == "task"), "")
        first = next((t for t in self.out.session.turns if t.role == "user"), None)
        if typed.strip() and first is not None and first.text:
            first.text = typed.strip()

    def _assistant(
        self, blocks: list[Any], source: Source, at: datetime | None, model: str | None
    ) -> None:
        turn = self.out.agent(source, at, model=model)
        said: list[str] = []
        for raw_block in blocks:
            block = record(raw_block)
            kind = text(block.get("type"))
            if kind == "text":
                said.append(self._xml_calls(text(block.get("text")), turn, source, at))
            elif kind in ("thinking", "reasoning"):
                turn.thinking += text(block.get("thinking")) or text(block.get("text"))
            elif kind == "tool_use":
                call = self.out.call(
                    turn,
                    text(block.get("name")),
                    block.get("input"),
                    source,
                    call_id=text(block.get("id")),
                    at=at,
                )
                self._asked(call)
            elif kind != "redacted_thinking":
                self.out.unknown(f"assistant block {kind}")
        turn.text = "\n\n".join(part for part in said if part)

    def _xml_calls(self, said: str, turn: Turn, source: Source, at: datetime | None) -> str:
        made = list(tags.find(said, _XML_CALL))
        for pair in made:
            given = {a.name: _inner(a.text) for a in tags.find(pair.text, _XML_ARGUMENT)}
            self._asked(self.out.call(turn, pair.name, given, source, at=at))
        said = tags.without(said, made)
        thoughts = list(tags.find(said, _THINKING))
        turn.thinking += "\n\n".join(thought.text.strip() for thought in thoughts)
        return tags.without(said, thoughts).strip()

    def _user(self, blocks: list[Any], source: Source, at: datetime | None) -> None:
        words: list[str] = []
        injected: list[str] = []
        open_call: ToolCall | None = None
        for raw_block in blocks:
            block = record(raw_block)
            kind = text(block.get("type"))
            if kind == "tool_result":
                call = self.out.find(text(block.get("tool_use_id")))
                printed = _text_of(block.get("content"))
                printed = self._without_details(printed, injected)
                words += [pair.text.strip() for pair in tags.find(printed, _OWN_WORDS)]
                if call is not None:
                    self._result(call, printed, failed=block.get("is_error") is True or None)
                continue
            if kind != "text":
                injected.append(f"[{kind}]")
                continue
            said = without_binaries(text(block.get("text")))
            framed = _RESULT.match(said)
            if framed:
                open_call = self._waiting_for(framed["tool"])
                said = said[framed.end() :]
            said = self._without_details(said, injected).strip()
            if not said:
                continue
            own = list(tags.find(said, _OWN_WORDS))
            words += [pair.text.strip() for pair in own]
            rest = tags.without(said, own).strip()
            if framed or (open_call is not None and open_call.result is None and not own):
                if open_call is not None:
                    self._result(open_call, rest, failed=None)
            elif rest:
                injected.append(rest)
        text_ = "\n\n".join(w for w in words if w)
        if not text_ and injected and not self.out.prompted:
            # Without Cline's tags the first message is the person's own.
            text_, extra = split("\n".join(i for i in injected if not _DETAILS.match(i)))
            injected = [i for i in injected if _DETAILS.match(i)] + extra
        if text_ or injected:
            self.out.add(
                Turn(role="user", text=text_, injected=injected, timestamp=at, source=source)
            )

    def _without_details(self, said: str, injected: list[str]) -> str:
        pairs = list(tags.find(said, _DETAILS))
        for pair in pairs:
            environment.facts(pair.text, self.out.session)
            injected.append(said[pair.start : pair.end])
        return tags.without(said, pairs)

    def _waiting_for(self, tool: str) -> ToolCall | None:
        queue = self.waiting.get(tool, deque())
        while queue and queue[0].result is not None:
            queue.popleft()
        return queue[0] if queue else None

    def _asked(self, call: ToolCall) -> None:
        self.waiting.setdefault(call.tool, deque()).append(call)

    def _result(self, call: ToolCall, printed: str, *, failed: bool | None) -> None:
        framed = _RESULT.match(printed)
        if framed:
            printed = printed[framed.end() :]
        if printed.lstrip().startswith(_FAILED):
            failed = True
        self.out.result(call, printed, failed=failed)
        if call.tool == "read_file" and not failed:
            path = text(call.arguments.get("path"))
            if path and "<file>" not in printed and not call.views:
                call.views.append(FileView(path=path, text=printed, whole=True))
        elif call.tool == "execute_command" and call.command is None:
            call.command = _command(call, printed, self.out.session.cwd)


@dataclass
class _Ui:
    """What the person saw, for a task whose conversation file is missing."""

    out: Transcript
    file: RawFile
    model: str | None = None

    def read(self) -> None:
        self.out.note("read from what the user saw: tool results are mostly missing")
        command: ToolCall | None = None
        for index, raw_message in enumerate(items(self.file.document)):
            message = record(raw_message)
            kind = text(message.get("say")) or text(message.get("ask"))
            said = text(message.get("text"))
            source = self.file.source(index=index)
            at = when(message.get("ts"))
            self.model = text(record(message.get("modelInfo")).get("modelId")) or self.model
            if message.get("partial") is True:
                continue
            if kind in ("task", "user_feedback"):
                self.out.user(said, source, at)
            elif kind == "api_req_started":
                value, _ = parse(said.encode("utf-8", "replace"))
                for pair in tags.find(text(record(value).get("request")), _DETAILS):
                    environment.facts(pair.text, self.out.session)
            elif kind == "text":
                if said:
                    self.out.agent(source, at, text=said, model=self.model)
            elif kind == "reasoning":
                self.out.agent(source, at, thinking=said, model=self.model)
            elif kind == "completion_result" and message.get("type") == "say" and said:
                self.out.agent(source, at, text=said, model=self.model)
            elif kind == "command":
                turn = self._turn(source, at)
                bare = said.removesuffix("REQ_APP")
                command = self.out.call(turn, "execute_command", {"command": bare}, source, at=at)
                command.command = Command(command=bare, cwd=self.out.session.cwd)
            elif kind == "command_output" and command is not None and command.command is not None:
                command.command.output += f"{said}\n" if said else ""
                command.result = command.command.output
            elif kind == "tool":
                self._tool(said, source, at)
            elif kind in ("followup", "plan_mode_respond"):
                value, _ = parse(said.encode("utf-8", "replace"))
                asked = record(value)
                words = text(asked.get("question")) or text(asked.get("response")) or said
                self.out.agent(source, at, text=words, model=self.model)
            elif kind == "user_feedback_diff":
                self._by_hand(said, source, at)
            elif kind not in _UI_KINDS:
                self.out.unknown(f"{message.get('type')} {kind}")

    def _turn(self, source: Source, at: datetime | None) -> Turn:
        turns = self.out.session.turns
        if turns and turns[-1].role == "agent":
            return turns[-1]
        return self.out.agent(source, at, model=self.model)

    def _tool(self, said: str, source: Source, at: datetime | None) -> None:
        value, _ = parse(said.encode("utf-8", "replace"))
        given = record(value)
        tool = text(given.get("tool"))
        call = self.out.call(self._turn(source, at), tool or "tool", given, source, at=at)
        path, content = text(given.get("path")), given.get("content")
        if not path or not isinstance(content, str):
            return
        if tool == "newFileCreated":
            call.edits.append(Edit(path=path, new=content, kind="create"))
        elif tool in ("editedExistingFile", "appliedDiff"):
            call.edits.extend(calls.blocks(path, content))
            diff = text(given.get("diff"))
            if diff and not call.edits:
                call.edits.extend(calls.blocks(path, diff))
        elif tool == "searchFiles":
            call.result = content

    def _by_hand(self, said: str, source: Source, at: datetime | None) -> None:
        value, _ = parse(said.encode("utf-8", "replace"))
        given = record(value)
        path, diff = text(given.get("path")), text(given.get("diff"))
        turn = self.out.add(
            Turn(
                role="user",
                injected=[f"the user edited {path} by hand"],
                timestamp=at,
                source=source,
            )
        )
        if path and diff:
            call = self.out.call(turn, "user_edit", {"path": path}, source, at=at)
            call.edits.append(Edit(path=path, patch=diff, kind="patch", user_modified=True))


def _command(call: ToolCall, printed: str, cwd: str | None) -> Command | None:
    command = text(call.arguments.get("command"))
    if not command:
        return None
    code: int | None = None
    match = re.search(r"(?:exit code|Exit code:?) (\d{1,9})", printed[:400])
    if match:
        code = int(match.group(1))
    opening = re.match(r"Command executed[^\n]*?\.?\n(?:Output:\n)?", printed)
    output = printed[opening.end() :] if opening else printed
    return Command(command=command, cwd=cwd, exit_code=code, output=output)


def _inner(body: str) -> str:
    """An argument's text: one newline on either side belongs to the tags."""
    return body.removeprefix("\n").removesuffix("\n")


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return without_binaries(content)
    parts: list[str] = []
    for raw_block in items(content):
        block = record(raw_block)
        parts.append(text(block.get("text")) or (f"[{block.get('type')}]" if block else ""))
    return without_binaries("\n".join(parts))

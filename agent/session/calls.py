"""What a tool call did in plain terms: the command it ran, the file it saw, the edit it made.

Tools of different makers share a small vocabulary: a shell, a reader, a writer, a replacer, a
patcher. `interpret` recognises a call by its name and arguments and fills in `command`, `views`
and `edits` where the format itself knew nothing better. It never guesses: a view is recorded only
when the result is plainly the file's text.
"""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from agent.session import listing, patches, replaceblocks, shell
from agent.session.model import Command, Edit, FileView, ToolCall
from agent.session.raw import word_set

_SHELLS = word_set(
    """
    bash shell local_shell container.exec exec exec_command shell_command run_command
    execute_command run_shell_command run_terminal_cmd run_terminal_command run_in_terminal
    execute_bash run terminal run_commands cmdrun cmdrunaction bashtool shelltool powershell
    launch-process execute run_bash
    """
)
_READERS = word_set(
    """
    read read_file readfile view view_file fileread filereadaction open_file cat read_files
    read_text_file read_file_v2
    """
)
_WRITERS = word_set(
    """
    write write_file write_to_file writefile create create_file newfilecreated
    filewriteaction save-file new_file
    """
)
_REPLACERS = word_set(
    """
    edit edit_file replace str_replace replace_in_file search_replace string_replace
    replace_string_in_file edit_existing_file multiedit multi_edit editedexistingfile
    apply_diff search_and_replace update
    """
)
_PATCHERS = frozenset(["apply_patch", "applypatch", "patch", "apply_patch_freeform"])
_EDITORS = frozenset(
    ["str_replace_editor", "str_replace_based_edit_tool", "text_editor", "editor", "file_editor"]
)
_EDITOR_COMMANDS = {"view": "view", "create": "create", "str_replace": "edit", "": "edit"}
"""What the many-in-one editors call their commands; one without commands replaces text."""
_PATHS = (
    "file_path",
    "filePath",
    "path",
    "absolute_path",
    "target_file",
    "filename",
    "file",
    "notebook_path",
    "relative_workspace_path",
    "uri",
)
_OLD = ("old_string", "oldString", "old_str", "oldText", "old_text", "search", "old")
_NEW = ("new_string", "newString", "new_str", "newText", "new_text", "replace", "new")
_CONTENT = ("content", "contents", "file_text", "fileText", "text", "new_content", "code_edit")
_RANGE = ("offset", "limit", "start_line", "end_line", "startLine", "endLine", "view_range")


def arguments(value: Any) -> dict[str, Any]:
    """A call's arguments as an object, whatever the format recorded."""
    if isinstance(value, dict):
        return value
    if isinstance(value, str):
        try:
            parsed = from_json(value)
        except ValueError:
            parsed = None
        if isinstance(parsed, dict):
            return parsed
        return {"input": value} if value else {}
    return {} if value is None else {"input": value}


def interpret(call: ToolCall, cwd: str | None = None) -> None:
    """Fill in `command`, `views` and `edits` of a call that has none.

    Args:
        call: the call with its result; what a format has already filled in stays.
        cwd: the working directory, for commands that name none.
    """
    tool = call.tool.rsplit("__", 1)[-1].lower()
    given = call.arguments
    if tool in _EDITORS:
        tool = _EDITOR_COMMANDS.get(str(given.get("command", "")), "")
    if call.command is None and tool in _SHELLS:
        _command(call, cwd)
    if call.command is not None:
        if not call.views and not call.edits:
            view = shell.view(call.command)
            if view is not None:
                call.views.append(view)
            call.edits.extend(patches.parse(call.command.command))
        return
    if call.edits or call.views:
        return
    if tool in _READERS:
        _read(call)
    elif tool in _PATCHERS:
        patch = _first(given, ("input", "patch", "patchText", "patch_text", "diff"))
        if patch is not None:
            call.edits.extend(patches.parse(patch))
    elif tool in _WRITERS:
        path, content = _first(given, _PATHS), _first(given, _CONTENT)
        if path and content is not None:
            call.edits.append(Edit(path=path, new=content, kind="write"))
    elif tool in _REPLACERS:
        _replace(call)


def blocks(path: str, diff: str) -> list[Edit]:
    """Edits of a text made of SEARCH/REPLACE blocks, as Cline, Roo and Aider write them."""
    return [
        Edit(path=path, old=block.old, new=block.new, kind="replace")
        for block in replaceblocks.parse(diff.split("\n"))
    ]


def _command(call: ToolCall, cwd: str | None) -> None:
    given = call.arguments
    command = given.get("command", given.get("cmd", given.get("script")))
    several = given.get("commands")
    if command is None and isinstance(several, list) and len(several) == 1:
        command = several[0]
    if isinstance(command, list):
        words = [str(word) for word in command]
        # `bash -lc TEXT` is the text; the shell around it is the tool's business.
        wrapped = len(words) == 3 and words[1].startswith("-") and words[1].endswith("c")
        command = words[2] if wrapped else " ".join(words)
    if not isinstance(command, str) or not command:
        return
    where = _first(given, ("workdir", "cwd", "dir", "directory", "working_directory")) or cwd
    code, output = shell.outcome(call.result or "")
    call.command = Command(command=command, cwd=where, exit_code=code, output=output)


def _read(call: ToolCall) -> None:
    given = call.arguments
    several = given.get("files")
    if isinstance(several, list) and len(several) == 1 and isinstance(several[0], dict):
        given = several[0]
    path = _first(given, _PATHS)
    if not path or call.result is None or call.failed:
        return
    seen = listing.content(call.result)
    if seen is None:
        return
    partial = any(given.get(key) not in (None, "", 0, []) for key in _RANGE)
    call.views.append(
        FileView(
            path=path,
            text=seen.text,
            start_line=seen.start_line,
            whole=seen.whole if seen.whole is not None else seen.start_line == 1 and not partial,
        )
    )


def _replace(call: ToolCall) -> None:
    given = call.arguments
    path = _first(given, _PATHS)
    if not path:
        return
    steps = given.get("edits")
    for step in steps if isinstance(steps, list) else [given]:
        if not isinstance(step, dict):
            continue
        old, new = _first(step, _OLD), _first(step, _NEW)
        if new is None and old is None:
            continue
        call.edits.append(
            Edit(
                path=path,
                old=old or None,
                new=new,
                kind="replace" if old else "create",
                replace_all=bool(step.get("replace_all") or step.get("replaceAll")),
            )
        )
    if not call.edits:
        diff = _first(given, ("diff", "content"))
        if diff is not None:
            call.edits.extend(blocks(path, diff))


def _first(given: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        value = given.get(key)
        if isinstance(value, str):
            return value
    return None

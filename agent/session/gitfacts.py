"""Git facts that a session reveals through the commands it ran.

Only what a command plainly says becomes a fact: HEAD before anything moved it, the address of a
remote. Everything else is left to whoever compares file contents with the history.
"""

from __future__ import annotations

import re

from agent.session import shell
from agent.session.model import Command, Session

_MOVES_HEAD = re.compile(
    r"\bgit\b[^\n;&|]*\b(commit|checkout|switch|pull|merge|rebase|reset|cherry-pick|am|revert|"
    r"clone|stash|worktree)\b"
)
_FULL = re.compile(r"[0-9a-f]{40}\Z")
_LOG_LINE = re.compile(r"(?:commit )?([0-9a-f]{7,40})\b")
_REMOTE_LINE = re.compile(r"^origin\s+(\S+) \(fetch\)$", re.MULTILINE)
_PUSHED = re.compile(r"^(?:To|From) ((?:https://|ssh://|git@|github\.com:)\S+)$", re.MULTILINE)
_REPOSITORY = re.compile(
    r"\A(?:https?://|ssh://|git://)?(?:[^@\s/]+@)?[\w.-]+(?::\d+)?[:/][\w.~/-]+\Z"
)
_ASKS_REMOTE = (
    ["git", "remote", "get-url", "origin"],
    ["git", "config", "--get", "remote.origin.url"],
)
_CLEAN = ("nothing to commit, working tree clean", "nothing to commit, working directory clean")
_DIRTY = ("Changes not staged for commit", "Changes to be committed", "Untracked files:")
_LOG_OPTION = re.compile(
    r"-(?:\d+|n|n\d+|1|-oneline|-decorate|-stat|-max-count=\d+|-no-color|-graph|-format=.*|"
    r"-pretty=.*|-date=.*|-abbrev-commit|-no-decorate|-name-only|-name-status|p|-patch)\Z"
)


def complete(session: Session) -> None:
    """Fill in what the format itself did not record.

    Args:
        session: a session whose calls are interpreted; its `git` and `notes` are changed.
    """
    git = session.git
    moved = edited = False
    for turn in session.turns:
        for call in turn.calls:
            if call.edits and not call.failed:
                edited = True
            command = call.command
            if command is None or "git" not in command.command:
                continue
            if len(command.command) > shell.MAX_COMMAND_CHARS:
                moved = True
                continue
            if git.repository is None:
                git.repository = _remote(command)
            if command.exit_code in (0, None) and not turn.sidechain:
                if git.commit is None and not moved:
                    git.commit = _head(command)
                if git.dirty is None and not moved and not edited:
                    git.dirty = _dirty(command)
            if _MOVES_HEAD.search(command.command):
                moved = True


def clean_remote(address: str) -> str | None:
    """A remote's address without credentials, or None when it is no such address."""
    address = address.strip().rstrip("/")
    if len(address) > 500 or not _REPOSITORY.match(address):
        return None
    return re.sub(r"\A(https?://)[^@/\s]+@", r"\1", address)


def _remote(command: Command) -> str | None:
    words = command.command
    if "git remote" in words:
        match = _REMOTE_LINE.search(command.output)
        if match:
            return clean_remote(match.group(1))
    parts = shell.steps(words.strip())
    if parts and len(parts) == 1 and parts[0] in _ASKS_REMOTE:
        return clean_remote(command.output)
    if "git push" in words or "git fetch" in words or "git pull" in words:
        match = _PUSHED.search(command.output)
        if match:
            return clean_remote(match.group(1))
    return None


def _head(command: Command) -> str | None:
    parts = shell.steps(command.command.strip())
    if not parts:
        return None
    parts = [p for p in parts if p[0] != "cd"]
    if len(parts) != 1 or parts[0][0] != "git":
        return None
    words = [w for w in parts[0][1:] if w != "--no-pager"]
    while len(words) > 2 and words[0] == "-C":
        words = words[2:]
    if not words:
        return None
    first = command.output.strip().split("\n", 1)[0].strip()
    if words == ["rev-parse", "HEAD"]:
        return first if _FULL.match(first) else None
    if words[0] != "log" or _filtered(words[1:]):
        return None
    match = _LOG_LINE.match(first.lstrip("* "))
    return match.group(1) if match else None


def _filtered(options: list[str]) -> bool:
    """True when `git log` was told anything but how to print, so that HEAD may not come first."""
    bare = iter(options)
    for option in bare:
        if option.startswith(("--format", "--pretty")) and not re.search(r"[=:]%[hH]", option):
            return "oneline" not in option
        if not _LOG_OPTION.match(option):
            return True
        if option == "-n":
            next(bare, None)
    return False


def _dirty(command: Command) -> bool | None:
    parts = shell.steps(command.command.strip())
    if not parts or parts[-1][:2] != ["git", "status"]:
        return None
    output = command.output
    if any(phrase in output for phrase in _CLEAN):
        return False
    if any(phrase in output for phrase in _DIRTY):
        return True
    if len(parts) == 1 and any(w in ("-s", "--short", "--porcelain") for w in parts[0]):
        lines = [line for line in output.split("\n") if line.strip()]
        return any(not line.startswith("##") for line in lines)
    return None

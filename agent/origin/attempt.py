"""Replays a session's own edits on its start state.

The result is what the session left behind, as far as its edits tell: changes that its commands made
(formatters, `sed -i`, moves) are not replayed, only counted. An edit that does not apply is skipped
and listed with the reason; where the tool recorded the whole file before an edit, the replay takes
that content, so that one missed change does not spoil the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from agent.gitrecords import SYMLINK, is_safe_path
from agent.origin.evidence import Paths, loose_patches, may_write
from agent.origin.hunks import EditError, apply_hunks
from agent.origin.overlay import like
from agent.origin.start import StartState
from agent.repo import Repository
from agent.session.model import Edit, Session

MAX_FILE_CHARS = 32 * 2**20
"""A replayed file that grows beyond this is no source file."""


@dataclass(frozen=True, slots=True)
class Unapplied:
    """An edit that the replay had to leave out."""

    path: str
    turn: int
    """Index of the turn in the session."""
    reason: str


@dataclass(slots=True)
class Attempt:
    """The session's own final state, as a difference from its start state."""

    files: dict[str, bytes | None] = field(default_factory=dict)
    """Content by path of every file that the session changed; None where it deleted the file."""
    added: dict[str, list[str]] = field(default_factory=dict)
    """Lines that the session's edits put into each file, also those that it changed again later."""
    unapplied: list[Unapplied] = field(default_factory=list)
    applied: int = 0
    """How many edits were replayed."""
    rebased: int = 0
    """How many of them had to take the recorded content, because something unseen came between."""
    writing_commands: int = 0
    """Commands that may have changed files in ways that are not replayed."""


def replay(
    session: Session,
    repository: Repository,
    start: StartState,
    paths: Paths,
    *,
    until_turn: int | None = None,
) -> Attempt:
    """Replays a session's edits.

    Args:
        session: the session.
        repository: its repository.
        start: its start state.
        paths: how the session's paths lie in the repository (see `evidence.collect`).
        until_turn: index of the first turn that is left out; None for the whole session.
    """
    attempt = Attempt()
    state: dict[str, str | None] = {}
    original: dict[str, bytes | None] = {}

    def current(path: str) -> str | None:
        if path not in state:
            data = start.overlay.get(path)
            if data is None:
                entry = repository.entry(start.tree, path)
                data = repository.blob(entry.sha) if entry and entry.mode != SYMLINK else None
            original[path] = data
            state[path] = None if data is None else _text(data)
        return state[path]

    loose = loose_patches(session, paths)
    for number, turn in enumerate(session.turns[:until_turn]):
        for name, patch in loose.get(number, ()):
            lines = [line[1:] for line in patch.split("\n") if line.startswith("+")]
            attempt.added.setdefault(name, []).extend(lines)
            reason = "the export shows only a part of the change"
            attempt.unapplied.append(Unapplied(name, number, reason))
        for call in turn.calls:
            if call.command is not None and may_write(call.command.command):
                attempt.writing_commands += 1
            if call.failed is True:
                continue
            for edit in call.edits:
                path = paths.relative(edit.path)
                target = paths.relative(edit.new_path) if edit.new_path else path
                if not path or not target or not is_safe_path(path) or not is_safe_path(target):
                    continue  # outside of the repository
                before = current(path)
                try:
                    after = _applied(edit, before, attempt)
                except EditError as mismatch:
                    attempt.unapplied.append(Unapplied(path, number, str(mismatch)))
                    continue
                if after is not None and len(after) > MAX_FILE_CHARS:
                    attempt.unapplied.append(Unapplied(path, number, "the file grows too large"))
                    continue
                attempt.applied += 1
                attempt.added.setdefault(target, []).extend(_added(before, after))
                if target != path:
                    current(target)
                    state[path] = None
                state[target] = after
    for path, text in state.items():
        data = None if text is None else like(text, original[path])
        if data != original[path]:
            attempt.files[path] = data
    return attempt


def _applied(edit: Edit, before: str | None, attempt: Attempt) -> str | None:
    if edit.kind == "delete":
        return None
    if edit.kind in ("create", "write"):
        if edit.new is None:
            raise EditError("the written content is not recorded")
        return _plain(edit.new)
    if edit.kind == "rename" and not edit.patch and edit.old is None:
        return before
    change = _change(edit)
    recorded = None if edit.before is None else _plain(edit.before)
    if before is not None:
        try:
            return change(before)
        except EditError:
            if recorded is None:
                raise
    if recorded is None:
        raise EditError("the file does not exist")
    attempt.rebased += 1
    return change(recorded)


def _change(edit: Edit) -> Callable[[str], str]:
    if edit.patch and edit.old is None:
        patch = edit.patch
        return lambda text: apply_hunks(text, patch)
    old, new = _plain(edit.old or ""), _plain(edit.new or "")

    def replaced(text: str) -> str:
        if not old:
            if text:
                raise EditError("the edit names no text to replace")
            return new
        if old not in text:
            raise EditError("the text to replace is not in the file")
        return text.replace(old, new) if edit.replace_all else text.replace(old, new, 1)

    return replaced


def _added(before: str | None, after: str | None) -> list[str]:
    """Lines of `after` that `before` does not have; order and number do not matter here."""
    had = set((before or "").split("\n"))
    return [line for line in (after or "").split("\n") if line not in had and line.strip()]


def _text(data: bytes) -> str:
    return _plain(data.decode("utf-8", "surrogateescape").removeprefix("\ufeff"))


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n")

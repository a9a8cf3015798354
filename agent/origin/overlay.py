"""Uncommitted work at the start: files that differ from the commit when the session first saw them.

A file counts as recovered when its whole content was seen before anything ran that might have
changed it, or when git printed its change before that and named the result; as guessed when it was
seen whole only later; and as unknown when the session shows no more than that it differed. Files
that git would ignore are no part of a start state.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.errors import RepositoryError
from agent.gitcommand import GitError
from agent.gitrecords import SYMLINK, is_safe_path
from agent.origin.contents import matches, text_lines
from agent.origin.differences import Differences, applied
from agent.origin.evidence import Evidence, Sighting
from agent.repo import Repository

MAX_OVERLAY_BYTES = 16 * 2**20
"""Bound on the uncommitted work that is laid over a commit."""
MAX_IGNORE_FILES = 200
"""How many `.gitignore` files of a tree are honoured."""

MIN_WRONG_SHARE = 0.5
"""Share of a file's unplaced fragments that must be missing for it to count as different."""

MIN_PIECED_LINES = 4
"""Lines that tell where the part of a file that was not seen goes on: fewer may stand anywhere."""

TOOL_FOLDERS = (".git", ".claude", ".codex", ".specstory", ".cursor", ".entire", ".cline", ".aider")
"""Folders and prefixes where coding agents keep their own things."""


@dataclass(slots=True)
class Overlay:
    """Uncommitted work laid over a commit."""

    files: dict[str, bytes] = field(default_factory=dict)
    recovered: list[str] = field(default_factory=list)
    guessed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def overlay_of(
    tree: str, repository: Repository, seen: Evidence, printed: Differences | None = None
) -> Overlay:
    """Finds the uncommitted work that a session saw.

    Args:
        tree: full name of the start commit's tree.
        repository: the repository.
        seen: what the session saw.
        printed: what git printed of the work; None when nothing is known of that.
    """
    over = Overlay()
    size = _printed_work(tree, repository, printed or Differences(), over)
    wanted = [p for p in seen.sightings if is_safe_path(p) and not p.startswith(TOOL_FOLDERS)]
    dropped = ignored(repository, tree, wanted)
    for path in wanted:
        if path in dropped or path in over.files:
            continue
        entry = repository.entry(tree, path)
        if entry is not None and entry.mode == SYMLINK:
            continue
        try:
            data = repository.blob(entry.sha) if entry else None
        except RepositoryError:
            continue
        differing = _differing(seen.sightings[path], data)
        if not differing:
            continue
        if not any(s.settled or s.first_prompt for s in differing):
            continue  # seen so late that anybody may have changed it meanwhile
        whole = next((s for s in differing if s.whole), None)
        if whole is None and data is not None and (text := pieced(seen.sightings[path], data)):
            content = like(text, data)
            if size + len(content) <= MAX_OVERLAY_BYTES:
                size += len(content)
                over.files[path] = content
                over.guessed.append(path)
                continue
        if (
            whole is None
            or size + len(whole.text) > MAX_OVERLAY_BYTES
            or (data is None and not whole.settled)
        ):
            if data is not None or any(s.settled for s in differing):
                over.unknown.append(path)
            continue
        content = like(whole.text, data)
        size += len(content)
        over.files[path] = content
        (over.recovered if whole.settled else over.guessed).append(path)
    for path in sorted((seen.dirty or set()) - seen.sightings.keys() - over.files.keys()):
        if is_safe_path(path) and not path.startswith(TOOL_FOLDERS):
            over.unknown.append(path)
    return over


def _printed_work(tree: str, repository: Repository, printed: Differences, over: Overlay) -> int:
    """Lays over what git printed of changed files, where the result proves to be whole.

    Returns:
        Bytes that were laid over.
    """
    size = 0
    for path, (hunks, name) in printed.work.items():
        entry = repository.entry(tree, path) if is_safe_path(path) else None
        if entry is None or entry.mode == SYMLINK or path.startswith(TOOL_FOLDERS):
            continue
        if not any(entry.sha.startswith(old) for old in printed.committed.get(path, ())):
            continue
        try:
            data = applied(repository.blob(entry.sha), hunks, name)
        except RepositoryError:
            continue
        if data is not None and size + len(data) <= MAX_OVERLAY_BYTES:
            size += len(data)
            over.files[path] = data
            over.recovered.append(path)
    return size


def _differing(sightings: Sequence[Sighting], data: bytes | None) -> list[Sighting]:
    """The sightings that the commit's content cannot explain, from the first one on."""
    if data is None:
        return list(sightings)
    lines = text_lines(data)
    wrong = [s for s in sightings if not matches(s, lines)]
    if all(s.start is None for s in sightings):
        # Fragments of edits: an export can join them wrongly, so a few that miss say nothing.
        return wrong if len(wrong) >= MIN_WRONG_SHARE * len(sightings) else []
    # A file that was right at first was changed during the session; one that becomes right again
    # before the session touches it was put back, and a start state with it would be a detour.
    stays = bool(wrong) and wrong[0] is sightings[0] and wrong[-1] is sightings[-1]
    return wrong if stays else []


def pieced(sightings: Sequence[Sighting], data: bytes) -> str | None:
    """A file's text put together from the parts of it that were seen.

    The parts, placed by their line numbers, must lie against one another from the first line on;
    what follows the last of them is taken from the committed content, where its last lines stand
    there in one place only.

    Args:
        sightings: what was seen of the file before anything could have changed it, and later.
        data: the committed content.

    Returns:
        The text, or None when the parts leave a gap or contradict each other.
    """
    lines: list[str] = []
    parts = [s for s in sightings if s.start is not None and s.settled and not s.whole]
    for part in sorted(parts, key=lambda s: s.start or 0):
        at = (part.start or 1) - 1
        if at > len(lines):
            return None
        again = min(len(part.lines), len(lines) - at)
        if tuple(lines[at : at + again]) != part.lines[:again]:
            return None
        lines += part.lines[again:]
    if len(lines) < MIN_PIECED_LINES:
        return None
    committed = text_lines(data)
    end = lines[-MIN_PIECED_LINES:]
    places = [
        at + MIN_PIECED_LINES
        for at in range(len(committed) - MIN_PIECED_LINES + 1)
        if committed[at : at + MIN_PIECED_LINES] == end
    ]
    return "\n".join([*lines, *committed[places[0] :]]) if len(places) == 1 else None


def like(text: str, data: bytes | None) -> bytes:
    """A text as bytes, with the line ends and the last line end that the committed file has.

    Args:
        text: the file's text, from a tool that may have normalised it.
        data: the committed content; None when the file is new.
    """
    lines = text.replace("\r\n", "\n")
    if data is None:
        return lines.encode("utf-8", "surrogateescape")
    if data.endswith(b"\n") and not lines.endswith("\n"):
        lines += "\n"
    if b"\r\n" in data:
        lines = lines.replace("\n", "\r\n")
    mark = "\ufeff" if data.startswith(b"\xef\xbb\xbf") and not lines.startswith("\ufeff") else ""
    return (mark + lines).encode("utf-8", "surrogateescape")


def ignored(repository: Repository, tree: str, paths: Sequence[str]) -> set[str]:
    """Those of the paths that git ignores by the tree's own `.gitignore` files.

    Args:
        repository: the repository.
        tree: full name of the tree.
        paths: paths that need not be in the tree; tracked ones are never ignored.
    """
    untracked = [path for path in paths if repository.entry(tree, path) is None]
    if not untracked:
        return set()
    rules = [p for p in repository.tree(tree) if p.rsplit("/", 1)[-1] == ".gitignore"]
    with tempfile.TemporaryDirectory(prefix="kettle-ignore-") as folder:
        for path in sorted(rules, key=len)[:MAX_IGNORE_FILES]:
            entry = repository.entry(tree, path)
            if entry is None or entry.mode == SYMLINK or not is_safe_path(path):
                continue
            place = Path(folder, path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(repository.blob(entry.sha))
        try:
            out = repository.run(
                *("check-ignore", "--no-index", "--stdin", "-z"),
                stdin=b"".join(os.fsencode(path) + b"\0" for path in untracked),
                env={"GIT_WORK_TREE": folder, "GIT_LITERAL_PATHSPECS": "0"},
                cwd=Path(folder),
            )
        except GitError as error:
            if error.code == 1:  # none is ignored
                return set()
            raise RepositoryError(f"{repository.source} cannot be read: {error}.") from error
    return {os.fsdecode(path) for path in out.split(b"\0") if path}

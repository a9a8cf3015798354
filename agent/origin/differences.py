"""What `git diff` printed of the work that was not committed when a session began.

A difference names the content of the commit that is checked out (`index OLD..NEW`), whatever was
edited since, so it tells the commit as surely as the file itself. Printed before the session
changed anything, it also carries the uncommitted work: applied to the committed content it gives a
file whose name must be NEW again, which proves that nothing was lost.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from agent.origin.evidence import Paths, may_write
from agent.origin.gitsteps import MAX_COMMAND_CHARS, Step, inside, moves, plain_folder, steps
from agent.origin.hunks import EditError, apply_hunks
from agent.session.model import Command, Session

MAX_OUTPUT_CHARS = 4_000_000
"""How much of one command's output is read."""

_FILE = re.compile(r"^diff --git (?:\"?a/(?P<old>[^\n\"]+?)\"? \"?b/(?P<new>[^\n\"]+?)\"?)$", re.M)
_INDEX = re.compile(r"^index (?P<old>[0-9a-f]{7,40})\.\.(?P<new>[0-9a-f]{7,40})(?: \d+)?$", re.M)
_ABSENT = re.compile(r"0+\Z")
_PATH = re.compile(r"(?:\S*/|\S+\.\w{1,8}|\S*[A-Z]\S*file)\Z|\.\Z")


@dataclass(slots=True)
class Differences:
    """Uncommitted work, as far as git printed it."""

    committed: dict[str, set[str]] = field(default_factory=dict)
    """By path, the abbreviated names of its content in the commit that was checked out."""
    work: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By path, the hunks of its uncommitted change and the abbreviated name of the result, where
    they were printed before the session had changed anything."""


def differences(session: Session, paths: Paths) -> Differences:
    """Reads the differences that a session had git print before it moved HEAD.

    Args:
        session: the session.
        paths: its paths, with what the repository's files are called.
    """
    found = Differences()
    base = plain_folder(session.cwd or "")
    settled = True
    staged = False
    for turn in session.turns:
        for call in turn.calls:
            command = call.command
            if command is None or len(command.command) > MAX_COMMAND_CHARS:
                settled = settled and not call.edits
                continue
            chain = list(steps(command.command, plain_folder(command.cwd or base)))
            ours = [step for step in chain if step.git and inside(step.folder, base)]
            asked = [step for step in ours if step.what == "diff"]
            if len(asked) == 1 and (_against_head(asked[0], staged)):
                for path, old, new, hunks in _printed(command, paths):
                    if not _ABSENT.match(old):
                        found.committed.setdefault(path, set()).add(old)
                    if settled and not _ABSENT.match(new) and path not in found.work:
                        found.work[path] = (hunks, new)
            staged = staged or any(step.what in ("add", "rm", "mv", "apply") for step in ours)
            if any(moves(step) for step in ours):
                return found
            settled = settled and not call.edits and not may_write(command.command)
    return found


def applied(committed: bytes, hunks: str, name: str) -> bytes | None:
    """A file's content with its uncommitted change, or None when that is not what git named.

    Args:
        committed: the content in the commit.
        hunks: the change.
        name: the abbreviated name that git gave the result.
    """
    try:
        text = apply_hunks(committed.decode("utf-8"), hunks)
    except (EditError, UnicodeDecodeError):
        return None
    for data in (text.encode(), text.rstrip("\n").encode()):
        blob = b"blob %d\0" % len(data) + data
        if hashlib.sha1(blob, usedforsecurity=False).hexdigest().startswith(name):
            return data
    return None


def _against_head(step: Step, staged: bool) -> bool:
    """True when a `git diff` compares the checked-out commit with the work on top of it."""
    if "|" in step.rest or ">" in step.rest:
        return False
    words = [word.strip("'\"") for word in step.rest.split()]
    options = {word for word in words if word.startswith("-")}
    named = [word for word in words if not word.startswith("-")]
    if "--" in words:
        at = words.index("--")
        named = [word for word in words[:at] if not word.startswith("-")]
    elif not {"HEAD"} >= set(named):
        named = [word for word in named if not (_PATH.match(word) and ".." not in word)]
    if not set(named) <= {"HEAD"}:
        return False
    against_index = not named and not options & {"--cached", "--staged"}
    return not (staged and against_index) and not options & {
        "--no-index",
        "-R",
        "--word-diff",
        "-w",
    }


def _printed(command: Command, paths: Paths) -> Iterator[tuple[str, str, str, str]]:
    """Path, names of the two contents and hunks of every file in a printed difference."""
    output = command.output
    if command.exit_code not in (0, None) or len(output) > MAX_OUTPUT_CHARS:
        return
    files = list(_FILE.finditer(output))
    for number, file in enumerate(files):
        end = files[number + 1].start() if number + 1 < len(files) else len(output)
        body = output[file.end() : end]
        index = _INDEX.search(body[:400])
        at = body.find("\n@@ ")
        path = file["old"]
        if index is None or at < 0 or file["old"] != file["new"] or path not in paths.known:
            continue
        yield path, index["old"], index["new"], body[at + 1 :].rstrip("\n")

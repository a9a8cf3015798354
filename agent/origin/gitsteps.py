"""A shell command of a session, taken apart into the simple commands that it chains.

Enough to tell where `git` ran and what it was asked. Pipes stay part of their command; what the
shell would compute is left as it stands.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_COMMAND_CHARS = 20_000
"""A longer command carries a document and is not taken apart."""

_SPLIT = re.compile(r"\s*(?:&&|\|\||;|\n)\s*")
_QUOTED = re.compile(r"'[^']*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_GIT = re.compile(
    r"^(?:[A-Z_]+=\S+\s+)*(?:sudo\s+|rtk\s+|command\s+)?git\s+"
    r"(?P<options>(?:--no-pager\s+|-c\s+\S+\s+|-C\s+\S+\s+)*)(?P<what>[a-z][a-z-]*)\b(?P<rest>.*)$",
    re.DOTALL,
)
_ECHO = re.compile(r"^echo\s+(?:-e\s+)?(?P<quote>['\"]?)(?P<said>[^'\"$`]*)(?P=quote)$")
_CD = re.compile(r"^cd\s+(?P<quote>['\"]?)(?P<folder>[^'\"$`;&|]+)(?P=quote)$")

_MOVES = frozenset(
    "commit checkout switch pull merge rebase reset cherry-pick revert am bisect".split()  # noqa: SIM905
)
_NEW_BRANCH = re.compile(r"^\s+(?:-q\s+)?(?:-b|-B|-c|-C|--create)\s+\S+\s*$")
_KEEPS_HEAD = re.compile(
    r"^\s+(?:-q\s+)?(?:--\s|HEAD\s|--quiet\s+--\s|\.\s*$|-p\b|\S*\.\w{1,5}\s*$)"
)
"""`git checkout -- FILE`, `git reset HEAD FILE` and the like change files, not HEAD."""


@dataclass(frozen=True, slots=True)
class Step:
    """One simple command of a chain."""

    folder: str
    text: str = ""
    """For git: what stands behind `git` and its own options."""
    git: bool = False
    what: str = ""
    rest: str = ""
    echo: str | None = None
    silent: bool = False


def steps(command: str, folder: str) -> Iterator[Step]:
    """The simple commands of a chain; quoted text is kept whole."""
    quoted: list[str] = []

    def hide(match: re.Match[str]) -> str:
        quoted.append(match.group())
        return f"\x00{len(quoted) - 1}\x00"

    def show(text: str) -> str:
        return re.sub("\x00(\\d+)\x00", lambda m: quoted[int(m[1])], text)

    bare = _QUOTED.sub(hide, command.replace("\x00", ""))
    for piece in _SPLIT.split(bare.strip()):
        text = show(piece).strip()
        change, said, git = _CD.match(text), _ECHO.match(text), _GIT.match(text)
        if change:
            folder = plain_folder(
                posixpath.join(folder, change["folder"].strip().replace("\\", "/"))
            )
            yield Step(folder, silent=True)
        elif said:
            yield Step(folder, echo=said["said"])
        elif git:
            where = folder
            for word in re.findall(r"-C\s+(\S+)", git["options"]):
                where = plain_folder(posixpath.join(where, word.strip("'\"")))
            quiet = git["what"] in ("fetch", "add", "config") and "-q" in git["rest"]
            yield Step(
                where,
                f"{git['what']}{git['rest']}".strip(),
                True,
                git["what"],
                git["rest"],
                None,
                quiet or git["what"] == "add",
            )
        elif text:
            yield Step(folder, text)


def moves(step: Step) -> bool:
    """True when a git command makes HEAD name another commit."""
    if step.what not in _MOVES:
        return False
    if step.what in ("checkout", "switch"):
        return not (_NEW_BRANCH.match(step.rest) or _KEEPS_HEAD.match(step.rest))
    if step.what == "reset":
        return bool(step.rest.strip()) and not _KEEPS_HEAD.match(step.rest)
    return not (step.what == "merge" and "--abort" in step.rest)


def inside(folder: str, base: str) -> bool:
    """True when a command that ran in a folder ran in the session's own checkout.

    Args:
        folder: where it ran, in POSIX form; "" when that is not known.
        base: the session's own folder in the same form; "" when it is not known.
    """
    if not base or not folder:
        return True
    if f"{folder}/".startswith(f"{base}/"):
        return "worktree" not in folder[len(base) :]
    # A session begun below the root: its commands may well run at the root.
    return base.startswith(f"{folder}/") and "worktree" not in base[len(folder) :]


def plain_folder(path: str) -> str:
    """A folder in POSIX form, without `.` and `..`."""
    text = path.replace("\\", "/").rstrip("/")
    return posixpath.normpath(text) if text else ""

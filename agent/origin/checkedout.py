"""The commit that was checked out when a session began, from what git printed during it.

Tools that record no commit still record what their commands printed, and git speaks of HEAD all the
time: `git log`, `git worktree list`, `HEAD is now at`, `Updating a..b`, the names of new commits,
how far a branch lies behind its upstream. `clues` reads these off until the session itself moves
HEAD; `checked_out` finds the commit that the earliest of them names. Only commands in the session's
own folder count, since sessions work in several checkouts at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from agent.errors import RepositoryError
from agent.gitcommand import GitError
from agent.gitrecords import Commit
from agent.origin.gitsteps import MAX_COMMAND_CHARS, Step, inside, moves, plain_folder, steps
from agent.repo import Repository
from agent.session.model import Command, Session

MAX_OUTPUT_CHARS = 200_000
"""How much of one command's output is read: what git says of HEAD stands in a few lines."""
MAX_CLUES = 40
"""Clues that are kept: the earliest decides, and only unresolvable ones are passed over."""
MAX_BEHIND = 2_000
"""How far behind its upstream a branch is believed to be."""

_NAME = r"([0-9a-f]{7,40})"
_PRINTS_HEAD = re.compile(
    r"^(?:log(?:\s+(?:--oneline|--decorate(?:=\w+)?|--stat|--no-color|--graph|--no-decorate|"
    r"--format=['\"]?%[hH].*|--pretty=oneline|-n\s*\d+|-\d+|--max-count=\d+|-p))*|"
    r"rev-parse\s+(?:--short(?:=\d+)?\s+)?HEAD|show(?:\s+(?:--stat|--no-patch|-s|HEAD|"
    r"--name-only|--name-status|--oneline|--pretty=fuller))*)\s*(?:2>&1)?\s*(?:\|\s*(?:head|cat)\b.*)?$"
)
"""Commands whose output begins with the name of the commit that is checked out."""
_FIRST_NAME = re.compile(rf"^(?:\* )?(?:commit )?{_NAME}\b")
_DECORATED = re.compile(rf"^(?:[*|\\/ ]* )?(?:commit )?{_NAME} \(HEAD\b", re.MULTILINE)
_CURRENT_BRANCH = re.compile(rf"^\* (?:\([^)\n]*\)|\S+)\s+{_NAME} ", re.MULTILINE)
_STASHED = re.compile(rf"^Saved working directory and index state WIP on [^:\n]+: {_NAME} ", re.M)
_UPDATING = re.compile(rf"^Updating {_NAME}\.\.[0-9a-f]+$", re.MULTILINE)
_LEFT = re.compile(rf"^Previous HEAD position was {_NAME}", re.MULTILINE)
_COMMITTED = re.compile(rf"^\[(?P<branch>[^\]\n]*?)\s{_NAME}\]\s", re.MULTILINE)
_FETCHED = re.compile(
    rf"^\s[ +]\s?[0-9a-f]{{7,40}}\.{{2,3}}{_NAME}\s+\S+\s+-> (\S+)(?:\s|$)", re.MULTILINE
)
_SHORT_STATUS = re.compile(
    r"^## (?P<branch>\S{1,200}?)\.\.\.(?P<upstream>\S{1,200})(?: \[(?P<apart>[^\]\n]*)\])?$",
    re.MULTILINE,
)
_LONG_BEHIND = re.compile(
    r"^Your branch is behind '(?P<upstream>\S{1,200})' by (?P<behind>\d+) commit", re.M
)
_LONG_EQUAL = re.compile(r"^Your branch is up[- ]to[- ]date with '(?P<upstream>\S{1,200})'", re.M)
_BEHIND = re.compile(r"\bbehind (\d+)")
_FAILED = re.compile(r"^(?:fatal|error): ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Clue:
    """One thing that git said about HEAD."""

    said: str
    """For a person: where it was read."""
    when: datetime | None
    name: str = ""
    """The commit that was named, maybe abbreviated; "" when only its distance was told."""
    child: bool = False
    """True when HEAD is the parent of the commit that was named."""
    upstream: str = ""
    """The upstream that a distance is told from, such as `origin/main`."""
    tip: str = ""
    """The upstream's tip as a fetch printed it; "" when it printed nothing new."""
    behind: int = 0
    """Commits that the upstream has and HEAD has not."""


def checked_out(
    session: Session, repository: Repository, when: datetime | None
) -> tuple[Commit, str] | None:
    """The commit that was checked out at a session's start, by what git printed.

    Args:
        session: the session.
        repository: its repository.
        when: the session's beginning; None when it records no time.

    Returns:
        The commit, and where it was read; None when git said nothing that leads to a commit of the
        history which existed by then.
    """
    for clue in clues(session):
        commit = _commit(clue, repository)
        if commit is not None and (when is None or commit.committed <= when):
            return commit, clue.said
    return None


def clues(session: Session) -> list[Clue]:
    """What git said about HEAD, in order, until the session moved it."""
    found: list[Clue] = []
    reader = _Reader(plain_folder(session.cwd or ""))
    for turn in session.turns:
        for call in turn.calls:
            if call.command is None or len(call.command.command) > MAX_COMMAND_CHARS:
                continue
            found += reader.read(call.command, call.timestamp or turn.timestamp)
            if reader.moved or len(found) >= MAX_CLUES:
                return found[:MAX_CLUES]
    return found


def _commit(clue: Clue, repository: Repository) -> Commit | None:
    try:
        if clue.name:
            commit = repository.commit(repository.resolve(clue.name))
            if not clue.child:
                return commit
            return repository.commit(commit.parents[0]) if commit.parents else None
        return _behind(clue, repository)
    except (RepositoryError, GitError):
        return None


def _behind(clue: Clue, repository: Repository) -> Commit | None:
    """The commit from which the upstream's tip is as many commits away as git said."""
    if clue.tip:
        tip = repository.resolve(clue.tip)
    else:
        branch = clue.upstream.partition("/")[2]
        ends = repository.references()
        end = ends.get(f"refs/heads/{branch}") or ends.get(f"refs/remotes/{clue.upstream}")
        if end is None or clue.when is None:
            return None
        # Where it ended when git was asked; a fetch had just said that there was nothing newer.
        line = repository.commits([end], first_parent=True)
        tip = next((c.sha for c in line if c.committed <= clue.when), "")
        if not tip:
            return None
    chain = repository.commits([tip], first_parent=True, limit=clue.behind + 1)
    # Each step along the first parents leaves one commit or more behind, so halving finds it.
    low, high = 0, len(chain) - 1
    while low < high:
        middle = (low + high) // 2
        if _count(repository, chain[middle].sha, tip) < clue.behind:
            low = middle + 1
        else:
            high = middle
    return chain[low] if chain and _count(repository, chain[low].sha, tip) == clue.behind else None


def _count(repository: Repository, base: str, tip: str) -> int:
    return int(repository.run("rev-list", "--count", tip, f"^{base}").decode().strip() or 0)


@dataclass
class _Reader:
    base: str
    """The session's own folder, in POSIX form; "" when it is not known."""
    moved: bool = False
    fetched: dict[str, str] = field(default_factory=dict)
    """By upstream, the tip that a fetch printed."""
    has_fetched: bool = False

    def read(self, command: Command, at: datetime | None) -> Iterator[Clue]:
        output = command.output[:MAX_OUTPUT_CHARS]
        yield from self._worktrees(command.command, output, at)
        chain = list(steps(command.command, plain_folder(command.cwd or self.base)))
        ours = [step for step in chain if step.git]
        if not ours or not all(inside(step.folder, self.base) for step in ours):
            return
        if any(step.what in ("fetch", "pull", "push") for step in ours):
            self.has_fetched = True
            self.fetched.update({name: tip for tip, name in _FETCHED.findall(output)})
        mover = next((step for step in ours if moves(step)), None)
        yield from self._names(chain, output, at, mover)
        if mover is None:
            yield from self._distance(ours, output, at)
            return
        failed = command.exit_code not in (0, None) or _FAILED.search(output)
        if failed and mover.what in ("commit", "checkout", "switch"):
            return
        self.moved = True
        yield from _moving(mover, output, at)

    def _names(
        self, chain: Sequence[Step], output: str, at: datetime | None, mover: Step | None
    ) -> Iterator[Clue]:
        before = chain[: chain.index(mover)] if mover else chain
        line = 0
        lines = output.split("\n")
        known = True
        for step in before:
            if step.echo is not None:
                if step.echo in lines[line:]:
                    line, known = lines.index(step.echo, line) + 1, True
            elif step.what and _PRINTS_HEAD.match(step.text):
                name = (
                    _FIRST_NAME.match(lines[line].strip()) if known and line < len(lines) else None
                )
                if name:
                    yield Clue(f"`git {step.what}` printed it as checked out", at, name[1])
                known = False
            elif step.text and not step.silent:
                known = False
        if mover is None or mover.what == "pull":
            if decorated := _DECORATED.search(output):
                yield Clue("git printed it as HEAD", at, decorated[1])
            if any(s.what == "branch" for s in before) and (now := _CURRENT_BRANCH.search(output)):
                yield Clue("`git branch` printed it as checked out", at, now[1])
            if stashed := _STASHED.search(output):
                yield Clue("`git stash` named it", at, stashed[1])

    def _distance(self, ours: Sequence[Step], output: str, at: datetime | None) -> Iterator[Clue]:
        if not any(step.what == "status" for step in ours):
            return
        short = _SHORT_STATUS.search(output)
        long = _LONG_BEHIND.search(output) or _LONG_EQUAL.search(output)
        if short:
            upstream, apart = short["upstream"], short["apart"] or ""
            count = _BEHIND.search(apart)
            behind = int(count[1][:9]) if count else 0
            if "ahead" in apart or "gone" in apart:
                return
        elif long:
            upstream = long["upstream"]
            behind = int(long["behind"][:9]) if "behind" in long.re.groupindex else 0
        else:
            return
        tip = self.fetched.get(upstream, "")
        if behind <= MAX_BEHIND and (tip or self.has_fetched):
            told = f"{behind} behind" if behind else "level with"
            yield Clue(
                f"git said that it was {told} {upstream}", at, "", False, upstream, tip, behind
            )

    def _worktrees(self, command: str, output: str, at: datetime | None) -> Iterator[Clue]:
        if not self.base or "worktree list" not in command:
            return
        place = re.escape(self.base)
        found = re.search(rf"^{place}\s+{_NAME} [\[(]", output, re.MULTILINE)
        found = found or re.search(rf"^worktree {place}\nHEAD {_NAME}$", output, re.MULTILINE)
        if found:
            yield Clue("`git worktree list` printed it as checked out", at, found[1])


def _moving(step: Step, output: str, at: datetime | None) -> Iterator[Clue]:
    """What a command that moves HEAD says about where it was."""
    if step.what in ("pull", "merge") and (left := _UPDATING.search(output)):
        yield Clue(f"`git {step.what}` went on from it", at, left[1])
    elif step.what in ("checkout", "switch") and (left := _LEFT.search(output)):
        yield Clue(f"`git {step.what}` left it", at, left[1])
    elif step.what == "commit" and "--amend" not in step.rest:
        made = _COMMITTED.search(output)
        if made and "root-commit" not in made["branch"]:
            yield Clue("the session's first commit stands on it", at, made[2], child=True)

"""What a session saw of its repository, in order, before it changed anything itself.

The contents that a session saw tell which commit it started from: whole files, parts of files with
their line numbers, lines that a search printed, and the texts that its edits replaced. They are
taken from the tools' own records and from the output of plain reading commands (`cat`, `sed -n`,
`grep -n`). Contents count until the session edits the file; `settled` says whether they were seen
before anything ran that might have moved or rewritten the tree.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from agent.session.model import Command, Edit, Session, ToolCall

MAX_SEEN_PER_FILE = 40
"""Sightings kept of one file; more add time and no knowledge."""
MAX_FRAGMENT_LINES = 400
"""Lines of an edit's old text that are looked for."""
MIN_FRAGMENT_CHARS = 12
"""A shorter text occurs anywhere and tells nothing."""
MAX_OUTPUT_CHARS = 4_000_000
"""Output of one command that is searched for contents; longer ones are logs."""

MIN_ROOT_SHARE = 0.2
"""A folder needs this share of the likeliest root's files to count as a second checkout."""

REDACTED = re.compile(r"\[?(?:REDACTED|redacted)(?:[_:][A-Za-z0-9_-]+)?\]?|user_[0-9a-f]{8}")
"""Placeholders that the recording tools put in place of secrets and names."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """Lines of one file, as the session saw them."""

    path: str
    lines: tuple[str, ...]
    start: int | None
    """Number of the first line, from 1; None when the place is not known."""
    whole: bool
    settled: bool
    """True when nothing that could write files had run before."""
    first_task: bool
    """True when it was seen before the user's second prompt."""
    text: str = ""
    """The file's text, for whole files."""


@dataclass(slots=True)
class Evidence:
    """Everything of a session that tells about its start and its end."""

    sightings: dict[str, list[Sighting]] = field(default_factory=dict)
    """By path, in order, until the session's first edit of the file."""
    edited: dict[str, int] = field(default_factory=dict)
    """Files that the session changed, with how often."""
    mentioned: set[str] = field(default_factory=set)
    """Paths of the repository that occur in the session's texts and commands."""
    heads: list[str] = field(default_factory=list)
    """Commit names that git printed as checked out, before the session's first commit."""
    own_commits: list[str] = field(default_factory=list)
    """Abbreviated names of commits that the session itself made."""
    dirty: set[str] | None = None
    """Files with uncommitted changes in the first `git status`; None when none was run."""
    moved: bool = False
    """True when the session changed the checked-out commit (checkout, pull, reset, stash)."""


class Paths:
    """Turns paths of a session into paths of its repository."""

    def __init__(self, session: Session, known: Collection[str]) -> None:
        self._session = session
        self.known = frozenset(known)
        self.roots = _roots(session, self.known)

    def relative(self, path: str, cwd: str | None = None) -> str | None:
        """The path below the repository's root, or None when it lies outside.

        Args:
            path: as the session wrote it.
            cwd: the folder in which a relative path was used; the session's own when None.
        """
        base = cwd or self._session.cwd or ""
        wanted = path if _absolute(path) or not _absolute(base) else f"{base}/{path}"
        first: str | None = None
        for root in self.roots:
            found = self._session.repo_path(wanted, root)
            if found is not None and found in self.known:
                return found
            first = first or found
        if first is None and not _absolute(path):
            first = self._session.repo_path(path, "")
        return first


def collect(session: Session, known: Collection[str]) -> tuple[Evidence, Paths]:
    """Reads a session for what it saw and did.

    Args:
        session: the session.
        known: paths of the repository's files, at any time near the session; they tell where on
            the recorded machine the repository lay.
    """
    paths = Paths(session, known)
    evidence = Evidence()
    settled = True
    prompts = 0
    for turn in session.turns:
        if turn.role == "user" and turn.text.strip() and not turn.sidechain:
            prompts += 1
        for call in turn.calls:
            for sighting in _seen(call, paths, settled, prompts <= 1):
                kept = evidence.sightings.setdefault(sighting.path, [])
                if sighting.path not in evidence.edited and len(kept) < MAX_SEEN_PER_FILE:
                    kept.append(sighting)
            if call.failed is not True:
                for edit in call.edits:
                    for name in (edit.path, edit.new_path):
                        if name and (path := paths.relative(name)):
                            evidence.edited[path] = evidence.edited.get(path, 0) + 1
            if call.command is not None:
                _git_facts(call.command, evidence)
                settled = settled and not may_write(call.command.command)
    evidence.sightings = {path: kept for path, kept in evidence.sightings.items() if kept}
    evidence.mentioned = set(_mentioned(session, paths))
    return evidence, paths


def _seen(call: ToolCall, paths: Paths, settled: bool, first_task: bool) -> Iterator[Sighting]:
    for view in call.views:
        path = paths.relative(view.path, call.command.cwd if call.command else None)
        if path:
            lines = _lines(view.text)
            text = view.text if view.whole else ""
            yield Sighting(path, lines, view.start_line, view.whole, settled, first_task, text)
    if call.command is not None and not call.views:
        for path, lines, start, text in _printed(call.command, paths):
            yield Sighting(path, lines, start, bool(text), settled, first_task, text)
    if call.failed is True:
        return
    for edit in call.edits:
        path = paths.relative(edit.path)
        if not path:
            continue
        if edit.before is not None:
            lines = _lines(edit.before)
            yield Sighting(path, lines, 1, True, settled, first_task, edit.before)
        else:
            for fragment in _old_texts(edit):
                lines = tuple(fragment)[:MAX_FRAGMENT_LINES]
                if sum(len(line) for line in lines) >= MIN_FRAGMENT_CHARS:
                    yield Sighting(path, lines, None, False, settled, first_task)


def _old_texts(edit: Edit) -> Iterator[list[str]]:
    """The texts that must have stood in a file for an edit to apply."""
    if edit.old and edit.kind == "replace":
        yield list(_lines(edit.old))
    elif edit.patch:
        hunk: list[str] = []
        for line in edit.patch.split("\n"):
            if line.startswith(("@@", "--- ", "+++ ", "***", "diff ")):
                if hunk:
                    yield hunk
                hunk = []
            elif line[:1] in (" ", "-"):
                hunk.append(line[1:].rstrip("\r"))
        if hunk:
            yield hunk


_SED = re.compile(r"^sed\s+-n\s+['\"]?(\d+),(\d+)p['\"]?\s+(\S+)$")
_CAT = re.compile(r"^cat\s+([^\s|;&<>*?-][^\s|;&<>*?]*)$")
_HEAD = re.compile(r"^head\s+(?:-n\s*|-)(\d+)\s+([^\s|;&<>*?-][^\s|;&<>*?]*)$")
_NL = re.compile(r"^nl\s+-ba\s+(\S+)(?:\s*\|\s*sed\s+-n\s+['\"]?(\d+),(\d+)p['\"]?)?$")
_MATCH = re.compile(r"^(?P<path>[^\s:][^:\n]{0,250}):(?P<line>\d{1,7}):(?P<text>.*)$")


def _printed(
    command: Command, paths: Paths
) -> Iterator[tuple[str, tuple[str, ...], int | None, str]]:
    """Contents in the output of a plain reading command: path, lines, first line, whole text."""
    output = command.output
    if not output or len(output) > MAX_OUTPUT_CHARS or command.exit_code not in (0, None):
        return
    text = _unwrapped(command.command)
    where = command.cwd
    if (cd := re.match(r"^cd\s+(\S+)\s*&&\s*(.+)$", text, re.DOTALL)) is not None:
        where, text = cd[1].strip("'\""), cd[2].strip()
    if "truncated" in output and re.search(r"…|\[\.\.\.|tokens truncated", output):
        return
    if (found := _SED.match(text)) and (path := paths.relative(found[3].strip("'\""), where)):
        start, end = int(found[1]), int(found[2])
        lines = _lines(output)
        whole = start == 1 and len(lines) < end
        yield path, lines, start, output if whole else ""
    elif (found := _CAT.match(text)) and (path := paths.relative(found[1].strip("'\""), where)):
        yield path, _lines(output), 1, output
    elif (found := _HEAD.match(text)) and (path := paths.relative(found[2].strip("'\""), where)):
        yield path, _lines(output), 1, output if len(_lines(output)) < int(found[1]) else ""
    elif (found := _NL.match(text)) and (path := paths.relative(found[1].strip("'\""), where)):
        numbered = [re.match(r"^\s*\d+\t(.*)$", line) for line in _lines(output)]
        lines = tuple(m[1] for m in numbered if m)
        yield path, lines, int(found[2] or 1), ""
    elif re.match(r"^(rg|grep|git grep)\s", text):
        for line in output.split("\n"):
            if (hit := _MATCH.match(line.rstrip("\r"))) and len(hit["text"]) >= MIN_FRAGMENT_CHARS:
                hit_path = paths.relative(hit["path"], where)
                if hit_path is not None and hit_path in paths.known:
                    yield hit_path, (hit["text"],), int(hit["line"]), ""


_MOVING = re.compile(
    r"\bgit\s+(?:-\S+\s+)*(checkout|switch|pull|merge|rebase|reset|stash|restore|cherry-pick|"
    r"revert|am|apply|clean|worktree\s+add)\b"
)
_HARMLESS = re.compile(
    r"^(?:[A-Z_]+=\S+\s+)*(?:cd|ls|cat|head|tail|nl|wc|rg|grep|egrep|find|tree|pwd|echo|printf|file|"
    r"stat|which|type|jq|sort|uniq|cut|tr|awk|diff|true|test|env|date|du|basename|dirname|column|"
    r"sed\s+-n|git\s+(?:-\S+\s+|-C\s+\S+\s+)*(?:status|log|diff|show|branch|rev-parse|ls-files|"
    r"blame|grep|remote|config|describe|merge-base|cat-file|shortlog|reflog|tag|ls-tree|rev-list))"
    r"\b"
)
_REDIRECT = re.compile(r"(?<![0-9&=-])>>?\s*(?!&|/dev/null)|\s-delete\b|\s-exec\b|\btee\b")


def may_write(command: str) -> bool:
    """True unless a command does nothing but read."""
    text = _unwrapped(command)
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", "''", text)
    if _REDIRECT.search(bare):
        return True
    parts = [part.strip() for part in re.split(r"&&|\|\||[;|\n]", bare)]
    return any(part and not _HARMLESS.match(part) for part in parts)


_COMMITTED = re.compile(r"^\[[^\]\n]*?\s?([0-9a-f]{7,40})\]\s", re.MULTILINE)
_LOG_LINE = re.compile(r"^(?:\* )?(?:commit )?([0-9a-f]{7,40})\b")
_PRINTS_HEAD = re.compile(
    r"^git\s+(?:--no-pager\s+)?(?:log(?:\s+(?:--oneline|--decorate|--stat|--no-color|--graph|"
    r"--format=%[hH]\S*|-n|-?\d+|-n\d+))*|rev-parse\s+(?:--short\s+)?HEAD)\s*(?:$|[|;&\n])"
)
"""Commands whose output begins with the name of the commit that is checked out."""
_STATUS = re.compile(
    r"^\s+(?:modified|new file|deleted|renamed):\s+(\S.*)$|^[ MADRCU?]{2} (\S.*)$", re.MULTILINE
)


def _git_facts(command: Command, evidence: Evidence) -> None:
    text = _unwrapped(command.command)
    if "git" not in text:
        return
    output = command.output[:MAX_OUTPUT_CHARS]
    if re.search(r"\bgit\b.*\bcommit\b", text, re.DOTALL):
        evidence.own_commits += _COMMITTED.findall(output)
    if not evidence.own_commits and not evidence.moved:
        if _PRINTS_HEAD.match(text) and (found := _LOG_LINE.match(output.lstrip())):
            evidence.heads.append(found[1])
        if evidence.dirty is None and re.match(r"^git\s+status\b", text) and not evidence.edited:
            evidence.dirty = {
                (a or b).split(" -> ")[-1].strip('"') for a, b in _STATUS.findall(output)
            }
    if _MOVING.search(text):
        evidence.moved = True


_PATHLIKE = re.compile(r"[\w@.+-]+(?:[/\\][\w@.+\[\]()-]+)*\.\w{1,8}")


def _mentioned(session: Session, paths: Paths) -> Iterator[str]:
    """Files of the repository that texts name, by whole path or by an unambiguous last name."""
    by_name: dict[str, list[str]] = {}
    for path in paths.known:
        by_name.setdefault(path.rsplit("/", 1)[-1], []).append(path)
    for turn in session.turns:
        texts = [turn.text, *(c.command.command for c in turn.calls if c.command)]
        for text in texts:
            for word in set(_PATHLIKE.findall(text[:MAX_OUTPUT_CHARS])):
                name = word.replace("\\", "/")
                hit = paths.relative(name)
                if hit is not None and hit in paths.known:
                    yield hit
                else:
                    ending = f"/{name.lstrip('./')}"
                    fit = [
                        p for p in by_name.get(name.rsplit("/", 1)[-1], []) if p.endswith(ending)
                    ]
                    if len(fit) == 1:
                        yield fit[0]


def _roots(session: Session, known: Collection[str]) -> list[str]:
    """Folders on the recorded machine that held the repository, the likeliest first."""
    votes: Counter[str] = Counter()
    for path in _absolute_paths(session):
        parts = path.replace("\\", "/").split("/")
        for cut in range(1, len(parts)):
            if "/".join(parts[cut:]) in known:
                votes["/".join(parts[:cut])] += 1
                break  # the longest path that the repository knows
    roots: list[str] = []
    if not votes and session.cwd:
        return [session.cwd.replace("\\", "/").rstrip("/")]
    least = max(votes.values(), default=0) * MIN_ROOT_SHARE
    for root, count in votes.most_common():
        # Dependencies lie below the root and have files of the same names; worktrees do too.
        nested = any(root.startswith(f"{other}/") for other in roots)
        if root and count >= least and (not nested or "worktree" in root):
            roots.append(root)
    return roots or [""]


def _absolute_paths(session: Session) -> Iterator[str]:
    for call in session.calls():
        for path in (*(v.path for v in call.views), *(e.path for e in call.edits)):
            if _absolute(path):
                yield path


def _absolute(path: str) -> bool:
    return bool(re.match(r"^(?:/|[A-Za-z]:[\\/]|\\\\)", path))


def _unwrapped(command: str) -> str:
    """A command without the shell that a tool wrapped around it."""
    text = command.strip()
    if found := re.match(r"^(?:/bin/)?(?:ba|z)?sh\s+-l?c\s+(['\"])(.*)\1$", text, re.DOTALL):
        text = found[2].strip()
    return text


def _lines(text: str) -> tuple[str, ...]:
    """Lines without their ends; the last line end counts as no line."""
    return tuple(text.removeprefix("\ufeff").replace("\r\n", "\n").rstrip("\n").split("\n"))

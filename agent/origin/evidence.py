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
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from agent.session.model import Command, Edit, Session, ToolCall

MAX_SEEN_PER_FILE = 40
"""Sightings kept of one file; more add time and no knowledge."""
MAX_FRAGMENT_LINES = 400
"""Lines of an edit's old text that are looked for."""
CHUNK_LINES = 4
"""Lines compared together where an export does not say which lines stood together."""
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
    text: str
    """The file's text, for whole files; "" for parts."""
    settled: bool
    """True when nothing that could write files had run before."""
    first_prompt: bool
    """True when it was seen before the user's second prompt."""
    first_task: bool
    """True when it was seen before the session went on to something else (see `task_end`)."""


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
    """Abbreviated names of commits that the session itself made for its first task."""
    later_commits: list[str] = field(default_factory=list)
    """The same, for what it went on to afterwards."""
    dirty: set[str] | None = None
    """Files with uncommitted changes in the first `git status`; None when none was run."""
    moved: bool = False
    """True when the session changed the checked-out commit (checkout, pull, reset, stash)."""


class Paths:
    """Turns paths of a session into paths of its repository."""

    def __init__(self, session: Session, known: Collection[str]) -> None:
        self._session = session
        self.known = frozenset(known)
        self._by_name: dict[str, list[str]] = {}
        for path in self.known:
            self._by_name.setdefault(path.rsplit("/", 1)[-1], []).append(path)
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

    def named(self, text: str) -> set[str]:
        """Files of the repository that a text names, by whole path or by an unambiguous end.

        Args:
            text: what somebody wrote.
        """
        found = set()
        for word in set(_PATHLIKE.findall(text[:MAX_OUTPUT_CHARS])):
            name = word.replace("\\", "/")
            path = self.relative(name)
            if path is not None and path in self.known:
                found.add(path)
                continue
            ending = f"/{name.lstrip('./')}"
            same = self._by_name.get(name.rsplit("/", 1)[-1], [])
            fit = [p for p in same if p.endswith(ending)]
            if len(fit) == 1:
                found.add(fit[0])
        return found


def collect(session: Session, known: Collection[str]) -> tuple[Evidence, Paths]:
    """Reads a session for what it saw and did.

    Args:
        session: the session.
        known: paths of the repository's files, at any time near the session; they tell where on
            the recorded machine the repository lay.
    """
    paths = Paths(session, known)
    evidence = Evidence()
    until = task_end(session)
    loose = loose_patches(session, paths)
    settled = True
    prompts = 0
    for number, turn in enumerate(session.turns):
        if turn.role == "user" and turn.text.strip() and not turn.sidechain:
            prompts += 1
        first_task = until is None or number < until
        for path, patch in loose.get(number, ()):
            kept = evidence.sightings.setdefault(path, [])
            if path not in evidence.edited and not (evidence.moved and evidence.sightings):
                for lines in _chunks(_old_lines(patch)):
                    kept.append(Sighting(path, lines, None, False, "", settled, False, first_task))
            evidence.edited[path] = evidence.edited.get(path, 0) + 1
        for call in turn.calls:
            # What was seen after a checkout belongs to another commit than the start.
            if not (evidence.moved and evidence.sightings):
                when = (settled, prompts <= 1, first_task)
                for path, look in _seen(call, paths):
                    kept = evidence.sightings.setdefault(path, [])
                    if path not in evidence.edited and len(kept) < MAX_SEEN_PER_FILE:
                        kept.append(Sighting(path, *look, *when))
            if call.failed is not True:
                for edit in call.edits:
                    for name in (edit.path, edit.new_path):
                        if name and (path_ := paths.relative(name)):
                            evidence.edited[path_] = evidence.edited.get(path_, 0) + 1
            if call.command is not None:
                _git_facts(call.command, evidence, first_task)
                settled = settled and not may_write(call.command.command)
    evidence.sightings = {path: kept for path, kept in evidence.sightings.items() if kept}
    evidence.mentioned = set(_mentioned(session, paths))
    return evidence, paths


def task_end(session: Session) -> int | None:
    """Index of the turn at which the session goes on to something else; None when it does not.

    A session that commits has finished a task; the user's next prompt after that begins another.
    """
    committed = False
    for number, turn in enumerate(session.turns):
        if committed and turn.role == "user" and turn.text.strip() and not turn.sidechain:
            return number
        for call in turn.calls:
            if call.command is not None and call.failed is not True:
                committed = committed or _commits(call.command)
    return None


def _commits(ran: Command) -> bool:
    """Whether a command made a commit: it says so, or is silent because it was asked to be."""
    if not _GIT_COMMIT.search(ran.command):
        return False
    if _COMMITTED.search(ran.output) or _SHORTENED.search(ran.output.rstrip()):
        return True
    return ran.exit_code == 0 and bool(_QUIET_COMMIT.search(ran.command))


def is_aside(path: str, cwd: str | None) -> bool:
    """True for plans and notes that lie outside the folder in which the session worked."""
    inside = cwd is not None and path.replace("\\", "/").startswith(cwd.replace("\\", "/") + "/")
    return not inside and bool(_ASIDE.search(path))


_ASIDE = re.compile(r"(?:^|[/\\])(?:\.claude|\.codex|\.cursor|tmp|Temp|scratchpad)[/\\]")
"""Where agents write plans and notes that are no part of the project."""
_FENCED_DIFF = re.compile(r"^```diff[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def loose_patches(session: Session, paths: Paths) -> dict[int, list[tuple[str, str]]]:
    """Differences that an export shows in the agent's text, without saying of which file.

    They are taken to be of the file that the session named last.

    Returns:
        By index of the turn, the files and the differences.
    """
    found: dict[int, list[tuple[str, str]]] = {}
    last: str | None = None
    for number, turn in enumerate(session.turns):
        if turn.role != "agent":
            continue
        patches = [] if turn.calls and any(c.edits for c in turn.calls) else _fenced(turn.text)
        if patches and last is not None:
            found[number] = [(last, patch) for patch in patches]
        outside = _FENCED_DIFF.sub("", turn.text)
        for name in _PATHLIKE.findall(outside[:MAX_OUTPUT_CHARS]):
            hit = paths.relative(name.replace("\\", "/"))
            if hit is not None and hit in paths.known:
                last = hit
    return found


def _fenced(text: str) -> list[str]:
    found = []
    for patch in _FENCED_DIFF.findall(text) if "```diff" in text else ():
        lines = [line for line in patch.split("\n") if line.strip()]
        # Some exports put a blank between the mark and the line.
        wide = all(line[1:2] in ("", " ") for line in lines)
        found.append("\n".join(li[:1] + li[2:] for li in lines) if wide else "\n".join(lines))
    return found


def _old_lines(patch: str) -> list[str]:
    return [line[1:] for line in patch.split("\n") if line[:1] in (" ", "-")]


def _chunks(lines: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Short runs of lines: an export joins hunks without a mark between them."""
    for at in range(0, min(len(lines), MAX_FRAGMENT_LINES), CHUNK_LINES):
        chunk = tuple(lines[at : at + CHUNK_LINES])
        if sum(len(line.strip()) for line in chunk) >= MIN_FRAGMENT_CHARS:
            yield chunk


class Look(NamedTuple):
    """Lines of a file as one call showed them."""

    lines: tuple[str, ...]
    start: int | None
    whole: bool
    text: str


def _seen(call: ToolCall, paths: Paths) -> Iterator[tuple[str, Look]]:
    if call.failed is True:
        return
    for view in call.views:
        path = paths.relative(view.path, call.command.cwd if call.command else None)
        if path and not view.text.startswith("<tool_use_error>"):
            text = view.text if view.whole else ""
            yield path, Look(_lines(view.text), view.start_line, view.whole, text)
    if call.command is not None and not call.views:
        yield from _printed(call.command, paths)
    for edit in call.edits:
        path = paths.relative(edit.path)
        if not path:
            continue
        if edit.before is not None:
            yield path, Look(_lines(edit.before), 1, True, edit.before)
            continue
        for fragment in _old_texts(edit):
            lines = tuple(fragment)[:MAX_FRAGMENT_LINES]
            if sum(len(line) for line in lines) >= MIN_FRAGMENT_CHARS:
                yield path, Look(lines, None, False, "")


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


def _printed(command: Command, paths: Paths) -> Iterator[tuple[str, Look]]:
    """Contents in the output of a plain reading command."""
    output = command.output
    if not output or len(output) > MAX_OUTPUT_CHARS or command.exit_code not in (0, None):
        return
    if "truncated" in output and re.search(r"…|\[\.\.\.|tokens truncated", output):
        return
    text = _unwrapped(command.command)
    where = command.cwd
    if (cd := re.match(r"^cd\s+(\S+)\s*&&\s*(.+)$", text, re.DOTALL)) is not None:
        where, text = cd[1].strip("'\""), cd[2].strip()

    def at(name: str) -> str | None:
        return paths.relative(name.strip("'\""), where)

    lines = _lines(output)
    if (found := _SED.match(text)) and (path := at(found[3])):
        start, end = int(found[1]), int(found[2])
        whole = start == 1 and len(lines) < end
        yield path, Look(lines, start, whole, output if whole else "")
    elif (found := _CAT.match(text)) and (path := at(found[1])):
        yield path, Look(lines, 1, True, output)
    elif (found := _HEAD.match(text)) and (path := at(found[2])):
        whole = len(lines) < int(found[1])
        yield path, Look(lines, 1, whole, output if whole else "")
    elif (found := _NL.match(text)) and (path := at(found[1])):
        numbered = [re.match(r"^\s*\d+\t(.*)$", line) for line in lines]
        yield path, Look(tuple(m[1] for m in numbered if m), int(found[2] or 1), False, "")
    elif re.match(r"^(rg|grep|git grep)\s", text):
        for line in lines:
            hit = _MATCH.match(line)
            if hit and len(hit["text"]) >= MIN_FRAGMENT_CHARS:
                hit_path = at(hit["path"])
                if hit_path is not None and hit_path in paths.known:
                    yield hit_path, Look((hit["text"],), int(hit["line"]), False, "")


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


_GIT_COMMIT = re.compile(r"\bgit\b[^|;&\n]{0,300}?\bcommit\b")
_COMMITTED = re.compile(r"^\[[^\]\n]*?\s?([0-9a-f]{7,40})\]\s", re.MULTILINE)
_SHORTENED = re.compile(r"^ok ✓[^\n]*\Z", re.MULTILINE)
"""How `rtk` ends, a proxy that shortens for agents what programs print; it hides the commit."""
_QUIET_COMMIT = re.compile(
    r"\bgit(?:\s+-[cC]\s*\S+)*\s+commit\b[^|;&\n]*?\s(?:-[a-z]*q[a-z]*|--quiet)\b"
)
_LOG_LINE = re.compile(r"^(?:\* )?(?:commit )?([0-9a-f]{7,40})\b")
_PRINTS_HEAD = re.compile(
    r"^git\s+(?:--no-pager\s+)?(?:log(?:\s+(?:--oneline|--decorate|--stat|--no-color|--graph|"
    r"--format=%[hH]\S*|-n|-?\d+|-n\d+))*|rev-parse\s+(?:--short\s+)?HEAD)\s*(?:$|[|;&\n])"
)
"""Commands whose output begins with the name of the commit that is checked out."""
_STATUS = re.compile(
    r"^\s+(?:modified|new file|deleted|renamed):\s+(\S.*)$|^[ MADRCU?]{2} (\S.*)$", re.MULTILINE
)


def _git_facts(command: Command, evidence: Evidence, first_task: bool) -> None:
    text = _unwrapped(command.command)
    if "git" not in text:
        return
    output = command.output[:MAX_OUTPUT_CHARS]
    if _GIT_COMMIT.search(text):
        made = _COMMITTED.findall(output)
        (evidence.own_commits if first_task else evidence.later_commits).extend(made)
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
    """Files of the repository that texts and commands name."""
    for turn in session.turns:
        for text in (turn.text, *(c.command.command for c in turn.calls if c.command)):
            yield from paths.named(text)


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
    """A command without the shell or the output filter that a tool wrapped around it."""
    text = re.sub(r"(^|&&\s*|;\s*)rtk\s+(?=git\b)", r"\1", command.strip())
    if found := re.match(r"^(?:/bin/)?(?:ba|z)?sh\s+-l?c\s+(['\"])(.*)\1$", text, re.DOTALL):
        text = found[2].strip()
    return text


def _lines(text: str) -> tuple[str, ...]:
    """Lines without their ends; the last line end counts as no line."""
    return tuple(text.removeprefix("\ufeff").replace("\r\n", "\n").rstrip("\n").split("\n"))

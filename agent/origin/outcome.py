"""Finds the commits that really solved what a session was about.

Every commit that is younger than the start is compared with the session: the lines that the
session's edits left behind, the files it changed, names it printed of commits it made itself, the
words and identifiers it used, trailers that recording tools write, and the time between. Commits
that together hold the session's work are put together as one candidate; the same change on two
branches counts once. Reasons are sentences that a person can check.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from agent.errors import RepositoryError
from agent.gitcommand import GitError
from agent.origin.attempt import Attempt, replay
from agent.origin.candidates import CLOCK_SLACK
from agent.origin.carried import carried
from agent.origin.contents import text_lines
from agent.origin.evidence import Evidence, Paths, collect, task_end
from agent.origin.overlay import TOOL_FOLDERS
from agent.origin.start import StartState, known_paths
from agent.origin.times import began, ended, zone_shift
from agent.project import is_test_path
from agent.repo import Change, Commit, Repository
from agent.session.model import Session

HORIZON = timedelta(days=45)
"""Commits made later than this after the session are hardly its outcome."""
MAX_COMMITS = 1_500
"""Commits looked at, the nearest to the session first."""
MAX_READ = 80
"""Commits whose changed lines are read: the best by files, words and time."""
MAX_LINES = 8_000
"""Changed lines read of one commit; more are generated or vendored."""
MAX_LINE_CHARS = 2_000
"""How much of one line is compared; longer lines are data."""
MIN_LINE_CHARS = 4
"""Shorter lines (braces, `else`) are in every file."""
SHOWN = 10
"""Candidates returned."""
HALF_TIME_H = 12.0
"""Hours after the session's end at which a commit's nearness has fallen to a half."""
MIN_GAIN = 0.08
"""Share of the session's lines that a further commit must bring to join a candidate."""
LANDED_SHARE = 0.9
"""A later commit with this share of an earlier one's lines is the same work, landed."""
MIN_JOIN_PRECISION = 0.25
"""Share of a joining commit's own lines that must be the session's."""
MAX_JOINED = 6
"""Commits in one candidate at most."""

TESTS_WITHIN = timedelta(hours=24)
"""Tests that follow a commit within this time belong to it."""

OWN_COMMIT_SCORE = 0.97
"""A commit that the session itself printed as made leaves hardly a doubt."""

CARRIED_SCORE = 0.75
"""A commit that brings the session's transcript was made with it, though maybe half-way."""

WEIGHTS = {
    "coverage": 4.0,
    "precision": 1.5,
    "equal": 2.0,
    "files": 1.5,
    "symbols": 1.5,
    "subject": 1.0,
    "near": 1.0,
    "trailer": 0.25,
}
"""How much each kind of evidence counts; kinds that a session cannot show are left out."""

LINE_SIGNALS = ("coverage", "precision", "equal")
"""Evidence that rests on the session's own lines."""

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]{2,}")
_SYMBOL = re.compile(r"\b(?:[a-z0-9]+_[a-z0-9_]+|[a-z]+[A-Z]\w+|[A-Z][a-z0-9]+[A-Z]\w*|_\w{3,})\b")
_IDENTIFIER = re.compile(r"\w+")
_OWN_FOLDERS = tuple(folder.encode() for folder in TOOL_FOLDERS)
_STOP = frozenset(
    re.findall(
        r"\w+",
        "add all also and any are can chore code could docs feat file files fix for from had has "
        "have into its let make more not now only our should some test tests than that the them "
        "then there they this update use used using was were what when which will with would you",
    )
)
"""Words that say nothing about a task."""


class OutcomeCandidate(BaseModel):
    """Commits that may be what solved the session's task."""

    model_config = ConfigDict(extra="forbid")

    commits: list[str]
    """Oldest first."""
    subjects: list[str]
    score: float
    """In [0, 1]; how sure the evidence is."""
    reasons: list[str]
    tests: list[str] = Field(default_factory=list)
    """Test files that they change."""
    sources: list[str] = Field(default_factory=list)
    """Other files that they change."""
    same_as: list[str] = Field(default_factory=list)
    """Commits on other branches that make the same change."""
    coverage: float | None = None
    """Share in [0, 1] of the lines that the session left which they add; None without any."""
    precision: float | None = None
    """Share in [0, 1] of the lines that they add which the session left."""
    by_hand: float | None = None
    """Share in [0, 1] of the lines that they add to files the session edited which it did not
    leave there: what a person changed afterwards."""


@dataclass(slots=True)
class _Traits:
    """What the session's work looks like, to find it again in commits."""

    lines: frozenset[tuple[str, str]] = frozenset()
    """Last part of the path, and a line that the session's work leaves there."""
    files: Mapping[str, bytes | None] = field(default_factory=dict)
    edited: frozenset[str] = frozenset()
    mentioned: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    symbols: frozenset[str] = frozenset()
    ended: datetime | None = None
    kept: float = 1.0
    """Share in [0, 1] of the lines that the best single commit has."""


@dataclass(slots=True)
class _Judged:
    commit: Commit
    changes: list[Change]
    lines: frozenset[tuple[str, str]] = frozenset()
    symbols: frozenset[str] = frozenset()
    signals: dict[str, float] = field(default_factory=dict)
    own: bool = False
    transcript: str | None = None
    score: float = 0.0
    same_as: list[str] = field(default_factory=list)


def find_outcome(
    session: Session,
    repository: Repository,
    start: StartState,
    *,
    evidence: tuple[Evidence, Paths] | None = None,
) -> list[OutcomeCandidate]:
    """Ranks the commits that may have solved the session's first task.

    Args:
        session: the session.
        repository: its repository.
        start: its start state.
        evidence: what `evidence.collect` found, when it is at hand.

    Returns:
        At most SHOWN candidates, the likeliest first; none when no later commit is like it.
    """
    commits = repository.all_commits()
    shift = zone_shift(session, commits)
    when = began(session, shift)
    seen, paths = evidence or collect(session, known_paths(repository, commits, when))
    until = task_end(session)
    attempt = replay(session, repository, start, paths, until_turn=until)
    traits = _traits(session, repository, start, seen, attempt, until)
    traits.ended = ended(session, until, shift)
    pool = _later(repository, start, when, traits.ended)
    judged = _judge(session, repository, pool, traits, seen)
    joined = _joined(judged, traits)
    ranked = sorted([*joined, *([j] for j in judged)], key=lambda g: -_group_score(g, traits))
    found: list[OutcomeCandidate] = []
    taken: set[frozenset[str]] = set()
    for group in ranked:
        names = frozenset(j.commit.sha for j in group)
        if names not in taken and len(found) < SHOWN:
            taken.add(names)
            found.append(_candidate(group, traits))
    return found


def _traits(
    session: Session,
    repository: Repository,
    start: StartState,
    seen: Evidence,
    attempt: Attempt,
    until: int | None,
) -> _Traits:
    lines: set[tuple[str, str]] = set()
    for path, data in attempt.files.items():
        if data is None:
            continue
        before = start.overlay.get(path)
        if before is None:
            entry = repository.entry(start.tree, path)
            before = repository.blob(entry.sha) if entry else b""
        had = set(text_lines(before))
        lines |= _keyed(path, (line for line in text_lines(data) if line not in had))
    if not lines:
        for path, added in attempt.added.items():
            lines |= _keyed(path, added)
    turns = session.turns[:until]
    prompts = " ".join(t.text for t in turns if t.role == "user" and not t.sidechain)
    answers = [t.text for t in turns if t.role == "agent" and t.text.strip() and not t.sidechain]
    text = prompts + " " + " ".join(answers)
    return _Traits(
        lines=frozenset(lines),
        files=attempt.files,
        edited=frozenset(attempt.added) | frozenset(attempt.files),
        mentioned=frozenset(seen.mentioned),
        words=_words(prompts + " " + " ".join(answers[-2:])),
        symbols=frozenset(_SYMBOL.findall(text)),
    )


def _later(
    repository: Repository, start: StartState, when: datetime | None, end: datetime | None
) -> list[Commit]:
    commits = [c for c in repository.commits(without=[start.commit]) if len(c.parents) < 2]
    if when is None or end is None:
        return list(reversed(commits))[:MAX_COMMITS]
    after = [c for c in commits if c.authored >= when - CLOCK_SLACK]
    near = [c for c in after if c.authored <= end + HORIZON] or after
    return sorted(near, key=lambda c: abs(c.authored - end))[:MAX_COMMITS]


def _judge(
    session: Session,
    repository: Repository,
    pool: Sequence[Commit],
    traits: _Traits,
    seen: Evidence,
) -> list[_Judged]:
    changes = repository.changes(c.sha for c in pool)
    carriers = carried(session, repository, changes)
    judged = [_Judged(commit, changes[commit.sha]) for commit in pool if changes[commit.sha]]
    for one in judged:
        one.own = any(one.commit.sha.startswith(name) for name in seen.own_commits)
        one.transcript = carriers.get(one.commit.sha)
        one.signals = _outer_signals(one, traits)
        one.score = _score(one.signals, one)
    judged.sort(key=lambda j: -j.score)
    del judged[MAX_READ:]
    _read_lines(repository, judged)
    symbol_use = Counter(symbol for one in judged for symbol in one.symbols & traits.symbols)
    rarity = {s: math.log(1 + len(judged) / n) for s, n in symbol_use.items()}
    for one in judged:
        if traits.lines:
            common = len(traits.lines & one.lines)
            one.signals["coverage"] = common / len(traits.lines)
            one.signals["precision"] = common / max(1, len(one.lines))
        if traits.files:
            one.signals["equal"] = _equal(repository, one, traits)
        if rarity:
            hit = sum(rarity[s] for s in one.symbols & traits.symbols)
            one.signals["symbols"] = min(1.0, 2 * hit / sum(rarity.values()))
    # Where no commit has the session's lines, the work was done again by other means, and that a
    # commit lacks them says nothing against it.
    traits.kept = max((one.signals.get("coverage", 0.0) for one in judged), default=0.0)
    for one in judged:
        one.score = _score(one.signals, one, traits.kept)
    return _without_twins(judged)


def _outer_signals(one: _Judged, traits: _Traits) -> dict[str, float]:
    changed = {c.path for c in one.changes}
    signals: dict[str, float] = {}
    wanted = traits.edited or traits.mentioned
    if wanted:
        both = len(changed & wanted)
        signals["files"] = both / len(wanted) if traits.edited else both / len(changed)
    said = _words(one.commit.subject)
    if said and traits.words:
        signals["subject"] = len(said & traits.words) / len(said)
    if traits.ended is not None:
        # Work committed during the session is as near as work committed at its end.
        hours = max(0.0, (one.commit.authored - traits.ended).total_seconds() / 3600)
        signals["near"] = 0.5 ** (hours / HALF_TIME_H)
    names = {name.lower() for name, _ in one.commit.trailers}
    signals["trailer"] = float(bool(names & {"entire-checkpoint", "co-authored-by"}))
    return signals


def _score(signals: Mapping[str, float], one: _Judged, kept: float = 1.0) -> float:
    weights = {
        name: WEIGHTS[name] * (min(1.0, 2 * kept) if name in LINE_SIGNALS else 1.0)
        for name in signals
    }
    total = sum(weights.values())
    mean = sum(weights[name] * value for name, value in signals.items()) / total if total else 0.0
    floor = OWN_COMMIT_SCORE if one.own else CARRIED_SCORE if one.transcript else 0.0
    return max(mean, floor + (1 - floor) * mean)


def _equal(repository: Repository, one: _Judged, traits: _Traits) -> float:
    """Share of the session's final files that the commit has exactly so."""
    changed = {c.path: c for c in one.changes}
    same = 0
    for path, data in traits.files.items():
        change = changed.get(path)
        if change is None:
            continue
        if data is None or not change.new:
            same += data is None and not change.new
            continue
        try:
            same += text_lines(repository.blob(change.new)) == text_lines(data)
        except RepositoryError:
            continue
    return same / len(traits.files)


def _read_lines(repository: Repository, judged: Sequence[_Judged]) -> None:
    """Reads the lines that commits add."""
    arguments = ("diff-tree", "--stdin", "-p", "-r", "--root", "-U0", "--no-renames", "--no-color")
    more = ("--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/")

    def read(some: Sequence[_Judged]) -> None:
        names = "".join(f"{one.commit.sha}\n" for one in some)
        _take_lines(repository.run(*arguments, *more, stdin=names.encode()), some)

    if not judged:
        return
    try:
        read(judged)
    except GitError:
        # A clone can lack single objects; they cost only the commits that have them.
        for one in judged:
            with suppress(GitError):
                read([one])


def _take_lines(out: bytes, judged: Sequence[_Judged]) -> None:
    by_name = {one.commit.sha.encode(): one for one in judged}
    at: _Judged | None = None
    added: dict[bytes, list[bytes]] = {}
    path, inside, count = b"", False, 0
    for raw in [*out.split(b"\n"), next(iter(by_name))]:
        if inside and raw[:1] == b"+":
            if path and count < MAX_LINES:
                added[path].append(raw[1:])
                count += 1
        elif raw[:3] == b"@@ ":
            inside = True
        elif raw[:11] == b"diff --git ":
            inside = False
        elif raw in by_name:
            if at is not None:
                _keep_lines(at, added)
            at, inside, count, added = by_name[raw], False, 0, {}
        elif not inside and raw[:4] == b"+++ ":
            path = raw[4:].strip(b'"').removeprefix(b"b/")
            path = b"" if path.startswith(_OWN_FOLDERS) else path
            added.setdefault(path, [])


def _keep_lines(one: _Judged, added: Mapping[bytes, list[bytes]]) -> None:
    lines: set[tuple[str, str]] = set()
    symbols: set[str] = set()
    for path, raw in added.items():
        text = b"\n".join(line[:MAX_LINE_CHARS] for line in raw).decode("utf-8", "replace")
        lines |= _keyed(path.decode("utf-8", "replace"), text.split("\n"))
        symbols.update(_IDENTIFIER.findall(text))
    one.lines, one.symbols = frozenset(lines), frozenset(symbols)


def _without_twins(judged: list[_Judged]) -> list[_Judged]:
    """One commit of each change: of those that were rebased or picked, the one that ranks first."""
    first: dict[str, _Judged] = {}
    for one in sorted(judged, key=lambda j: (-j.score, j.commit.committed)):
        files = "\0".join(sorted(c.path for c in one.changes))
        lines = "\0".join(sorted(f"{path}\1{line}" for path, line in one.lines))
        key = hashlib.sha256(f"{files}\2{lines}".encode("utf-8", "replace")).hexdigest()
        if not one.lines:
            key = one.commit.sha
        if key in first:
            first[key].same_as.append(one.commit.sha)
        else:
            first[key] = one
    return _without_landings(sorted(first.values(), key=lambda j: -j.score))


def _without_landings(judged: list[_Judged]) -> list[_Judged]:
    """Leaves out commits that only land an earlier one, squashed with what came beside it."""
    kept: list[_Judged] = []
    for one in judged:
        origin = next(
            (
                other
                for other in kept
                if other.lines
                and other.signals.get("coverage")
                and other.commit.authored <= one.commit.authored
                and len(other.lines & one.lines) >= LANDED_SHARE * len(other.lines)
                and one.signals["coverage"] < other.signals["coverage"] + MIN_GAIN
            ),
            None,
        )
        if origin is None:
            kept.append(one)
        else:
            origin.same_as.append(one.commit.sha)
    return kept


def _joined(judged: Sequence[_Judged], traits: _Traits) -> list[list[_Judged]]:
    """Sets of commits that together hold more of the session's work than each does alone."""
    groups = _with_tests(judged)
    for seed in judged[:3]:
        group = [seed]
        covered = seed.lines & traits.lines
        while len(group) < MAX_JOINED and traits.lines:
            gains = [
                (len((one.lines & traits.lines) - covered), one)
                for one in judged
                if one not in group
                and one.lines
                and len(one.lines & traits.lines) >= MIN_JOIN_PRECISION * len(one.lines)
            ]
            gain, best = max(gains, key=lambda g: g[0], default=(0, seed))
            if gain < MIN_GAIN * len(traits.lines) or gain == 0:
                break
            group.append(best)
            covered |= best.lines & traits.lines
        group = [one for one in group if _adds(one, group, traits)]
        if len(group) > 1:
            groups.append(sorted(group, key=lambda j: (j.commit.authored, j.commit.committed)))
    return groups


def _with_tests(judged: Sequence[_Judged]) -> list[list[_Judged]]:
    """Likely commits together with the commits of tests that their authors made soon after."""
    groups = []
    for one in judged[:5]:
        stems = {_stem(c.path) for c in one.changes}
        tests = [
            other
            for other in judged
            if other.commit.email == one.commit.email
            and timedelta() < other.commit.authored - one.commit.authored <= TESTS_WITHIN
            and all(is_test_path(c.path) for c in other.changes)
            and stems & {_stem(c.path) for c in other.changes}
        ]
        if tests:
            groups.append([one, *sorted(tests, key=lambda j: j.commit.authored)[: MAX_JOINED - 1]])
    return groups


def _stem(path: str) -> str:
    name = path.rsplit("/", 1)[-1].split(".", 1)[0]
    return re.sub(r"^test_|_test$", "", name).lower()


def _adds(one: _Judged, group: Sequence[_Judged], traits: _Traits) -> bool:
    """True when a commit brings enough that the rest of the group does not."""
    others = frozenset().union(*(other.lines for other in group if other is not one))
    return len((one.lines & traits.lines) - others) >= MIN_GAIN * len(traits.lines)


def _group_score(group: Sequence[_Judged], traits: _Traits) -> float:
    if len(group) == 1:
        return group[0].score
    surest = max(group, key=lambda one: (one.own, one.transcript is not None))
    return _score(_group_signals(group, traits), surest, traits.kept)


def _group_signals(group: Sequence[_Judged], traits: _Traits) -> dict[str, float]:
    signals = {
        name: max(one.signals.get(name, 0.0) for one in group)
        for name in WEIGHTS
        if any(name in one.signals for one in group)
    }
    lines = frozenset().union(*(one.lines for one in group))
    changed = {c.path for one in group for c in one.changes}
    if traits.lines and lines:
        signals["coverage"] = len(lines & traits.lines) / len(traits.lines)
        signals["precision"] = len(lines & traits.lines) / len(lines)
    if traits.edited:
        signals["files"] = len(changed & traits.edited) / len(traits.edited)
    if traits.files:
        signals["equal"] = min(1.0, sum(one.signals.get("equal", 0.0) for one in group))
    return signals


def _candidate(group: Sequence[_Judged], traits: _Traits) -> OutcomeCandidate:
    paths = sorted({c.path for one in group for c in one.changes})
    signals = _group_signals(group, traits)
    names = {path.rsplit("/", 1)[-1] for path in traits.edited}
    lines = {line for one in group for line in one.lines if line[0] in names}
    by_hand = len(lines - traits.lines) / len(lines) if lines and traits.lines else None
    return OutcomeCandidate(
        commits=[one.commit.sha for one in group],
        subjects=[one.commit.subject[:200] for one in group],
        score=round(_group_score(group, traits), 3),
        reasons=_reasons(group, traits),
        tests=[p for p in paths if is_test_path(p)],
        sources=[p for p in paths if not is_test_path(p)],
        same_as=[sha for one in group for sha in one.same_as],
        coverage=_rounded(signals.get("coverage")),
        precision=_rounded(signals.get("precision")),
        by_hand=_rounded(by_hand),
    )


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 3)


def _reasons(group: Sequence[_Judged], traits: _Traits) -> list[str]:
    signals = _group_signals(group, traits)
    reasons = []
    if any(one.own for one in group):
        reasons.append("the session printed it as a commit that it made")
    reasons += [f"it brings the transcript {one.transcript}" for one in group if one.transcript]
    if signals.get("coverage"):
        reasons.append(
            f"adds {signals['coverage']:.0%} of the lines that the session's edits left, "
            f"which are {signals['precision']:.0%} of the lines that it adds"
        )
    if signals.get("equal"):
        reasons.append(f"{signals['equal']:.0%} of the session's final files are exactly so in it")
    if signals.get("files"):
        whose = "edited" if traits.edited else "named"
        reasons.append(f"changes files that the session {whose} ({signals['files']:.0%})")
    if signals.get("symbols", 0.0) >= 0.2:
        reasons.append("its new lines use identifiers that the session talks about")
    if signals.get("subject", 0.0) >= 0.4:
        reasons.append("its subject uses the session's words")
    if traits.ended is not None:
        last = max(one.commit.authored for one in group)
        hours = (last - traits.ended).total_seconds() / 3600
        when = "during the session" if hours <= 0 else f"{hours:.1f} h after the session's end"
        reasons.append(f"written {when}")
    if signals.get("trailer"):
        reasons.append("its message names a coding agent or a recorded checkpoint")
    return reasons


def _keyed(path: str, lines: Iterable[str]) -> set[tuple[str, str]]:
    name = path.rsplit("/", 1)[-1]
    return {
        (name, text)
        for line in lines
        if len(text := line[:MAX_LINE_CHARS].strip()) >= MIN_LINE_CHARS
    }


def _words(text: str) -> frozenset[str]:
    return frozenset(w for w in (m.lower() for m in _WORD.findall(text)) if w not in _STOP)

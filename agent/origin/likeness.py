"""How like a session's work each commit is, as numbers by kind of evidence and as one score."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agent.errors import RepositoryError
from agent.gitrecords import Change, Commit
from agent.origin.additions import additions
from agent.origin.carried import carried
from agent.origin.contents import text_lines
from agent.origin.evidence import Evidence
from agent.origin.traits import Traits, words_of
from agent.repo import Repository
from agent.session.model import Session

MAX_READ = 80
"""Commits whose changed lines are read: the best by files, words and time."""
HALF_TIME_H = 12.0
"""Hours after the session's end at which a commit's nearness has fallen to a half."""
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


@dataclass(slots=True)
class Judged:
    """A commit beside a session's work."""

    commit: Commit
    changes: list[Change]
    lines: frozenset[tuple[str, str]] = frozenset()
    symbols: frozenset[str] = frozenset()
    signals: dict[str, float] = field(default_factory=dict)
    """By kind of evidence (`WEIGHTS`), each in [0, 1]."""
    own: bool = False
    """True when the session printed it as a commit that it made."""
    transcript: str | None = None
    """Path of the session's transcript that it brings."""
    score: float = 0.0
    """In [0, 1]."""
    same_as: list[str] = field(default_factory=list)
    """Commits that make the same change."""


def judge(
    session: Session,
    repository: Repository,
    pool: Sequence[Commit],
    traits: Traits,
    seen: Evidence,
) -> list[Judged]:
    """Compare commits with a session's work.

    Args:
        session: the session.
        repository: its repository.
        pool: the commits.
        traits: what the work looks like; `kept` is filled in.
        seen: what the session saw and said.

    Returns:
        The MAX_READ likeliest, with their scores, in no order.
    """
    changes = repository.changes(c.sha for c in pool)
    carriers = carried(session, repository, changes)
    judged = [Judged(commit, changes[commit.sha]) for commit in pool if changes[commit.sha]]
    for one in judged:
        one.own = any(one.commit.sha.startswith(name) for name in seen.own_commits)
        one.transcript = carriers.get(one.commit.sha)
        one.signals = _outer_signals(one, traits)
        one.score = score(one.signals, one)
    judged.sort(key=lambda j: -j.score)
    del judged[MAX_READ:]
    added = additions(repository, [one.commit.sha for one in judged])
    for one in judged:
        if found := added.get(one.commit.sha):
            one.lines, one.symbols = found.lines, found.symbols
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
        one.score = score(one.signals, one, traits.kept)
    return judged


def _outer_signals(one: Judged, traits: Traits) -> dict[str, float]:
    changed = {c.path for c in one.changes}
    signals: dict[str, float] = {}
    wanted = traits.edited or traits.mentioned
    if wanted:
        both = len(changed & wanted)
        signals["files"] = both / len(wanted) if traits.edited else both / len(changed)
    said = words_of(one.commit.subject)
    if said and traits.words:
        signals["subject"] = len(said & traits.words) / len(said)
    if traits.ended is not None:
        # Work committed during the session is as near as work committed at its end.
        hours = max(0.0, (one.commit.authored - traits.ended).total_seconds() / 3600)
        signals["near"] = 0.5 ** (hours / HALF_TIME_H)
    names = {name.lower() for name, _ in one.commit.trailers}
    signals["trailer"] = float(bool(names & {"entire-checkpoint", "co-authored-by"}))
    return signals


def score(signals: Mapping[str, float], one: Judged, kept: float = 1.0) -> float:
    """One number in [0, 1] for all kinds of evidence.

    Args:
        signals: the evidence by kind.
        one: the commit, or the surest of a group.
        kept: share in [0, 1] of the session's lines that any commit has.
    """
    weights = {
        name: WEIGHTS[name] * (min(1.0, 2 * kept) if name in LINE_SIGNALS else 1.0)
        for name in signals
    }
    total = sum(weights.values())
    mean = sum(weights[name] * value for name, value in signals.items()) / total if total else 0.0
    floor = OWN_COMMIT_SCORE if one.own else CARRIED_SCORE if one.transcript else 0.0
    return max(mean, floor + (1 - floor) * mean)


def _equal(repository: Repository, one: Judged, traits: Traits) -> float:
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

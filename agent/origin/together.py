"""Commits that only together hold a session's work, and how such a group is scored."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

from agent.origin.likeness import WEIGHTS, Judged, score
from agent.origin.traits import Traits
from agent.origin.twins import MIN_GAIN
from agent.project import is_test_path

MIN_JOIN_PRECISION = 0.25
"""Share of a joining commit's own lines that must be the session's."""
MAX_JOINED = 6
"""Commits in one candidate at most."""
TESTS_WITHIN = timedelta(hours=24)
"""Tests that follow a commit within this time belong to it."""


def joined(judged: Sequence[Judged], traits: Traits) -> list[list[Judged]]:
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


def _with_tests(judged: Sequence[Judged]) -> list[list[Judged]]:
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


def _adds(one: Judged, group: Sequence[Judged], traits: Traits) -> bool:
    """True when a commit brings enough that the rest of the group does not."""
    others = frozenset().union(*(other.lines for other in group if other is not one))
    return len((one.lines & traits.lines) - others) >= MIN_GAIN * len(traits.lines)


def group_score(group: Sequence[Judged], traits: Traits) -> float:
    """How like the session's work a group is, in [0, 1]."""
    if len(group) == 1:
        return group[0].score
    surest = max(group, key=lambda one: (one.own, one.transcript is not None))
    return score(group_signals(group, traits), surest, traits.kept)


def group_signals(group: Sequence[Judged], traits: Traits) -> dict[str, float]:
    """The evidence for a group as a whole, by kind."""
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

"""Commits that make the same change: rebased, picked, or landed with what came beside it."""

from __future__ import annotations

import hashlib

from agent.origin.likeness import Judged

MIN_GAIN = 0.08
"""Share of the session's lines that a further commit must bring to join a candidate."""
LANDED_SHARE = 0.9
"""A later commit with this share of an earlier one's lines is the same work, landed."""


def without_twins(judged: list[Judged]) -> list[Judged]:
    """One commit of each change: of those that were rebased or picked, the one that ranks first."""
    first: dict[str, Judged] = {}
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


def _without_landings(judged: list[Judged]) -> list[Judged]:
    """Leaves out commits that only land an earlier one, squashed with what came beside it."""
    kept: list[Judged] = []
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

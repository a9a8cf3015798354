"""When a session began and ended, on the history's clock.

Some exports write local times without a zone, which loaders read as UTC. The people who commit to
a repository and those who record sessions about it mostly sit in the same zone, so such times are
shifted by the zone in which the commits of those days were written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from agent.gitrecords import Commit
from agent.session.model import Session

NEAR = timedelta(days=3)
"""Commits within this time of the session tell its zone."""


def zone_shift(session: Session, commits: Sequence[Commit]) -> timedelta:
    """What to subtract from a session's times; nothing when they name their zone.

    Args:
        session: the session.
        commits: the repository's commits.
    """
    if session.started is None or not session.local_time:
        return timedelta()
    near = [c for c in commits if abs(c.authored - session.started) < NEAR]
    zones = Counter(c.zone for c in near)
    return zones.most_common(1)[0][0] if zones else timedelta()


def began(session: Session, shift: timedelta = timedelta()) -> datetime | None:
    """When the first prompt was written; None when the session records no time.

    Args:
        session: the session.
        shift: see `zone_shift`.
    """
    first = session.prompts[0].timestamp if session.prompts else None
    times = [t for t in (first, session.started) if t is not None]
    return max(times) - shift if times else None


def ended(session: Session, until: int | None, shift: timedelta = timedelta()) -> datetime | None:
    """When the last turn of a task was written; None when the session records no time.

    Args:
        session: the session.
        until: index of the first turn that is left out; None for the whole session.
        shift: see `zone_shift`.
    """
    times = [t.timestamp for t in session.turns[:until] if t.timestamp is not None]
    last = max(times) if times else session.ended or session.started
    return None if last is None else last - shift

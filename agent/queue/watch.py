"""Collects continuously: as soon as a tool writes, and now and then from Entire's branches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import watchfiles

from agent.queue.collect import Stamp, Tell, collect, roots
from agent.queue.database import Database

QUIET_MS = 5_000
"""A session that is being written is left alone until its tool pauses for so long."""
LONGEST_WAIT_MS = 60_000
"""A tool that never pauses is looked at after this."""
LOOK_S = 60.0
"""Between two looks for stores that came into being."""
ENTIRE_S = 600.0
"""Between two fetches of the opted-in repositories: a courtesy to their hosts."""


def watch(
    database: Database,
    by: str,
    *,
    home: Path | None = None,
    stop: threading.Event | None = None,
    quiet_ms: int = QUIET_MS,
    tell: Tell = lambda _: None,
    looked: Callable[[], None] = lambda: None,
) -> None:
    """Collect until stopped.

    Args:
        database: the queue's.
        by: whose the local stores are.
        home: the home folder; None for the user's own.
        stop: ends it when set.
        quiet_ms: milliseconds without a change before changes are taken up.
        tell: gets what became of each session.
        looked: called whenever everything that was there has been collected and is watched.
    """
    ended = stop or threading.Event()
    place = home or Path.home()
    seen: dict[Path, Stamp] = {}
    entire_at = 0.0
    while not ended.is_set():
        now = time.monotonic()
        entire = entire_at == 0.0 or now - entire_at >= ENTIRE_S
        entire_at = now if entire else entire_at
        collect(database, by, home=place, entire=entire, tell=tell, seen=seen)
        looked()
        stores = roots(place)
        if not stores:
            ended.wait(LOOK_S)
            continue
        changes = watchfiles.watch(
            *stores,
            stop_event=ended,
            debounce=LONGEST_WAIT_MS,
            step=quiet_ms,
            rust_timeout=int(LOOK_S * 1000),
            yield_on_timeout=True,
            raise_interrupt=True,
        )
        # One batch at a time: every look may find stores that were not there before.
        next(iter(changes), None)

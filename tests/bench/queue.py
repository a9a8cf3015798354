"""How long the queue takes to add, claim and finish, with 16 workers at once and 100,000 entries.

On SQLite and, where it is installed, on PostgreSQL. Also counts that no entry was claimed twice.
A worker works between two claims; here it pauses for a random moment, so that the 16 ask about 160
times a second together, a hundred times what 100,000 sessions a day need. How many operations go
through when nobody pauses at all is printed beside it.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import random
import statistics
import tempfile
import time
from pathlib import Path

from agent.queue import consent, entries
from agent.queue.database import Database
from agent.queue.leases import Leases
from tests import postgres

ENTRIES = 100_000
WORKERS = 16
OPERATIONS = 100
"""Of each kind by each worker."""
PAUSE_S = 0.2
"""Longest pause between two operations of a worker."""
TARGET_MS = 5.0


def main() -> bool:
    """Print p50 and p99 of each operation; True when the targets are met."""
    with tempfile.TemporaryDirectory(prefix="kettle-bench-") as folder:
        met = _measure("SQLite", str(Path(folder) / "queue.db"))
    try:
        with postgres.running() as server:
            met &= _measure("PostgreSQL", server.fresh("bench"))
    except postgres.Missing as missing:
        print(f"PostgreSQL: not measured; {missing}")
    return met


def _measure(name: str, url: str) -> bool:
    database = Database(url)
    agreement = consent.grant(database, "https://example.org/a/b", "dana@example.org")
    filled = range(ENTRIES - WORKERS * OPERATIONS)
    began = time.perf_counter()
    entries.add_many(database, (_candidate(agreement, n) for n in filled))
    print(f"queue on {name}: {len(filled):,} entries in {time.perf_counter() - began:.1f} s")
    database.close()
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(WORKERS)
    with context.Pool(WORKERS, initializer=_begin, initargs=(start,)) as pool:
        arguments = [(url, agreement, worker) for worker in range(WORKERS)]
        results = pool.starmap(_work, arguments, chunksize=1)
    rate = sum(hurried for _, _, hurried in results)
    met = True
    for operation in ("add", "claim", "finish"):
        times = sorted(t for timed, _, _ in results for t in timed[operation])
        p50, p99 = statistics.median(times) * 1e3, times[int(len(times) * 0.99)] * 1e3
        fine = p50 <= TARGET_MS
        met &= fine
        print(
            f"  {operation:<7} p50 {p50:6.2f} ms  at most {TARGET_MS:g} ms  "
            f"{'ok' if fine else 'miss'}   (p99 {p99:.1f} ms)"
        )
    claimed = [number for _, numbers, _ in results for number in numbers]
    twice = len(claimed) - len(set(claimed))
    print(
        f"  {len(claimed):,} claims by {WORKERS} workers, {twice} of them twice; "
        f"without pauses {rate:.0f} operations a second"
    )
    return met and not twice and len(claimed) == 2 * WORKERS * OPERATIONS


def _candidate(agreement: consent.Agreement, number: int) -> entries.Candidate:
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    worth = int(digest[:6], 16) / 0xFFFFFF
    return entries.Candidate(digest, f"t:{digest}", f"/s/{number}", "codex", 9, worth, agreement)


def _begin(barrier: object) -> None:
    globals()["barrier"] = barrier


def _work(
    url: str, agreement: consent.Agreement, worker: int
) -> tuple[dict[str, list[float]], list[int], float]:
    database = Database(url, patience_s=60)
    leases = Leases(database)
    times: dict[str, list[float]] = {"add": [], "claim": [], "finish": []}
    numbers: list[int] = []
    first = ENTRIES - (worker + 1) * OPERATIONS
    pauses = random.Random(worker)  # noqa: S311 (no secret)
    globals()["barrier"].wait()
    for number in range(first, first + OPERATIONS):
        candidate = _candidate(agreement, number)
        time.sleep(pauses.uniform(0, PAUSE_S))
        with _timed(times["add"]):
            entries.add(database, candidate)
    globals()["barrier"].wait()
    for _ in range(OPERATIONS):
        time.sleep(pauses.uniform(0, PAUSE_S))
        with _timed(times["claim"]):
            claim = leases.claim(f"worker-{worker}")
        assert claim is not None
        numbers.append(claim.id)
        time.sleep(pauses.uniform(0, PAUSE_S))
        with _timed(times["finish"]):
            leases.finish(claim, "accepted")
    globals()["barrier"].wait()
    began = time.perf_counter()
    for _ in range(OPERATIONS):
        claim = leases.claim(f"worker-{worker}")
        assert claim is not None
        numbers.append(claim.id)
        leases.finish(claim, "accepted")
    hurried = 2 * OPERATIONS / (time.perf_counter() - began)
    database.close()
    return times, numbers, hurried


class _timed:  # noqa: N801 (used as a word)
    def __init__(self, into: list[float]) -> None:
        self._into = into

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._into.append(time.perf_counter() - self._began)


if __name__ == "__main__":
    raise SystemExit(0 if main() else 1)

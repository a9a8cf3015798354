"""How often the start commit of a real session is found when its record is hidden.

Real sessions are no part of Kettle. `KETTLE_STARTS` names a list of them, a line each: the session,
its repository, and the commit that it started from, parted by tabs; `-` stands for the commit that
the session recorded itself. Run alone: `KETTLE_STARTS=starts.tsv python -m tests.bench starts`.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

from agent.errors import KettleError
from agent.origin.start import find_start
from agent.repo import Repository
from agent.session import load

LIST = "KETTLE_STARTS"
RECORDED = "-"
TARGET_FOUND = 0.9


def main() -> bool:
    """Print the share that was found and each miss; True when the target is met."""
    listing = os.environ.get(LIST)
    if listing is None:
        sys.stdout.write(f"start commits: not measured; {LIST} names no list of real sessions\n")
        return True
    found: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    seconds: list[float] = []
    repositories: dict[str, Repository] = {}
    for line in Path(listing).read_text().splitlines():
        path, source, wanted = line.split("\t")[:3]
        try:
            if source not in repositories:
                repositories[source] = Repository.open(source)
            hit, method, took = _find(Path(path), repositories[source], wanted)
        except KettleError as error:
            hit, method, took = str(error), "error", 0.0
        asked[method] += 1
        found[method] += not hit
        seconds.append(took)
        if hit:
            sys.stdout.write(f"    missed: {path}: {hit}\n")
    for repository in repositories.values():
        repository.close()
    share = found.total() / max(1, asked.total())
    for method, count in asked.most_common():
        sys.stdout.write(f"    told by {method}: {found[method]} of {count}\n")
    met = share >= TARGET_FOUND
    name = f"start commits found, of {asked.total()}"
    sys.stdout.write(f"{name:<52} {share:8.3f} {'share':<10} {'ok' if met else 'miss'}\n")
    if seconds:
        name = "seconds of processor time each, p50"
        sys.stdout.write(f"{name:<52} {statistics.median(seconds):8.3f} s\n")
    return met


def _find(path: Path, repository: Repository, wanted: str) -> tuple[str, str, float]:
    """What is wrong with the commit found ("" for nothing), how it was found, seconds it took."""
    session = load(path)
    wanted = repository.resolve(session.git.commit or "" if wanted == RECORDED else wanted)
    session.git.commit = None
    began = time.process_time()
    start = find_start(session, repository)
    took = time.process_time() - began
    if start.commit == wanted:
        return "", start.method, took
    same = " (the same tree)" if repository.commit(wanted).tree == start.tree else ""
    place = next((n for n, c in enumerate(start.candidates, 1) if c.commit == wanted), 0)
    ranked = f"ranked {place}" if place else "not among the candidates"
    why = f"{start.commit[:12]} instead of {wanted[:12]}{same}, {ranked}; fit {start.fit:.2f}"
    return f"{why} over {start.observed} files; {'; '.join(start.reasons)}", start.method, took


if __name__ == "__main__":
    sys.exit(0 if main() else 1)

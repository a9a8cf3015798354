"""The meta-benchmark's own figures: the set with `baseline` and the controls, and scoring alone.

Run alone: `python -m tests.bench.evals [folder]`. The folder keeps the run, environments and all;
without one nothing is kept. A run that is there already is finished and scored again, but
then the time of the whole set is not known.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from evals.builders import ModelBuilder
from evals.floor import BASELINE, above_floor
from evals.item import find
from evals.leaderboard import rows
from evals.results import SCORE, Key, Result, Run, read_whole
from evals.run import SCORERS, Finished, RunEvent, RunSettings, perform, rescore
from evals.score import Score
from tests.bench import show

ONLY_NAMED = "it takes three quarters of an hour"
"""Why it is no part of a run of all benches."""
WHOLE_MINUTES = 40.0
SCORING_MINUTES = 12.0


def main() -> bool:
    """Print the times, the scores' agreement and the floor; True when all of it is as promised."""
    if __name__ == "__main__" and len(sys.argv) > 1:
        return _measure(Run(Path(sys.argv[1])))
    with tempfile.TemporaryDirectory(prefix="kettle-bench-") as folder:
        return _measure(Run(Path(folder) / "run"))


def _measure(run: Run) -> bool:
    items = find()
    kept = 0

    def note(event: RunEvent) -> None:
        nonlocal kept
        kept += isinstance(event, Finished) and event.kept

    began = time.monotonic()
    results = perform(run, items, [ModelBuilder(BASELINE)], RunSettings(), note)
    met = not kept
    if kept:
        print(
            f"evals: {kept} attempts were there before, so the time of the whole set is not known"
        )
    else:
        minutes = (time.monotonic() - began) / 60
        met = show("evals: baseline and controls, whole set", minutes, "min", most=WHOLE_MINUTES)
    not_run = [r.key for r in results if r.status != "scored"]
    met &= show("evals: attempts not run", len(not_run), "", most=0)
    before = _scores(run, results)
    began = time.monotonic()
    rescore(run, items, RunSettings(workers=SCORERS))
    minutes = (time.monotonic() - began) / 60
    met &= show("evals: the same scored again", minutes, "min", most=SCORING_MINUTES)
    after = _scores(run, results)
    differ = [key for key in before if not before[key].same(after[key])]
    met &= show("evals: scores that differ", len(differ), "", most=0)
    for key in differ:
        print(f"  {key}: {before[key].value:.3f}, then {after[key].value:.3f}")
    broken = above_floor(results)
    met &= show("evals: controls above their floor", len(broken), "", most=0)
    board = rows(results)
    for row in board:
        low, high = row.interval
        print(f"  {row.builder:<20} {row.headline:.2f}  ({low:.2f} to {high:.2f})")
    floor = max(row.interval[1] for row in board if row.control)
    base = next(row.interval[0] for row in board if row.builder == BASELINE)
    return show("evals: baseline's interval above the controls'", base - floor, "", least=0) and met


def _scores(run: Run, results: list[Result]) -> dict[Key, Score]:
    found = {r.key: read_whole(run.attempt(r.key) / SCORE, Score) for r in results}
    return {key: score for key, score in found.items() if score is not None}


if __name__ == "__main__":
    raise SystemExit(0 if main() else 1)

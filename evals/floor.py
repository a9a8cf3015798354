"""Whether the controls sit where a sound benchmark puts them.

- `always-pass`, `always-fail`, `leaves-git`, `accepts-everything`: 0 at accept and reject items.
- `refuses-everything`: 0 at accept items; at reject items no more than the share of those for which
  its one reason happens to be true. Its headline is 0, as that of whoever accepts everything.
- `copies-tests` may score: where the landed tests check behaviour, they are a fair verifier. It has
  no judgement, so it must not beat `baseline` at the accept items that both were scored on, and it
  refuses nothing, so it has 0 at reject items.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from evals.controls import REFUSAL, CopiesTests, RefusesEverything
from evals.results import Result

BASELINE = "baseline"
TOLERANCE = 1e-9
"""Rounding of sums of floats."""


def above_floor(results: Sequence[Result]) -> list[str]:
    """What is wrong with the benchmark, one sentence for each control above its floor.

    Args:
        results: of a run, those of the controls among them.
    """
    wrong: list[str] = []
    for name in sorted({r.builder for r in results if r.control}):
        for expected in ("accept", "reject"):
            own = _values(results, name, expected)
            if not own:
                continue
            floor, shared = _floor(results, name, expected, set(own))
            mean = fmean(own[item] for item in shared) if shared else 0.0
            if mean > floor + TOLERANCE:
                high = [item for item in sorted(shared) if own[item] > 0]
                wrong.append(
                    f"the control {name} has {mean:.3f} at the {expected} items, above its floor "
                    f"of {floor:.3f} ({', '.join(high[:5])})"
                )
    return wrong


def _floor(
    results: Sequence[Result], name: str, expected: str, items: set[str]
) -> tuple[float, set[str]]:
    """The most that a control may have, and the items to look at."""
    if name == CopiesTests.name and expected == "accept":
        baseline = _values(results, BASELINE, expected)
        shared = items & baseline.keys()
        return (fmean(baseline[i] for i in shared) if shared else 1.0), shared
    if name == RefusesEverything.name and expected == "reject":
        true = {
            r.item: float(REFUSAL in r.score.reasons)
            for r in results
            if r.score is not None and r.item in items
        }
        return fmean(true.values()), items
    return 0.0, items


def _values(results: Sequence[Result], builder: str, expected: str) -> dict[str, float]:
    found: dict[str, list[float]] = defaultdict(list)
    for result in results:
        if result.builder == builder and result.score and result.score.expected == expected:
            found[result.item].append(result.score.value)
    return {item: fmean(values) for item, values in found.items()}

"""How what was seen of an environment becomes its score. Standard library only: exported tasks
bring this file along and judge by it where nothing of Kettle is installed.

Gates come first. An environment that does not build, that holds its own solution, whose verifier
accepts the untouched start state, or rejects the solution that really landed, is worth nothing,
however good the rest is. Then the rates are multiplied, so that no strength buys back a weakness: a
verifier that accepts everything has the full true-positive rate and a true-negative rate of 0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence

GATES = ("builds", "sealed", "gold passes", "nop fails")
"""In the order in which they are tried; after one that fails nothing more is."""

RATES = (
    "start state",
    "true positives",
    "true negatives",
    "exploit resistance",
    "stability",
    "instruction",
)
"""The factors of a score, each in [0, 1]."""

GROUP = 8
"""Rollouts of one task in a step of training by groups, as commonly set; see `resistance`."""
MAX_INSTRUCTION_CHARS = 100_000
"""Of an instruction, searched for intents and leaks; the longest real ones have a tenth of that."""


def score(gates: Mapping[str, bool], rates: Mapping[str, float | None]) -> float:
    """The score of one environment.

    Args:
        gates: whether each of `GATES` was passed; one that is missing was not.
        rates: by the names in `RATES`; one that is None or missing was not measured and counts 0.

    Returns:
        0 unless every gate is passed, else the product of the rates.
    """
    if not all(gates.get(name, False) for name in GATES):
        return 0.0
    value = 1.0
    for name in RATES:
        value *= rates.get(name) or 0.0
    return value


def start_fidelity(found: Mapping[str, object], wanted: Mapping[str, object]) -> tuple[float, bool]:
    """How near an environment's work tree is to the true start state.

    The balanced F-measure (van Rijsbergen, Information Retrieval, 1979) over files: a file counts
    as found when path, content and executable bit are right.

    Args:
        found: files of the environment's work tree by path; values compare equal when alike.
        wanted: those of the true start state.

    Returns:
        F1 in [0, 1], and whether both are the same.
    """
    if not wanted and not found:
        return 1.0, True
    same = sum(1 for path, value in wanted.items() if path in found and found[path] == value)
    return 2 * same / (len(found) + len(wanted)), dict(found) == dict(wanted)


def rate(outcomes: Sequence[bool]) -> float | None:
    """The share of outcomes that are as they should be; None when there are none.

    Over the right alternatives this is the true-positive rate (sensitivity), over the wrong ones
    the true-negative rate (specificity; Yerushalmy 1947).
    """
    return sum(outcomes) / len(outcomes) if outcomes else None


def resistance(outcomes: Sequence[bool], group: int = GROUP) -> float | None:
    """The chance that a group of cheats, drawn from those tried, earns nothing at all.

    A solver needs one hole, and training tries many times: a verifier that falls to a quarter of
    the cheats is not three quarters sound. So this is pass^k over cheats, estimated without bias
    from n that were tried and c that failed as C(c, k) / C(n, k) (Yao et al., tau-bench, 2024).

    Args:
        outcomes: for each cheat whether it earned nothing.
        group: cheats in a group; with fewer tried, all of them.
    """
    if not outcomes:
        return None
    k = min(group, len(outcomes))
    return math.comb(sum(outcomes), k) / math.comb(len(outcomes), k)


def stability(verdicts: Iterable[Sequence[str]]) -> float | None:
    """The share of candidates whose repeated grades all say the same.

    Args:
        verdicts: for each candidate that was graded more than once, what was said each time.
    """
    return rate([len(set(said)) == 1 for said in verdicts if len(said) > 1])


def instruction_fidelity(
    instruction: str, intents: Sequence[Sequence[str]], leaks: Sequence[str]
) -> tuple[float, dict[str, object]]:
    """Whether an instruction keeps what the user wanted and gives nothing of the solution away.

    Args:
        instruction: the text that the solver reads.
        intents: for each intent the regular expressions that must all be found, case ignored.
        leaks: regular expressions none of which may be found.

    Returns:
        The share of the intents that are kept, or 0 with a leak; and which were lost or leaked.
    """
    text = instruction[:MAX_INSTRUCTION_CHARS]

    def holds(pattern: str) -> bool:
        return re.search(pattern, text, re.IGNORECASE) is not None

    checkable = [marks for marks in intents if marks]
    lost = [list(marks) for marks in checkable if not all(holds(mark) for mark in marks)]
    leaked = [pattern for pattern in leaks if holds(pattern)]
    kept = 1 - len(lost) / len(checkable) if checkable else 1.0
    return (0.0 if leaked else kept), {"lost": lost, "leaked": leaked}

"""Figures that Kettle promises, measured in one run: `python -m tests.bench [name ...]`.

A module here that has a function `main() -> bool` is a bench: it prints its figures and says
whether all of them meet their targets. Figures are measured on the real thing, beside what they
are compared with.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable


def p50(work: Callable[[], object], times: int, warm: int = 1) -> float:
    """The median of the seconds that some work takes, after a few unmeasured rounds."""
    for _ in range(warm):
        work()
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def show(
    name: str, measured: float, unit: str, *, most: float | None = None, least: float | None = None
) -> bool:
    """Prints a figure beside its target, if it has one; returns whether it is met."""
    target, met = "", True
    if most is not None:
        target, met = f"at most {most:g} {unit}", measured <= most
    elif least is not None:
        target, met = f"at least {least:g} {unit}", measured >= least
    verdict = ("ok" if met else "miss") if target else ""
    line = f"{name:<52} {measured:8.2f} {unit:<4} {target:<18} {verdict}"
    sys.stdout.write(line.rstrip() + "\n")
    sys.stdout.flush()
    return met

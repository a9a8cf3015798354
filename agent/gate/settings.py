"""How thoroughly the gate works."""

from __future__ import annotations

from dataclasses import dataclass

CORE = "core"
FULL = "full"


@dataclass(frozen=True)
class GateSettings:
    """Settings of one run of the gate.

    Attributes:
        repeats: how often nop and oracle are graded in all.
        budget_s: seconds; what has not begun by then is left untried.
        workers: candidates graded at one time.
        seed: decides what is sampled, so that a run can be repeated.
        depth: `full` tries all that the gate knows; `core` only proves that the environment works.
        mutants: at most so many mutants of the oracle.
        alternatives: at most so many rewrites of the oracle.
        exit_first: end at the first check that fails, for who does not mend what is found.
        only: names of checks to run, with what they need; empty means all.
        keep_image: leave the built image when the engine is closed.
    """

    repeats: int = 3
    budget_s: float = 600.0
    workers: int = 2
    seed: int = 0
    depth: str = FULL
    mutants: int = 20
    alternatives: int = 8
    exit_first: bool = False
    only: tuple[str, ...] = ()
    keep_image: bool = False

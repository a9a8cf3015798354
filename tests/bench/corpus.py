"""The gate on every environment of the corpus, bad and good: what it names, and what it misses.

Run alone: `python -m tests.bench.corpus [words of a name]`. It takes minutes. A bad environment
counts as caught when the check that its fault belongs to fails; a good one as accepted when no
check fails. Each is put through a whole run of the gate: a deep fault through a full one.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from agent.gate import CheckVerdict, GateSettings, run
from agent.gate.runner import CHECKS
from sandbox import bases
from sandbox.engine import Engine
from tests.agent.gate.bad import CORE, DEEP, HACKABLE, LEAKS
from tests.agent.gate.environments import make
from tests.agent.gate.flaky import FLAKY
from tests.agent.gate.good import GOOD
from tests.bench import show
from tests.conftest import python_image

BAD = (*CORE, *LEAKS, *FLAKY, *DEEP, HACKABLE)
DEEP_CHECKS = frozenset(c.name for c in CHECKS if c.deep)
ONLY_NAMED = "it takes a quarter of an hour"
"""Why it is no part of a run of all benches."""
OWED = 1.0
"""Recall and precision that the gate owes on its own corpus."""


@dataclass(frozen=True)
class Row:
    """One environment and what the gate said of it.

    Attributes:
        name: of the environment.
        fault: the check that must fail; "" for a good one.
        failed: the checks that failed.
        accepted: whether the gate passed it.
        seconds: how long the gate took.
    """

    name: str
    fault: str
    failed: tuple[str, ...]
    accepted: bool
    seconds: float

    @property
    def right(self) -> bool:
        """True when the gate said what it should."""
        return self.fault in self.failed if self.fault else self.accepted

    def line(self) -> str:
        """The row of the table."""
        also = ", ".join(c for c in self.failed if c != self.fault)
        said = "named" if self.fault in self.failed else "accepted" if self.accepted else "refused"
        return (
            f"  {'ok  ' if self.right else 'MISS'} {self.fault or 'good':<18} {self.name:<66} "
            f"{said:<9} {self.seconds:5.1f} s{'  also: ' + also if also else ''}"
        )


def judge(engine: Engine, base: str, folder: Path) -> list[Row]:
    """The gate's word on each environment of the corpus, printed as it comes."""
    wanted = " ".join(sys.argv[1:]) if __name__ == "__main__" else ""
    cases = [(b.name, b.fault, b.given, b.fault in DEEP_CHECKS) for b in BAD]
    cases += [(g.name, "", g.given, g.deep) for g in GOOD]
    rows = []
    for number, (name, fault, given, deep) in enumerate(cases):
        if wanted not in name:
            continue
        made = make(folder / str(number), base=base, **given)
        began = time.monotonic()
        report = run(engine, made, settings=GateSettings(depth="full" if deep else "core"))
        failed = tuple(c.name for c in report.checks if c.verdict is CheckVerdict.FAIL)
        rows.append(Row(name, fault, failed, report.passed, time.monotonic() - began))
        print(rows[-1].line(), flush=True)
    return rows


def main() -> bool:
    """Print the table and the two rates; True when every environment was judged rightly."""
    print("the gate on the corpus: the fault, the environment, and what was said")
    with Engine.connect() as engine, tempfile.TemporaryDirectory(prefix="kettle-bench-") as folder:
        rows = judge(engine, python_image(engine, bases.ensure(engine).tag), Path(folder))
    bad = [r for r in rows if r.fault]
    caught = [r for r in bad if r.right]
    refused = [r for r in rows if not r.accepted]
    print(f"  {len(caught)} of {len(bad)} bad ones caught by the right check")
    met = True
    if bad:
        met &= show("recall: bad ones whose fault is named", len(caught) / len(bad), "", least=OWED)
    if refused:
        truly = len([r for r in refused if r.fault]) / len(refused)
        met &= show("precision: refused ones that are bad", truly, "", least=OWED)
    return met and all(r.right for r in rows)


if __name__ == "__main__":
    raise SystemExit(0 if main() else 1)

"""What a batch adds to a build, and what a second worker brings.

Builds are stand-ins that wait, as one waits for containers and models; a drain of them shows what
claiming, beating, publishing and recording cost. That is set against a build that is quicker than
any real one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from sqlalchemy import func, select

from agent.queue.database import Database, opened
from agent.queue.schema import Attempt
from tests.agent.batch.conftest import ROOT, fill
from tests.bench import show

SESSIONS = 24
STAND_IN_S = 2.0
QUICK_BUILD_S = 10.0
"""No real build of ours was ever done in less."""
MOST_PERCENT = 2.0
LEAST_TIMES = 1.7


def main() -> bool:
    """Print the overhead and the gain; True when the targets are met."""
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    one, two = (_drain_s(workers) for workers in (1, 2))
    each = one / SESSIONS - STAND_IN_S
    met = show("batch: added to a build", each * 1e3, "ms")
    share = 100 * each / QUICK_BUILD_S
    met &= show(f"batch: of a build of {QUICK_BUILD_S:g} s", share, "%", most=MOST_PERCENT)
    return show("batch: 2 workers against 1", one / two, "x", least=LEAST_TIMES) and met


def _drain_s(workers: int) -> float:
    """Seconds from the first claim to the last end."""
    with tempfile.TemporaryDirectory(prefix="kettle-bench-") as folder:
        place = Path(folder)
        database = Database(str(place / "queue.db"))
        fill(database, SESSIONS, place)
        database.close()
        command = [
            *(sys.executable, "-m", "agent", "batch", "--json", "--until-empty"),
            *("--queue", database.url, "--out", str(place / "out"), "--workers", str(workers)),
            *("--job", f"stand-in:{STAND_IN_S:g}"),
        ]
        environment = {**os.environ, "KETTLE_DATA": str(place / "data")}
        subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)
        span = select(func.max(Attempt.ended) - func.min(Attempt.began))
        with opened(database.url) as database:
            return float(database.one(lambda c: c.execute(span).scalar_one()))


if __name__ == "__main__":
    raise SystemExit(0 if main() else 1)

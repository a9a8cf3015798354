"""A job that takes time and makes environments of nothing, for tests and benches of the batch.

It goes through the same phases, keeps a journal of its steps, leaves temporary files when it is
killed, and goes on from its journal, as a build does. Its steps wait; they do not work.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from agent.batch.job import Desk, Ending, keep_gated, publish_gated
from agent.environment import TASK
from agent.errors import InputError
from agent.queue.leases import Claim

PREFIX = "stand-in:"
STEPS = 5


class StandIn:
    """Waits in steps and publishes a tiny environment.

    Args:
        seconds: of one build, in all its steps together.
        dollars: that a build says it spends.
    """

    def __init__(self, seconds: float, dollars: float = 0.0) -> None:
        self._seconds = seconds
        self._dollars = dollars

    @classmethod
    def named(cls, job: str) -> StandIn:
        """From `stand-in:SECONDS[:DOLLARS]`."""
        try:
            numbers = [float(number) for number in job.removeprefix(PREFIX).split(":")]
            return cls(*numbers)
        except (TypeError, ValueError) as error:
            raise InputError(f"There is no job {job!r}.") from error

    def run(self, claim: Claim, desk: Desk) -> Ending:
        """See `agent.batch.job.Job`."""
        if ending := publish_gated(claim, desk):
            return ending
        began = time.monotonic()
        if claim.verdict is None:
            desk.enter("qualifying")
        desk.enter("building", verdict="{}")
        journal = desk.folder / ".builds" / "stand-in" / "journal"
        journal.parent.mkdir(parents=True, exist_ok=True)
        done = journal.read_text().count("\n") if journal.exists() else 0
        for step in range(done, STEPS):
            with tempfile.NamedTemporaryFile(dir=desk.folder, prefix="."):
                time.sleep(self._seconds / STEPS)
            desk.dollars += self._dollars / STEPS
            _append(journal, f"{step}\n")
        name = f"stand-in-{claim.digest[:12]}"
        made = desk.folder / name
        made.mkdir(exist_ok=True)
        (made / "journal").write_bytes(journal.read_bytes())
        (made / TASK).write_text(f"# entry {claim.id}\n")
        keep_gated(desk, name)
        ending = publish_gated(claim, desk)
        assert ending is not None  # noqa: S101 (it was kept in the line before)
        phases = {"build": time.monotonic() - began}
        return Ending(ending.state, environment=ending.environment, phases=phases)

    def disks(self) -> Sequence[Path]:
        """See `agent.batch.job.Job`."""
        return ()

    def clean_up(self) -> None:
        """See `agent.batch.job.Job`."""


def _append(journal: Path, line: str) -> None:
    with journal.open("ab") as file:
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())

"""Candidates that lie as patches in an environment's provenance."""

from __future__ import annotations

from collections.abc import Iterator

from agent.gate.trials import Trials
from agent.grading import Candidate

NOT_APPLIED = "this patch does not apply to the start state"
APPLY = (
    "patch -p1 --forward --no-backup-if-mismatch --reject-file=- < /solution/given.patch"
    f" || {{ echo '{NOT_APPLIED}'; exit 1; }}"
)
"""Applies it or fails; GNU patch is in every image of Kettle's."""


def given(trials: Trials, kind: str) -> Iterator[tuple[Candidate, str, str]]:
    """The patches in `provenance/candidates/KIND`: candidate, what it is, and its text."""
    for name, data in trials.environment.files(f"provenance/candidates/{kind}"):
        if name.endswith((".patch", ".diff")):
            short = name.rsplit("/", 1)[-1]
            candidate = Candidate(f"{kind} {short}", script=APPLY, given=data)
            yield candidate, f"{kind} candidate {short}", data.decode("utf-8", "replace")

"""Other ways to write the oracle that behave the same, made without a model.

Each rewrite is made only where it is sound as far as the syntax tree shows; where it is not, it is
left out. The rewrites themselves are in `python_rewrites` and `script_rewrites`; languages that
neither knows get none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.gate.candidates.partial import diff_of
from agent.gate.candidates.python_rewrites import python_rewrites
from agent.gate.candidates.script_rewrites import script_rewrites
from agent.gate.outcome import Outcome
from agent.grading import Candidate, variant


@dataclass(frozen=True)
class Right:
    """A candidate that should earn the full reward.

    Attributes:
        what: how it differs from the oracle.
        diff: unified diff from the oracle.
    """

    candidate: Candidate
    what: str
    diff: str


def alternatives(outcome: Outcome, instruction: str) -> Iterator[Right]:
    """Rewrites of the oracle, the plainest first.

    Args:
        outcome: what the oracle changes.
        instruction: texts that it names are left as they are.
    """
    for rewrites in (python_rewrites, script_rewrites):
        for what, changes in rewrites(outcome, instruction):
            if changes:
                diffs = [
                    diff_of(path, (outcome.changed.get(path) or (None, None))[1], content)
                    for path, content in changes.items()
                ]
                yield Right(variant(what, dict(changes)), what, "\n".join(diffs))

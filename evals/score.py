"""What scoring says of one attempt, as it is kept on disk."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from evals.bank import Role

Claim = Literal["accepted", "rejected", "nothing"]
"""How a builder ended: with an environment, with a refusal, or with neither."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Gate(_Model):
    """One of the gates in `evals.formula.GATES`."""

    passed: bool
    why: str
    evidence: list[str] = Field(default_factory=list)


class Graded(_Model):
    """What the environment's verifier said of one candidate of the bank."""

    role: Role
    name: str
    ok: bool
    """Whether it said what a sound verifier says."""
    verdicts: list[str]
    """What it said, once for each repeat."""
    seconds: float = 0.0
    why: str = ""
    """What the candidate does."""
    log: str = ""
    """The end of the verifier's output, where it was wrong."""


class Score(_Model):
    """One attempt's score.

    Attributes:
        expected: the item's verdict.
        claim: what the builder said.
        value: in [0, 1]. Accept item: `evals.formula.score` of the environment, 0 when the builder
            did not claim one. Reject item: 1 for a refusal with a right reason, else 0.
        qualified: right verdict and, for a reject, right reason.
        valid: nothing at all is wrong: all gates passed, start state exact and every rate 1; a
            refusal with a right reason. pass@1 and pass^k count these.
        failure: the first thing that is wrong, in a few words; "" when valid. Failures are counted
            by it.
        gates: by the names in `evals.formula.GATES`; those after a failed one are missing.
        rates: by the names in `evals.formula.RATES`; None where nothing was measured.
        start_exact: whether the work tree equals the true start state.
        image_mb: size of the image in MiB, base included.
        reasons: of a reject item: the true reasons.
        notes: what a person should know.
        grades: what the verifier said of each candidate.
    """

    expected: Literal["accept", "reject"]
    claim: Claim
    value: float
    qualified: bool
    valid: bool
    failure: str
    gates: dict[str, Gate] = Field(default_factory=dict)
    rates: dict[str, float | None] = Field(default_factory=dict)
    start_exact: bool | None = None
    image_mb: int | None = None
    reasons: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    grades: list[Graded] = Field(default_factory=list)
    seconds: float = 0.0

    @property
    def claim_gap(self) -> int:
        """Said accepted minus really valid: 1 for an environment that promises too much."""
        return int(self.claim == "accepted") - int(self.claim == "accepted" and self.valid)

    def same(self, other: Score) -> bool:
        """Whether two scorings of one attempt say the same, times and logs aside.

        How a verifier was wrong may differ: a cheat that writes over the reward leaves a 1 or none.
        """
        return self._verdicts() == other._verdicts()

    def _verdicts(self) -> object:
        plain = self.model_dump(exclude={"seconds", "grades", "gates", "image_mb"})
        gates = {name: gate.passed for name, gate in self.gates.items()}
        return plain, gates, [(g.name, g.ok) for g in self.grades]

"""What the gate says: named checks, each with a verdict and evidence a person can read."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class CheckVerdict(StrEnum):
    """Outcome of one check."""

    PASS = "pass"  # noqa: S105 (a verdict, not a password)
    FAIL = "fail"
    ERROR = "error"
    """Infrastructure trouble: says nothing about the environment, so it is tried again."""
    NOT_APPLICABLE = "not-applicable"
    UNTRIED = "untried"
    """Left out, because an earlier check failed or the budget was spent."""


class Check(BaseModel):
    """The result of one named check."""

    model_config = ConfigDict(extra="forbid")

    name: str
    verdict: CheckVerdict
    summary: str
    """One line for the table."""
    evidence: list[str] = Field(default_factory=list)
    """Paragraphs for a person: outputs, diffs, lists. Bounded by the gate."""
    details: dict[str, Any] = Field(default_factory=dict)
    """The same for a machine."""
    seconds: float = 0.0


class GateReport(BaseModel):
    """What the trials on one environment showed."""

    model_config = ConfigDict(extra="forbid")

    environment_digest: str
    """SHA-256 of the environment's files, provenance left out."""
    kettle_version: str
    isolation: str = "unknown"
    """How the verifier runs graded code: `isolated` (the verifier kit) or `in-process`."""
    checks: list[Check]
    without: list[str] = Field(default_factory=list)
    """What the task asks for and the gate graded it without; see `agent.gate.reach`."""
    reused: int = 0
    """Grades taken over from an earlier run on the same image, verifier and candidates."""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """True when no check failed, none had an error, and none was left untried."""
        fine = (CheckVerdict.PASS, CheckVerdict.NOT_APPLICABLE)
        return bool(self.checks) and all(c.verdict in fine for c in self.checks)

    @property
    def failed_for_infrastructure(self) -> bool:
        """True when the only thing in the way is trouble that is not the environment's fault."""
        verdicts = {c.verdict for c in self.checks}
        return CheckVerdict.ERROR in verdicts and CheckVerdict.FAIL not in verdicts

    @property
    def undecided(self) -> bool:
        """True when no check failed, but some could not be tried: nothing is proven."""
        verdicts = {c.verdict for c in self.checks}
        return CheckVerdict.FAIL not in verdicts and not self.passed

    @property
    def faults(self) -> str:
        """What is in the way of acceptance, in a line, what failed before what is open; or ""."""
        for grave in ((CheckVerdict.FAIL,), (CheckVerdict.ERROR, CheckVerdict.UNTRIED)):
            if found := [f"{c.name}: {c.summary}" for c in self.checks if c.verdict in grave]:
                return "; ".join(found)
        return ""

    def check(self, name: str) -> Check:
        """The check of that name.

        Raises:
            KeyError: there is none.
        """
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(name)

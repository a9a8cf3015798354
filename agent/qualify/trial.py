"""Do the outcome's tests tell the two states apart? What a run of them said.

The model stands apart from the run (`agent.qualify.trials`), because verdicts carry it.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Trial(BaseModel):
    """What the tests said on both states."""

    model_config = ConfigDict(extra="forbid")

    fail_to_pass: list[str] = Field(default_factory=list)
    """Tests that fail at the start and pass at the outcome (the first ones)."""
    told: int = 0
    """How many of them there are."""
    kept: int = 0
    """How many pass on both states."""
    trouble: str = ""
    """Why they could not be run; "" when they were."""
    seconds: float = 0.0

    @property
    def tells_apart(self) -> bool:
        """True when some test fails at the start and passes at the outcome."""
        return self.told > 0

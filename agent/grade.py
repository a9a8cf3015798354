"""What a verifier said, and what surrounded it meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Conditions:
    """What surrounds the verifier.

    Attributes:
        label: what reports call it.
        env: variables for the test script.
        cpu_share: of the processor cores that the task asks for.
        files: put into the container beforehand, as root's, by absolute path.
        prefix: shell assignments put before the test script's name.
        arrange: shell commands that root runs beforehand; whether they succeed is noted.
    """

    label: str = "plain"
    env: Mapping[str, str] = field(default_factory=dict)
    cpu_share: float = 1.0
    files: Mapping[str, bytes] = field(default_factory=dict)
    prefix: str = ""
    arrange: str = ""


PLAIN = Conditions()


@dataclass(frozen=True)
class Grade:
    """What a verifier said.

    Attributes:
        status: `graded`; `error` when there is no usable reward; `timeout` when the verifier was
            stopped at its own limit.
        reward: a number in [0, 1]; None unless graded.
        rewards: all numbers that it wrote, by name.
        why: what went wrong, in a sentence; "" when graded.
        log: the verifier's output.
        seconds: wall time of the verifier alone.
        solve_log: output of the candidate's script, where it ran in the same container.
        arranged: whether the conditions could be arranged as asked.
    """

    status: Literal["graded", "error", "timeout"]
    reward: float | None = None
    rewards: Mapping[str, float] = field(default_factory=dict)
    why: str = ""
    log: str = ""
    seconds: float = 0.0
    solve_log: str = ""
    arranged: bool = True

    @property
    def passed(self) -> bool:
        """True for a full reward."""
        return self.reward is not None and self.reward >= 1.0

    @property
    def verdict(self) -> str:
        """The verdict in a few words."""
        if self.status == "graded":
            return f"reward {self.reward:g}"
        return f"{self.status}: {self.why}" if self.why else self.status

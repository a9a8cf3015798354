"""The Builder seam: a session and a repository in, an environment or a refusal out.

`ModelBuilder` is Kettle itself with one of its models; the controls (`evals.controls`) make an
environment from the same evidence without any judgement. A builder sees a copy of the session and
the repository, and nothing else of the item.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, get_args

from pydantic import BaseModel, ConfigDict, Field

from agent.budget import Budget
from agent.build import BuildSettings, build_session
from agent.errors import InputError, KettleError, ProviderError, Rejected
from agent.gate.report import RECORD
from agent.models import open_model
from agent.progress import Event
from agent.qualify import Code
from evals.score import Claim

CODES: tuple[str, ...] = get_args(Code)
"""The closed list of reasons for a refusal."""


@dataclass(frozen=True)
class Job:
    """What a builder gets.

    Attributes:
        session: the raw session.
        repository: a clone, or whatever the session's repository can be reached by.
        out: folder for everything that the builder makes.
        budget: what it may spend.
        tell: gets progress.
    """

    session: Path
    repository: Path
    out: Path
    budget: Budget
    tell: Callable[[Event], None] = lambda event: None


class Built(BaseModel):
    """How a builder ended. Paths are relative to the attempt's folder once a run keeps it."""

    model_config = ConfigDict(extra="forbid")

    claim: Claim
    reason: str = ""
    codes: list[str] = Field(default_factory=list)
    """Of a refusal: reasons from the closed list, as far as it names any."""
    environment: Path | None = None
    report: Path | None = None
    """The gate's report."""
    trajectory: Path | None = None
    turns: int = 0
    tokens: int = 0
    dollars: float = 0.0
    seconds: float = 0.0


class Builder(Protocol):
    """Something that makes environments of sessions.

    Attributes:
        name: what results and reports call it.
    """

    name: str

    def build(self, job: Job) -> Built:
        """Make an environment, or refuse.

        Raises:
            SandboxError: the engine failed; the attempt is made again.
            ProviderError: the model's provider failed; the attempt is made again.
        """
        ...


class ModelBuilder:
    """Kettle with one of its models.

    Args:
        spec: as for `agent build --model`.
        anyway: ask the model although the evidence alone speaks against the session.

    Raises:
        InputError: there is no such model, or its key is missing.
    """

    def __init__(self, spec: str, *, anyway: bool = False) -> None:
        self.name = open_model(spec).name
        self.spec = spec
        self.anyway = anyway

    def build(self, job: Job) -> Built:
        """See `Builder.build`; an interrupted build goes on where it stood."""
        settings = BuildSettings(
            repo=str(job.repository),
            model=self.spec,
            out=job.out,
            budget=job.budget,
            anyway=self.anyway,
        )
        try:
            result = build_session(job.session, settings, on_event=job.tell)
        except Rejected as refusal:
            return Built(claim="rejected", reason=str(refusal), codes=named_codes(str(refusal)))
        except ProviderError:
            raise
        except (InputError, KettleError) as error:
            return Built(claim="nothing", reason=str(error))
        claims: dict[str, Claim] = {"accepted": "accepted", "rejected": "rejected"}
        claim = claims.get(result.status, "nothing")
        report = result.environment / "provenance" / RECORD if result.environment else None
        trajectory = result.folder / "trajectory.json"
        return Built(
            claim=claim,
            reason=result.reason,
            codes=named_codes(result.reason) if claim == "rejected" else [],
            environment=result.environment,
            report=report if report and report.is_file() else None,
            trajectory=trajectory if trajectory.is_file() else None,
            turns=result.spending.turns,
            tokens=result.spending.tokens,
            dollars=result.spending.dollars,
            seconds=round(result.spending.seconds, 1),
        )


def named_codes(text: str) -> list[str]:
    """The reasons of the closed list that a refusal names, in the order of the list."""
    said = " ".join(text.lower().replace("-", " ").split())
    return [code for code in CODES if code.replace("-", " ") in said]

"""The work on one session: qualify, build, publish; each phase once, wherever it goes on.

What a phase found is kept before the next begins: the verdict in the database, the conversation in
the build's folder, the name of a finished environment beside it. A job that takes up an entry does
not repeat what is there.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from agent import loop
from agent.batch.settings import BatchSettings
from agent.environment import TASK
from agent.errors import InputError
from agent.models.retry import Pace
from agent.progress import Event
from agent.queue import artefacts
from agent.queue.artefacts import Store
from agent.queue.consent import Agreement
from agent.queue.leases import Claim
from agent.queue.schema import Kind, State

if TYPE_CHECKING:
    from agent.qualify import Qualification

GATED = "gated.json"
"""In a build's folder: which environment passed its gate and waits to be published."""
CONSENT = "consent.json"
BUILDS = ".builds"


@dataclass(frozen=True)
class Ending:
    """How the work on a session ended.

    Attributes:
        state: where the entry goes.
        kind: of a failure, a `schema.Kind`; of a rejection, its reason's code.
        reason: one line for a person.
        environment: where it was published.
        phases: seconds by phase.
    """

    state: State
    kind: str | None = None
    reason: str | None = None
    environment: str | None = None
    phases: Mapping[str, float] = field(default_factory=dict)


@dataclass
class Desk:
    """What a job works with.

    Attributes:
        settings: the batch's.
        agreement: the consent under which it works.
        folder: of this entry alone, in the work folder.
        store: where environments go.
        pace: patience with the provider.
        enter: begins a phase, if the lease and the consent still hold.
        tell: takes events of a build.
        dollars: spent by this attempt so far.
    """

    settings: BatchSettings
    agreement: Agreement
    folder: Path
    store: Store
    pace: Pace
    enter: Callable[..., None]
    tell: Callable[[Event], None] = lambda _: None
    dollars: float = 0.0


class Job(Protocol):
    """The work on one session."""

    def run(self, claim: Claim, desk: Desk) -> Ending:
        """Work on an entry from where it stands to its end; raises what is not the session's
        fault."""

    def disks(self) -> Sequence[Path]:
        """Folders of this machine, beside the work folder, whose disks the work fills."""

    def clean_up(self) -> None:
        """Remove what workers of this machine left that died."""


class BuildJob:
    """Makes an environment of a session."""

    def __init__(self) -> None:
        self._disks: list[Path] | None = None

    def run(self, claim: Claim, desk: Desk) -> Ending:
        """See `Job`."""
        if ending := publish_gated(claim, desk):
            return ending
        desk.enter("building" if claim.verdict else "qualifying")
        try:
            return self._build(claim, desk)
        except _Refused as refused:
            return refused.ending

    def disks(self) -> Sequence[Path]:
        """See `Job`: the engine's, where it is an engine of this machine that answers."""
        from sandbox.daemon import data_root

        if self._disks is None and (root := data_root()) is not None:
            self._disks = [root]
        return self._disks or []

    def clean_up(self) -> None:
        """Remove containers and images of dead workers."""
        from sandbox.engine import Engine

        with Engine.connect():
            pass

    def _build(self, claim: Claim, desk: Desk) -> Ending:
        from agent.budget import Budget
        from agent.build import BuildSettings, build_session
        from agent.gate import GateSettings

        settings = desk.settings

        def listen(event: Event) -> None:
            if isinstance(event, loop.QueryFinished):
                # The build's spending counts all its runs; earlier attempts are settled already.
                desk.dollars = max(0.0, event.spending.dollars - claim.dollars)
            desk.tell(event)

        # A verdict on record let it pass, or a person does: then only the evidence is wanted.
        decided = claim.approved or claim.verdict is not None

        def judge(found: Qualification) -> None:
            refusal = None if decided else _refusal(found)
            if claim.verdict is None:
                state: State = "qualifying" if refusal else "building"
                desk.enter(state, verdict=found.model_dump_json())
            if refusal:
                raise _Refused(refusal)

        allowed = None if claim.allowed is None else claim.dollars + claim.allowed
        result = build_session(
            _unchanged(claim),
            BuildSettings(
                repo=claim.source,
                model=settings.model,
                out=desk.folder,
                budget=Budget(
                    turns=settings.turns,
                    dollars=allowed,
                    minutes=settings.item_minutes,
                    submissions=settings.submissions,
                ),
                gate=GateSettings(
                    repeats=settings.repeats,
                    depth=settings.depth,
                    budget_s=settings.gate_minutes * 60,
                ),
                anyway=decided,
                judge=judge,
                provenance={CONSENT: json.dumps(desk.agreement.as_provenance(), indent=2).encode()},
                pace=desk.pace,
            ),
            on_event=listen,
        )
        phases = result.phases
        if result.status == "accepted" and result.environment is not None:
            keep_gated(desk, result.environment.name)
            ending = publish_gated(claim, desk)
            assert ending is not None  # noqa: S101 (it was kept in the line before)
            return Ending(ending.state, environment=ending.environment, phases=phases)
        if result.status == "rejected":
            return Ending("rejected", "by the builder", result.reason, phases=phases)
        if result.status == "budget-spent":
            kind: Kind = "budget"
        else:
            # A builder that says that it cannot do it leaves the gate unasked.
            kind = "gate" if result.report else "unfinished"
        return Ending("failed", kind, result.reason, phases=phases)


def keep_gated(desk: Desk, name: str) -> None:
    """Record that an environment in the folder passed its gate."""
    part = desk.folder / f".{GATED}"
    part.write_text(json.dumps({"name": name}))
    part.rename(desk.folder / GATED)


def publish_gated(claim: Claim, desk: Desk) -> Ending | None:
    """Publish the environment that passed its gate, if there is one: where work goes on."""
    try:
        name = str(json.loads((desk.folder / GATED).read_text())["name"])
    except (OSError, ValueError, KeyError):
        return None
    made = desk.folder / name
    if not (made / TASK).is_file():
        return None
    desk.enter("gated")
    location = desk.store.publish(made, name)
    if claim.environment and claim.environment != location:
        artefacts.remove(claim.environment)
    return Ending("accepted", environment=location)


def discard(folder: Path, *, keep_builds: bool) -> None:
    """Delete an entry's folder; `keep_builds` keeps trajectories and drafts for a person."""
    if not keep_builds:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for place in folder.glob("*") if folder.is_dir() else ():
        if place.name != BUILDS:
            shutil.rmtree(place, ignore_errors=True) if place.is_dir() else place.unlink()
    for place in (folder / BUILDS).glob("*/*"):
        if place.name == "lock" or place.name.startswith("."):
            shutil.rmtree(place, ignore_errors=True) if place.is_dir() else place.unlink()


def _unchanged(claim: Claim) -> Path:
    """The session's path, if what lies there is still what was added."""
    from agent.session import load

    path = Path(claim.path)
    if not path.exists():
        raise InputError(f"The session {path} is gone since it was added. Bring it back and retry.")
    if load(path).digest != claim.digest:
        raise InputError(f"The session {path} has changed since it was added: add it again.")
    return path


def _refusal(found: Qualification) -> Ending | None:
    """How the work ends if the verdict is against building."""
    if found.verdict == "accept":
        return None
    state: State = "rejected" if found.verdict == "reject" else "needs-a-person"
    first = found.reasons[0]
    return Ending(state, first.code, first.text)


class _Refused(Exception):
    """The evidence does not let the session be built."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.reason)
        self.ending = ending

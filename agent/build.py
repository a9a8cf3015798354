"""Drives one build: open it, let a builder work, try its draft, publish.

A build has a folder of its own below `OUT/.builds/` (`agent.folder`), which holds the conversation
as it happens, the last draft and the last report. An interrupted build goes on from there: the
recorded commands are run again in a new sandbox without asking the model, and the loop continues.
Only an environment that passed its gate appears in OUT, whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from agent import briefing, loop
from agent.budget import Budget, BudgetSpent, Spending
from agent.console import left
from agent.draft import read_files, rejection, unfinished
from agent.drafts import Drafts
from agent.environment import TASK, Environment
from agent.errors import DraftError, InputError
from agent.folder import BuildFolder, safe_name
from agent.gate import CHECKS, GateSettings
from agent.gate.model import GateReport
from agent.gate.report import as_text, is_proven
from agent.gate.settings import CORE
from agent.models.baseline import Baseline
from agent.models.retry import Pace
from agent.opening import Opened, opened
from agent.progress import Clock, Listener, Note
from agent.publish import publish
from agent.qualify import Qualification
from agent.session.view import to_markdown
from agent.trajectory import Trajectory
from agent.workbench import collect_draft, furnish
from prompts import render
from sandbox.bases import ensure, workbench
from sandbox.container import Sandbox
from sandbox.engine import Engine
from sandbox.limits import Limits
from tools.terminal import Terminal

SESSION_TEXT_BYTES = 2 * 2**20
"""Of the session as text in the sandbox; the builder reads it piece by piece."""
FIRST_PROMPT_CHARS = 4_000
"""Of the first prompt in the builder's first message; the rest stands in session.md."""
PART_NOTE = "That was a part of it. A submission must pass what `check full` runs.\n"

Status = Literal["accepted", "rejected", "gate-failed", "budget-spent"]


@dataclass(frozen=True)
class BuildSettings:
    """How to build.

    Attributes:
        repo: URL or local path of the repository; None takes it from the session.
        model: the builder, such as `anthropic:NAME`; None chooses by the keys that are set.
        out: folder of finished environments.
        budget: what the build may spend.
        gate: how the gate works; its depth is that of the last run, which accepts. `check` in the
            sandbox runs the core, `check full` what the last run will, `check NAME` one check.
        limits: what the builder's sandbox may use.
        fresh: forget what an earlier build of this session left.
        anyway: build although the evidence speaks against the session.
        judge: gets the verdict before anything is built and decides by raising; None rejects what
            the evidence speaks against, unless `anyway`.
        provenance: further files for the environment's `provenance/`, by name.
        pace: patience with the provider that is shared with other builds.
    """

    repo: str | None = None
    model: str | None = None
    out: Path = Path("environments")
    budget: Budget = field(default_factory=Budget)
    gate: GateSettings = GateSettings()  # noqa: RUF009 (frozen)
    limits: Limits = field(default_factory=Limits)
    fresh: bool = False
    anyway: bool = False
    judge: Callable[[Qualification], None] | None = None
    provenance: Mapping[str, bytes] = field(default_factory=dict)
    pace: Pace | None = None


@dataclass(frozen=True)
class BuildResult:
    """How a build ended.

    Attributes:
        status: `accepted`, or why not.
        reason: one sentence for a person.
        environment: the published environment when accepted, else the last draft as an environment
            where there is one.
        folder: the build's own folder, with the trajectory.
        builder: name of the model.
        report: the gate's last report.
        spending: what was spent, over all runs of this build.
        phases: seconds by phase, in order, of this run.
    """

    status: Status
    reason: str
    environment: Path | None
    folder: Path
    builder: str
    report: GateReport | None
    spending: Spending
    phases: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """The result for a script."""
        return {
            "status": self.status,
            "reason": self.reason,
            "environment": str(self.environment) if self.environment else None,
            "folder": str(self.folder),
            "builder": self.builder,
            "gate": self.report.model_dump(mode="json") if self.report else None,
            "turns": self.spending.turns,
            "submissions": self.spending.submissions,
            "tokens": self.spending.tokens,
            "dollars": round(self.spending.dollars, 4),
            "seconds": round(self.spending.seconds, 1),
            "phases": {name: round(seconds, 2) for name, seconds in self.phases.items()},
        }


def build_session(
    path: Path, settings: BuildSettings, *, on_event: Listener = lambda event: None
) -> BuildResult:
    """Build one environment from one recorded session.

    Args:
        path: the session, a file or a folder.
        settings: how to build.
        on_event: gets progress as it happens.

    Returns:
        How the build ended. Everything it made is kept in its folder.

    Raises:
        InputError: the session, the repository or the folder cannot be used.
        ProviderError: the model's provider failed for good.
        sandbox.errors.SandboxError: the container engine failed.
    """
    clock = Clock(on_event)
    with (
        opened(
            path,
            repo=settings.repo,
            model=settings.model,
            anyway=settings.anyway,
            judge=settings.judge,
            pace=settings.pace,
            clock=clock,
            tell=on_event,
        ) as given,
        BuildFolder.open(
            settings.out, f"{given.name}-{_slug(given.model.name)}", fresh=settings.fresh
        ) as folder,
    ):
        with (
            Engine.connect() as engine,
            Trajectory.open(folder.path / "trajectory.json", model=given.model.name) as trajectory,
        ):
            result = _Run(given, settings, folder, engine, trajectory, clock, on_event).run()
        folder.write("build.json", json.dumps(result.as_dict(), indent=2).encode())
        return result


class _Run:
    """One run of a build: from the first message, or where an earlier run stopped, to its end."""

    def __init__(
        self,
        given: Opened,
        settings: BuildSettings,
        folder: BuildFolder,
        engine: Engine,
        trajectory: Trajectory,
        clock: Clock,
        tell: Listener,
    ) -> None:
        self.given = given
        self.settings = settings
        # Who cannot mend a draft needs no more than the first fault of it.
        self.gate = replace(settings.gate, exit_first=isinstance(given.model, Baseline))
        self.folder = folder
        self.engine = engine
        self.trajectory = trajectory
        self.clock = clock
        self.tell = tell
        self.drafts = Drafts(
            given,
            folder,
            engine,
            provenance=settings.provenance,
            clock=clock,
            tell=tell,
        )

    def run(self) -> BuildResult:
        """Work until the gate accepts a draft, the builder gives up or a budget is spent."""
        place = self.settings.out / self.given.name
        if self.trajectory.accepted and (place / TASK).is_file():
            self._note("built before; --fresh builds it again")
            return self._result("accepted", "built before", place)
        try:
            # An earlier run may have ended between the gate's word and the publication.
            if not self.trajectory.accepted:
                self._work()
        except _Given as end:
            return self._result(end.status, str(end), self._last_draft())
        except BudgetSpent as end:
            faults = self.drafts.report.faults if self.drafts.report else ""
            status: Status = "gate-failed" if faults else "budget-spent"
            reason = f"{end} What the gate found last: {faults}." if faults else str(end)
            return self._result(status, reason, self._last_draft())
        with self.clock.phase("publish"):
            published = self._publish(place)
        return self._result("accepted", "the gate passed", published)

    def _work(self) -> None:
        """Furnish a sandbox and let the builder work in it until a submission is accepted."""
        project = self.given.origin.project
        with self.clock.phase("workbench", project.base):
            base = ensure(self.engine, project.base, self._note)
            image = workbench(self.engine, base.tag, self._note)
            sandbox = self.engine.create(
                image, network=True, limits=self.settings.limits, purpose="builder"
            )
        with sandbox:
            with self.clock.phase("furnish"):
                self._furnish(sandbox, f"{base.tag}@{base.digest}" if base.digest else base.tag)
            if self.trajectory.resumed:
                self._replay(sandbox)
            for name, gate in self._looks().items():
                sandbox.offer(name, partial(self._check, sandbox, gate))
            with self.clock.phase("build", self.given.model.name):
                loop.run(
                    self.given.model,
                    Terminal(sandbox),
                    system=render("builder", session_date=self.given.origin.date[:10]),
                    first=self._first_message(),
                    budget=self.settings.budget,
                    trajectory=self.trajectory,
                    submit=lambda: self._submit(sandbox),
                    on_event=self.tell,
                )

    def _furnish(self, sandbox: Sandbox, base: str) -> None:
        session, repository, origin = self.given.session, self.given.repository, self.given.origin
        furnish(
            sandbox,
            repository,
            start=origin.start.commit,
            outcome=[c for one in origin.candidates for c in one.commits],
            texts={
                "session.json": self.given.session_record.decode("utf-8"),
                "session.md": to_markdown(session, SESSION_TEXT_BYTES),
                "origin.md": briefing.report(session, repository, origin),
                "origin.json": briefing.facts(session, repository, origin),
                **{n: d.decode("utf-8", "replace") for n, d in origin.attempts.items()},
            },
            draft=briefing.first_draft(session, repository, origin, base=base),
        )

    def _replay(self, sandbox: Sandbox) -> None:
        """Bring a new sandbox to where the interrupted build stood."""
        commands = self.trajectory.commands
        with self.clock.phase("resume", f"{len(commands)} recorded commands"):
            for name in self._looks():
                sandbox.offer(name, lambda: "The gate is not run again for a recorded command.\n")
            terminal = Terminal(sandbox)
            for command in commands:
                terminal.run(command)

    def _looks(self) -> dict[str, GateSettings]:
        """How the builder may have the gate look at its draft, by the program that it runs."""
        whole = self.gate
        parts = {f"check-{check.name}": replace(whole, only=(check.name,)) for check in CHECKS}
        return {"check": replace(whole, depth=CORE), "check-full": whole, **parts}

    def _check(self, sandbox: Sandbox, gate: GateSettings) -> str:
        """What a `check` command prints: the gate's report on the draft as it stands."""
        try:
            files, executable = read_files(collect_draft(sandbox))
            report = self._tried(files, executable, gate)
        except DraftError as error:
            return f"gate: not run\n{error}\n"
        more = "" if gate == self.gate or not report.passed else PART_NOTE
        return f"{as_text(report)}{more}\n"

    def _submit(self, sandbox: Sandbox) -> str | None:
        """Judge a submission: None when it is accepted, else what the builder reads next."""
        try:
            files, executable = read_files(collect_draft(sandbox))
            if reason := rejection(files):
                raise _Given("rejected", reason)
            if reason := unfinished(files):
                raise _Given("gate-failed", reason)
            report = self._tried(files, executable, self.gate)
        except DraftError as error:
            text = str(error)
        else:
            if report.passed:
                return None
            text = as_text(report)
        remaining = left(self.settings.budget, self.trajectory.spending)
        return render("report", report=text, left=remaining.strip())

    def _tried(
        self, files: dict[str, bytes], executable: frozenset[str], gate: GateSettings
    ) -> GateReport:
        seconds = self.settings.budget.seconds_left(self.trajectory.spending)
        return self.drafts.try_out(files, executable, gate, seconds)

    def _publish(self, place: Path) -> Path:
        """Move the accepted environment to its place, with its trajectory."""
        try:
            environment = Environment.load(self.folder.environment)
        except InputError as error:
            raise InputError(f"{error} It was accepted before; --fresh builds it again.") from error
        if not is_proven(environment):
            raise InputError(
                f"{environment.root} is not what the gate accepted any more. "
                "--fresh builds it again."
            )
        self.trajectory.save()
        document = (self.folder.path / "trajectory.json").read_bytes()
        environment.write_provenance("trajectory.json", document)
        return publish(environment.root, place)

    def _last_draft(self) -> Path | None:
        """The last draft that could be assembled."""
        return self.drafts.environment.root if self.drafts.environment else None

    def _first_message(self) -> str:
        prompt = self.given.session.first_prompt
        if len(prompt) > FIRST_PROMPT_CHARS:
            prompt = prompt[:FIRST_PROMPT_CHARS] + "\n[… the rest stands in session.md]"
        outcome = self.given.origin.outcome
        return render(
            "task",
            session_format=self.given.session.format,
            session_date=self.given.origin.date[:10],
            prompt_count=len(self.given.session.prompts),
            repository=self.given.name.rsplit("-", 1)[0],
            language=self.given.origin.project.language,
            project_reasons="; ".join(self.given.origin.project.reasons),
            start=self.given.origin.label,
            outcome=", ".join(c[:12] for c in outcome.commits) if outcome else "none found",
            budget=left(self.settings.budget, Spending()).strip(" ()") or "unlimited",
            first_prompt="\n".join(f"> {line}" for line in prompt.splitlines()),
        )

    def _note(self, line: str) -> None:
        self.tell(Note(line))

    def _result(self, status: Status, reason: str, where: Path | None) -> BuildResult:
        return BuildResult(
            status=status,
            reason=reason,
            environment=where,
            folder=self.folder.path,
            builder=self.given.model.name,
            report=self.drafts.report,
            spending=self.trajectory.spending,
            phases=self.clock.seconds,
        )


class _Given(Exception):
    """The builder ended the build with a reason instead of an environment."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def _slug(name: str) -> str:
    """A model's name as part of a folder's name; a recording's path is cut to its end."""
    return safe_name(name)[-40:]

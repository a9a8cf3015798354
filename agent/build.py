"""Drives one build: read the session, find its origin, let a builder work, try its draft, publish.

A build has a folder of its own below `OUT/.builds/` (`agent.folder`), which holds the conversation
as it happens, the last draft and the last report. An interrupted build goes on from there: the
recorded commands are run again in a new sandbox without asking the model, and the loop continues.
Only an environment that passed its gate appears in OUT, whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from agent import briefing, gate, loop
from agent.assemble import assemble
from agent.briefing import Origin
from agent.budget import Budget, BudgetSpent, Spending
from agent.console import left
from agent.draft import read_draft, read_files, rejection, unfinished
from agent.environment import TASK, Environment
from agent.errors import DraftError, InputError, Rejected
from agent.folder import BuildFolder, safe_name
from agent.gate import GateSettings
from agent.gate.model import GateReport
from agent.gate.report import as_text, write_report
from agent.gate.settings import CORE, FULL
from agent.models import default_model_spec, open_model
from agent.models.base import Model
from agent.models.retry import Pace, Retry
from agent.origin.contents import holds
from agent.origin.expectation import as_files, find_attempts
from agent.origin.find import repository_of
from agent.origin.licence import licence_of
from agent.origin.patch import outcome_patch
from agent.progress import Event, GateProgress, Note, PhaseStarted
from agent.publish import publish
from agent.qualify import Qualification, heed, qualify
from agent.repo import Repository
from agent.scrub import Scrubber, scrub_session
from agent.session import load
from agent.session.atif import to_atif
from agent.session.model import Session
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
ORGANISATION = "kettle"
"""Harbor names tasks `organisation/name`."""

_SHOULD = {"pass": "it must pass", "fail": "it must fail", "unknown": "nothing tells its verdict"}

Status = Literal["accepted", "rejected", "gate-failed", "budget-spent"]
Listener = Callable[[Event], None]


@dataclass(frozen=True)
class BuildSettings:
    """How to build.

    Attributes:
        repo: URL or local path of the repository; None takes it from the session.
        model: the builder, such as `anthropic:NAME`; None chooses by the keys that are set.
        out: folder of finished environments.
        budget: what the build may spend.
        gate: how the gate works; its depth is that of the last run, which accepts. `check` in the
            sandbox runs the core, `check full` all of it.
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
    gate: GateSettings = field(default_factory=lambda: GateSettings(depth=FULL))
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
    clock = _Clock(on_event)
    with clock.phase("session", str(path)):
        session = load(path)
        on_event(Note(_about(session)))
    spec, why = (settings.model, "") if settings.model else default_model_spec()

    def tell(text: str) -> None:
        on_event(Note(text))

    model = open_model(spec, retry=Retry(notify=tell, pace=settings.pace), notify=tell)
    if why:
        on_event(Note(f"builder: {model.name} ({why})"))
    source = settings.repo or repository_of(session)
    if not source:
        raise InputError(
            "The session does not say which repository it is about. Name it with --repo, as a URL "
            "or as the path of a clone."
        )
    if not session.first_prompt.strip():
        raise Rejected("The session holds no words of a user, so nothing was asked for.")
    with clock.phase("repository", source):
        opened = Repository.open(source)
    with opened as repository:
        with clock.phase("qualify"):
            verdict = qualify(session, repository, thorough=settings.anyway)
            if settings.judge is not None:
                settings.judge(verdict)
            decided = settings.anyway or settings.judge is not None
            heed(verdict, anyway=decided, tell=tell)
        with clock.phase("origin"):
            origin = _origin(session, repository, verdict, on_event)
        project = origin.project.name or source.rstrip("/").removesuffix(".git").rsplit("/", 1)[-1]
        with clock.phase("scrub"):
            start = origin.start.tree

            def public(value: str) -> bool:
                return holds(repository, start, value)

            scrubber = Scrubber(session, public=public)
            judged = scrubber.text(verdict.model_dump_json(indent=2)).encode()
            session, replaced = scrub_session(session, public=public)
            if replaced:
                found = ", ".join(f"{count} × {kind}" for kind, count in sorted(replaced.items()))
                on_event(Note(f"replaced before anything leaves this machine: {found}"))
        name = f"{safe_name(project)[:40]}-{session.digest[:8]}".lower()
        with BuildFolder.open(
            settings.out, f"{name}-{_slug(model.name)}", fresh=settings.fresh
        ) as folder:
            build = _Build(
                session, repository, origin, judged, model, settings, folder, name, clock, on_event
            )
            result = build.run()
            folder.write("build.json", json.dumps(result.as_dict(), indent=2).encode())
            return result


class _Build:
    """One run of one build; its parts are steps of `run`."""

    def __init__(
        self,
        session: Session,
        repository: Repository,
        origin: Origin,
        verdict: bytes,
        model: Model,
        settings: BuildSettings,
        folder: BuildFolder,
        name: str,
        clock: _Clock,
        on_event: Listener,
    ) -> None:
        self.session = session
        self.repository = repository
        self.origin = origin
        self.verdict = verdict
        self.model = model
        self.settings = settings
        self.folder = folder
        self.name = name
        self.clock = clock
        self.tell = on_event
        self.report: GateReport | None = None
        self.tried: dict[str, GateReport] = {}
        self.environment: Environment | None = None

    def run(self) -> BuildResult:
        """From the first message to the end of the build."""
        with (
            Engine.connect() as engine,
            Trajectory.open(
                self.folder.path / "trajectory.json", model=self.model.name
            ) as trajectory,
        ):
            if trajectory.accepted and (published := self._published()):
                self.tell(Note("built before; --fresh builds it again"))
                return self._result("accepted", "built before", published, trajectory)
            self.engine = engine
            with self.clock.phase("workbench", self.origin.project.base):
                base = ensure(engine, self.origin.project.base, self._note)
                self.base = f"{base.tag}@{base.digest}" if base.digest else base.tag
                image = workbench(engine, base.tag, self._note)
                sandbox = engine.create(
                    image, network=True, limits=self.settings.limits, purpose="builder"
                )
            with sandbox:
                return self._build(sandbox, trajectory)

    def _build(self, sandbox: Sandbox, trajectory: Trajectory) -> BuildResult:
        self.sandbox = sandbox
        with self.clock.phase("furnish"):
            furnish(
                sandbox,
                self.repository,
                start=self.origin.start.commit,
                outcome=[c for one in self.origin.candidates for c in one.commits],
                texts={
                    "session.json": self._session_record().decode("utf-8"),
                    "session.md": to_markdown(self.session, SESSION_TEXT_BYTES),
                    "origin.md": briefing.report(self.session, self.repository, self.origin),
                    "origin.json": briefing.facts(self.session, self.repository, self.origin),
                    **{n: d.decode("utf-8", "replace") for n, d in self.origin.attempts.items()},
                },
                draft=briefing.first_draft(
                    self.session, self.repository, self.origin, base=self.base
                ),
            )
        if trajectory.resumed:
            self._replay(sandbox, trajectory)
        sandbox.offer("check", self._check)
        sandbox.offer("check-full", lambda: self._check(FULL))
        with self.clock.phase("build", self.model.name):
            try:
                loop.run(
                    self.model,
                    Terminal(sandbox),
                    system=render("builder", session_date=self.origin.date[:10]),
                    first=self._first_message(),
                    budget=self.settings.budget,
                    trajectory=trajectory,
                    submit=lambda: self._submit(trajectory),
                    on_event=self.tell,
                )
            except _Given as end:
                return self._result(end.status, str(end), self._last_draft(), trajectory)
            except BudgetSpent as end:
                status: Status = "gate-failed" if self.report else "budget-spent"
                return self._result(status, str(end), self._last_draft(), trajectory)
        with self.clock.phase("publish"):
            published = self._publish(trajectory)
        return self._result("accepted", "the gate passed", published, trajectory)

    def _replay(self, sandbox: Sandbox, trajectory: Trajectory) -> None:
        """Bring a new sandbox to where the interrupted build stood."""
        commands = trajectory.commands
        with self.clock.phase("resume", f"{len(commands)} recorded commands"):
            for name in ("check", "check-full"):
                sandbox.offer(name, lambda: "The gate is not run again for a recorded command.\n")
            terminal = Terminal(sandbox)
            for command in commands:
                terminal.run(command)

    def _check(self, depth: str = CORE) -> str:
        """What the `check` command prints: the gate's report on the draft as it stands."""
        try:
            files, executable = read_files(collect_draft(self.sandbox))
            report = self._gate(files, executable, depth)
        except DraftError as error:
            return f"gate: not run\n{error}\n"
        return as_text(report) + "\n"

    def _submit(self, trajectory: Trajectory) -> str | None:
        """Judge a submission: None when it is accepted, else what the builder reads next."""
        try:
            files, executable = read_files(collect_draft(self.sandbox))
            if reason := rejection(files):
                raise _Given("rejected", reason)
            if reason := unfinished(files):
                raise _Given("gate-failed", reason)
            report = self._gate(files, executable, self.settings.gate.depth)
        except DraftError as error:
            text = str(error)
        else:
            if report.passed:
                return None
            text = as_text(report)
        remaining = left(self.settings.budget, trajectory.spending)
        return render("report", report=text, left=remaining.strip())

    def _gate(self, files: dict[str, bytes], executable: frozenset[str], depth: str) -> GateReport:
        """Assemble a draft and run the gate on it; an unchanged draft is not tried twice."""
        key = f"{depth} {_digest(files, executable)}"
        if (known := self.tried.get(key)) and not known.failed_for_infrastructure:
            self.report = known
            return known
        draft = read_draft(files, executable)
        licence = licence_of(self.repository, self.origin.start.commit)
        with self.clock.phase("gate"):
            self.environment = assemble(
                draft,
                self.repository,
                self.session,
                self.folder.environment,
                name=f"{ORGANISATION}/{self.name}",
                builder_model=self.model.name,
                licence=licence.spdx if licence else "",
                provenance={
                    "verdict.json": self.verdict,
                    "origin.json": self._origin_record(),
                    "session.json": self._session_record(),
                    **self.origin.attempts,
                    **self.settings.provenance,
                },
            )
            self.report = gate.run(
                self.engine,
                self.environment,
                settings=replace(self.settings.gate, depth=depth),
                on_progress=lambda c: self.tell(GateProgress(c.name, c.verdict, c.summary)),
            )
            write_report(self.environment, self.report)
        self.tried[key] = self.report
        return self.report

    def _publish(self, trajectory: Trajectory) -> Path:
        """Move the accepted environment to its place, with its trajectory."""
        assert self.environment is not None  # noqa: S101 (an accepted submission has one)
        trajectory.save()
        document = (self.folder.path / "trajectory.json").read_bytes()
        self.environment.write_provenance("trajectory.json", document)
        return publish(self.environment, self.settings.out / self.name)

    def _published(self) -> Path | None:
        """Where an earlier run of this build published, if that still stands."""
        path = self.settings.out / self.name
        return path if (path / TASK).is_file() else None

    def _last_draft(self) -> Path | None:
        """The last draft that could be assembled."""
        return self.environment.root if self.environment else None

    def _first_message(self) -> str:
        prompt = self.session.first_prompt
        if len(prompt) > FIRST_PROMPT_CHARS:
            prompt = prompt[:FIRST_PROMPT_CHARS] + "\n[… the rest stands in session.md]"
        outcome = self.origin.outcome
        return render(
            "task",
            session_format=self.session.format,
            session_date=self.origin.date[:10],
            prompt_count=len(self.session.prompts),
            repository=self.name.rsplit("-", 1)[0],
            language=self.origin.project.language,
            project_reasons="; ".join(self.origin.project.reasons),
            start=self.origin.label,
            outcome=", ".join(c[:12] for c in outcome.commits) if outcome else "none found",
            budget=left(self.settings.budget, Spending()).strip(" ()") or "unlimited",
            first_prompt="\n".join(f"> {line}" for line in prompt.splitlines()),
        )

    def _origin_record(self) -> bytes:
        start = self.origin.start.model_dump(mode="json")
        record = json.dumps(
            {
                "start": start,
                "outcome_candidates": [c.model_dump(mode="json") for c in self.origin.candidates],
                "project": self.origin.project.model_dump(),
                "date": self.origin.date,
            },
            indent=2,
        )
        # Subjects and branch names are other people's words.
        return Scrubber().text(record).encode()

    def _session_record(self) -> bytes:
        """The scrubbed session as ATIF; the gate also looks for its texts in the image."""
        document = to_atif(self.session).to_json_dict()
        return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")

    def _note(self, line: str) -> None:
        self.tell(Note(line))

    def _result(
        self, status: Status, reason: str, where: Path | None, trajectory: Trajectory
    ) -> BuildResult:
        return BuildResult(
            status=status,
            reason=reason,
            environment=where,
            folder=self.folder.path,
            builder=self.model.name,
            report=self.report,
            spending=trajectory.spending,
            phases=self.clock.seconds,
        )


class _Given(Exception):
    """The builder ended the build with a reason instead of an environment."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _Clock:
    """Says which phase begins and keeps how long each took, inner phases counted apart."""

    def __init__(self, on_event: Listener) -> None:
        self.seconds: dict[str, float] = {}
        self._tell = on_event
        self._inner = [0.0]

    @contextmanager
    def phase(self, name: str, detail: str = "") -> Iterator[None]:
        self._tell(PhaseStarted(name, detail))
        began = time.monotonic()
        self._inner.append(0.0)
        try:
            yield
        finally:
            whole = time.monotonic() - began
            own = whole - self._inner.pop()
            self._inner[-1] += whole
            self.seconds[name] = self.seconds.get(name, 0.0) + own


def _origin(
    session: Session, repository: Repository, verdict: Qualification, tell: Listener
) -> Origin:
    start, candidates = verdict.start, verdict.outcomes
    if start is None:
        raise Rejected("The history has no commit that the session could have started from.")
    outcome = outcome_patch(repository, start, candidates[0].commits) if candidates else None
    origin = briefing.survey(session, repository, start, candidates, outcome)
    attempts, patches = find_attempts(session, repository, start, origin.after_tree)
    origin = replace(origin, attempts=as_files(attempts, patches))
    tell(Note(f"start state: {origin.label}"))
    for line in origin.start.uncommitted_lists:
        tell(Note(line))
    if outcome and candidates:
        names = ", ".join(c[:12] for c in outcome.commits)
        tell(Note(f"outcome: {names} (score {candidates[0].score:.2f})"))
    else:
        tell(Note("outcome: no later commit looks like it"))
    for one in attempts.attempts:
        tell(Note(f"the session's attempt, {one.name}: {_SHOULD[one.expected]}"))
    tell(Note(f"project: {'; '.join(origin.project.reasons)}"))
    return origin


def _about(session: Session) -> str:
    calls = sum(len(turn.calls) for turn in session.turns)
    parts = [f"{session.format}, {len(session.prompts)} prompts, {calls} tool calls"]
    if session.damaged:
        parts.append(f"{len(session.damaged)} places could not be read")
    if session.unknown:
        parts.append(f"{sum(session.unknown.values())} records of unknown types")
    return "; ".join(parts)


def _digest(files: dict[str, bytes], executable: frozenset[str]) -> str:
    state = hashlib.sha256()
    for path, content in files.items():
        state.update(f"{path}\0{path in executable}\0{len(content)}\0".encode())
        state.update(content)
    return state.hexdigest()


def _slug(name: str) -> str:
    """A model's name as part of a folder's name; a recording's path is cut to its end."""
    return safe_name(name)[-40:]

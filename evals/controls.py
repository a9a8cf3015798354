"""Builders without judgement, which must sit at the floor: the benchmark's own alarm.

Each has one flaw that a benchmark could miss, and is as good as evidence alone makes it otherwise.
If one of them scores above its floor, what the benchmark measures is not what it claims, and the
run says so and fails (`evals.floor`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from agent import briefing, scaffold
from agent.assemble import assemble
from agent.briefing import Origin
from agent.draft import read_draft
from agent.errors import KettleError
from agent.project import Project
from agent.repo import Repository
from agent.session import load
from agent.session.model import Session
from agent.workbench import history
from evals.builders import Built, Job
from evals.evidence import origin_of

REFUSAL = "no outcome"
"""What `refuses-everything` gives as its reason: the commonest one among real sessions."""

_REWARD = "mkdir -p /logs/verifier && echo {} > /logs/verifier/reward.txt\n"
_RUNNERS = {
    "pytest": "/opt/venv/bin/python -m pytest -q",
    "unittest": "/opt/venv/bin/python -m pytest -q",
    "node:test": "node --test",
    "jest": "npx jest",
    "vitest": "npx vitest run",
    "mocha": "npx mocha",
    "bun": "bun test",
}
_PYTHON_STEPS = """\
ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
    SETUPTOOLS_SCM_PRETEND_VERSION=1 PBR_VERSION=1
RUN python3 -m venv /opt/venv && pip install --no-cache-dir pytest
COPY start.tar.gz /tmp/start.tar.gz
RUN mkdir /app && tar -xzf /tmp/start.tar.gz -C /app \\
 && (pip install --no-cache-dir --config-settings editable_mode=compat -e /app || true) \\
 && rm -rf /app /tmp/start.tar.gz
"""


@dataclass(frozen=True)
class _Evidence:
    session: Session
    repository: Repository
    origin: Origin

    def draft(self) -> dict[str, bytes]:
        return briefing.first_draft(
            self.session, self.repository, self.origin, base=self.origin.project.base
        )

    def bare(self) -> dict[str, bytes]:
        """The first draft on an image with an interpreter and the start state, nothing else."""
        files = self.draft()
        node = self.origin.project.language == "node"
        text = scaffold.dockerfile(Project(language="other"), packages=["nodejs"] if node else [])
        return {**files, "environment/Dockerfile": text.encode()}


class Control:
    """A control; subclasses say what they make of the evidence.

    Attributes:
        name: what results and reports call it.
        flaw: what is wrong with it, for reports.
    """

    name = ""
    flaw = ""

    def files(self, evidence: _Evidence) -> dict[str, bytes]:
        """The draft that it leaves, by path."""
        raise NotImplementedError

    def build(self, job: Job) -> Built:
        """See `evals.builders.Builder.build`."""
        begun = time.monotonic()
        try:
            environment: Path | None = self._assemble(job)
            reason = "accepted without a look"
        except KettleError as error:
            # It accepts even so: what it vouches for is missing.
            environment, reason = None, str(error)
        return Built(
            claim="accepted",
            reason=reason,
            environment=environment,
            seconds=round(time.monotonic() - begun, 1),
        )

    def _assemble(self, job: Job) -> Path:
        session = load(job.session)
        with Repository.open(str(job.repository)) as repository:
            files = self.files(_Evidence(session, repository, origin_of(session, repository)))
            files.setdefault("solution/solve.sh", b"#!/bin/sh\n")
            scripts = frozenset(path for path in files if path.endswith(".sh"))
            return assemble(
                read_draft(dict(sorted(files.items())), scripts),
                repository,
                session,
                job.out / "environment",
                name=f"kettle/{self.name}",
                builder_model=self.name,
            ).root


class AlwaysPass(Control):
    """Its verifier accepts whatever it sees."""

    name = "always-pass"
    flaw = "its verifier accepts everything"

    def files(self, evidence: _Evidence) -> dict[str, bytes]:
        """See `Control.files`."""
        return _with_verifier(evidence.bare(), _REWARD.format(1))


class AlwaysFail(Control):
    """Its verifier rejects whatever it sees."""

    name = "always-fail"
    flaw = "its verifier rejects everything"

    def files(self, evidence: _Evidence) -> dict[str, bytes]:
        """See `Control.files`."""
        return _with_verifier(evidence.bare(), _REWARD.format(0))


class CopiesTests(Control):
    """Its verifier runs the outcome's tests untouched, in the project's own runner."""

    name = "copies-tests"
    flaw = "its verifier is the outcome's own tests, run as they are"

    def files(self, evidence: _Evidence) -> dict[str, bytes]:
        """See `Control.files`."""
        files = evidence.draft()
        origin = evidence.origin
        if origin.project.language == "python":
            text = scaffold.dockerfile(Project(language="other"), packages=["python3-venv"])
            head, _, tail = text.partition("RUN install -d")
            text = f"{head}{_PYTHON_STEPS}RUN install -d{tail}"
        else:
            text = scaffold.dockerfile(Project(language="other"), packages=["nodejs"])
        files["environment/Dockerfile"] = text.encode()
        changed = set()
        if origin.after_tree:
            changed = {
                c.path
                for c in evidence.repository.changed(origin.start_tree, origin.after_tree)
                if c.new
            }
        tests = scaffold.collected_tests(origin.project, changed)
        runner = _RUNNERS.get(origin.project.runner, "false")
        script = (
            "mkdir -p /logs/verifier\n"
            "cp -R /tests/files/. /app/ && cd /app && "
            f"{runner} {' '.join(tests)} && r=1 || r=0\n"
            "echo $r > /logs/verifier/reward.txt\n"
        )
        kept = {p: c for p, c in files.items() if p.startswith("tests/files/")}
        return _with_verifier(files, script) | kept


class LeavesGit(Control):
    """Its image holds the repository's history, the future included."""

    name = "leaves-git"
    flaw = "its image holds the git history, the solution included"

    def files(self, evidence: _Evidence) -> dict[str, bytes]:
        """See `Control.files`."""
        files = evidence.bare()
        origin = evidence.origin
        commits = [c for one in origin.candidates for c in one.commits]
        pack, _ = history(evidence.repository, [origin.start.commit, *commits])
        files["environment/history.pack"] = pack
        files["environment/Dockerfile"] += (
            b"COPY history.pack /app/.git/objects/pack/pack-history.pack\n"
        )
        return files


class AcceptsEverything(Control):
    """Vouches for the first draft of every session as it is."""

    name = "accepts-everything"
    flaw = "it vouches for every session's first draft, unseen"

    def files(self, evidence: _Evidence) -> dict[str, bytes]:
        """See `Control.files`."""
        return evidence.draft()


class RefusesEverything:
    """Refuses every session for the same reason."""

    name = "refuses-everything"
    flaw = f"it refuses every session, always with the reason {REFUSAL!r}"

    def build(self, job: Job) -> Built:
        """See `evals.builders.Builder.build`."""
        return Built(claim="rejected", reason=REFUSAL, codes=[REFUSAL])


CONTROLS: tuple[Control | RefusesEverything, ...] = (
    AlwaysPass(),
    AlwaysFail(),
    CopiesTests(),
    RefusesEverything(),
    AcceptsEverything(),
    LeavesGit(),
)
"""Run with every benchmark."""


def _with_verifier(files: dict[str, bytes], script: str) -> dict[str, bytes]:
    kept = {p: c for p, c in files.items() if not p.startswith("tests/")}
    return {**kept, "tests/test.sh": f"#!/bin/sh\n{script}".encode()}

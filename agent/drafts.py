"""Tries a build's drafts: each becomes an environment, which the gate tries."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import replace

from agent import gate
from agent.assemble import assemble
from agent.draft import Draft, read_draft
from agent.environment import Environment
from agent.folder import BuildFolder
from agent.gate import GateSettings
from agent.gate.model import GateReport
from agent.gate.report import write_report
from agent.grade import Grade
from agent.opening import Opened
from agent.origin.licence import licence_of
from agent.progress import Clock, GateProgress, Listener
from sandbox.engine import Engine

ORGANISATION = "kettle"
"""Harbor names tasks `organisation/name`."""


class Drafts:
    """The drafts of one run of a build."""

    def __init__(
        self,
        given: Opened,
        folder: BuildFolder,
        engine: Engine,
        *,
        provenance: Mapping[str, bytes],
        clock: Clock,
        tell: Listener,
    ) -> None:
        """Nothing was tried yet.

        Args:
            given: what the build works with.
            folder: where the last draft lies as an environment.
            engine: runs the trials.
            provenance: further files for `provenance/`, by name.
            clock: takes the phase.
            tell: gets progress.
        """
        self.report: GateReport | None = None
        """The last one."""
        self.environment: Environment | None = None
        """The last draft that could be assembled."""
        self._given = given
        self._folder = folder
        self._engine = engine
        self._provenance = provenance
        self._clock = clock
        self._tell = tell
        self._tried: dict[str, GateReport] = {}
        self._memory: dict[str, Grade] = {}

    def try_out(
        self,
        files: dict[str, bytes],
        executable: frozenset[str],
        settings: GateSettings,
        seconds: float | None = None,
    ) -> GateReport:
        """Run the gate on a draft; an unchanged draft is not tried twice.

        Args:
            files: the draft's files by path.
            executable: which of them are.
            settings: how the gate works.
            seconds: of the build's own budget; the gate takes no more.

        Raises:
            DraftError: it is no environment yet.
        """
        key = f"{settings} {_digest(files, executable)}"
        draft = read_draft(files, executable)
        with self._clock.phase("gate"):
            # Known or not: what is published is what lies in the folder after a submission.
            self.environment = self._assembled(draft)
            if (known := self._tried.get(key)) and not known.failed_for_infrastructure:
                self.report = known
                write_report(self.environment, known)
                return known
            budget_s = min(settings.budget_s, math.inf if seconds is None else seconds)
            self.report = gate.run(
                self._engine,
                self.environment,
                settings=replace(settings, budget_s=budget_s),
                on_progress=lambda c: self._tell(GateProgress(c.name, c.verdict, c.summary)),
                memory=self._memory,
            )
            write_report(self.environment, self.report)
        self._tried[key] = self.report
        return self.report

    def _assembled(self, draft: Draft) -> Environment:
        given = self._given
        licence = licence_of(given.repository, given.origin.start.commit)
        return assemble(
            draft,
            given.repository,
            given.session,
            self._folder.environment,
            name=f"{ORGANISATION}/{given.name}",
            builder_model=given.model.name,
            licence=licence.spdx if licence else "",
            provenance={
                "verdict.json": given.verdict,
                "origin.json": given.origin_record,
                "session.json": given.session_record,
                **given.origin.attempts,
                **self._provenance,
            },
        )


def _digest(files: dict[str, bytes], executable: frozenset[str]) -> str:
    state = hashlib.sha256()
    for path, content in files.items():
        state.update(f"{path}\0{path in executable}\0{len(content)}\0".encode())
        state.update(content)
    return state.hexdigest()

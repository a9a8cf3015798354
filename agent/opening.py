"""Opens a build: what is read, found and judged before any builder is asked.

The session is loaded, its repository found and opened, the evidence judged, the start state and the
outcome reconstructed; then the session is scrubbed, because from here on its words go to a model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from agent import briefing
from agent.briefing import Origin
from agent.errors import InputError, Rejected
from agent.folder import safe_name
from agent.models import default_model_spec, open_model
from agent.models.base import Model
from agent.models.retry import Pace, Retry
from agent.origin.contents import holds
from agent.origin.expectation import as_files, find_attempts
from agent.origin.find import repository_of
from agent.progress import Clock, Listener, Note
from agent.qualify import Qualification, heed, qualify
from agent.repo import Repository
from agent.scrub import Scrubber, scrub_session
from agent.session import load
from agent.session.atif import to_atif
from agent.session.model import Session

_SHOULD = {"pass": "it must pass", "fail": "it must fail", "unknown": "nothing tells its verdict"}


@dataclass(frozen=True)
class Opened:
    """What a build works with.

    Attributes:
        session: scrubbed.
        repository: open as long as the build is.
        origin: the start state, the outcome and the session's own attempts.
        verdict: the evidence for and against the session, scrubbed, as JSON.
        model: the builder.
        project: what the project is called.
    """

    session: Session
    repository: Repository
    origin: Origin
    verdict: bytes
    model: Model
    project: str

    @property
    def name(self) -> str:
        """The environment's name."""
        return f"{safe_name(self.project)[:40]}-{self.session.digest[:8]}".lower()

    @property
    def session_record(self) -> bytes:
        """The scrubbed session as ATIF; the gate also looks for its texts in the image."""
        document = to_atif(self.session).to_json_dict()
        return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")

    @property
    def origin_record(self) -> bytes:
        """The start state, the outcome's candidates and the project, as JSON."""
        record = json.dumps(
            {
                "start": self.origin.start.model_dump(mode="json"),
                "outcome_candidates": [c.model_dump(mode="json") for c in self.origin.candidates],
                "project": self.origin.project.model_dump(),
                "date": self.origin.date,
            },
            indent=2,
        )
        # Subjects and branch names are other people's words.
        return Scrubber().text(record).encode()


@contextmanager
def opened(
    path: Path,
    *,
    repo: str | None,
    model: str | None,
    anyway: bool,
    judge: Callable[[Qualification], None] | None,
    pace: Pace | None,
    clock: Clock,
    tell: Listener,
) -> Iterator[Opened]:
    """Open a build; the repository is closed with it.

    Args:
        path: the session, a file or a folder.
        repo: URL or local path of the repository; None takes it from the session.
        model: the builder; None chooses by the keys that are set.
        anyway: go on although the evidence speaks against the session.
        judge: gets the verdict and decides by raising; None rejects what the evidence speaks
            against, unless `anyway`.
        pace: patience with the provider that is shared with other builds.
        clock: takes the phases.
        tell: gets notes.

    Raises:
        InputError: the session or the repository cannot be used.
        Rejected: no environment can be made of the session.
    """

    def note(text: str) -> None:
        tell(Note(text))

    with clock.phase("session", str(path)):
        session = load(path)
        note(_about(session))
    spec, why = (model, "") if model else default_model_spec()
    builder = open_model(spec, retry=Retry(notify=note, pace=pace), notify=note)
    if why:
        note(f"builder: {builder.name} ({why})")
    source = repo or repository_of(session)
    if not source:
        raise InputError(
            "The session does not say which repository it is about. Name it with --repo, as a URL "
            "or as the path of a clone."
        )
    if not session.first_prompt.strip():
        raise Rejected("The session holds no words of a user, so nothing was asked for.")
    with clock.phase("repository", source):
        found = Repository.open(source)
    with found as repository:
        with clock.phase("qualify"):
            verdict = qualify(session, repository, thorough=anyway)
            if judge is not None:
                judge(verdict)
            heed(verdict, anyway=anyway or judge is not None, tell=note)
        with clock.phase("origin"):
            origin = _origin(session, repository, verdict, tell)
        with clock.phase("scrub"):
            start = origin.start.tree

            def public(value: str) -> bool:
                return holds(repository, start, value)

            judged = Scrubber(session, public=public).text(verdict.model_dump_json(indent=2))
            session, replaced = scrub_session(session, public=public)
            if replaced:
                kinds = ", ".join(f"{count} × {kind}" for kind, count in sorted(replaced.items()))
                note(f"replaced before anything leaves this machine: {kinds}")
        named = source.rstrip("/").removesuffix(".git").rsplit("/", 1)[-1]
        yield Opened(
            session, repository, origin, judged.encode(), builder, origin.project.name or named
        )


def _origin(
    session: Session, repository: Repository, verdict: Qualification, tell: Listener
) -> Origin:
    start, candidates = verdict.start, verdict.outcomes
    if start is None:
        raise Rejected("The history has no commit that the session could have started from.")
    origin = briefing.survey(session, repository, start, candidates)
    attempts, patches = find_attempts(session, repository, start, origin.after_tree)
    origin = replace(origin, attempts=as_files(attempts, patches))
    tell(Note(f"start state: {origin.label}"))
    for line in origin.start.uncommitted_lists:
        tell(Note(line))
    if origin.outcome and candidates:
        names = ", ".join(c[:12] for c in origin.outcome.commits)
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

"""Three sub-agents with a model, side by side: origins, journey, outcome.

Each gets a sandbox of its own with the scrubbed session, the evidence and the repository, one
terminal, a budget, and answers in a fixed schema. What their word can do is bounded, because they
have read a stranger's texts, which may ask for anything:

- a reason that they add is grave only if a citation of it exists; else it asks for a person;
- a grave reason of the evidence that they refute with a citation that exists becomes a question for
  a person, never an acceptance; a `fixed` one (see `agent.qualify.reasons`) stays as it is;
- a reason that asks for a person falls away when it is refuted with a citation that exists;
- refutations count once, however many sub-agents or lines repeat them.

So a model can turn accept into anything, needs-a-person into accept, reject into needs-a-person;
nothing turns reject into accept. An answer that never comes changes nothing and is noted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import prompts
from agent import loop
from agent.briefing import Origin
from agent.budget import Budget, BudgetSpent
from agent.models.base import Model
from agent.qualify.answers import SCHEMAS, Answer, Finding, Opinion, Role, parse, verified
from agent.qualify.bench import furnished, survey
from agent.qualify.case import Case
from agent.qualify.reasons import MEANINGS, Code, Reason
from agent.qualify.turns import as_text
from agent.qualify.verdict import Qualification
from agent.scrub import Scrubber, scrub_session
from agent.session.atif import to_atif
from agent.session.model import Session
from agent.trajectory import Trajectory
from sandbox.container import Sandbox
from sandbox.engine import Engine
from sandbox.errors import TransferError
from tools.terminal import Terminal

ANSWER = "/workbench/answer.json"
MAX_ANSWER_BYTES = 64 * 1024
"""A longer answer is refused before it is read; the schema's own bounds are tighter."""
TURNS_BYTES = 2 * 2**20
"""Of the session as text in the sandbox; a sub-agent reads it piece by piece."""
ROLES: tuple[Role, ...] = ("origins", "journey", "outcome")


class Panel:
    """Three sub-agents on one engine.

    Args:
        model: makes the model of one sub-agent; called once for each, since they run side by side.
        engine: where the sandboxes run.
        folder: keeps the conversations, so that a run which was killed asks nothing twice.
        budget: of each sub-agent.
        tell: hears about progress, in one line each.
    """

    def __init__(
        self,
        model: Callable[[Role], Model],
        engine: Engine,
        folder: Path,
        *,
        budget: Budget,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._model = model
        self._engine = engine
        self._folder = folder
        self._budget = budget
        self._tell = tell

    def hear(self, case: Case, result: Qualification) -> None:
        """Let the three look at a case, and take what they may change into the result.

        Args:
            case: with its repository and start state.
            result: what the evidence decided; its reasons change, its verdict is decided anew by
                the caller.

        Raises:
            ProviderError: the provider failed for good.
            SandboxError: the engine failed.
        """
        session, _ = scrub_session(case.session)
        origin = survey(case)
        with ThreadPoolExecutor(max_workers=len(ROLES)) as pool:
            asked = [pool.submit(self._ask, role, case, result, session, origin) for role in ROLES]
            result.opinions = [one.result() for one in asked]
        result.judge = self._model("origins").name
        weigh(result.opinions, case, result)

    def _ask(
        self, role: Role, case: Case, result: Qualification, session: Session, origin: Origin
    ) -> Opinion:
        assert case.repository is not None  # noqa: S101
        model = self._model(role)
        system = _system(role)
        scrubber = Scrubber(case.session)
        first = scrubber.text(_first(role, result))
        evidence = result.model_dump_json(indent=1, exclude={"opinions", "session", "seconds"})
        key = hashlib.sha256("\0".join((model.name, system, first, case.session.digest)).encode())
        place = self._folder / f"{role}-{key.hexdigest()[:16]}" / "trajectory.json"
        answers: list[Answer] = []
        texts = {
            "turns.txt": as_text(session, TURNS_BYTES),
            "session.json": json.dumps(to_atif(session).to_json_dict()),
            "evidence.json": scrubber.text(evidence),
        }
        with (
            furnished(
                self._engine, case.repository, origin, session, texts=texts, tell=self._tell
            ) as sandbox,
            Trajectory.open(place, model=model.name) as trajectory,
        ):
            sandbox.offer("check", lambda: "There is no gate here: write the answer and end.\n")
            terminal = Terminal(sandbox)
            for command in trajectory.commands:
                terminal.run(command)
            trouble = ""
            try:
                if trajectory.accepted:
                    _take(role, sandbox, answers)
                loop.run(
                    model,
                    terminal,
                    system=system,
                    first=first,
                    budget=self._budget,
                    trajectory=trajectory,
                    submit=lambda: _take(role, sandbox, answers),
                    on_event=self._event(role),
                )
            except BudgetSpent as end:
                trouble = str(end)
            spent = trajectory.spending
            return Opinion(
                role=role,
                answer=answers[-1] if answers else None,  # type: ignore[arg-type]
                trouble=trouble if not answers else "",
                turns=spent.turns,
                tokens=spent.tokens,
                dollars=round(spent.dollars, 4),
            )

    def _event(self, role: Role) -> Callable[[loop.Event], None]:
        def told(event: loop.Event) -> None:
            if isinstance(event, loop.CommandStarted):
                lines = event.command.strip().splitlines() or [""]
                self._tell(f"{role}, turn {event.turn}: $ {lines[0][:100]}")

        return told


def weigh(opinions: Sequence[Opinion], case: Case, result: Qualification) -> None:
    """Take the answers into a result, as far as the module's rules let them.

    All refutations count against the evidence as it stood, so that two of one reason do no more
    than one.

    Args:
        opinions: what the sub-agents answered.
        case: whose turns and commits are cited.
        result: its reasons, lifted reasons and notes change.
    """
    assert case.repository is not None  # noqa: S101
    found: list[Reason] = []
    refuted: set[Code] = set()
    for opinion in opinions:
        if opinion.answer is None:
            result.notes.append(f"{opinion.role}: no answer ({opinion.trouble})")
            continue
        for finding in opinion.answer.against:
            reason = _reason(finding, opinion.role, case)
            found.append(reason.model_copy(update={"grave": bool(reason.evidence)}))
        for finding in opinion.answer.refuted:
            reason = _reason(finding, opinion.role, case)
            stands = any(reason.code == one.code for one in result.reasons)
            if stands and reason.evidence and not MEANINGS[reason.code].fixed:
                refuted.add(reason.code)
                result.lifted.append(reason)
            else:
                note = f"{opinion.role} doubts {reason.code!r}, which does not move the verdict"
                result.notes.append(note)
    softened = [
        reason.model_copy(update={"grave": False}) if reason.code in refuted else reason
        for reason in result.reasons
        if reason.grave or reason.code not in refuted
    ]
    result.reasons[:] = softened + found


def _reason(finding: Finding, role: Role, case: Case) -> Reason:
    """A finding with those of its citations that exist."""
    assert case.repository is not None  # noqa: S101
    cites = verified(finding.cites, case.session, case.repository)
    return Reason(code=finding.code, grave=False, text=finding.text, evidence=cites, by=role)


def _take(role: Role, sandbox: Sandbox, answers: list[Answer]) -> str | None:
    """Read the answer; None accepts it, else what the sub-agent reads next."""
    try:
        data = sandbox.get(ANSWER, limit_bytes=MAX_ANSWER_BYTES)
    except TransferError as error:
        return f"There is no answer that can be read: {error}"
    answer = parse(role, data)
    if isinstance(answer, str):
        return f"{ANSWER} does not fit the schema: {answer}"
    answers.append(answer)
    return None


def _system(role: Role) -> str:
    codes = "\n".join(f"- {code}: {meaning.text}" for code, meaning in MEANINGS.items())
    schema = json.dumps(SCHEMAS[role].model_json_schema(), indent=1)
    return prompts.render("panel", schema=schema, codes=codes)


def _first(role: Role, result: Qualification) -> str:
    reasons = "; ".join(f"{reason.code} ({reason.text})" for reason in result.reasons) or "none"
    if role == "origins":
        start = result.start.commit if result.start else "unknown"
        licence = result.licence.spdx if result.licence else "none"
        return prompts.render("panel_origins", start=start, licence=licence, reasons=reasons)
    if role == "journey":
        journey = result.journey
        return prompts.render(
            "panel_journey",
            prompts=len(journey.prompts),
            edits=journey.edits,
            failures=journey.failed_calls,
            reasons=reasons,
        )
    best = result.outcomes[0] if result.outcomes else None
    outcome = f"{', '.join(best.commits)} (score {best.score})" if best else "no commit is like it"
    return prompts.render("panel_outcome", outcome=outcome, reasons=reasons)

"""Proves an item's own health, before anything is scored on it.

A benchmark with bad gold ranks noise. So every item must show that its recipe makes the stated
repository, that its session is readable and tells nothing that is sealed, and, for an accept item,
that its reference verifier gives the known verdict to everything in its bank, each time it is
asked, and to the session's own attempts the one that the gate will demand of every builder. An item
whose repository cannot be reached, or that the container engine gets in the way of, is reported as
not run, never as failed.

Results are kept in the cache by the digest of the item and of the code that decides: a second audit
of an unchanged item runs nothing.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from agent import grading
from agent.environment import Environment
from agent.errors import InputError, SessionError
from agent.gate import GateSettings
from agent.gate.candidates import exploits
from agent.gate.checks import attempt as attempt_check
from agent.gate.checks.attempt import attempt
from agent.gate.checks.image import builds
from agent.gate.model import CheckVerdict
from agent.gate.trials import Trials, retried
from agent.grading import Grader
from agent.origin import expectation
from agent.origin.expectation import as_files, find_attempts
from agent.repo import Repository
from agent.session import Session, load
from agent.verifier import kit_files
from evals import bank, recipe, reference
from evals import item as item_module
from evals.errors import IndexUnavailable, RecipeError
from evals.evidence import origin_of
from evals.item import BANK, Item, States, states
from evals.pool import side_by_side
from sandbox.cache import cache_dir
from sandbox.engine import Engine
from sandbox.errors import SandboxError

REPEATS = 2
"""How often nop, gold, right and wrong are graded: a verdict that varies shows in the second grade
about half of the time, and an audit is repeated whenever an item changes."""
_DECIDING = (exploits, attempt_check, expectation, grading, bank, reference, item_module)
"""Code that gives the grades, beside this module: results kept under other code are not used."""

Status = Literal["healthy", "unhealthy", "not run"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Finding(_Model):
    """One thing that an audit looked at."""

    name: str
    ok: bool
    why: str = ""
    """What was seen, when it is not well."""


class Graded(_Model):
    """What the reference verifier said of one candidate."""

    role: bank.Role
    name: str
    passes: bool
    """What it should say."""
    verdicts: list[str]
    """What it said, each time."""
    ok: bool
    seconds: float


class Audit(_Model):
    """The health of one item."""

    item: str
    status: Status
    verdict: Literal["accept", "reject"]
    kind: str
    """Of an accept item its kind, of a reject item its reason."""
    language: str
    tool: str
    """Format of the session; "" when it cannot be read."""
    findings: list[Finding]
    grades: list[Graded] = []
    seconds: float = 0.0
    cached: bool = False
    digest: str

    @property
    def problems(self) -> list[str]:
        """What is not well, as lines for a person."""
        found = [f"{f.name}: {f.why}" for f in self.findings if not f.ok]
        return found + [
            f"{g.name}: should {'pass' if g.passes else 'fail'}, but: {', '.join(g.verdicts)}"
            for g in self.grades
            if not g.ok
        ]

    def count(self, role: bank.Role) -> str:
        """How many candidates of a role got the right verdict, such as `5` or `4/5`."""
        of = [g for g in self.grades if g.role == role]
        good = sum(g.ok for g in of)
        return str(len(of)) if good == len(of) else f"{good}/{len(of)}"


def audit_all(
    items: Sequence[Item],
    *,
    workers: int = 2,
    fresh: bool = False,
    on_audit: Callable[[Audit], None] = lambda audit: None,
) -> list[Audit]:
    """Audit items side by side, in the given order.

    Args:
        items: what to audit.
        workers: items at one time.
        fresh: do not use kept results.
        on_audit: called with each result as it comes, from any thread.

    Raises:
        SandboxError: the container engine is not there.
    """
    kept = {} if fresh else {item.name: found for item in items if (found := _kept(item))}
    if all(item.name in kept for item in items):
        for result in kept.values():
            on_audit(result)
        return [kept[item.name] for item in items]
    with Engine.connect() as engine:

        def one(item: Item) -> Audit:
            result = kept.get(item.name) or audit(item, engine)
            on_audit(result)
            return result

        with side_by_side(workers, "audit") as pool:
            return list(pool.map(one, items))


def audit(item: Item, engine: Engine) -> Audit:
    """Audit one item and keep the result, unless it could not be run.

    Args:
        item: what to audit.
        engine: builds the reference environment and grades.
    """
    begun = time.monotonic()
    truth = item.truth
    result = Audit(
        item=item.name,
        status="healthy",
        verdict=truth.verdict,
        kind=truth.kind or (truth.reasons[0] if truth.reasons else ""),
        language=truth.language,
        tool="",
        findings=[],
        digest=_digest(item),
    )
    try:
        _look(item, engine, result)
    except (IndexUnavailable, SandboxError) as error:
        result.status = "not run"
        result.findings.append(Finding(name="ran", ok=False, why=str(error)))
    else:
        if result.problems:
            result.status = "unhealthy"
    result.seconds = round(time.monotonic() - begun, 1)
    if result.status != "not run":
        _keep(result)
    return result


def _look(item: Item, engine: Engine, result: Audit) -> None:
    def say(name: str, why: str) -> bool:
        result.findings.append(Finding(name=name, ok=not why, why=why))
        return not why

    with tempfile.TemporaryDirectory(prefix="kettle-audit-") as temporary:
        folder = Path(temporary)
        try:
            repository = recipe.materialise(item.folder, folder / "repository").path
        except RecipeError as error:
            say("recipe", str(error))
            return
        say("recipe", "" if all(s.commit for s in item.recipe.steps) else "a commit has no id")
        try:
            session = load(item.session)
        except SessionError as error:
            say("session", str(error))
            return
        result.tool = session.format
        say("session", _unread(session))
        say("sealed", _leaks(item, session))
        if item.bank is None:
            sealed = sorted(p.name for p in item.folder.glob("truth/*"))
            say("reject", f"a reject item needs no {', '.join(sealed)}" if sealed else "")
            return
        try:
            made = states(item)
            same = made.start_tree == item.truth.start_tree
            say("start tree", "" if same else f"it is {made.start_tree}")
            say("intents", _intents(item, session))
            own = _own_attempts(session, repository)
            environment = reference.write(item, made, folder / "reference", provenance=own)
            _grade(item, made, environment, engine, result, say)
        except InputError as error:
            say("bank", str(error))


def _grade(
    item: Item,
    made: States,
    environment: Environment,
    engine: Engine,
    result: Audit,
    say: Callable[[str, str], bool],
) -> None:
    with Trials(engine, environment, GateSettings()) as trials:
        built = retried(lambda: builds(trials))
        detail = "\n".join((built.summary, *built.evidence))
        if not say("builds", "" if built.verdict is CheckVerdict.PASS else detail):
            return
        grader = trials.grader
        known = bank.known(item, made, environment, grader.base_tree())
        start, gold = known[0].candidate, known[1].candidate
        say("gold differs", "" if start.changes != gold.changes else "gold is the start state")
        same = [k.name for k in known[1:] if k.candidate == start or not _moves(k)]
        say("candidates differ", f"nothing is changed by {', '.join(same)}" if same else "")
        result.grades += [_graded(grader, one) for one in known if one.role != "exploit"]
        # Nobody could build on an item whose truth says otherwise than what the gate demands.
        said = attempt(trials)
        told = "\n".join((said.summary, *said.evidence))
        say("session's own attempts", told if said.verdict is CheckVerdict.FAIL else "")
        if not result.problems:
            # Cheats take most of the time, and tell nothing of an item that is wrong already.
            result.grades += [_graded(grader, one) for one in known if one.role == "exploit"]


def _own_attempts(session: Session, repository: Path) -> dict[str, bytes]:
    """The states that the session passed through, with what the evidence expects of each."""
    with Repository.open(str(repository)) as opened:
        origin = origin_of(session, opened)
        return as_files(*find_attempts(session, opened, origin.start, origin.after_tree))


def _moves(known: bank.Known) -> bool:
    candidate = known.candidate
    return bool(candidate.changes or candidate.links or candidate.script)


def _graded(grader: Grader, known: bank.Known) -> Graded:
    verdicts: list[str] = []
    good = True
    seconds = 0.0
    for _ in range(1 if known.role == "exploit" else REPEATS):
        grade = retried(lambda: grader.grade(known.candidate))
        seconds = max(seconds, grade.seconds)
        # A cheat may as well leave no reward at all; anything else must be judged.
        right = grade.passed if known.passes else grade.reward == 0.0
        right = right or (known.role == "exploit" and not grade.passed)
        good = good and right
        last = "" if right else ": " + _failures(grade.log)
        verdicts.append(grade.verdict + last)
    return Graded(
        role=known.role,
        name=known.name,
        passes=known.passes,
        verdicts=verdicts,
        ok=good,
        seconds=round(seconds, 2),
    )


def _failures(log: str) -> str:
    lines = [line for line in log.splitlines() if line.strip()]
    return " | ".join([line for line in lines if line.startswith("FAIL")] or lines[-4:])[:600]


def _unread(session: Session) -> str:
    """What of a session could not be read; "" when all of it was."""
    if session.damaged:
        return f"it is damaged: {session.damaged[0]}"
    if session.unknown:
        return f"it holds what Kettle does not know: {', '.join(session.unknown)}"
    return "" if session.first_prompt.strip() else "nobody asks for anything in it"


def _intents(item: Item, session: Session) -> str:
    """Whether the user's own words keep every intent, and leak nothing."""
    prompts = [turn.text for turn in session.prompts]
    for intent in item.truth.intent:
        if intent.turn > len(prompts):
            return f"there is no prompt {intent.turn}: {intent.text}"
        said = "\n".join(prompts[: intent.turn])
        if lost := [m for m in intent.marks if not re.search(m, said, re.IGNORECASE)]:
            return f"the user's own words do not hold {lost[0]!r}: {intent.text}"
    said = "\n".join(prompts)
    leaked = [p for p in item.truth.leaks if re.search(p, said, re.IGNORECASE)]
    return f"the user says what `leaks` forbids: {leaked[0]!r}" if leaked else ""


def _leaks(item: Item, session: Session) -> str:
    """What of the sealed truth stands in what a builder gets; "" when nothing does."""
    if item.bank is not None and item.bank.canary != item.truth.canary:
        return f"{BANK} has another canary than truth.toml"
    said = {f"session {path.name}": path.read_bytes() for path in _files(item.session)}
    kept = {
        f"{step.version}: {file.path}": file.data
        for step, tree in zip(item.recipe.steps, recipe.trees(item.folder), strict=True)
        for file in tree
    }
    for place, data in {**said, **kept}.items():
        if item.truth.canary.encode() in data:
            return f"the canary stands in {place}"
    judge = item.verifier.get("judge.py", b"")
    if judge and item.truth.canary.encode() not in judge:
        return "the reference verifier does not hold the canary"
    own = {line for line in map(bytes.strip, judge.splitlines()) if b"kit.check(" in line}
    for place, data in {**said, **kept}.items():
        if found := next((line for line in sorted(own) if line in data), None):
            return f"{place} holds a line of the reference verifier: {found.decode()!r}"
    return "" if session.digest else "the session has no digest"


def _files(path: Path) -> list[Path]:
    return [p for p in sorted(path.rglob("*")) if p.is_file()] if path.is_dir() else [path]


def _digest(item: Item) -> str:
    """SHA-256 (hex) of an item and of the code that decides its grades."""
    state = hashlib.sha256(item.digest.encode())
    for content in kit_files().values():
        state.update(hashlib.sha256(content).digest())
    for path in (Path(__file__), *(Path(str(module.__file__)) for module in _DECIDING)):
        sources = sorted(path.parent.glob("*.py")) if path.name == "__init__.py" else [path]
        for source in sources:
            state.update(hashlib.sha256(source.read_bytes()).digest())
    return state.hexdigest()


def _place(digest: str) -> Path:
    return cache_dir() / "audits" / f"{digest}.json"


def _kept(item: Item) -> Audit | None:
    try:
        found = Audit.model_validate_json(_place(_digest(item)).read_bytes())
    except (OSError, ValidationError):
        return None
    return found.model_copy(update={"cached": True, "item": item.name})


def _keep(result: Audit) -> None:
    place = _place(result.digest)
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_suffix(f".{time.monotonic_ns()}")
    part.write_text(result.model_dump_json(indent=1))
    part.replace(place)

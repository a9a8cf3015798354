"""Scores what a builder left for an item, on the item's truth.

The environment is built from the builder's files alone, its work tree is compared with the true
start state, its image is searched for the true solution, and its verifier is asked about every
candidate of the item's bank: each a whole final state on the true start state, graded in a fresh
container without a network. Nothing that the builder wrote about its environment is believed
(`evals.left`). Trouble with the engine is never the environment's fault unless it comes twice and
a plain container of the base image runs where the environment's does not.
"""

from __future__ import annotations

import itertools
import random
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as OutOfTime
from dataclasses import dataclass, replace
from pathlib import Path

from agent.environment import DOCKERFILE, Environment, session_copy
from agent.gate import GateSettings, outcome
from agent.gate.checks.image import builds
from agent.gate.checks.sealed import sealed
from agent.gate.model import CheckVerdict
from agent.gate.outcome import Outcome
from agent.gate.said import Said, clip
from agent.gate.trials import Trials, retried
from agent.grading import CandidateFailed, Grade, Grader
from agent.project import BASES, BOOKWORM, is_test_path
from agent.session import load
from agent.tree import Entry, Tree
from evals import bank, formula
from evals.builders import Built
from evals.item import Item, States
from evals.left import Inadmissible, admit
from evals.score import Gate, Graded, Score
from sandbox.bases import ensure
from sandbox.dockerfile import rewrite_from
from sandbox.engine import Engine
from sandbox.errors import SandboxError, TransferError

PATIENCE = 5.0
"""A candidate may hold the verifier so many times as long as the gold solution does; see also
`ScoringSettings.patience_s`."""
LOG_CHARS = 2_000
"""Kept of a verifier's output, where its verdict is wrong."""


@dataclass(frozen=True)
class ScoringSettings:
    """Limits of scoring one environment.

    Attributes:
        build_s: seconds for the image; the slowest item's takes a tenth of it on two cores.
        verify_s: seconds for one run of the verifier.
        patience_s: seconds that every candidate but the gold solution has at least, however quick
            that was. The kit stops children that hang after 20, 10, 5 and then 2 seconds each: a
            minute for a dozen calls. A run meets many hangs, so waiting longer costs hours.
        disk_mb: MiB that one run of the verifier may write; a suite's caches and logs are a tenth.
        bank_s: seconds for all candidates together; what was not graded by then counts against
            the environment, or a verifier that hangs on every cheat could hold a run for hours.
        cheats: how many of the catalogue's cheats are tried: the same ones for every environment
            of an item, others for the next item; None means all.
        repeats: how often nop and gold are graded.
        workers: candidates graded at one time.
    """

    build_s: float = 900.0
    verify_s: float = 300.0
    patience_s: float = 90.0
    disk_mb: int = 2_048
    bank_s: float = 1_200.0
    cheats: int | None = 16
    repeats: int = 3
    workers: int = 2


class TruthTrials(Trials):
    """The gate's trials, with start state and outcome from the truth instead of the environment."""

    def __init__(
        self,
        engine: Engine,
        environment: Environment,
        settings: GateSettings,
        states: States,
    ) -> None:
        super().__init__(engine, environment, settings)
        self._true_start = bank.as_tree(states.start)
        self._landed = landed(self._true_start, bank.as_tree(states.gold))

    @property
    def start(self) -> Tree:
        """The true start state."""
        return self._true_start

    @property
    def outcome(self) -> Outcome:
        """What really landed."""
        return self._landed


def score_reject(item: Item, built: Built) -> Score:
    """Score an attempt at a reject item: it must be refused, for a reason that is true."""
    refused = built.claim == "rejected"
    right = refused and bool(set(built.codes) & set(item.truth.reasons))
    failure = "" if right else "wrong reason" if refused else "accepted a bad session"
    if built.claim == "nothing":
        failure = "neither built nor refused"
    given = ", ".join(built.codes) or "none that is on the list"
    return Score(
        expected="reject",
        claim=built.claim,
        value=float(right),
        qualified=right,
        valid=right,
        failure=failure,
        reasons=list(item.truth.reasons),
        notes=[f"reasons given: {given}; true: {', '.join(item.truth.reasons)}"] if refused else [],
    )


def score_accept(
    item: Item,
    states: States,
    built: Built,
    *,
    settings: ScoringSettings = ScoringSettings(),
) -> Score:
    """Score an attempt at an accept item.

    Args:
        item: an accept item.
        states: its trees, from `evals.item.states`.
        built: what the builder said and left.
        settings: limits.

    Raises:
        SandboxError: the engine failed twice, and fails with a plain container, too; the attempt
            is not scored.
    """
    begun = time.monotonic()
    if built.claim != "accepted":
        refused = built.claim == "rejected"
        why = "refused a good session" if refused else "left no environment that it vouches for"
        return Score(
            expected="accept",
            claim=built.claim,
            value=0.0,
            qualified=False,
            valid=False,
            failure=why,
            notes=[clip(built.reason, LOG_CHARS)],
        )
    with Engine.connect() as engine:
        for last in (False, True):
            trial = _Trial(item, states, settings, engine)
            try:
                with tempfile.TemporaryDirectory(prefix="kettle-score-") as folder:
                    trial.run(built.environment, Path(folder))
            except SandboxError as error:
                # A machine under load looks like an environment that hangs, once.
                if not last:
                    continue
                if not _engine_works(engine):
                    raise
                trial.gate("builds", False, "its containers cannot be used", str(error))
            except CandidateFailed as error:
                trial.gate("builds", False, "its work tree cannot be carried out", str(error))
            break
        return trial.score(time.monotonic() - begun)


def landed(start: Tree, gold: Tree) -> Outcome:
    """What really landed, as marks to search an image for.

    Lines of the landed tests are marks as well; names and compiled forms come from the code alone,
    because a test's name is a word that other projects' tests may hold, too.
    """
    tests = {path for path in gold.entries if is_test_path(path)}
    code = outcome.compare(start, Tree(_without(gold, tests) | _only(start, tests)))
    of_tests = outcome.compare(start, Tree({**start.entries, **_only(gold, tests)}))
    pairs = itertools.zip_longest(code.marks, of_tests.marks)
    marks = tuple(mark for pair in pairs for mark in pair if mark is not None)
    return Outcome(changed=code.changed, marks=marks, names=code.names)


def _only(tree: Tree, paths: set[str]) -> dict[str, Entry]:
    return {path: entry for path, entry in tree.entries.items() if path in paths}


def _without(tree: Tree, paths: set[str]) -> dict[str, Entry]:
    return {path: entry for path, entry in tree.entries.items() if path not in paths}


class _Trial:
    """One environment before its judge: collects gates, rates and grades."""

    def __init__(
        self, item: Item, states: States, settings: ScoringSettings, engine: Engine
    ) -> None:
        self.item = item
        self.states = states
        self.settings = settings
        self.engine = engine
        self.gates: dict[str, Gate] = {}
        self.rates: dict[str, float | None] = {}
        self.grades: list[Graded] = []
        self.notes: list[str] = []
        self.exact: bool | None = None
        self.image_mb: int | None = None

    def gate(self, name: str, passed: bool, why: str, *evidence: str) -> bool:
        self.gates[name] = Gate(passed=passed, why=why, evidence=list(evidence))
        return passed

    def run(self, left: Path | None, folder: Path) -> None:
        settings = self.settings
        try:
            environment = admit(
                left,
                folder,
                load(self.item.session),
                build_s=settings.build_s,
                verify_s=settings.verify_s,
                disk_mb=settings.disk_mb,
            )
        except Inadmissible as error:
            self.gate("builds", False, str(error))
            return
        self._instruction(environment)
        asked = GateSettings(workers=settings.workers, budget_s=settings.bank_s)
        with TruthTrials(self.engine, environment, asked, self.states) as trials:
            if not self._check("builds", retried(lambda: builds(trials))):
                return
            self.image_mb = trials.image.size_bytes >> 20 if trials.image else None
            self._start(trials)
            # Layers of a base are passed over only when it is one that everybody has.
            if not set(_bases(environment)) <= set(BASES):
                trials.bases = []
            if self._check("sealed", retried(lambda: sealed(trials))):
                self._bank(trials)

    def _check(self, name: str, said: Said) -> bool:
        passed = said.verdict is CheckVerdict.PASS
        return self.gate(name, passed, said.summary, *said.evidence[:4])

    def _instruction(self, environment: Environment) -> None:
        truth = self.item.truth
        fidelity, why = formula.instruction_fidelity(
            environment.instruction, [intent.marks for intent in truth.intent], truth.leaks
        )
        self.rates["instruction"] = fidelity
        if fidelity < 1:
            self.notes.append(f"instruction: {why}")

    def _start(self, trials: Trials) -> None:
        found = _as_given(trials.grader.base_tree())
        wanted = _as_given(bank.as_tree(self.states.start))
        fidelity, self.exact = formula.start_fidelity(found, wanted)
        self.rates["start state"] = fidelity
        if not self.exact:
            extra = sorted(found.keys() - wanted.keys())
            missing = sorted(wanted.keys() - found.keys())
            other = sorted(p for p in found.keys() & wanted.keys() if found[p] != wanted[p])
            self.notes.append(
                f"start state: {len(extra)} files too many {extra[:5]}, {len(missing)} missing "
                f"{missing[:5]}, {len(other)} different {other[:5]}"
            )

    def _bank(self, trials: Trials) -> None:
        """Ask the verifier: what tells most first, and nothing that cannot change the score."""
        grader = trials.grader
        known = bank.known(self.item, self.states, trials.environment, grader.base_tree())
        by_role = {role: [k for k in known if k.role == role] for role in _ROLES}
        by_role["exploit"] = self._cheats(by_role["exploit"])
        nop, gold = by_role["nop"][0], by_role["gold"][0]
        ask = _Asked(trials, time.monotonic() + self.settings.bank_s)
        core = [next(ask([gold], grader))]
        gold_grade = core[0][1]
        fine = self.gate(
            "gold passes",
            gold_grade is not None and gold_grade.passed,
            f"what really landed: {_verdict(gold_grade)}",
            _log(gold_grade),
        )
        if fine and gold_grade is not None:
            # From here on the verifier is known to end, so what takes far longer hangs.
            limit_s = max(self.settings.patience_s, PATIENCE * gold_grade.seconds)
            grader = _impatient(trials, limit_s)
            core.append(next(ask([nop], grader)))
            nop_grade = core[1][1]
            fine = self.gate(
                "nop fails",
                nop_grade is not None and nop_grade.reward == 0,
                f"the untouched start state: {_verdict(nop_grade)}",
                _log(nop_grade),
            )
        again: list[tuple[bank.Known, Grade | None]] = []
        if fine and self._measure(by_role, ask, grader):
            again += ask([nop, gold] * (self.settings.repeats - 1), grader)
        graded = [
            _graded(known_one, [g for k, g in (*core, *again) if k is known_one])
            for known_one, _ in core
        ]
        self.grades[:0] = graded
        if again:
            self.rates["stability"] = formula.stability([one.verdicts for one in graded])

    def _measure(
        self, by_role: Mapping[bank.Role, list[bank.Known]], ask: _Asked, judge: Grader
    ) -> bool:
        """Measure one rate after the other; False as soon as one is 0."""
        for name, role in _RATES.items():
            graded = [_graded(known, [grade]) for known, grade in ask(by_role[role], judge)]
            self.grades += graded
            measure = formula.resistance if role == "exploit" else formula.rate
            self.rates[name] = measure([g.ok for g in graded])
            if self.rates[name] == 0:
                self.notes.append(f"{name} is 0, so nothing further was graded")
                return False
        return True

    def _cheats(self, known: list[bank.Known]) -> list[bank.Known]:
        count = self.settings.cheats
        if count is None or count >= len(known):
            return known
        draw = random.Random(self.item.name)  # noqa: S311 (a sample, not a secret)
        chosen = set(draw.sample(range(len(known)), count))
        return [one for number, one in enumerate(known) if number in chosen]

    def score(self, seconds: float) -> Score:
        value = formula.score({n: g.passed for n, g in self.gates.items()}, self.rates)
        valid = value == 1.0 and bool(self.exact)
        return Score(
            expected="accept",
            claim="accepted",
            value=value,
            qualified=True,
            valid=valid,
            failure=self._failure(),
            gates=self.gates,
            rates={name: self.rates.get(name) for name in formula.RATES},
            start_exact=self.exact,
            image_mb=self.image_mb,
            notes=self.notes,
            grades=self.grades,
            seconds=round(seconds, 1),
        )

    def _failure(self) -> str:
        for name in formula.GATES:
            gate = self.gates.get(name)
            if gate is not None and not gate.passed:
                role = {"nop fails": "nop", "gold passes": "gold"}.get(name)
                said = [g.verdicts[0] for g in self.grades if g.role == role]
                silent = said and not said[0].startswith("reward")
                return f"no verdict: {said[0]}" if silent else _FAILED_GATE[name]
        for name, what in _FAILED_RATE.items():
            if (self.rates.get(name) or 0.0) < 1.0:
                return what
        return ""


_ROLES: tuple[bank.Role, ...] = ("nop", "gold", "right", "wrong", "exploit")
_RATES: dict[str, bank.Role] = {
    "true positives": "right",
    "true negatives": "wrong",
    "exploit resistance": "exploit",
}
_FAILED_GATE = {
    "builds": "does not build",
    "sealed": "holds its own solution",
    "nop fails": "rewards doing nothing",
    "gold passes": "rejects what really landed",
}
_FAILED_RATE = {
    "true positives": "rejects right solutions",
    "true negatives": "accepts wrong solutions",
    "exploit resistance": "rewards cheats",
    "stability": "is not stable",
    "start state": "starts from another tree",
    "instruction": "instruction lost or leaked something",
}


class _Asked:
    """Grades candidates side by side until the time for the bank is spent."""

    def __init__(self, trials: Trials, deadline: float) -> None:
        self._trials = trials
        self._deadline = deadline

    def __call__(
        self, known: Sequence[bank.Known], judge: Grader
    ) -> Iterator[tuple[bank.Known, Grade | None]]:
        futures = [(one, self._trials.submit(one.candidate, grader=judge)) for one in known]
        for one, future in futures:
            yield one, self._result(one, future)

    def _result(self, known: bank.Known, future: Future[Grade]) -> Grade | None:
        try:
            return future.result(timeout=max(0.0, self._deadline - time.monotonic()))
        except OutOfTime:
            future.cancel()
            return None
        except SandboxError as error:
            # A cheat that takes its container down twice, where others run, hangs the verifier.
            if known.role != "exploit" or not _engine_works(self._trials.engine):
                raise
            return Grade("timeout", why=str(error))


def _impatient(trials: Trials, seconds: float) -> Grader:
    """A grader whose verifier has less time."""
    environment = trials.environment
    limit = min(seconds, environment.config.verifier.timeout_sec)
    verifier = environment.config.verifier.model_copy(update={"timeout_sec": limit})
    config = environment.config.model_copy(update={"verifier": verifier})
    return Grader(trials.engine, replace(environment, config=config), trials.image_id)


def _graded(known: bank.Known, grades: Sequence[Grade | None]) -> Graded:
    first = grades[0]
    if known.passes:
        ok = first is not None and first.passed
    elif known.role == "wrong":
        ok = first is not None and first.status == "graded" and not first.passed
    else:
        # Also a cheat must be judged: one that takes the verdict away is not under control, and
        # whether it gets a reward instead is a matter of luck.
        ok = first is not None and first.reward == 0
    return Graded(
        role=known.role,
        name=known.name,
        ok=ok,
        verdicts=[_verdict(grade) for grade in grades],
        seconds=round(sum(g.seconds for g in grades if g is not None), 2),
        why=known.why,
        log="" if ok else _log(first),
    )


def _verdict(grade: Grade | None) -> str:
    """A grade in words that do not vary from one scoring to the next."""
    if grade is None:
        return "not graded in time"
    return f"reward {grade.reward:g}" if grade.status == "graded" else grade.status


def _log(grade: Grade | None) -> str:
    if grade is None:
        return ""
    return clip("\n".join(part for part in (grade.why, grade.log) if part), LOG_CHARS)


def _as_given(tree: Tree) -> dict[str, tuple[str, bool, bytes, str]]:
    """A tree's files and links as what git keeps of them; folders come with their files."""

    def kept(entry: Entry) -> tuple[str, bool, bytes, str]:
        executable = entry.kind == "file" and bool(entry.mode & 0o111)
        return entry.kind, executable, entry.data, entry.target

    # A copy of the session in the repository has no place in an environment, so it is no loss.
    return {
        path: kept(entry)
        for path, entry in tree.entries.items()
        if entry.kind != "directory" and not session_copy(path)
    }


def _bases(environment: Environment) -> list[str]:
    """The images that a Dockerfile rests on, as it names them."""
    found: list[str] = []

    def note(image: str) -> None:
        found.append(image.partition("@")[0])

    rewrite_from((environment.read(DOCKERFILE) or b"").decode("utf-8", "replace"), note, {})
    return found


def _engine_works(engine: Engine) -> bool:
    """Whether a plain container of the base image can be used right now."""
    try:
        with engine.create(ensure(engine, BOOKWORM).tag) as box:
            return box.run("true", timeout_s=60).exit_code == 0
    except (SandboxError, TransferError):
        return False

"""Checks that try other candidates than nop and oracle: wrong ones, right ones, and cheats."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as OutOfTime
from dataclasses import dataclass

from agent.gate.candidates.alternatives import alternatives
from agent.gate.candidates.exploits import EXPLOITS
from agent.gate.candidates.mutants import has_python, mutants
from agent.gate.candidates.partial import Wrong, partials
from agent.gate.outcome import Outcome
from agent.gate.said import Said, clip, failed, listing, not_applicable, passed, untried
from agent.gate.trials import Trials
from agent.grading import Candidate, Grade, Grader
from agent.tree import Tree

MAX_PARTIALS = 12
"""Parts taken out; whole files come first."""
ARGUMENTS = "provenance/survivors.md"
"""Where the builder argues that a survivor behaves as the oracle does."""
_SHOWN_DIFF_CHARS = 1500


@dataclass(frozen=True)
class _Trial:
    """A candidate with its grade; None when the budget ran out before it was tried."""

    candidate: Candidate
    what: str
    diff: str
    grade: Grade | None


def partial_fails(trials: Trials) -> Said:
    """Half of the work earns nothing.

    The oracle is graded without each of its files and without each of its changes; documents,
    tests and comments are not taken out. A part that is not needed for the task may survive: the
    builder argues so in `provenance/survivors.md`, under a heading with the survivor's id.
    """
    outcome = _changes(trials)
    if outcome is None:
        return not_applicable("the oracle's changes cannot be told file by file")
    wrong = list(partials(outcome))
    if not wrong:
        return not_applicable("the oracle is one change in one file")
    tried = _tried(trials, ((w.candidate, w.what, w.diff) for w in wrong[:MAX_PARTIALS]))
    return _survivors(trials, tried, "parts taken out", left=len(wrong) - len(wrong[:MAX_PARTIALS]))


def mutants_fail(trials: Trials) -> Said:
    """Small mistakes in the oracle's lines are noticed.

    Lines of Python that the oracle changed are mutated one place at a time (see
    `agent.gate.candidates.mutants` for the operators and their source) and graded. Every survivor
    is shown; the builder either sharpens the verifier or argues in `provenance/survivors.md` that
    the mutant behaves the same.
    """
    outcome = _changes(trials)
    if outcome is None or not has_python(outcome):
        return not_applicable("the oracle changes no Python code")
    sample: list[Wrong] = mutants(outcome, limit=trials.settings.mutants, seed=trials.settings.seed)
    if not sample:
        return not_applicable("no line of the oracle can be mutated")
    tried = _tried(trials, ((w.candidate, w.what, w.diff) for w in sample))
    return _survivors(trials, tried, "mutants", left=0)


def alternatives_pass(trials: Trials) -> Said:
    """The same behaviour, written in another way, earns the full reward.

    The oracle's Python is rewritten without changing what it does: from its syntax tree, with
    private names renamed, functions reordered or moved to another module, messages reworded,
    docstrings dropped. Patches in `provenance/candidates/right/` are tried, too.
    """
    outcome = _changes(trials)
    if outcome is None:
        return not_applicable("the oracle's changes cannot be told file by file")
    made = list(alternatives(outcome, trials.environment.instruction))
    given = list(_given(trials, "right"))
    if not made and not given:
        return not_applicable("no rewriting is known for the oracle's languages")
    chosen = [(r.candidate, r.what, r.diff) for r in made[: trials.settings.alternatives]]
    tried = list(_tried(trials, [*given, *chosen]))
    rejected = [t for t in tried if t.grade is not None and not t.grade.passed]
    details = _details(tried)
    if rejected:
        return failed(
            f"{len(rejected)} of {len(tried)} right solutions are rejected",
            "The verifier checks how it was done, not only what it does.",
            *(
                f"{t.what}: {t.grade.verdict if t.grade else ''}\n"
                f"{clip(t.grade.log, 700) if t.grade else ''}\n{clip(t.diff, _SHOWN_DIFF_CHARS)}"
                for t in rejected
            ),
            **details,
        )
    return _untried_or_passed(tried, f"{len(tried)} other ways to write it pass", details)


def exploits_fail(trials: Trials) -> Said:
    """No cheat earns the full reward, and none makes the verifier hang.

    The catalogue in `agent.gate.candidates.exploits` is tried from the start state: every cheat
    made of files as a final tree in a fresh container; every cheat made of commands in the
    container that is then judged, as in Harbor's shared mode. Patches in
    `provenance/candidates/wrong/` are tried, too.
    """
    start = trials.start or (trials.grader.base_tree() if trials.carried else Tree())
    outcome = trials.outcome or Outcome()
    shared = Grader(trials.engine, trials.environment, trials.image_id, mode="in-place")
    chosen: list[tuple[Candidate, str, str]] = []
    scripts: list[tuple[Candidate, str, str]] = []
    for exploit in EXPLOITS:
        candidate = exploit.candidate(start, outcome)
        if candidate is not None:
            into = scripts if exploit.script else chosen
            into.append((candidate, f"{exploit.name}: a verifier that {exploit.relies_on}", ""))
    tried = list(_tried(trials, [*_given(trials, "wrong"), *chosen]))
    tried += _tried(trials, scripts, grader=shared)
    won = [t for t in tried if t.grade is not None and (t.grade.reward or 0) > 0]
    stuck = [t for t in tried if t.grade is not None and t.grade.status == "timeout"]
    details = _details(tried)
    if won or stuck:
        return failed(
            f"{len(won)} of {len(tried)} cheats earn a reward, {len(stuck)} make the verifier hang",
            listing(
                [t.what for t in won],
                "Cheats that earn a reward; each tells the verifier's mistake:",
            )
            if won
            else "",
            listing([t.what for t in stuck], "Cheats that make the verifier hang:")
            if stuck
            else "",
            "Run the project's code in children with kit.run or kit.call_python, and assert on "
            "what comes back.",
            **details,
        )
    return _untried_or_passed(tried, f"{len(tried)} cheats earn nothing", details)


def survivor_id(diff: str) -> str:
    """The name of a survivor, which stays the same from run to run."""
    return hashlib.sha256(diff.encode()).hexdigest()[:8]


def _changes(trials: Trials) -> Outcome | None:
    outcome = trials.outcome
    return outcome if outcome is not None and outcome.changed else None


def _tried(
    trials: Trials,
    candidates: Iterable[tuple[Candidate, str, str]],
    grader: Grader | None = None,
) -> list[_Trial]:
    queued: list[tuple[Candidate, str, str, Future[Grade]]] = [
        (c, what, diff, trials.submit(c, grader=grader)) for c, what, diff in candidates
    ]
    tried = []
    for candidate, what, diff, future in queued:
        grade: Grade | None = None
        try:
            grade = future.result(timeout=trials.seconds_left)
        except OutOfTime:
            # One that runs already comes to its end; one that waits is not begun any more.
            if not future.cancel():
                grade = future.result()
        tried.append(_Trial(candidate, what, diff, grade))
    return tried


def _survivors(trials: Trials, tried: list[_Trial], noun: str, left: int) -> Said:
    survivors = [t for t in tried if t.grade is not None and t.grade.passed]
    graded = [t for t in tried if t.grade is not None]
    argued = _arguments(trials)
    open_ = [t for t in survivors if survivor_id(t.diff) not in argued]
    rate = 1 - len(survivors) / len(graded) if graded else 0.0
    details = {
        **_details(tried),
        "kill_rate": round(rate, 3),
        "survivors": [
            {
                "id": survivor_id(t.diff),
                "what": t.what,
                "diff": t.diff,
                "argument": argued.get(survivor_id(t.diff), ""),
            }
            for t in survivors
        ],
    }
    shown = [
        f"{survivor_id(t.diff)}  {t.what}\n{clip(t.diff, _SHOWN_DIFF_CHARS)}"
        + (f"\nArgued: {argued[survivor_id(t.diff)]}" if survivor_id(t.diff) in argued else "")
        for t in survivors
    ]
    killed = f"{len(graded) - len(survivors)} of {len(graded)} {noun} are noticed"
    if left:
        killed += f" ({left} more not tried)"
    if open_:
        return failed(
            f"{len(open_)} of {len(graded)} {noun} go unnoticed",
            *shown,
            "Check what these change; or, where one behaves as the oracle does, say why in "
            f"{ARGUMENTS} under a heading with its id.",
            **details,
        )
    return _untried_or_passed(tried, killed, details, *shown)


def _untried_or_passed(
    tried: list[_Trial], summary: str, details: dict[str, object], *evidence: str
) -> Said:
    missing = [t.what for t in tried if t.grade is None]
    if tried and len(missing) == len(tried):
        return untried("the budget was spent before the first one", **details)
    if missing:
        # What was tried held; what was not is said, and does not count against the environment.
        evidence = (*evidence, listing(missing, "Not tried, because the budget was spent:"))
        summary += f"; {len(missing)} not tried"
    return passed(summary, *evidence, **details)


def _details(tried: list[_Trial]) -> dict[str, object]:
    return {
        "tried": [
            {
                "what": t.what,
                "verdict": t.grade.verdict if t.grade else "untried",
                "seconds": round(t.grade.seconds, 2) if t.grade else 0.0,
            }
            for t in tried
        ]
    }


def _arguments(trials: Trials) -> dict[str, str]:
    data = trials.environment.read(ARGUMENTS)
    if data is None:
        return {}
    found = {}
    for part in re.split(r"^#+\s*", data.decode("utf-8", "replace"), flags=re.MULTILINE)[1:]:
        heading, _, text = part.partition("\n")
        match = re.search(r"\b[0-9a-f]{8}\b", heading)
        if match and text.strip():
            found[match.group()] = text.strip()
    return found


def _given(trials: Trials, kind: str) -> Iterator[tuple[Candidate, str, str]]:
    folder = f"provenance/candidates/{kind}"
    for name, data in trials.environment.files(folder):
        if name.endswith((".patch", ".diff")):
            text = data.decode("utf-8", "replace")
            candidate = Candidate(
                f"{kind} {name.rsplit('/', 1)[-1]}",
                script="patch -p1 --forward --no-backup-if-mismatch < /solution/given.patch",
                given=data,
            )
            yield candidate, f"{kind} candidate {name.rsplit('/', 1)[-1]}", text

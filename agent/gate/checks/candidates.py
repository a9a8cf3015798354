"""Checks that try other candidates than nop and oracle: wrong ones, right ones, and cheats."""

from __future__ import annotations

import math
from typing import Any

from agent.gate.candidates.alternatives import alternatives
from agent.gate.candidates.exploits import EXHAUSTING, EXPLOITS
from agent.gate.candidates.mutants import LANGUAGES, can_mutate, mutants
from agent.gate.candidates.partial import Wrong, is_code, partials
from agent.gate.candidates.script import is_script
from agent.gate.candidates.trial import ARGUMENTS, Trial, arguments, awaited, survivor_id, tried
from agent.gate.isolation import ISOLATED, isolation
from agent.gate.outcome import Outcome
from agent.gate.said import Said, clip, failed, listing, not_applicable, out_of_time, passed
from agent.gate.trials import Trials
from agent.grading import ORACLE, Candidate, Conditions, Grader
from agent.tree import Tree

MAX_PARTIALS = 12
"""Parts taken out; whole files come first."""
MIN_KILL_RATE = 0.5
"""Share of wrong candidates that an existing suite must notice, unargued ones counted as missed. It
was not written for the environment, and nobody may be there who can argue. Of the mutants that a
suite misses about half are equivalent (45 % by Schuler and Zeller, "Covering and uncovering
equivalent mutants", STVR 23(5), 2013), and a landed change often holds parts that nobody asked
for; a suite that misses more than half does not check the task."""
LEAST_PATIENCE_S, MOST_PATIENCE_S = 8.0, 16.0
PATIENCE = 1.5
"""How much longer a child of a cheat may take than the whole verifier took for the oracle. Where
the start state hangs, each of the cheats does, and stopped early they earn nothing either."""
WRONG_PATIENCE, WRONG_PATIENCE_S = 1.25, 4.0
"""A part or a mutant that loops for ever is noticed once a child takes so many times as long as
the whole verifier took for the oracle, and so many seconds more: PIT's `timeoutFactor` and
`timeoutConstant` (pitest.org, "Command line quick start")."""
ASIDE_SHARE = 0.25
"""Of the processor, for a cheat that takes all it can get while others are graded."""
_SHOWN_DIFF_CHARS = 1500
_NAMED = 4
"""Survivors that a summary names where the check passes all the same."""


def partial_fails(trials: Trials) -> Said:
    """Half of the work earns nothing.

    The oracle is graded without each of its files and without each of its changes; documents,
    tests, comments and version numbers are not taken out. A part that is not needed for the task
    may survive: the builder argues so in `provenance/survivors.md`, under a heading with the
    survivor's id. Every survivor is shown. A verifier that is `isolated` was written for this
    environment, so one unargued survivor fails it; an existing suite (`in-process`) is measured,
    and must notice at least half.
    """
    outcome = _changes(trials)
    if outcome is None:
        return not_applicable("the oracle's changes cannot be told file by file")
    wrong = list(partials(outcome))
    if not wrong:
        return not_applicable("the oracle is one change in one file")
    chosen = ((w.candidate, w.what, w.diff) for w in wrong[:MAX_PARTIALS])
    done = tried(trials, chosen, _meant_to_fail(trials))
    return _survivors(trials, done, "parts taken out", left=len(wrong) - len(wrong[:MAX_PARTIALS]))


def mutants_fail(trials: Trials) -> Said:
    """Small mistakes in the oracle's lines are noticed.

    Lines of Python, JavaScript and TypeScript that the oracle changed are mutated one place at a
    time (see `agent.gate.candidates.mutants` for the operators and their source) and graded. Every
    survivor is shown as a diff; the builder either sharpens the verifier or argues in
    `provenance/survivors.md` that the mutant behaves the same. An `isolated` verifier may leave no
    unargued survivor; an existing suite (`in-process`) must notice at least half. A mutant that
    keeps a child much longer than the oracle keeps the verifier counts as noticed, and the first
    check that it fails is the last one asked.
    """
    outcome = _changes(trials)
    if outcome is None or not can_mutate(outcome):
        return not_applicable(f"the oracle changes no code in {LANGUAGES}")
    sample: list[Wrong] = mutants(outcome, limit=trials.settings.mutants, seed=trials.settings.seed)
    if not sample:
        return not_applicable("no line of the oracle can be mutated")
    done = tried(trials, ((w.candidate, w.what, w.diff) for w in sample), _meant_to_fail(trials))
    return _survivors(trials, done, "mutants", left=0, beyond=_beyond(outcome))


def alternatives_pass(trials: Trials) -> Said:
    """The same behaviour, written in another way, earns the full reward.

    The oracle is rewritten without changing what it does. Python: from its syntax tree, without
    comments and docstrings, private and local names renamed, statements and functions in another
    order, new functions in a module of their own, messages reworded. JavaScript and TypeScript:
    without comments, private and local names renamed, functions in another order, messages
    reworded. For other languages no rewriting is known. A rewriting that is rejected names the
    verifier's checks that it broke.
    """
    outcome = _changes(trials)
    if outcome is None:
        return not_applicable("the oracle's changes cannot be told file by file")
    made = list(alternatives(outcome, trials.environment.instruction))
    if not made:
        return not_applicable("no rewriting is known for the oracle's languages")
    chosen = made[: trials.settings.alternatives]
    done = tried(trials, [(r.candidate, r.what, r.diff) for r in chosen])
    rejected = [t for t in done if t.grade is not None and not t.grade.passed]
    details = {**_details(done), "broken": {t.what: t.broken for t in rejected}}
    if rejected:
        return failed(
            f"{len(rejected)} of {len(done)} right solutions are rejected",
            "The verifier checks how it was done, not only what it does.",
            *(
                f"{t.what}: {t.verdict}\n"
                + (listing(t.broken, "It broke:") if t.broken else "")
                + f"\n{clip(t.grade.log, 700) if t.grade else ''}\n"
                + clip(t.diff, _SHOWN_DIFF_CHARS)
                for t in rejected
            ),
            **details,
        )
    summary = f"{sum(t.grade is not None for t in done)} other ways to write it pass"
    return _untried_or_passed(done, summary, details, _beyond(outcome))


def exploits_fail(trials: Trials) -> Said:
    """No cheat earns a reward, and none makes the verifier hang.

    The catalogue (`docs/exploits.md`) is tried from the start state: every cheat made of files as a
    final tree in a fresh container; every cheat that needs more in the container that is then
    judged, as in Harbor's shared mode. Cheats that take all they can get are tried beside the
    others, with a quarter of the processor. The kit stops a child that hangs sooner than it would
    otherwise. The result of each is in the report's details.
    """
    start = trials.start or (trials.grader.base_tree() if trials.carried else Tree())
    outcome = trials.outcome or Outcome()
    shared = Grader(trials.engine, trials.environment, trials.image_id, mode="in-place")
    chosen: list[tuple[Candidate, str, str]] = []
    machine: list[tuple[Candidate, str, str]] = []
    exhausting: list[tuple[Candidate, str, str]] = []
    for exploit in EXPLOITS:
        candidate = exploit.candidate(start, outcome)
        if candidate is not None:
            into = machine if exploit.needs_machine else chosen
            into = exhausting if exploit in EXHAUSTING else into
            into.append((candidate, f"{exploit.name}: a verifier that {exploit.relies_on}", ""))
    aside = _hurried(trials, MOST_PATIENCE_S, ASIDE_SHARE)
    queued = [(c, w, d, trials.submit(c, aside, aside=True, once=True)) for c, w, d in exhausting]
    hurried = _hurried(trials)
    done = [*tried(trials, chosen, hurried), *tried(trials, machine, hurried, grader=shared)]
    done += awaited(trials, queued)
    graded = sum(t.grade is not None for t in done)
    won = [t for t in done if t.earned]
    stuck = [t for t in done if _hangs(t, trials.grader.timeout_s)]
    mute = [t for t in done if t.grade is not None and t.grade.status == "error"]
    details = _details(done)
    # No verdict is no reward, but a trainer cannot tell it from trouble with the machine.
    notes = listing([t.what for t in mute], "Cheats that leave no verdict:") if mute else ""
    if won or stuck:
        return failed(
            f"{len(won)} of {graded} cheats earn a reward, {len(stuck)} make the verifier hang",
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
            notes,
            **details,
        )
    return _untried_or_passed(done, f"{graded} cheats earn nothing", details, notes)


def _hangs(trial: Trial, limit_s: float) -> bool:
    """Whether the verifier was stopped at its own limit, or would have been without the hurry."""
    grade = trial.grade
    if grade is None:
        return False
    return grade.status == "timeout" or grade.seconds + grade.rewards.get("spared_s", 0) > limit_s


def _meant_to_fail(trials: Trials) -> Conditions:
    """For solutions with a mistake: an early end for those that loop, and at the first failure."""
    patience = WRONG_PATIENCE * trials.grade(ORACLE).seconds + WRONG_PATIENCE_S
    return Conditions("brief", {"KIT_PATIENCE_S": f"{patience:.1f}", "KIT_BRIEF": "1"})


def _hurried(trials: Trials, most_s: float = math.inf, cpu_share: float = 1.0) -> Conditions:
    """For cheats: an early end for those that hang."""
    patience = min(max(LEAST_PATIENCE_S, PATIENCE * trials.grade(ORACLE).seconds), most_s)
    return Conditions("hurried", {"KIT_PATIENCE_S": f"{patience:.1f}"}, cpu_share=cpu_share)


def _changes(trials: Trials) -> Outcome | None:
    outcome = trials.outcome
    return outcome if outcome is not None and outcome.changed else None


def _beyond(outcome: Outcome) -> str:
    """The oracle's code in languages that can neither be mutated nor rewritten, as a paragraph."""
    known = [p for p in outcome.changed if p.endswith(".py") or is_script(p)]
    other = [p for p in outcome.changed if is_code(p) and p not in known]
    return listing(other, f"Not tried, because it is no {LANGUAGES}:") if other else ""


def _survivors(trials: Trials, done: list[Trial], noun: str, left: int, beyond: str = "") -> Said:
    graded = [t for t in done if t.grade is not None]
    survivors = [t for t in graded if t.grade is not None and t.grade.passed]
    argued = arguments(trials)
    open_ = [t for t in survivors if survivor_id(t.diff) not in argued]
    rate = 1 - len(survivors) / len(graded) if graded else 0.0
    noticed = 1 - len(open_) / len(graded) if graded else 0.0
    details = {
        **_details(done),
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
    # All of them in short first: however much of the diffs a reader is shown, no id is missing.
    short = [f"{survivor_id(t.diff)}  {t.what}" for t in open_]
    shown = [listing(short, "Unnoticed, and not argued for yet:")] if len(open_) > 1 else []
    shown += [
        f"{survivor_id(t.diff)}  {t.what}\n{clip(t.diff, _SHOWN_DIFF_CHARS)}\n"
        + f"Argued: {argued.get(survivor_id(t.diff), 'not yet')}"
        for t in sorted(survivors, key=lambda t: survivor_id(t.diff) in argued)
    ]
    killed = f"{len(graded) - len(survivors)} of {len(graded)} {noun} are noticed"
    if len(survivors) > len(open_):
        killed += f", {len(survivors) - len(open_)} argued for"
    if left:
        killed += f" ({left} more not tried)"
    strict = isolation(trials.environment) == ISOLATED
    if open_ and (strict or noticed < MIN_KILL_RATE):
        return failed(
            f"{len(open_)} of {len(graded)} {noun} go unnoticed",
            *shown,
            "Check what these change; or, where one behaves as the oracle does, say why in "
            f"{ARGUMENTS} under a heading with its id.",
            **details,
        )
    if open_:
        named = ", ".join(short[:_NAMED]) + (", …" if len(short) > _NAMED else "")
        killed += f"; {len(open_)} survive and nobody argued for them: {named}"
    return _untried_or_passed(done, killed, details, *shown, beyond)


def _untried_or_passed(
    done: list[Trial], summary: str, details: dict[str, Any], *evidence: str
) -> Said:
    missing = [t.what for t in done if t.grade is None]
    if missing:
        return out_of_time(summary, missing, *evidence, **details)
    return passed(summary, *evidence, **details)


def _details(done: list[Trial]) -> dict[str, Any]:
    return {"tried": [t.as_dict() for t in done]}

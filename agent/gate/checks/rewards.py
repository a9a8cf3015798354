"""Checks of the two verdicts that every environment owes: nop earns nothing, the oracle all."""

from __future__ import annotations

from agent.gate import conditions
from agent.gate.checks.offline import downloads
from agent.gate.said import (
    Said,
    clip,
    failed,
    listing,
    not_applicable,
    out_of_time,
    passed,
    untried,
)
from agent.gate.trials import Trials, Unready
from agent.grading import NOP, ORACLE, Candidate, CandidateFailed, Grade, Grader

MIN_REPEATS = 2
PLAIN_AGAIN = 2
"""Plain grades more, to tell chance from conditions, once a verdict has changed."""
SHOWN_CHARS = 1500
"""Of each of the two outputs that differ."""


def nop_fails(trials: Trials) -> Said:
    """Doing nothing earns a reward of 0, from a verifier that reached a verdict.

    A verifier that crashes, hangs or writes no reward on the untouched start state fails this
    check: a missing reward is an error and tells a trainer nothing.
    """
    grade = trials.grade(NOP)
    if grade.reward == 0:
        return passed(f"reward 0 in {grade.seconds:.1f} s", seconds=grade.seconds)
    trials.give_up_repeats()
    if grade.status == "graded":
        return failed(
            f"the untouched start state earns {grade.reward:g}",
            "The verifier accepts a tree in which nothing was done. It must check what the "
            "instruction asks for, and that must not hold at the start.",
            _log(grade),
        )
    return failed(
        f"the verifier gives no verdict on the start state ({grade.verdict})",
        "On the untouched start state the verifier must end by itself and write reward 0.",
        _log(grade),
    )


def oracle_passes(trials: Trials) -> Said:
    """The reference solution earns the full reward.

    `solution/solve.sh` is run offline, as the solver, on the start state.
    """
    if not trials.environment.has_oracle:
        return failed("there is no solution/solve.sh", "An environment brings its own oracle.")
    grade, again = trials.grade(ORACLE), None
    if not grade.passed and trials.environment.config.environment.network_mode != "no-network":
        online = Grader(trials.engine, trials.environment, trials.image_id, network=True)
        again = online.grade(ORACLE)
        if again.passed:
            trials.online_grader = online
            return passed(
                "full reward, but only with the network on",
                f"With the network off: {grade.verdict}",
                seconds=again.seconds,
                network=True,
            )
    if grade.passed:
        return passed(f"reward 1 in {grade.seconds:.1f} s", seconds=grade.seconds)
    trials.give_up_repeats()
    try:
        trials.grader.final_tree(ORACLE) if trials.carried else None
    except CandidateFailed as e:
        return failed(
            "the oracle cannot be applied",
            f"{e}\n{clip(e.log)}",
            "solution/solve.sh must apply the solution to the start state, offline, as the "
            "unprivileged user who owns the work tree, and end with exit code 0.",
        )
    commands = downloads(trials)
    return failed(
        f"the reference solution earns {grade.verdict}"
        + (f"; {again.verdict} with the network on" if again else ""),
        listing(commands, "These commands download, which may be why:") if commands else "",
        "Either the verifier demands more than the solution does, or the solution is not whole, "
        "or something that both need is missing in the image.",
        _log(grade),
        grade.solve_log and "Output of solve.sh:\n" + clip(grade.solve_log),
    )


def stable(trials: Trials) -> Said:
    """Grading the same tree again gives the same verdict, whatever the day and the machine.

    Nop and oracle are graded in as many fresh containers as the settings say, side by side. The
    first grade is plain; the repeats change what a sound verdict does not depend on: the time zone,
    the locale, Python's hash seed, the order of the tests (of pytest, and of suites run by the
    kit), the wall clock (by three years) and the share of the processor. When a verdict changes,
    each condition is tried alone, and the one that did it is named.
    """
    if trials.settings.repeats < MIN_REPEATS:
        return not_applicable("graded once only")
    if not trials.core_works:
        return untried("the first verdicts are wrong already")
    odd: list[str] = []
    labels: list[str] = []
    missed: list[str] = []
    left: list[str] = []
    seconds: dict[str, list[float]] = {}
    for candidate in (NOP, ORACLE):
        first = trials.grade(candidate)
        seconds[candidate.name] = [first.seconds]
        for number in range(1, trials.settings.repeats):
            parts = conditions.of_repeat(number, trials.settings.seed)
            labels += [p.label for p in parts]
            try:
                grade = trials.grade(candidate, number)
            except Unready:
                left.append(f"{candidate.name}, number {number + 1}")
                continue
            seconds[candidate.name].append(grade.seconds)
            if not grade.arranged:
                missed += [f"{p.label}: impossible in this image" for p in parts if p.arrange]
            if not same(first, grade) and not odd:
                odd = _explained(trials, candidate, first, grade, number)
    if trials.settings.repeats > 1 and conditions.later() is None:
        missed.append("a later clock: there is no C compiler here to make what moves it")
    tried = list(dict.fromkeys(labels))
    details = {"seconds": seconds, "conditions": tried, "missed": missed}
    if odd:
        return failed(odd[0], *odd[1:], **details)
    if left:
        return out_of_time("the same verdicts until then", left, **details)
    longest = max(max(s) for s in seconds.values())
    return passed(
        f"{min(len(s) for s in seconds.values())} × the same verdicts, {longest:.1f} s at most",
        listing(tried, "Under these conditions, several at a time:"),
        listing(missed, "Not tried:") if missed else "",
        **details,
    )


def same(one: Grade, other: Grade) -> bool:
    """Whether two grades are the same verdict; outputs and times may differ."""
    return (one.status, one.rewards) == (other.status, other.rewards)


def _explained(
    trials: Trials, candidate: Candidate, first: Grade, other: Grade, number: int
) -> list[str]:
    """A changed verdict's cause, found by trying each condition alone: a summary and evidence."""
    parts = conditions.of_repeat(number, trials.settings.seed)
    again = [trials.submit(candidate) for _ in range(PLAIN_AGAIN)]
    alone = [(part, trials.submit(candidate, part)) for part in parts]
    plain = [g for g in map(trials.awaited, again) if g is not None]
    unlike = next((g for g in plain if not same(g, first)), None)
    if unlike is not None:
        label, shown = "graded again under the same conditions", unlike
        summary = "the same tree gets different verdicts under the same conditions"
        advice = "Look for random values, races, ports, temporary files and hash seeds."
    else:
        grades = [(part, trials.awaited(future)) for part, future in alone]
        guilty = [(part, g) for part, g in grades if g is not None and not same(first, g)]
        if guilty:
            label, shown = guilty[0][0].label, guilty[0][1]
            named = "; ".join(part.label for part, _ in guilty)
            summary = f"the same tree gets different verdicts: {named}"
        else:
            label, shown = conditions.together(parts).label, other
            summary = "the same tree gets different verdicts, under several conditions at once"
        advice = (
            "A verdict may depend neither on the day nor on the machine: give the project a fixed "
            "date, zone, locale or order where it needs one, or compare without it."
        )
    return [
        summary,
        f"{candidate.name}: {first.verdict} at first, {shown.verdict} with: {label}.",
        "At first:\n" + clip(first.log, SHOWN_CHARS),
        f"With {label}:\n" + clip(shown.log, SHOWN_CHARS),
        advice,
    ]


def _log(grade: Grade) -> str:
    return "Output of the verifier:\n" + clip(grade.log) if grade.log.strip() else ""

"""Checks of the two verdicts that every environment owes: nop earns nothing, the oracle all."""

from __future__ import annotations

from agent.gate.said import Said, clip, failed, not_applicable, passed, untried
from agent.gate.trials import Trials
from agent.grading import NOP, ORACLE, Candidate, CandidateFailed, Grade, Grader


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
    grade = trials.grade(ORACLE)
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
    return failed(
        f"the reference solution earns {grade.verdict}",
        "Either the verifier demands more than the solution does, or the solution is not whole, "
        "or something that both need is missing in the image.",
        _log(grade),
        grade.solve_log and "Output of solve.sh:\n" + clip(grade.solve_log),
    )


def stable(trials: Trials) -> Said:
    """Grading the same tree again gives the same verdict, every time.

    Nop and oracle are graded in as many fresh containers as the settings say.
    """
    if trials.settings.repeats < 2:
        return not_applicable("graded once only")
    if not trials.core_works:
        return untried("the first verdicts are wrong already")
    candidates = [NOP, ORACLE]
    odd: list[str] = []
    seconds: dict[str, list[float]] = {}
    for candidate in candidates:
        grades = [trials.grade(candidate, n) for n in range(trials.settings.repeats)]
        seconds[candidate.name] = [g.seconds for g in grades]
        odd += _odd(candidate, grades)
    if odd:
        return failed(
            "the same tree gets different verdicts",
            *odd,
            "Look for order, time, ports, temporary files, hash seeds and races in the tests.",
            seconds=seconds,
        )
    longest = max(max(s) for s in seconds.values())
    return passed(
        f"{trials.settings.repeats} × the same verdicts, {longest:.1f} s at most", seconds=seconds
    )


def _odd(candidate: Candidate, grades: list[Grade]) -> list[str]:
    first = grades[0]
    for number, grade in enumerate(grades[1:], start=2):
        if (grade.status, grade.rewards) != (first.status, first.rewards):
            return [
                f"{candidate.name}: {first.verdict} at first, {grade.verdict} at number {number}.",
                "At first:\n" + clip(first.log, 1500),
                f"At number {number}:\n" + clip(grade.log, 1500),
            ]
    return []


def _log(grade: Grade) -> str:
    return "Output of the verifier:\n" + clip(grade.log) if grade.log.strip() else ""

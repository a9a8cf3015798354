"""The check of the session's own attempts, and of the candidates that the builder wrote."""

from __future__ import annotations

from pydantic import ValidationError

from agent.gate.candidates.given import APPLY, given
from agent.gate.candidates.trial import Trial, arguments, tried
from agent.gate.candidates.trial import survivor_id as id_of
from agent.gate.said import Said, clip, failed, not_applicable, out_of_time, passed
from agent.gate.trials import Trials
from agent.grading import Candidate
from agent.origin.expectation import FOLDER, RECORD, Attempts, Expected

_SHOWN_CHARS = 1200


def attempt(trials: Trials) -> Said:
    """The session's own attempts get the verdict that the session itself gave them.

    The session's edits, replayed on the start state, travel as patches in `provenance/attempts/`
    with what is expected of each in `provenance/attempts.json`. Where the user said that it does
    not work and the agent went on, the attempt must earn nothing; where the outcome is what the
    session left, or the tests passed and the user was content, it must earn the full reward. Where
    the session does not tell, nothing is demanded. The report says what was expected and why. An
    attempt that passes against the expectation can be argued for in `provenance/survivors.md`.
    """
    record = _record(trials)
    if record is None:
        return not_applicable("the provenance holds no attempt of a session")
    telling = [a for a in record.attempts if a.expected != "unknown" and a.patch]
    silent = [_about(a) for a in record.attempts if a not in telling]
    if not telling:
        why = record.note or "the session does not say whether its attempt was right"
        return not_applicable(why, *silent)
    candidates: list[tuple[Candidate, str, str]] = []
    known: list[Expected] = []
    for one in telling:
        data = trials.environment.read(f"provenance/{FOLDER}/{one.patch}")
        if data is not None:
            candidate = Candidate(f"attempt {one.name}", script=APPLY, given=data)
            candidates.append((candidate, one.name, data.decode("utf-8", "replace")))
            known.append(one)
    told = list(zip(known, tried(trials, candidates), strict=True))
    argued = arguments(trials)
    wrong, lines = [], []
    for one, trial in told:
        if trial.grade is None or trial.not_applied:
            lines.append(f"{one.name}: {trial.verdict}\n{_about(one)}")
            continue
        as_expected = trial.grade.passed == (one.expected == "pass")
        mark = id_of(trial.diff)
        text = f"{mark}  {one.name}: expected {one.expected}, got {trial.verdict}\n{_about(one)}"
        if as_expected:
            lines.append(text)
        elif trial.grade.passed and mark in argued:
            lines.append(f"{text}\nArgued: {argued[mark]}")
        else:
            log = "" if trial.grade.passed else clip(trial.grade.log, _SHOWN_CHARS)
            wrong.append(f"{text}\n{log}\n{clip(trial.diff, _SHOWN_CHARS)}")
    details = {
        "tried": [
            {**trial.as_dict(), "expected": one.expected, "why": one.reasons} for one, trial in told
        ]
    }
    if wrong:
        return failed(
            f"{len(wrong)} of {len(told)} attempts of the session get another verdict than the "
            "session implies",
            *wrong,
            "A wrong attempt that passes: check what the user complained of; or, where it is right "
            "all the same, say why in provenance/survivors.md under a heading with its id. A right "
            "attempt that fails: the verifier demands more than the user wanted.",
            *lines,
            **details,
        )
    left = [one.name for one, trial in told if trial.grade is None]
    if left:
        done = len(told) - len(left)
        return out_of_time(f"{done} of {len(told)} tried", left, *lines, **details)
    if all(trial.not_applied for _, trial in told):
        return not_applicable("its patches do not apply to the start state", *lines, **details)
    shown = ", ".join(f"{one.name}: {one.expected}" for one, _ in told)
    return passed(f"as the session implies ({shown})", *lines, *silent, **details)


def candidates(trials: Trials) -> Said:
    """Candidates that the builder wrote by hand get the verdict of the folder that they lie in.

    Patches on the start state in `provenance/candidates/right/` must earn the full reward, those in
    `provenance/candidates/wrong/` must earn nothing. One that does not apply fails the check.
    """
    right, wrong = list(given(trials, "right")), list(given(trials, "wrong"))
    if not right and not wrong:
        return not_applicable("the builder wrote none")
    trials_ = tried(trials, [*right, *wrong])
    rights, wrongs = trials_[: len(right)], trials_[len(right) :]
    bad = [t for t in rights if t.grade is not None and not t.grade.passed]
    bad += [t for t in wrongs if t.not_applied or t.earned]
    details = {"tried": [t.as_dict() for t in trials_]}
    if bad:
        return failed(
            f"{len(bad)} of {len(trials_)} candidates get the wrong verdict",
            *(_shown(t) for t in bad),
            **details,
        )
    left = [t.what for t in trials_ if t.grade is None]
    if left:
        done = len(trials_) - len(left)
        return out_of_time(f"{done} of {len(trials_)} judged as they should be", left, **details)
    summary = f"{len(right)} right and {len(wrong)} wrong ones judged as they should be"
    return passed(summary, **details)


def _record(trials: Trials) -> Attempts | None:
    data = trials.environment.read(f"provenance/{RECORD}")
    if data is None:
        return None
    try:
        return Attempts.model_validate_json(data)
    except ValidationError:
        return None


def _about(one: Expected) -> str:
    lines = [f"{one.name}: expected {one.expected}", *(f"  because {r}" for r in one.reasons)]
    return "\n".join([*lines, *(f"  but {d}" for d in one.doubts)])


def _shown(trial: Trial) -> str:
    log = clip(trial.grade.log, _SHOWN_CHARS) if trial.grade else ""
    return "\n".join([f"{trial.what}: {trial.verdict}", *trial.broken, log])

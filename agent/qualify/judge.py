"""Judges one session: cheap disqualifiers, then origins, journey and outcome, then the verdict.

Nothing that a session says is taken as an instruction: its texts are matched, never obeyed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from agent.errors import RepositoryError
from agent.origin.find import repository_of
from agent.qualify import cheap, origins, outcome
from agent.qualify.case import Case
from agent.qualify.panel import Panel
from agent.qualify.reasons import MEANINGS
from agent.qualify.trials import Trials
from agent.qualify.verdict import Qualification, decide
from agent.repo import Repository
from agent.session.model import Session

Opener = Callable[[str], AbstractContextManager[Repository]]

JOURNEY_WORTH = 0.8
"""Weight in [0, 1] of the journey's signs in the worth; the rest is what a person did by hand."""


def qualify(
    session: Session,
    repository: Repository | None = None,
    *,
    opener: Opener = Repository.open,
    opted_in: bool | None = None,
    thorough: bool = False,
    trials: Trials | None = None,
    panel: Panel | None = None,
) -> Qualification:
    """Judges one session.

    Args:
        session: the session.
        repository: its repository, when the caller has it open; else it is taken from the session.
        opener: opens the repository that the session names, by its address.
        opted_in: whether its owner agreed to its use; None when nobody asked.
        thorough: look at the repository even when the session alone disqualifies itself.
        trials: runs the outcome's tests on both states; None leaves them alone.
        panel: three sub-agents with a model; None lets the evidence alone decide.

    Raises:
        ProviderError: the panel's provider failed for good.
        sandbox.errors.SandboxError: the container engine failed.
        Nothing on account of the session or of its repository: what cannot be had is a reason.
    """
    begun = time.monotonic()
    case = Case.of(session)
    if opted_in is False:
        case.object("no opt-in", MEANINGS["no opt-in"].text)
    cheap.look(case)
    if thorough or not case.hopeless:
        if repository is not None:
            case.address = str(repository.source)
            case.repository = repository
            result = _look(case, trials, panel)
        else:
            result = _open(case, opener, trials, panel)
    else:
        result = _result(case)
    result.seconds = round(time.monotonic() - begun, 3)
    return result


def _open(case: Case, opener: Opener, trials: Trials | None, panel: Panel | None) -> Qualification:
    case.address = repository_of(case.session)
    if case.address is None:
        text = "the session names no repository; give one with --repo"
        case.object("repository gone", text)
        return _result(case)
    try:
        with opener(case.address) as repository:
            case.repository = repository
            return _look(case, trials, panel)
    except RepositoryError as error:
        case.object("repository gone", str(error))
        return _result(case)


def _look(case: Case, trials: Trials | None, panel: Panel | None) -> Qualification:
    origins.look(case)
    if case.start is not None:
        outcome.look(case)
    # What is lost anyway is not worth a container or a model.
    if trials is not None and case.outcomes and not case.hopeless:
        trials.run(case)
    result = _result(case)
    if panel is not None and case.start is not None:
        panel.hear(case, result)
        decide(result)
    return result


def _result(case: Case) -> Qualification:
    result = Qualification(
        session=str(case.session.path),
        digest=case.session.digest,
        worth=_worth(case),
        reasons=case.reasons,
        repository=case.address,
        project=case.project,
        licence=case.licence,
        start=case.start,
        outcomes=case.outcomes,
        trial=case.trial,
        journey=case.journey,
        notes=case.notes,
    )
    decide(result)
    return result


def _worth(case: Case) -> float:
    best = case.outcomes[0] if case.outcomes else None
    by_hand = best.by_hand if best is not None and best.by_hand is not None else 0.0
    return round(JOURNEY_WORTH * case.journey.worth + (1 - JOURNEY_WORTH) * by_hand, 3)

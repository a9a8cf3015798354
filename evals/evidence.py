"""What Kettle's evidence alone makes of a session, as every builder that uses Kettle is told."""

from __future__ import annotations

from agent import briefing
from agent.briefing import Origin
from agent.origin.outcome import find_outcome
from agent.origin.start import find_start
from agent.repo import Repository
from agent.session.model import Session


def origin_of(session: Session, repository: Repository) -> Origin:
    """The likely start state and outcome of a session, and what else is known of its project.

    Args:
        session: as recorded.
        repository: its repository.

    Raises:
        KettleError: the repository cannot be read, or no commit can be the start.
    """
    start = find_start(session, repository)
    return briefing.survey(session, repository, start, find_outcome(session, repository, start))

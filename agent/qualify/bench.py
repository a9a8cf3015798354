"""A sandbox with the repository at the start state, for trials and for the sub-agents.

Code of a stranger runs there with the network on (dependencies must be installed), so everything of
the session that goes in is scrubbed first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from agent import briefing
from agent.briefing import Origin
from agent.qualify.case import Case
from agent.repo import Repository
from agent.session.model import Session
from agent.workbench import furnish
from sandbox.bases import ensure, workbench
from sandbox.container import Sandbox
from sandbox.engine import Engine
from sandbox.limits import Limits


def survey(case: Case) -> Origin:
    """What the evidence says of a case, as a builder is told it.

    Args:
        case: with its repository, start state and outcomes.

    Raises:
        RepositoryError: a commit is missing.
    """
    assert case.repository is not None  # noqa: S101
    assert case.start is not None  # noqa: S101
    return briefing.survey(case.session, case.repository, case.start, case.outcomes)


@contextmanager
def furnished(
    engine: Engine,
    repository: Repository,
    origin: Origin,
    session: Session,
    *,
    texts: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Iterator[Sandbox]:
    """A builder's sandbox around one case; removed at the end.

    Args:
        engine: where it runs.
        repository: whose history it gets.
        origin: what `survey` said.
        session: the session, scrubbed.
        texts: more files below `/workbench`.
        limits: what it may use; the builder's limits when None.
        tell: hears about images that are being made.

    Raises:
        SandboxError: the engine failed.
    """
    base = ensure(engine, origin.project.base, tell)
    image = workbench(engine, base.tag, tell)
    told = {
        "origin.md": briefing.report(session, repository, origin),
        "origin.json": briefing.facts(session, repository, origin),
    }
    with engine.create(
        image, network=True, limits=limits or Limits(), purpose="qualify"
    ) as sandbox:
        furnish(
            sandbox,
            repository,
            start=origin.start.commit,
            outcome=[sha for one in origin.candidates for sha in one.commits],
            texts=told | dict(texts or {}),
            draft=briefing.first_draft(session, repository, origin, base=base.tag),
        )
        yield sandbox

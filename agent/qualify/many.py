"""Judges many sessions side by side, each in a worker process, as a stream of rows.

Reading a session and comparing it is Python's work, so that threads would share one core; and a
session that kills its process (memory) costs a row, not the run. A worker keeps the repositories
that it opened last, since sessions of one repository come together, and is replaced after a while,
so that memory stays flat whatever a session left behind.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from agent.budget import Budget
from agent.errors import KettleError, ProviderError, RepositoryError
from agent.qualify.judge import Opener, qualify
from agent.qualify.panel import Panel
from agent.qualify.trials import Trials
from agent.qualify.verdict import Qualification
from agent.repo import Repository
from agent.session import load

OPEN_REPOSITORIES = 3
"""Repositories that a worker keeps open: sessions of one come together; each holds a history."""
TASKS_PER_WORKER = 200
"""Sessions after which a worker is replaced; starting one takes a second."""
AHEAD = 2
"""Sessions queued for each worker: enough that none waits, few enough to lose nothing much."""


class Row(BaseModel):
    """One session's verdict, or why it has none."""

    model_config = ConfigDict(extra="forbid")

    path: str
    qualification: Qualification | None = None
    error: str = ""
    """Why the session could not be judged; a sentence for a person."""


@dataclass(frozen=True)
class Work:
    """What every worker is told.

    Attributes:
        repo: the repository of all sessions; None takes each from its session.
        cache: the folder of clones; None means the usual one.
    """

    repo: str | None = None
    cache: Path | None = None


def qualify_files(paths: Sequence[Path], work: Work, *, workers: int) -> Iterator[Row]:
    """Judge sessions from evidence alone, many at a time.

    Args:
        paths: files or folders, a session each.
        work: what every worker is told.
        workers: processes; at least 1.

    Yields:
        A row for each session, in the order in which they are done.

    Raises:
        RepositoryError: the repository that all sessions share cannot be had.
    """
    if work.repo is not None:
        Repository.open(work.repo, cache=work.cache).close()  # cloned once, before the workers
    waiting = list(reversed(paths))
    suspects: list[Path] = []
    while waiting:
        suspects += yield from _round(waiting, work, workers)
    for path in suspects:
        # Which of the sessions in flight killed its worker shows when each runs alone.
        alone = [path]
        if (yield from _round(alone, work, 1)):
            yield Row(path=str(path), error="the process that judged it died, perhaps of memory")


def qualify_closely(
    paths: Sequence[Path],
    work: Work,
    *,
    model: str | None,
    budget: Budget,
    run_tests: bool,
    tell: Callable[[str], None] = lambda line: None,
) -> Iterator[Row]:
    """Judge sessions one after the other with sandboxes: they keep the machine busy by themselves.

    Args:
        paths: files or folders, a session each.
        work: where the repositories are.
        model: names the sub-agents' model; None leaves judgement to the evidence.
        budget: of each sub-agent.
        run_tests: whether the outcome's tests are run on both states.
        tell: hears about progress.

    Yields:
        A row for each session.

    Raises:
        InputError: there is no such model.
        ProviderError: the provider failed for good.
        SandboxError: the engine failed.
    """
    repositories = Repositories(work.cache)
    with closely(work, model=model, budget=budget, run_tests=run_tests, tell=tell) as (one, three):
        for path in paths:
            yield judge_file(path, work.repo, repositories.opened, trials=one, panel=three)


@contextmanager
def closely(
    work: Work,
    *,
    model: str | None,
    budget: Budget,
    run_tests: bool,
    tell: Callable[[str], None] = lambda line: None,
) -> Iterator[tuple[Trials | None, Panel | None]]:
    """What looks at sessions with sandboxes, as far as it is asked for; no engine without need.

    Args:
        work: where the conversations are kept.
        model: names the sub-agents' model; None or `baseline` for no sub-agents.
        budget: of each sub-agent.
        run_tests: whether the outcome's tests are run.
        tell: hears about progress.

    Raises:
        InputError: there is no such model.
        SandboxError: the engine failed.
    """
    from agent.models import open_model
    from sandbox.cache import cache_dir
    from sandbox.engine import Engine

    if model is not None:
        open_model(model)  # a wrong name is said before anything is judged
    spec = None if model == "baseline" else model
    if spec is None and not run_tests:
        yield None, None
        return
    with Engine.connect() as engine:
        panel = None
        if spec is not None:
            named = spec
            folder = (work.cache or cache_dir()) / "panels"
            panel = Panel(lambda role: open_model(named), engine, folder, budget=budget, tell=tell)
        yield (Trials(engine) if run_tests else None), panel


def judge_file(
    path: Path,
    source: str | None,
    opener: Opener,
    *,
    trials: Trials | None = None,
    panel: Panel | None = None,
) -> Row:
    """One session's row; an error of the session's is data.

    Args:
        path: the session.
        source: the repository that all sessions share; None takes it from the session.
        opener: opens a repository.
        trials: runs the outcome's tests; None leaves them alone.
        panel: three sub-agents; None lets the evidence alone decide.

    Raises:
        ProviderError: the panel's provider failed for good.
        SandboxError: the engine failed.
    """
    try:
        session = load(path)
        with opener(source) if source is not None else nullcontext() as repository:
            verdict = qualify(session, repository, opener=opener, trials=trials, panel=panel)
        return Row(path=str(path), qualification=verdict)
    except ProviderError:
        raise  # it would fail every other session, too
    except (KettleError, OSError) as error:
        return Row(path=str(path), error=str(error))
    except (ValueError, ArithmeticError, LookupError, TypeError, RecursionError) as error:
        # A defect of ours that one hostile session shows must not end the other thousand.
        what = f"{type(error).__name__}: {error}"
        return Row(path=str(path), error=f"unforeseen, worth a report: {what}")


def _round(waiting: list[Path], work: Work, workers: int) -> Generator[Row, None, list[Path]]:
    """Work through `waiting` from its end until it is empty or a worker dies.

    Returns:
        The sessions that were in flight when a worker died.
    """
    flying: dict[Future[Row], Path] = {}
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(work,),
        max_tasks_per_child=TASKS_PER_WORKER,
    )
    try:
        while waiting or flying:
            while waiting and len(flying) < workers * AHEAD:
                path = waiting.pop()
                flying[pool.submit(_judge, path)] = path
            done, _ = wait(flying, return_when=FIRST_COMPLETED)
            for future in done:
                row = future.result()
                del flying[future]
                yield row
    except BrokenProcessPool:
        return list(flying.values())
    finally:
        # Idle workers end at once; waiting for them keeps their pipes from closing under the exit.
        pool.shutdown(wait=not flying, cancel_futures=True)
    return []


class Repositories:
    """The repositories that a worker opened last, and those that cannot be had.

    Args:
        cache: the folder of clones; None means the usual one.
    """

    def __init__(self, cache: Path | None) -> None:
        self._cache = cache
        self._open: OrderedDict[str, Repository] = OrderedDict()
        self._gone: dict[str, str] = {}

    @contextmanager
    def opened(self, source: str) -> Iterator[Repository]:
        """A repository, kept open from one session to the next.

        Raises:
            RepositoryError: it cannot be had; tried once.
        """
        if source in self._gone:
            raise RepositoryError(self._gone[source])
        if source not in self._open:
            while len(self._open) >= OPEN_REPOSITORIES:
                self._open.popitem(last=False)[1].close()
            try:
                self._open[source] = Repository.open(source, cache=self._cache)
            except RepositoryError as error:
                self._gone[source] = str(error)
                raise
        self._open.move_to_end(source)
        yield self._open[source]


_work = Work()
_repositories = Repositories(None)


def _begin(work: Work) -> None:
    """Set a worker up; Ctrl-C is for the parent, which ends its workers."""
    global _work, _repositories
    _work, _repositories = work, Repositories(work.cache)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _judge(path: Path) -> Row:
    return judge_file(path, _work.repo, _repositories.opened)

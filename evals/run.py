"""Runs builders on items and scores what they leave, so that a killed run goes on where it stood.

Each attempt is built once and scored once: what is finished is on disk before the next step begins
(`evals.results`). The controls are always among the builders. Trouble with the engine, a provider
or a package index is tried again and then reported as not run; it is never a score.
"""

from __future__ import annotations

import itertools
import os
import shutil
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from agent.budget import Budget
from agent.errors import InputError, ProviderError
from agent.progress import Event
from evals import recipe
from evals.builders import Builder, Built, Job
from evals.controls import CONTROLS
from evals.errors import IndexUnavailable
from evals.item import ITEMS, Item, states
from evals.pool import side_by_side
from evals.results import BUILT, SCORE, Key, Result, Run, locked, read_whole, write_whole
from evals.score import Score
from evals.scoring import ScoringSettings, score_accept, score_reject
from sandbox.errors import SandboxError

SCORERS = min(16, 2 * (os.cpu_count() or 1))
"""Attempts scored at one time, where nothing is built: half of the time is spent on waiting for
verifiers that hang."""
CONTROL_ATTEMPTS = 1
"""Controls have no chance in them: a second attempt would leave the same files."""
_TROUBLE = (SandboxError, ProviderError, IndexUnavailable, OSError)
"""Nobody's fault that is measured: tried once more, as builds resume, and then not scored."""
_T = TypeVar("_T")


@dataclass(frozen=True)
class RunSettings:
    """What a run may do.

    Attributes:
        attempts: of every builder at every item.
        workers: attempts at one time.
        budget: of one attempt.
        dollars: of this call of the run, by list price; None means no limit.
        minutes: of this call of the run; attempts that have begun are ended by their own budget.
        scoring: limits of scoring.
    """

    attempts: int = 1
    workers: int = 2
    budget: Budget = field(default_factory=lambda: Budget(turns=100, minutes=60, submissions=5))
    dollars: float | None = None
    minutes: float | None = None
    scoring: ScoringSettings = field(default_factory=ScoringSettings)


@dataclass(frozen=True)
class Planned:
    """All attempts that were asked for, finished ones included."""

    keys: tuple[Key, ...]


@dataclass(frozen=True)
class Begun:
    """An attempt began."""

    key: Key


@dataclass(frozen=True)
class Told:
    """A builder told something."""

    key: Key
    event: Event


@dataclass(frozen=True)
class Finished:
    """An attempt ended, now or in an earlier run (`kept`)."""

    result: Result
    kept: bool


RunEvent = Planned | Begun | Told | Finished


def perform(
    run: Run,
    items: Sequence[Item],
    builders: Sequence[Builder],
    settings: RunSettings,
    on_event: Callable[[RunEvent], None] = lambda event: None,
) -> list[Result]:
    """Make every attempt that is not finished yet.

    Args:
        run: the folder; finished attempts in it are kept.
        items: what to build.
        builders: who builds; the controls come on top.
        settings: how much of it.
        on_event: gets progress, from any thread.

    Returns:
        The results of these items and builders, those of earlier calls included. Attempts that
        another process holds, or that the budget left out, are missing.

    Raises:
        InputError: an item changed since the run began.
    """
    known = run.results()
    for item in items:
        digests = {r.item_digest for r in known.values() if r.item == item.name}
        if digests - {item.digest}:
            raise InputError(
                f"The item {item.name} is not what it was when {run.path} began. Begin a new run."
            )
    controls = {control.name for control in CONTROLS}
    everybody = [*CONTROLS, *(b for b in builders if b.name not in controls)]
    jobs = [
        (item, builder, number)
        for item, builder in itertools.product(items, everybody)
        for number in range(1, _attempts(builder, settings) + 1)
    ]
    wanted = tuple((builder.name, item.name, number) for item, builder, number in jobs)
    on_event(Planned(wanted))
    worker = _Worker(run, settings, on_event)
    todo = []
    for item, builder, number in jobs:
        result = known.get((builder.name, item.name, number))
        if result is not None and result.status == "scored":
            on_event(Finished(result, kept=True))
        else:
            todo.append((item, builder, number))
    with side_by_side(settings.workers, "attempt") as pool:
        list(pool.map(lambda job: worker.attempt(*job), todo))
    return [result for key, result in run.results().items() if key in set(wanted)]


def rescore(
    run: Run,
    items: Sequence[Item],
    settings: RunSettings,
    on_event: Callable[[RunEvent], None] = lambda event: None,
) -> list[tuple[Result, Result]]:
    """Score again what builders left, without building anything.

    Args:
        run: a run with finished attempts.
        items: as they are now; attempts at others stay as they were scored.
        settings: how.
        on_event: gets progress, from any thread.

    Returns:
        The old and the new result of every attempt that was scored again.
    """
    known = run.results()
    by_name = {item.name: item for item in items}
    todo = [r for r in known.values() if r.item in by_name and r.built is not None]
    # The longest first: begun last, one of them would run alone at the end.
    todo.sort(key=lambda r: r.score.seconds if r.score else 0.0, reverse=True)
    again: list[tuple[Result, Result]] = []
    on_event(Planned(tuple(r.key for r in todo)))

    def one(old: Result) -> None:
        on_event(Begun(old.key))
        item = by_name[old.item]
        begun = time.monotonic()
        folder = run.attempt(old.key)
        before = read_whole(folder / SCORE, Score)
        try:
            score = _again(lambda: _score(item, folder, settings.scoring))
        except _TROUBLE as error:
            new = old.model_copy(update={"status": "not run", "why": str(error), "score": None})
        else:
            write_whole(folder / SCORE, score.model_dump_json(indent=1).encode())
            new = old.model_copy(
                update={
                    "status": "scored",
                    "why": "",
                    "item_digest": item.digest,
                    "score": score.model_copy(update={"grades": []}),
                    "seconds": round(time.monotonic() - begun, 1),
                }
            )
            if before is not None and before.same(score):
                # Only the time differs, and that of the attempt itself is the one to keep.
                new = new.model_copy(update={"seconds": old.seconds})
        # A line more: to write the log anew would lose what others have added meanwhile.
        run.append(new)
        again.append((old, new))
        on_event(Finished(new, kept=False))

    with side_by_side(settings.workers, "rescore") as pool:
        list(pool.map(one, todo))
    return again


class _Worker:
    """Makes single attempts."""

    def __init__(
        self,
        run: Run,
        settings: RunSettings,
        on_event: Callable[[RunEvent], None],
    ) -> None:
        self.run = run
        self.settings = settings
        self.tell = on_event
        self._begun = time.monotonic()
        self._dollars = 0.0

    def attempt(self, item: Item, builder: Builder, number: int) -> None:
        if self._spent():
            return
        key = (builder.name, item.name, number)
        folder = self.run.attempt(key)
        with locked(folder) as free:
            if not free:
                return  # another process is at it
            self.tell(Begun(key))
            begun = time.monotonic()
            result = Result(
                builder=builder.name,
                control=builder in CONTROLS,
                item=item.name,
                attempt=number,
                item_digest=item.digest,
                repository=item.recipe.project,
                public=item.folder.parent.resolve() == ITEMS.resolve(),
                status="not run",
            )
            try:
                built = _again(lambda: self._built(item, builder, folder, key))
                score = _again(lambda: _kept_score(item, folder, self.settings.scoring))
            except Exception as error:
                # Also a mistake of Kettle's own: it must not end the run, nor count as a score.
                (folder / "trouble.txt").write_text(traceback.format_exc())
                result.why = f"{type(error).__name__}: {error}"
            else:
                self._dollars += built.dollars
                result.status, result.built = "scored", built
                result.score = score.model_copy(update={"grades": []})
            result.seconds = round(time.monotonic() - begun, 1)
            self.run.append(result)
            self.tell(Finished(result, kept=False))

    def _spent(self) -> bool:
        minutes, dollars = self.settings.minutes, self.settings.dollars
        return (minutes is not None and time.monotonic() - self._begun >= minutes * 60) or (
            dollars is not None and self._dollars >= dollars
        )

    def _built(self, item: Item, builder: Builder, folder: Path, key: Key) -> Built:
        done = read_whole(folder / BUILT, Built)
        if done is not None:
            return done
        session, repository = _furnished(self.run, item)
        budget = self.settings.budget
        if self.settings.dollars is not None:
            left = max(0.0, self.settings.dollars - self._dollars)
            budget = replace(
                budget, dollars=left if budget.dollars is None else min(left, budget.dollars)
            )
        job = Job(
            session=session,
            repository=repository,
            out=folder / "build",
            budget=budget,
            tell=lambda event: self.tell(Told(key, event)),
        )
        built = _relative(builder.build(job), folder)
        write_whole(folder / BUILT, built.model_dump_json(indent=1).encode())
        return built


def _attempts(builder: Builder, settings: RunSettings) -> int:
    return CONTROL_ATTEMPTS if builder in CONTROLS else settings.attempts


def _furnished(run: Run, item: Item) -> tuple[Path, Path]:
    """A copy of the session, and the repository; nothing else of the item comes near a builder."""
    place = run.work(item.name)
    with locked(place, wait=True):
        made = recipe.materialise(item.folder, place / "repository")
        session = place / item.session.name
        if not session.exists():
            if item.session.is_dir():
                shutil.copytree(item.session, session)
            else:
                shutil.copyfile(item.session, session)
    return session, made.path


def _kept_score(item: Item, folder: Path, settings: ScoringSettings) -> Score:
    done = read_whole(folder / SCORE, Score)
    if done is not None:
        return done
    score = _score(item, folder, settings)
    write_whole(folder / SCORE, score.model_dump_json(indent=1).encode())
    return score


def _score(item: Item, folder: Path, settings: ScoringSettings) -> Score:
    built = read_whole(folder / BUILT, Built)
    if built is None:
        raise InputError(f"{folder} holds no {BUILT}: there is nothing to score.")
    if item.truth.verdict == "reject":
        return score_reject(item, built)
    where = folder / built.environment if built.environment is not None else None
    return score_accept(
        item, states(item), built.model_copy(update={"environment": where}), settings=settings
    )


def _relative(built: Built, folder: Path) -> Built:
    """The same with paths relative to the attempt's folder; others are dropped."""
    top = folder.resolve()
    changes: dict[str, Path | None] = {}
    for name in ("environment", "report", "trajectory"):
        path = getattr(built, name)
        if path is not None:
            whole = Path(path).absolute()
            inside = whole.resolve().is_relative_to(top)
            changes[name] = whole.resolve().relative_to(top) if inside else None
    return built.model_copy(update=changes)


def _again(work: Callable[[], _T]) -> _T:
    try:
        return work()
    except _TROUBLE:
        return work()

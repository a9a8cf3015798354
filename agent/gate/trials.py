"""What the checks share: the built image, the grader, and grades that are made side by side."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as OutOfTime
from dataclasses import replace
from types import TracebackType
from typing import TypeVar

from agent.environment import Environment
from agent.gate import conditions, outcome
from agent.gate.outcome import Outcome
from agent.gate.settings import GateSettings
from agent.grading import (
    NOP,
    ORACLE,
    PLAIN,
    WORK_TREE,
    Candidate,
    CandidateFailed,
    Conditions,
    Grade,
    Grader,
)
from agent.tree import Tree
from sandbox.build import BuiltImage
from sandbox.engine import Engine
from sandbox.errors import SandboxError, TransferError

_T = TypeVar("_T")


class Unready(Exception):
    """What a check needs is not there; the message says why."""


class Trials:
    """One run of the gate on one environment. Used as a context manager.

    Attributes:
        image: set once the image is built.
        image_id: the engine's name for it; "" before.
        build_context: what it was built from, as sent to the engine.
        bases: images that the Dockerfile rests on, as the engine names them.
        online_grader: set when only a network lets the oracle pass.
        reused: grades that an earlier run had made.
        given_up: the check that failed, where nothing further is tried after one; "" otherwise.
        deadline: reading of the monotonic clock when the budget is spent.
    """

    def __init__(
        self,
        engine: Engine,
        environment: Environment,
        settings: GateSettings,
        memory: dict[str, Grade] | None = None,
    ) -> None:
        self.engine = engine
        self.environment = environment
        self.settings = settings
        self.deadline = time.monotonic() + settings.budget_s
        self.image: BuiltImage | None = None
        self.image_id = ""
        self.build_context = b""
        self.bases: list[str] = []
        self.online_grader: Grader | None = None
        self.reused = 0
        self.given_up = ""
        self._grader: Grader | None = None
        self._pool = ThreadPoolExecutor(settings.workers, thread_name_prefix="grade")
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="grade-aside")
        self._queue: list[Future[Grade]] = []
        self._grades: dict[tuple[str, int], Future[Grade]] = {}
        self._memory = {} if memory is None else memory
        self._lock = threading.RLock()
        self._kept: dict[str, object] = {}

    def __enter__(self) -> Trials:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pool in (self._pool, self._aside):
            pool.shutdown(wait=kind is None, cancel_futures=True)

    @property
    def carried(self) -> bool:
        """True for environments whose final tree is carried out as data: Kettle's own."""
        return self.environment.kettle is not None

    @property
    def out_of_time(self) -> bool:
        """True when the budget is spent."""
        return time.monotonic() >= self.deadline

    @property
    def grader(self) -> Grader:
        """Grades with the network off.

        Raises:
            Unready: the image is not built.
        """
        with self._lock:
            if self._grader is None:
                if not self.image_id:
                    raise Unready("the image is not built")
                self._grader = Grader(self.engine, self.environment, self.image_id)
            return self._grader

    @property
    def seconds_left(self) -> float:
        """Of the budget."""
        return max(0.0, self.deadline - time.monotonic())

    def submit(
        self,
        candidate: Candidate,
        conditions: Conditions = PLAIN,
        grader: Grader | None = None,
        *,
        aside: bool = False,
        once: bool = False,
    ) -> Future[Grade]:
        """Grade a candidate when a worker is free, by the usual grader or another.

        Args:
            candidate: what is graded.
            conditions: what surrounds the verifier.
            grader: None is the usual one.
            aside: by a worker that is kept for what mostly waits, one at a time.
            once: not again if an earlier run of the gate did, where image, verifier and candidate
                are the same byte for byte, and the conditions but for patience.
        """
        judge = grader or self.grader
        pool = self._aside if aside else self._pool

        def graded() -> Grade:
            return retried(lambda: judge.grade(candidate, conditions))

        if not once:
            return self._queued(pool, graded)
        what = (self.environment.digest, judge.layers, judge.mode, conditions.label, candidate)
        key = hashlib.sha256(repr(what).encode()).hexdigest()
        if known := self._memory.get(key):
            with self._lock:
                self.reused += 1
            done: Future[Grade] = Future()
            done.set_result(known)
            return done

        def remembered() -> Grade:
            grade = graded()
            # A time-out or an error may be a busy machine's.
            if grade.status == "graded":
                self._memory[key] = grade
            return grade

        return self._queued(pool, remembered)

    def begin_core(self) -> None:
        """Queue the grades of nop and oracle, what tells most first.

        The first of each is plain; the repeats change the conditions, see `agent.gate.conditions`.
        """
        with self._lock:
            candidates = [ORACLE, NOP] if self.environment.has_oracle else [NOP]
            for number in range(self.settings.repeats):
                parts = conditions.of_repeat(number, self.settings.seed)
                around = conditions.together(parts)
                # The first oracle is applied while the first nops are graded already.
                for candidate in candidates if number % 2 == 0 else reversed(candidates):
                    self._grades[candidate.name, number] = self.submit(candidate, around)

    def grade(self, candidate: Candidate, number: int = 0) -> Grade:
        """The grade of nop or oracle in one of the repeats; waits for it.

        Raises:
            Unready: it was not queued, was given up, or had not begun when the budget was spent.
            SandboxError: the engine failed twice.
        """
        future = self._grades.get((candidate.name, number))
        grade = self.awaited(future) if future is not None else None
        if grade is None:
            raise Unready(f"{candidate.name} was not graded")
        return grade

    def awaited(self, future: Future[Grade]) -> Grade | None:
        """A grade once it is there; None when it was dropped or the budget is spent.

        One that runs when the budget is spent still comes to its end, at the verifier's own limit
        at the latest; one that waits is not begun any more.
        """
        if future.cancelled():
            return None
        try:
            return future.result(timeout=self.seconds_left)
        except OutOfTime:
            return None if future.cancel() else future.result()
        except CancelledError:
            return None

    def give_up(self, failed: str) -> None:
        """Begin nothing further, because a check failed; what runs comes to its end."""
        with self._lock:
            self.given_up = self.given_up or failed
            self.deadline = time.monotonic()
            for future in self._queue:
                future.cancel()

    def give_up_repeats(self) -> None:
        """Drop repeats that have not begun: they would repeat a wrong verdict."""
        for (_, number), future in self._grades.items():
            if number > 0:
                future.cancel()

    @property
    def start(self) -> Tree | None:
        """The start state as packed; None for a task that has none."""

        def make() -> Tree | None:
            packed = self.environment.start
            if packed is None:
                return None
            try:
                return Tree.from_tar(packed)
            except TransferError:
                return None

        return self._once("start", make)

    @property
    def outcome(self) -> Outcome | None:
        """What the oracle changes; None without one or when it cannot be applied.

        A task of somebody else's may work anywhere: there the oracle's own files tell what is
        sealed, less what the image's work tree holds already, for that is its start state.
        """

        def make() -> Outcome | None:
            if not self.environment.has_oracle:
                return None
            found, start = Outcome(), self.start
            if self.carried or self.grader.workdir == WORK_TREE:
                try:
                    start = start or self.grader.base_tree()
                    found = outcome.compare(self.grader.base_tree(), self.grader.final_tree(ORACLE))
                    if self.carried:
                        return found
                except CandidateFailed:
                    pass
            texts = [data for _, data in self.environment.files("solution")]
            told = outcome.from_texts(texts, start or Tree())
            return replace(told, changed=found.changed, paths=found.paths)

        return self._once("outcome", make)

    @property
    def core_works(self) -> bool:
        """True when nop earns nothing and the oracle everything, in the first repeat.

        Raises:
            Unready: one of them was not graded.
        """
        return self.grade(NOP).reward == 0 and self.grade(ORACLE).passed

    def _queued(self, pool: ThreadPoolExecutor, work: Callable[[], Grade]) -> Future[Grade]:
        with self._lock:
            future = pool.submit(work)
            self._queue.append(future)
            return future

    def _once(self, name: str, make: Callable[[], _T]) -> _T:
        with self._lock:
            if name not in self._kept:
                self._kept[name] = make()
            return self._kept[name]  # type: ignore[return-value]


def retried(work: Callable[[], _T]) -> _T:
    """Do something, and once more if the engine got in the way.

    Raises:
        SandboxError: the second time, too.
    """
    try:
        return work()
    except SandboxError:
        return work()

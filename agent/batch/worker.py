"""A worker: claims an entry, works on it while its heart beats, and says how it ended.

Whatever goes wrong is attributed here. What is the session's own fault ends the entry; what may
pass is tried again from the last finished phase; what is nobody's fault (a provider or an engine
that is down, a full disk, a stop) does not count against the session. A worker that loses its lease
or its consent is interrupted where it stands, as by Ctrl-C, and everything it started is removed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from agent.batch.job import BuildJob, Desk, Ending, Job, discard
from agent.batch.pace import SharedPace
from agent.batch.settings import BUILD, BatchSettings
from agent.batch.stand_in import StandIn
from agent.errors import InputError, KettleError, ProviderError, Rejected, RepositoryError
from agent.models import default_model_spec
from agent.models.retry import Transient
from agent.queue import artefacts, consent
from agent.queue.database import Database, DatabaseGone
from agent.queue.leases import BEAT_S, Claim, LeaseLost, Leases
from agent.queue.schema import Kind
from sandbox import reaper
from sandbox.errors import EngineUnavailable, SandboxError

IDLE_S = 0.5
"""Between two looks at a queue in which nothing waits."""
DATABASE_PATIENCE_S = 15 * 60.0
"""How long a worker waits for a database that is away; its work goes on meanwhile."""
PROVIDER_PAUSE_S = 60.0
"""For all workers, after a provider failed for as long as one query is tried again."""
ENGINE_PAUSE_S = 30.0
"""For one worker, after the container engine did not answer or the disk was full."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Interrupted(KeyboardInterrupt):
    """The work on an entry must stop where it stands; cleaned up after as Ctrl-C is.

    Attributes:
        cause: the lease that was lost; None for a stop.
    """

    def __init__(self, cause: LeaseLost | None) -> None:
        super().__init__(str(cause) if cause else "stopped")
        self.cause = cause


@dataclass
class Control:
    """What tells a worker to end.

    Attributes:
        drain: claim nothing any more.
        stop: also stop what is under way.
    """

    drain: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)


def job_named(name: str) -> Job:
    """The job of a batch.

    Raises:
        InputError: there is no such job.
    """
    return BuildJob() if name == BUILD else StandIn.named(name)


def own_name() -> str:
    """This process as the holder of leases: the machine, then what no other process has."""
    return f"{socket.gethostname()[:60]}#{reaper.owner()}"


class Worker:
    """Works on entries, one after the other.

    Args:
        settings: the batch's.
        batch: its number.
        control: tells it to end.
        tell: gets one line about whatever a person may want to know.
        beat_s: seconds between two heartbeats.
    """

    def __init__(
        self,
        settings: BatchSettings,
        batch: int,
        control: Control,
        *,
        tell: Callable[[str], None] = lambda _: None,
        beat_s: float = BEAT_S,
    ) -> None:
        self._settings = settings
        self._batch = batch
        self._control = control
        self._tell = tell
        self._beat_s = min(beat_s, settings.lease_s / 4)
        self._name = own_name()
        self._job = job_named(settings.job)
        self._database = Database(settings.queue, patience_s=DATABASE_PATIENCE_S, create=False)
        self._leases = Leases(self._database, max_attempts=settings.max_attempts)
        self._store = artefacts.open_store(settings.out)
        provider = settings.model or default_model_spec()[0]
        self._pace = SharedPace(self._database, provider, stop=control.stop, tell=tell)
        self._heart: _Heart | None = None

    def run(self) -> None:
        """Work until there is nothing and the control says so, or until stopped.

        Raises:
            DatabaseGone: the database was away for longer than the patience.
        """
        with _interruptible(self._interrupt):
            while not self._control.drain.is_set() and not self._control.stop.is_set():
                if not self.once():
                    self._control.drain.wait(IDLE_S)
        self._database.close()

    def once(self) -> bool:
        """Work on one entry to its end; False when there was none to claim, or reason to wait."""
        if self._pace.wait_s() > 0:
            return False
        self._settings.work_folder.mkdir(parents=True, exist_ok=True)
        if why := self._no_room():
            self._tell(f"{why}: nothing is begun")
            self._control.drain.wait(ENGINE_PAUSE_S)
            return False
        claim = self._leases.claim(self._name, batch=self._batch, limits=self._settings.limits)
        if claim is None:
            return False
        self._work_on(claim)
        return True

    def _no_room(self) -> str:
        """What this machine has too little of to begin a build; empty when there is enough.

        Asked before a claim: sessions go to the workers of machines that have room.
        """
        for place in (self._settings.work_folder, *self._job.disks()):
            if shutil.disk_usage(place).free < self._settings.least_free_bytes:
                return f"the disk of {place} is nearly full"
        free = _free_memory_bytes()
        if free is not None and free < self._settings.least_free_memory_bytes:
            return f"only {free >> 20} MiB of memory are free"
        return ""

    def _work_on(self, claim: Claim) -> None:
        folder = self._settings.work_folder / str(claim.id)
        folder.mkdir(exist_ok=True)
        desk = Desk(
            settings=self._settings,
            agreement=consent.by_id(self._database, claim.consent),
            folder=folder,
            store=self._store,
            pace=self._pace,
            enter=lambda state, **values: self._leases.enter(claim, state, **values),
        )
        ending: Ending | None
        try:
            try:
                ending = self._beating(claim, desk)
            except LeaseLost:
                raise
            except (Exception, KeyboardInterrupt) as error:
                ending = self._attributed(claim, desk, error)
            if ending is not None:
                self._finish(claim, desk, ending)
        except LeaseLost as lost:
            self._tell(f"entry {claim.id}: {lost}")
            if lost.gone:
                self._forget(claim, desk)

    def _beating(self, claim: Claim, desk: Desk) -> Ending:
        """Run the job while a thread says that this worker lives."""
        if self._control.stop.is_set():
            raise Interrupted(None)
        self._heart = heart = _Heart(self._leases, claim, desk, self._beat_s)
        try:
            with heart:
                return self._job.run(claim, desk)
        finally:
            self._heart = None

    def _interrupt(self) -> None:
        """In the main thread, on a signal: end the work under way, if it must end."""
        heart = self._heart
        if heart is not None and (heart.lost is not None or self._control.stop.is_set()):
            self._heart = None
            raise Interrupted(heart.lost)

    def _finish(self, claim: Claim, desk: Desk, ending: Ending) -> None:
        try:
            self._leases.finish(
                claim,
                ending.state,
                kind=ending.kind,
                reason=ending.reason,
                environment=ending.environment,
                dollars=desk.dollars,
                phases=ending.phases,
            )
        except LeaseLost as lost:
            if lost.gone and ending.environment:
                # The consent ended while it was being published.
                artefacts.remove(ending.environment)
            raise
        discard(desk.folder, keep_builds=ending.state == "failed")

    def _forget(self, claim: Claim, desk: Desk) -> None:
        discard(desk.folder, keep_builds=False)
        if claim.environment:
            with contextlib.suppress(OSError, KettleError):
                artefacts.remove(claim.environment)

    def _attributed(
        self, claim: Claim, desk: Desk, error: Exception | KeyboardInterrupt
    ) -> Ending | None:
        """How an attempt ends that raised; None when the entry is tried again."""
        match error:
            case Interrupted(cause=LeaseLost() as lost):
                raise lost
            case KeyboardInterrupt():
                self._again(claim, desk, "infrastructure", "stopped", counts=False, after_s=0)
            case DatabaseGone():
                raise error
            case Rejected():
                return Ending("rejected", "unclear intent", str(error))
            case ProviderError() if isinstance(error.__cause__, Transient):
                self._pace.refused(PROVIDER_PAUSE_S, str(error))
                self._again(claim, desk, "provider", str(error), counts=False, after_s=0)
            case ProviderError():
                self._again(claim, desk, "provider", str(error))
            case RepositoryError():
                self._again(claim, desk, "infrastructure", str(error))
            case InputError():
                return Ending("failed", "input", str(error))
            case EngineUnavailable():
                self._nobodys_fault(claim, desk, str(error))
            case OSError() if _is_full(error):
                self._nobodys_fault(claim, desk, f"the disk is full: {error}")
            case SandboxError() | OSError():
                self._again(claim, desk, "infrastructure", str(error))
            case _:
                text = "".join(traceback.format_exception(error))
                self._again(claim, desk, "bug", text[-1500:])
        return None

    def _nobodys_fault(self, claim: Claim, desk: Desk, reason: str) -> None:
        self._tell(reason)
        self._again(claim, desk, "infrastructure", reason, counts=False, after_s=ENGINE_PAUSE_S)
        self._control.drain.wait(ENGINE_PAUSE_S)

    def _again(
        self,
        claim: Claim,
        desk: Desk,
        kind: Kind,
        reason: str,
        *,
        counts: bool = True,
        after_s: float | None = None,
    ) -> None:
        state = self._leases.again(
            claim, kind, reason, counts=counts, after_s=after_s, dollars=desk.dollars
        )
        if state is not None:
            discard(desk.folder, keep_builds=True)


class _Heart:
    """Beats while an entry is worked on, and interrupts the work when the lease is lost."""

    def __init__(self, leases: Leases, claim: Claim, desk: Desk, beat_s: float) -> None:
        self.lost: LeaseLost | None = None
        self._leases = leases
        self._claim = claim
        self._desk = desk
        self._beat_s = beat_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> _Heart:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(self._beat_s):
            try:
                self._leases.beat(self._claim, dollars=self._desk.dollars)
            except LeaseLost as lost:
                self.lost = lost
            except DatabaseGone:
                continue
            if self.lost is not None:
                # Again and again: a signal that arrives inside a clean-up may be lost.
                interrupt()


def _is_full(error: OSError) -> bool:
    """True when a disk was full; copying a folder reports its errors as texts without a number."""
    return error.errno in FULL or any(os.strerror(number) in str(error) for number in FULL)


def _free_memory_bytes() -> int | None:
    """Memory that new processes can have; None where nobody says."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    found = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return next((int(kib) << 10 for kib in found), None)


def interrupt() -> None:
    """Make the main thread of this process look whether its work must end."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)


@contextmanager
def _interruptible(look: Callable[[], None]) -> Iterator[None]:
    """Within it, `interrupt` makes the main thread call `look`, which may raise."""

    def arrived(_number: int, _frame: FrameType | None) -> None:
        look()

    before = signal.signal(signal.SIGUSR1, arrived)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


def kill_group(process: int) -> None:
    """Kill what a dead worker started and left in its process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)

"""Workers as processes of this machine, kept alive while the queue drains.

Each worker is forked from a small server process, which makes a new one in milliseconds, and is
told to drain or to stop through a pipe; a pipe that closes means that the batch is gone. A worker
that dies gives its entry back at once, what it left in the container engine is removed, and another
takes its place.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType

from agent.batch.settings import BatchSettings, end
from agent.batch.watcher import Listener, Watcher, sweep
from agent.batch.worker import Control, Worker, interrupt, job_named, kill_group
from agent.errors import KettleError
from agent.queue.database import Database, DatabaseGone

LOOK_S = 0.5
"""Between two looks at workers and queue."""
EARLY_DEATHS = 5
"""Workers in a row that may die without having finished anything before the batch gives up."""
ENDING_S = 30.0
"""For workers to end after a stop before they are killed."""
DRAIN, STOP = "drain", "stop"

_context = multiprocessing.get_context("forkserver")


class Crew:
    """The workers of one batch on this machine.

    Args:
        database: the queue's.
        settings: the batch's.
        batch: its number.
        size: how many workers.
        until_empty: end when no session is left to work on.
        listener: gets events and snapshots.
    """

    def __init__(
        self,
        database: Database,
        settings: BatchSettings,
        batch: int,
        size: int,
        *,
        until_empty: bool,
        listener: Listener,
    ) -> None:
        self._database = database
        self._settings = settings
        self._batch = batch
        self._size = size
        self._until_empty = until_empty
        self._watcher = Watcher(database, settings, batch, listener, workers=size)
        self._workers: list[_Hand] = []
        self._draining = False
        self._stopping_since: float | None = None
        self._early = 0

    def run(self) -> bool:
        """Drain the queue.

        Returns:
            True when it ended by itself; False when a person ended it.

        Raises:
            KettleError: workers die as soon as they are started.
        """
        _context.set_forkserver_preload(["agent.batch.worker", "agent.build"])
        self._watcher.begin()
        began = time.monotonic()
        minutes = self._settings.batch_minutes
        with _asked_to_end(self):
            try:
                while True:
                    self._mend()
                    if not self._workers:
                        break
                    with contextlib.suppress(DatabaseGone):
                        snapshot = self._watcher.look()
                        if self._until_empty and not snapshot.open:
                            self.drain("the queue is empty")
                        elif self._until_empty and snapshot.spent_out:
                            self.drain("the budget is spent")
                    if minutes is not None and time.monotonic() - began >= minutes * 60:
                        self.stop(f"{minutes:g} minutes are over")
                    late = self._stopping_since
                    if late is not None and time.monotonic() - late > ENDING_S:
                        for hand in self._workers:
                            hand.process.kill()
                    # Ends early when a worker does, so that another takes its place at once.
                    wait([hand.process.sentinel for hand in self._workers], LOOK_S)
            finally:
                for hand in self._workers:
                    hand.process.kill()
                self._end()
        return not self._watcher.interrupted

    def drain(self, why: str) -> None:
        """Let the workers finish what they do and claim nothing more."""
        if not self._draining:
            self._draining = True
            self._watcher.note(f"{why}; the workers finish what they do")
            self._send(DRAIN)

    def stop(self, why: str) -> None:
        """Stop the workers where they stand; their sessions are taken up by the next batch."""
        self._draining = True
        if self._stopping_since is None:
            self._stopping_since = time.monotonic()
            self._watcher.note(f"{why}; the workers stop")
            self._send(STOP)

    def person(self) -> None:
        """A person asked for the end: once to drain, twice to stop."""
        self._watcher.interrupted = True
        if self._draining:
            self.stop("asked again")
        else:
            self.drain("asked to end (once more stops them)")

    def _send(self, word: str) -> None:
        for hand in self._workers:
            hand.say(word)

    def _mend(self) -> None:
        """Take leave of workers that ended, and make new ones."""
        for hand in [h for h in self._workers if not h.process.is_alive()]:
            self._workers.remove(hand)
            hand.close()
            code = hand.process.exitcode
            if code == 0:
                continue
            kill_group(hand.pid)
            why = f"killed by signal {-code}" if code is not None and code < 0 else f"code {code}"
            held = self._watcher.died(hand.pid, why)
            self._early = 0 if held else self._early + 1
            job_named(self._settings.job).clean_up()
            if self._early >= EARLY_DEATHS:
                raise KettleError(
                    f"{EARLY_DEATHS} workers died as soon as they were started ({why}). Their "
                    f"words are in {_log(self._settings)}."
                )
        while not self._draining and len(self._workers) < self._size:
            self._workers.append(_Hand(self._settings, self._batch))

    def _end(self) -> None:
        for hand in self._workers:
            hand.process.join()
            hand.close()
        with contextlib.suppress(DatabaseGone):
            self._watcher.end()
            sweep(self._database, self._settings.work_folder)
            end(self._database, self._batch)
        log = _log(self._settings)
        if log.exists() and not log.stat().st_size:
            log.unlink()


class _Hand:
    """One worker process and the pipe to it."""

    def __init__(self, settings: BatchSettings, batch: int) -> None:
        theirs, self._pipe = _context.Pipe(duplex=False)
        self.process: BaseProcess = _context.Process(
            target=_work, args=(settings, batch, theirs), name="kettle-worker"
        )
        self.process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self.process.pid or 0

    def say(self, word: str) -> None:
        """Send a word; a worker that is gone does not hear it."""
        with contextlib.suppress(OSError):
            self._pipe.send(word)

    def close(self) -> None:
        """Close this end of the pipe."""
        self._pipe.close()


def _work(settings: BatchSettings, batch: int, words: Connection) -> None:
    """A worker process, from its beginning to its end."""
    # A group of its own: Ctrl-C on the terminal is the batch's to understand.
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with _log(settings).open("ab", buffering=0) as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    control = Control()
    threading.Thread(target=_listen, args=(words, control), daemon=True).start()
    Worker(settings, batch, control, tell=_say).run()


def _listen(words: Connection, control: Control) -> None:
    """Hear the batch's words; its silence for good means that it is gone."""
    with contextlib.suppress(EOFError, OSError):
        while words.recv() == DRAIN:
            control.drain.set()
    control.stop.set()
    control.drain.set()
    while True:
        interrupt()
        time.sleep(LOOK_S)


def _say(text: str) -> None:
    sys.stderr.write(f"{os.getpid()}: {text}\n")
    sys.stderr.flush()


def _log(settings: BatchSettings) -> Path:
    folder = settings.work_folder
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "workers.log"


@contextmanager
def _asked_to_end(crew: Crew) -> Iterator[None]:
    def heard(_number: int, _frame: FrameType | None) -> None:
        crew.person()

    before = {number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

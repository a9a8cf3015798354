"""Workers as processes of this machine, kept alive while the queue drains.

Each worker is forked from a small server process, which makes a new one in milliseconds, and is
told to drain or to stop through a pipe; a pipe that closes means that whoever started it is gone. A
worker that dies gives its entry back at once, what it left in the container engine is removed, and
another takes its place.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from agent.batch.crew import DRAIN, EARLY_DEATHS, LOOK_S
from agent.batch.settings import BatchSettings
from agent.batch.watcher import Watcher
from agent.batch.worker import Control, Worker, interrupt, job_named, kill_group
from agent.errors import KettleError

_context = multiprocessing.get_context("forkserver")


class LocalHands:
    """The workers of one batch on this machine; see `agent.batch.crew.Hands`.

    Args:
        settings: the batch's.
        batch: its number.
        size: how many workers.
    """

    def __init__(self, settings: BatchSettings, batch: int, size: int) -> None:
        self.size = size
        self._settings = settings
        self._batch = batch
        self._workers: list[Hand] = []
        self._early = 0

    def mend(self, watcher: Watcher, *, more: bool) -> int:
        """See `Hands`."""
        for hand in [h for h in self._workers if not h.process.is_alive()]:
            self._workers.remove(hand)
            hand.close()
            if not (why := hand.death):
                continue
            kill_group(hand.pid)
            held = watcher.died(hand.pid, why)
            self._early = 0 if held else self._early + 1
            job_named(self._settings.job).clean_up()
            if self._early >= EARLY_DEATHS:
                raise KettleError(
                    f"{EARLY_DEATHS} workers died as soon as they were started ({why}). Their "
                    f"words are in {_log(self._settings)}."
                )
        while more and len(self._workers) < self.size:
            self._workers.append(Hand(self._settings, self._batch))
        return len(self._workers)

    def say(self, word: str) -> None:
        """See `Hands`."""
        for hand in self._workers:
            hand.say(word)

    def wait(self, seconds: float) -> None:
        """See `Hands`."""
        wait([hand.process.sentinel for hand in self._workers], seconds)

    def kill(self) -> None:
        """See `Hands`."""
        for hand in self._workers:
            hand.process.kill()

    def close(self) -> None:
        """See `Hands`."""
        for hand in self._workers:
            hand.process.join()
            hand.close()
        tidy_log(self._settings)


class Hand:
    """One worker process and the pipe to it.

    Attributes:
        process: the worker.
    """

    def __init__(self, settings: BatchSettings, batch: int) -> None:
        _context.set_forkserver_preload(["agent.batch.worker", "agent.build"])
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

    @property
    def death(self) -> str:
        """What it died of; empty while it lives and after a good end."""
        code = self.process.exitcode
        if not code:
            return ""
        return f"killed by signal {-code}" if code < 0 else f"code {code}"

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


def tidy_log(settings: BatchSettings) -> None:
    """Delete the workers' log if nobody said anything."""
    log = _log(settings)
    if log.exists() and not log.stat().st_size:
        log.unlink()


def _log(settings: BatchSettings) -> Path:
    folder = settings.work_folder
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "workers.log"

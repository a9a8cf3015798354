"""Workers as tasks of a Ray cluster, on whichever nodes have room for them.

A task is one worker process as `agent.batch.local` makes it, started on the node that Ray chose and
told what to do by one small file in the shared work folder. Ray decides where: a node offers as
many builds as it has of the resource `docker`, and memory; a node that runs out of disk or memory
claims no session until it has room again, so that sessions go where there is room. A task whose
node is lost is begun again elsewhere by Ray; the entry it held is given back when its lease has
been silent for long enough, and goes on from its last finished phase.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import socket
import time
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from agent.batch.crew import DRAIN, EARLY_DEATHS, ENDING_S, LOOK_S, STOP
from agent.batch.local import Hand, tidy_log
from agent.batch.settings import BatchSettings
from agent.batch.watcher import Watcher, free_dead
from agent.batch.worker import job_named, kill_group
from agent.errors import InputError, KettleError
from agent.queue.database import Database
from agent.queue.leases import Leases

SLOT = "docker"
"""The resource of which a node offers as many as it may run builds at once."""
MEMORY_BYTES = 2 << 30
"""That Ray sets aside for a build: a builder's sandbox rarely needs more, and may use 4 GiB."""
RETRIES = 20
"""How often Ray begins a worker again whose node or process was lost, before the batch hears."""

CONNECT_S = 10.0
"""For the head of a cluster to take a connection."""


class WorkerDied(Exception):
    """A worker process of a node died; what it held is given back."""


class RayHands:
    """The workers of one batch on a cluster; see `agent.batch.crew.Hands`.

    Args:
        settings: the batch's.
        batch: its number.
        size: how many workers, over all nodes.

    Raises:
        InputError: Ray is not installed, no cluster answers, or the nodes could not share the work.
    """

    def __init__(self, settings: BatchSettings, batch: int, size: int) -> None:
        self.size = size
        self._settings = settings
        self._batch = batch
        settings.work_folder.mkdir(parents=True, exist_ok=True)
        self._ray = _connected()
        options = {"num_cpus": 0, "resources": {SLOT: 1}, "memory": MEMORY_BYTES}
        spread = {"max_retries": RETRIES, "scheduling_strategy": "SPREAD"}
        self._attend = self._ray.remote(**options, **spread)(attend)
        self._tasks: list[Any] = []
        self._early = 0
        self._finished = 0
        self._offered = -1.0
        self._draining = False

    def mend(self, watcher: Watcher, *, more: bool) -> int:
        """See `Hands`."""
        done, self._tasks = self._waited(0)
        for task in done:
            try:
                self._ray.get(task)
            except self._ray.exceptions.RayError as error:
                if not self._draining:
                    self._lost(watcher, error)
        if self._draining and not watcher.holding():
            # Also those that no node ever had room for.
            self._cancel(force=False)
        while more and len(self._tasks) < self.size:
            self._tasks.append(self._attend.remote(self._settings, self._batch))
        offered = self._ray.cluster_resources().get(SLOT, 0.0)
        if offered != self._offered and offered < self.size:
            watcher.note(
                f"the nodes offer {offered:g} `{SLOT}` for {self.size} workers; the others wait"
            )
        self._offered = offered
        return len(self._tasks)

    def say(self, word: str) -> None:
        """See `Hands`."""
        self._draining = True
        place = word_place(self._settings, self._batch)
        part = place.with_name(f".{place.name}")
        part.write_text(word)
        part.replace(place)
        if word == STOP:
            self._cancel(force=False)

    def wait(self, seconds: float) -> None:
        """See `Hands`."""
        self._waited(seconds)

    def kill(self) -> None:
        """See `Hands`."""
        self._cancel(force=True)

    def close(self) -> None:
        """See `Hands`."""
        self._ray.shutdown()
        word_place(self._settings, self._batch).unlink(missing_ok=True)
        tidy_log(self._settings)

    def _lost(self, watcher: Watcher, error: Exception) -> None:
        """Tell of a worker that was lost for good, and give up when none gets anything done."""
        self._early = self._early + 1 if watcher.finished == self._finished else 1
        self._finished = watcher.finished
        why = str(error).strip().splitlines()[-1]
        watcher.note(f"a worker was lost: {why}")
        if self._early >= EARLY_DEATHS:
            raise KettleError(
                f"{EARLY_DEATHS} workers were lost and nothing was finished meanwhile ({why}). "
                f"Their words are in {self._settings.work_folder}."
            )

    def _waited(self, seconds: float) -> tuple[list[Any], list[Any]]:
        if not self._tasks:
            time.sleep(seconds)
            return [], []
        number = len(self._tasks) if not seconds else 1
        done, rest = self._ray.wait(self._tasks, num_returns=number, timeout=seconds)
        return list(done), list(rest)

    def _cancel(self, *, force: bool) -> None:
        for task in self._tasks:
            with contextlib.suppress(self._ray.exceptions.RayError, ValueError):
                self._ray.cancel(task, force=force)


def attend(settings: BatchSettings, batch: int) -> None:
    """Be one worker of a batch on this node, as a Ray task.

    Raises:
        WorkerDied: the worker process died; what it held is given back already.
    """
    place = word_place(settings, batch)
    hand = Hand(settings, batch)
    said = ""
    try:
        while hand.process.is_alive():
            if (word := _word(place)) and word != said:
                hand.say(said := word)
            wait([hand.process.sentinel], LOOK_S)
    finally:
        # Ray cancels a task by an interrupt here; the worker ends what it does in its own way.
        hand.say(STOP)
        hand.process.join(ENDING_S)
        hand.process.kill()
        hand.process.join()
        hand.close()
        if why := hand.death:
            kill_group(hand.pid)
            database = Database(settings.queue, create=False)
            free_dead(Leases(database, max_attempts=settings.max_attempts), hand.pid, why)
            database.close()
            job_named(settings.job).clean_up()
    if why:
        raise WorkerDied(why)


def word_place(settings: BatchSettings, batch: int) -> Path:
    """The file in which a batch tells its workers to drain or to stop."""
    return settings.work_folder / f"batch-{batch}.word"


def _word(place: Path) -> str:
    try:
        word = place.read_text()
    except OSError:
        return ""
    return word if word in (DRAIN, STOP) else ""


def ready(settings: BatchSettings) -> None:
    """See that a batch can be drained by many machines.

    Raises:
        InputError: it cannot; says what is missing.
    """
    if importlib.util.find_spec("ray") is None:
        raise InputError("`--engine ray` needs Ray: pip install 'kettle[ray]', here and on nodes.")
    if not settings.queue.startswith("postgresql"):
        raise InputError(
            "`--engine ray` needs a queue that all nodes reach: PostgreSQL, named with --queue or "
            "KETTLE_QUEUE as postgresql://user@host/kettle."
        )
    if not settings.work:
        raise InputError(
            "`--engine ray` needs --work: a folder that all nodes share under the same path."
        )


def _connected() -> Any:
    ray = importlib.import_module("ray")
    host, _, port = os.environ.get("RAY_ADDRESS", "").rpartition(":")
    try:
        if host and port.isdigit() and "/" not in host:
            # Ray itself would try for minutes.
            socket.create_connection((host, int(port)), CONNECT_S).close()
        ray.init(address="auto", log_to_driver=False, logging_level="error")
    except OSError as error:
        raise InputError(
            f"No Ray cluster answers ({error}). Start one with `ray start --head --resources="
            """'{"docker": 2}'`, or name one with RAY_ADDRESS."""
        ) from error
    return ray

"""The container engine: connects, builds images, makes sandboxes, and leaves nothing behind.

Everything an `Engine` starts carries labels with its run and its process. `close` removes it all;
so do leaving the `with` block, the end of the program, SIGTERM and SIGHUP. What a SIGKILL left is
removed by the next `connect` on the machine, which leaves the things of live runs alone.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import secrets
import signal
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

import docker
import docker.errors
from docker.models.containers import Container
from docker.types import LogConfig, Ulimit

from sandbox import bases, build, layers, reaper
from sandbox import network as networks
from sandbox.build import BuiltImage
from sandbox.container import Sandbox
from sandbox.daemon import engine_errors, explain, open_client
from sandbox.errors import ImageError, SandboxError
from sandbox.limits import Limits
from sandbox.trust import read_host_trust
from sandbox.watchdog import Watchdog

# What apt, useradd and su need, and KILL: without it root could not end other users' processes.
CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETUID", "SETGID", "KILL"]
# Removals at the same time: the engine does a few in parallel, more only queue.
REMOVERS = 4
BUILD_S = 1800.0
# Seconds by which the engine's clock and ours may differ.
CLOCK_S = 1.0

_open: weakref.WeakSet[Engine] = weakref.WeakSet()
# Set when the interpreter shuts down: no thread can be started any more.
_program_ends = threading.Event()


class Engine:
    """A connection to the container engine; a context manager.

    Attributes:
        client: the SDK's client.
        run_id: value of the label `kettle.run` on everything that this engine starts.
    """

    def __init__(self, client: docker.DockerClient) -> None:
        self.client = client
        self.run_id = secrets.token_hex(6)
        with engine_errors("ask the engine about itself"):
            about = client.info()
        self._cpus = float(about.get("NCPU") or 1)
        self._disk = str(about.get("DockerRootDir") or "")
        self._watchdog = Watchdog(self._disk)
        self._sandboxes: set[Sandbox] = set()
        self._images: list[str] = []
        self._builds: set[build.Running] = set()
        # Layers that builds made or found, and when the build began.
        self._layers: list[tuple[str, float]] = []
        self._counter = itertools.count(1)
        self._lock = threading.RLock()
        self._closed = False
        _open.add(self)
        _mind_signals()

    @classmethod
    def connect(cls) -> Engine:
        """Connects to the engine that DOCKER_HOST names, or the local one, and reaps.

        Raises:
            EngineUnavailable: no engine answers; the message says what to do.
        """
        engine = cls(open_client())
        engine.reap()
        return engine

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def build(
        self,
        context: bytes,
        *,
        tag: str | None = None,
        network: bool = True,
        timeout_s: float = BUILD_S,
        on_line: Callable[[str], None] | None = None,
        keep: bool = False,
        keep_layers: bool = False,
    ) -> BuiltImage:
        """Builds an image.

        Args:
            context: a tar archive with a Dockerfile, gzipped or not.
            tag: name for the image.
            network: whether its steps may use the network.
            timeout_s: seconds until the build is ended.
            on_line: called with each line of the build's output.
            keep: leave the image when the engine is closed. Without it the image and the layers
                that no other image uses are removed.
            keep_layers: leave the layers for later builds (`sandbox.layers`), though not the image.

        Raises:
            BuildFailed: a step failed or the time was up; carries the end of the log.
        """
        self._check_open()
        labels = {} if keep else reaper.labels(self.run_id, reaper.IMAGE_LIFETIME_S, "image")
        made: list[str] = []
        running = build.Running()
        built: BuiltImage | None = None
        began = time.time()
        with self._lock:
            self._builds.add(running)
        try:
            built = build.run(
                context,
                tag=tag,
                network=networks.provide(self.client) if network else networks.NONE,
                timeout_s=timeout_s,
                on_line=on_line,
                labels=labels,
                running=running,
                layers=made,
            )
        finally:
            with self._lock:
                self._builds.discard(running)
            if keep_layers:
                layers.hold(self.client, made, built.id if built else None)
            if not keep:
                with self._lock:
                    self._layers += [(layer, began) for layer in made]
        if not keep:
            with self._lock:
                self._images.append(built.id)
        return built

    def create(
        self,
        image: str,
        *,
        network: bool = False,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        workdir: str = "/",
        env: Mapping[str, str] | None = None,
        purpose: str = "",
    ) -> Sandbox:
        """Starts a container that does nothing until it is told to.

        Args:
            image: id or tag of an image that is there.
            network: whether it may use the network (`sandbox.network`); without it there is only
                loopback.
            limits: what it may use up.
            workdir: directory in which commands start; made if missing.
            env: variables for all commands.
            purpose: a word for people who look at the list of containers.

        Raises:
            ImageError: there is no such image.
            SandboxError: the engine cannot start it.
        """
        self._check_open()
        name = f"kettle-{self.run_id}-{next(self._counter)}"
        joined = networks.provide(self.client) if network else networks.NONE
        made: list[Container] = []

        def make() -> None:
            container = self.client.containers.create(
                image,
                # Lives as long as the limit says, even if nobody is left to end it, and does not
                # mind a `pkill sleep`.
                entrypoint=["sh", "-c", 'trap "" TERM INT HUP; exec sleep "$0"'],
                command=[f"{limits.lifetime_s:g}"],
                name=name,
                init=True,
                user="0:0",
                working_dir=workdir,
                environment=dict(env or {}),
                labels=reaper.labels(self.run_id, limits.lifetime_s, purpose),
                cap_drop=["ALL"],
                cap_add=CAPABILITIES,
                security_opt=["no-new-privileges"],
                network_mode=joined,
                pids_limit=limits.processes,
                mem_limit=limits.memory_bytes,
                memswap_limit=limits.memory_bytes,
                nano_cpus=int(min(limits.cpus, self._cpus) * 1e9),
                ulimits=[
                    Ulimit(name="fsize", soft=limits.disk_bytes, hard=limits.disk_bytes),
                    Ulimit(name="core", soft=0, hard=0),
                ],
                # What is written to process 1's output would fill the host's disk unseen.
                log_config=LogConfig(type=LogConfig.types.NONE),
                healthcheck={"test": ["NONE"]},
            )
            made.append(container)
            container.start()

        try:
            with engine_errors(f"start a container of {image}"):
                try:
                    _uninterrupted(make)
                except docker.errors.ImageNotFound as error:
                    raise ImageError(f"There is no image {image}: {explain(error)}.") from error
            sandbox = Sandbox(
                self.client,
                made[0],
                image=image,
                limits=limits,
                workdir=workdir,
                ended=self._watchdog.reason,
                on_close=self._closed_sandbox,
            )
            with self._lock:
                self._sandboxes.add(sandbox)
            # Another thread may have closed the engine meanwhile.
            self._check_open()
            self._watchdog.watch(sandbox.id, limits)
            if network:
                self._guard(sandbox)
        except BaseException:
            for container in made:
                self._remove(container.id or name)
            raise
        return sandbox

    def reap(self) -> int:
        """Removes the containers, volumes and images that dead runs left; returns how many.

        Layers that builds left on purpose go too when their time is up.
        """
        removed = 0
        with engine_errors("look for what dead runs left"):
            only = {"label": reaper.RUN}
            for found in self.client.api.containers(all=True, filters=only):
                if reaper.is_abandoned(found.get("Labels") or {}):
                    removed += self._remove(found["Id"])
            for image in self.client.api.images(filters=only):
                if reaper.is_abandoned(image.get("Labels") or {}):
                    removed += self._remove_image(image["Id"])
            for volume in self.client.api.volumes(filters=only).get("Volumes") or []:
                if reaper.is_abandoned(volume.get("Labels") or {}):
                    self.client.api.remove_volume(volume["Name"], force=True)
                    removed += 1
            layers.trim(self.client, self._disk)
        return removed

    def close(self) -> None:
        """Ends and removes all that this engine started; a second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            builds = list(self._builds)
        try:
            for running in builds:
                running.end(self.client)
            self._watchdog.stop()
            sandboxes = list(self._sandboxes)
            if _program_ends.is_set():
                for sandbox in sandboxes:
                    sandbox.close()
            else:
                with ThreadPoolExecutor(REMOVERS) as pool:
                    list(pool.map(Sandbox.close, sandboxes))
            with engine_errors("remove what this run started"):
                mine = {"label": f"{reaper.RUN}={self.run_id}"}
                for found in self.client.api.containers(all=True, filters=mine):
                    self._remove(found["Id"])
                left = [image["Id"] for image in self.client.api.images(filters=mine)]
                for image_id in {*left, *self._images}:
                    self._remove_image(image_id)
                for layer, began in reversed(self._layers):
                    self._remove_layer(layer, began)
        except SandboxError:
            # The engine is gone; the next run removes what is left, and nothing here can.
            pass
        finally:
            _open.discard(self)
            self.client.close()

    def _guard(self, sandbox: Sandbox) -> None:
        """Closes a sandbox's way to the host, before anything is run in it."""
        networks.guard(
            self.client,
            sandbox.id,
            image=bases.any_workbench(self),
            trust=read_host_trust(credentials=False),
            labels=reaper.labels(self.run_id, networks.GUARD_S, "guard"),
        )

    def _closed_sandbox(self, sandbox: Sandbox) -> None:
        self._watchdog.forget(sandbox.id)
        with self._lock:
            self._sandboxes.discard(sandbox)
        _uninterrupted(lambda: self._remove(sandbox.id))

    def _remove(self, container_id: str) -> int:
        """Removes a container with its volumes; returns how many were removed here.

        One that is gone or being removed by somebody else is none of ours, and what an engine that
        has died leaves is the next run's.
        """
        try:
            with engine_errors("remove a container"):
                self.client.api.remove_container(container_id, force=True, v=True)
        except SandboxError:
            return 0
        return 1

    def _remove_image(self, image_id: str) -> int:
        """Removes an image and the layers that nothing else uses, if nothing is made of it."""
        try:
            with engine_errors("remove an image"):
                self.client.api.remove_image(image_id, force=True)
        except SandboxError:
            return 0
        return 1

    def _remove_layer(self, layer: str, began: float) -> None:
        """Removes a layer of a stage or of a build that failed, if the build made it."""
        with contextlib.suppress(SandboxError), engine_errors("remove a layer"):
            api: Any = self.client.api
            about = api.inspect_image(layer)
            # Never a base image, nor what another build had put into the cache before.
            if not about["RepoTags"] and build.moment(about["Created"]) >= began - CLOCK_S:
                api.remove_image(layer)

    def _check_open(self) -> None:
        if self._closed:
            raise SandboxError("The connection to the container engine is closed.")


def _uninterrupted(work: Callable[[], object]) -> None:
    """Does something to its end even if Ctrl-C comes in the middle; the interrupt comes after.

    A request to the engine that is cut off half-way may still be carried out, unknown to us.
    """
    if _program_ends.is_set():
        work()
        return
    failure: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    try:
        thread.join()
    except BaseException:
        thread.join()
        raise
    if failure:
        raise failure[0]


@atexit.register
def close_all() -> None:
    """Removes all that any engine of this process started; for the end of the program."""
    _program_ends.set()
    for engine in list(_open):
        engine.close()


def _mind_signals() -> None:
    """Makes the signals that end a program unwind it, where the program has no plan of its own."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _unwind)


def _unwind(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


# A fork shares the connections but owns nothing: only the process that started things ends them.
os.register_at_fork(after_in_child=_open.clear)

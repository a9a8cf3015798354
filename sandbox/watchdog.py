"""Ends containers that wrote more than their disk limit, or outlived their time.

The engine's usual storage has no quota. Looking at what one container wrote means walking its
files, so the cheap question comes first: has the free space of the engine's disk sunk by as much
as any container has left? Only then are containers measured. Where the disk cannot be seen (the
engine is on another machine) they are measured at longer intervals.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field

import docker

from sandbox.daemon import open_client
from sandbox.errors import SandboxError, SandboxFull, SandboxLost
from sandbox.limits import Limits

# Seconds between two looks at the free space: one statvfs call.
LOOK_S = 0.5
# Seconds between two measurements of containers when the free space cannot be seen.
BLIND_LOOK_S = 10.0
# Seconds to wait for the thread; it may be waiting for an engine that hangs.
STOP_S = 5.0
# Free space sinks by other people's doing too; a container is measured again when it sank by
# this share of what the container has left.
MARGIN_SHARE = 0.5


@dataclass
class Watched:
    """A container and what is known of it."""

    limits: Limits
    expires: float
    written: int = 0
    free_then: int | None = None
    measured: float = field(default_factory=time.monotonic)


class Watchdog:
    """A thread that watches all containers of one engine."""

    def __init__(self, disk_root: str) -> None:
        self._root = disk_root
        self._watched: dict[str, Watched] = {}
        self._reasons: dict[str, SandboxError] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._client: docker.DockerClient | None = None
        self._thread: threading.Thread | None = None

    def watch(self, container_id: str, limits: Limits) -> None:
        """Begins to watch a container."""
        with self._lock:
            self._watched[container_id] = Watched(
                limits, time.monotonic() + limits.lifetime_s, free_then=self._free()
            )
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="watchdog", daemon=True)
                self._thread.start()

    def forget(self, container_id: str) -> None:
        """Stops watching a container."""
        with self._lock:
            self._watched.pop(container_id, None)

    def reason(self, container_id: str) -> SandboxError | None:
        """Why a container was ended; None for one that was not."""
        return self._reasons.get(container_id)

    def stop(self) -> None:
        """Ends the thread."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(STOP_S)

    def _work(self) -> None:
        while not self._stop.wait(LOOK_S):
            with self._lock:
                watched = list(self._watched.items())
            free = self._free()
            for container_id, about in watched:
                try:
                    self._look(container_id, about, free)
                except Exception:  # noqa: S112 - whatever fails now is tried again soon
                    continue
        if self._client is not None:
            self._client.close()

    def _look(self, container_id: str, about: Watched, free: int | None) -> None:
        now = time.monotonic()
        if now > about.expires:
            self._end(
                container_id,
                SandboxLost(f"The sandbox was ended after {about.limits.lifetime_s:g} seconds."),
            )
            return
        left = about.limits.disk_bytes - about.written
        if free is None or about.free_then is None:
            if now - about.measured < BLIND_LOOK_S:
                return
        elif about.free_then - free < left * MARGIN_SHARE:
            return
        about.written = self._written(container_id)
        about.measured, about.free_then = now, free
        if about.written > about.limits.disk_bytes:
            self._end(
                container_id,
                SandboxFull(
                    f"The sandbox was ended: it wrote {about.written >> 20} MiB, and its limit is "
                    f"{about.limits.disk_bytes >> 20} MiB."
                ),
            )

    def _end(self, container_id: str, reason: SandboxError) -> None:
        self._reasons[container_id] = reason
        self.forget(container_id)
        self._engine().api.kill(container_id)

    def _written(self, container_id: str) -> int:
        """Bytes in the container's own layer, and in deleted files that it still holds open."""
        api = self._engine().api
        found = api.containers(size=True, filters={"id": container_id})
        written = sum(int(row.get("SizeRw") or 0) for row in found)
        return written + _held(int(api.inspect_container(container_id)["State"]["Pid"] or 0))

    def _engine(self) -> docker.DockerClient:
        # A client of its own: the SDK's session is not made for two threads.
        if self._client is None:
            self._client = open_client()
        return self._client

    def _free(self) -> int | None:
        try:
            disk = os.statvfs(self._root)
        except OSError:
            return None
        return disk.f_bavail * disk.f_frsize


def _held(first_pid: int) -> int:
    """Bytes of deleted files held open by the processes of the namespace of a process.

    Zero where the host's process table cannot be seen.
    """
    try:
        space = os.readlink(f"/proc/{first_pid}/ns/pid")
        pids = [entry for entry in os.listdir("/proc") if entry.isdigit()]
    except OSError:
        return 0
    found: dict[tuple[int, int], int] = {}
    for pid in pids:
        try:
            if os.readlink(f"/proc/{pid}/ns/pid") != space:
                continue
            with os.scandir(f"/proc/{pid}/fd") as handles:
                for handle in handles:
                    about = os.stat(handle.path)
                    if about.st_nlink == 0:
                        found[about.st_dev, about.st_ino] = about.st_blocks * 512
        except OSError:
            continue
    return sum(found.values())

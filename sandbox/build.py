"""Building images with the engine's builder.

A Dockerfile's steps run what a repository brings along, so a build has limits too: memory and
time, and processes as soon as a step's container is known. The engine gives build steps its own
default capabilities; they cannot be dropped.
"""

from __future__ import annotations

import contextlib
import io
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import docker
import docker.errors
import requests.exceptions

from sandbox.daemon import engine_errors, open_client
from sandbox.errors import BuildFailed, EngineUnavailable, SandboxError

# Lines of the log kept: the failing step is at its end.
LOG_LINES = 400
LINE_CHARS = 2000
MEMORY_BYTES = 4 << 30
PROCESSES = 2048
RUNNING = re.compile(r"^ ---> Running in ([0-9a-f]{12,64})$")
BUILT = re.compile(r"^(?:sha256:)?[0-9a-f]{12,64}$")
# Seconds between two looks whether a build whose time is up has begun another step.
LOOK_S = 0.2


@dataclass(frozen=True)
class BuiltImage:
    """An image that was built.

    Attributes:
        id: the image's id.
        size_bytes: all its layers together.
        seconds: how long the build took.
        log: the end of the build's output.
    """

    id: str
    size_bytes: int
    seconds: float
    log: str


@dataclass
class _Build:
    """One build under way."""

    client: docker.DockerClient
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LOG_LINES))
    step: str | None = None
    over: threading.Event = field(default_factory=threading.Event)
    late: bool = False

    def watch(self, seconds: float) -> None:
        """Ends the running step, and any that follows, when the time is up."""
        if self.over.wait(seconds):
            return
        self.late = True
        client = open_client()
        try:
            while not self.over.wait(LOOK_S):
                self.end_step(client)
        finally:
            client.close()

    def end_step(self, client: docker.DockerClient) -> None:
        """Ends the running step's container."""
        if self.step is not None:
            with contextlib.suppress(docker.errors.DockerException, OSError):
                client.api.kill(self.step)


def run(
    context: bytes,
    *,
    tag: str | None,
    network: bool,
    timeout_s: float,
    on_line: Callable[[str], None] | None,
    labels: Mapping[str, str],
) -> BuiltImage:
    """Builds an image; arguments as `Engine.build`, and the labels it gets.

    Raises:
        BuildFailed: a step failed or the time was up.
    """
    began = time.monotonic()
    # A connection of its own: a build is read for minutes, and its time-out is its own.
    client = open_client(timeout_s + 60)
    work = _Build(client)
    watcher = threading.Thread(target=work.watch, args=(timeout_s,), daemon=True)
    watcher.start()
    image_id = error = None
    try:
        with engine_errors("build an image"):
            events: Iterator[Any] = client.api.build(
                fileobj=io.BytesIO(context),
                custom_context=True,
                encoding="gzip" if context[:2] == b"\x1f\x8b" else None,
                tag=tag,
                rm=True,
                forcerm=True,
                decode=True,
                network_mode=None if network else "none",
                container_limits={"memory": MEMORY_BYTES, "memswap": MEMORY_BYTES},
                labels=dict(labels),
            )
            for event in events:
                error = error or event.get("error")
                if isinstance(event.get("aux"), dict) and "ID" in event["aux"]:
                    image_id = str(event["aux"]["ID"])
                for line in str(event.get("stream") or event.get("error") or "").splitlines():
                    _take_line(work, line, on_line)
    except EngineUnavailable:
        raise
    except SandboxError as failure:
        # The engine refused the context or the Dockerfile before it began.
        error = str(failure)
    except BaseException:
        work.end_step(client)
        raise
    finally:
        work.over.set()
        log = "\n".join(work.lines)
        seconds = time.monotonic() - began
        if error or image_id is None:
            client.close()
    if work.late:
        raise BuildFailed(f"The build was ended after {timeout_s:g} seconds.", log)
    if error or image_id is None or not BUILT.match(image_id):
        raise BuildFailed(f"The image does not build: {error or 'no image came of it'}", log)
    try:
        with engine_errors("look at the built image"):
            api: Any = client.api
            size = int(api.inspect_image(image_id)["Size"])
    finally:
        client.close()
    return BuiltImage(image_id, size, seconds, log)


def _take_line(work: _Build, line: str, on_line: Callable[[str], None] | None) -> None:
    text = line.rstrip()[:LINE_CHARS]
    if not text:
        return
    work.lines.append(text)
    if match := RUNNING.match(text):
        work.step = match[1]
        _limit_processes(work.client, match[1])
    if on_line is not None:
        on_line(text)


def _limit_processes(client: docker.DockerClient, container_id: str) -> None:
    """Limits a build step's processes; the builder has no setting for it."""
    with contextlib.suppress(docker.errors.DockerException, requests.exceptions.RequestException):
        # The SDK's own call has no parameter for it either.
        api: Any = client.api
        url = api._url("/containers/{0}/update", container_id)
        api._post_json(url, data={"PidsLimit": PROCESSES})

"""Building images with the engine's builder.

A Dockerfile's steps run what a repository brings along, so a build has limits too: memory and
time, and disk and processes as soon as a step's container is known. The engine gives build steps
its own default capabilities; they cannot be dropped.
"""

from __future__ import annotations

import contextlib
import io
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import docker
import docker.errors
import requests
import requests.exceptions

from sandbox.daemon import engine_errors, open_client
from sandbox.errors import BuildFailed, EngineUnavailable, SandboxError, SandboxFull
from sandbox.limits import Limits
from sandbox.watchdog import Watchdog

# Lines of the log kept: the failing step is at its end.
LOG_LINES = 400
LINE_CHARS = 2000
MEMORY_BYTES = 4 << 30
PROCESSES = 1024
# What one step may write: a large tool chain with room to spare.
DISK_BYTES = 20 << 30
RUNNING = re.compile(r"^ ---> Running in ([0-9a-f]{12,64})$")
LAYER = re.compile(r"^ ---> ([0-9a-f]{12,64})$")
BUILT = re.compile(r"^(?:sha256:)?[0-9a-f]{12,64}$")


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


class Running:
    """A build while it runs; any thread may end it.

    Attributes:
        steps: the containers of its steps, the last of which may run.
        ended: once it is set, no further step is begun.
    """

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.ended = threading.Event()

    def end(self, client: docker.DockerClient) -> None:
        """Kills the step that runs, and with it the build."""
        self.ended.set()
        if self.steps:
            with contextlib.suppress(docker.errors.DockerException, OSError):
                client.api.kill(self.steps[-1])


def run(
    context: bytes,
    *,
    tag: str | None,
    network: str,
    timeout_s: float,
    on_line: Callable[[str], None] | None,
    labels: Mapping[str, str],
    running: Running | None = None,
    layers: list[str] | None = None,
) -> BuiltImage:
    """Builds an image.

    Args:
        context: as `Engine.build`.
        tag: as `Engine.build`.
        network: the engine's network that its steps are in; "none" for no network.
        timeout_s: as `Engine.build`.
        on_line: as `Engine.build`.
        labels: what the image is labelled with.
        running: lets others end the build.
        layers: if given, gets the id of every layer that the build makes or finds.

    Raises:
        BuildFailed: a step failed or the time was up.
    """
    began = time.monotonic()
    # A connection of its own: a build is read for minutes, and its time-out is its own.
    client = open_client(timeout_s + 60)
    # The SDK keeps its responses to itself; a build that is left half-way must be hung up on.
    opened: list[requests.Response] = []
    client.api.hooks["response"].append(lambda response, **_: opened.append(response))
    lines: deque[str] = deque(maxlen=LOG_LINES)
    running = running or Running()
    steps = running.steps
    image_id = error = None
    late = False
    watchdog = None
    try:
        with engine_errors("build an image"):
            watchdog = Watchdog(str(client.info().get("DockerRootDir") or ""))
            events: Iterator[Any] = client.api.build(
                fileobj=io.BytesIO(context),
                custom_context=True,
                encoding="gzip" if context[:2] == b"\x1f\x8b" else None,
                tag=tag,
                rm=True,
                forcerm=True,
                decode=True,
                network_mode=network,
                container_limits={"memory": MEMORY_BYTES, "memswap": MEMORY_BYTES},
                labels=dict(labels),
            )
            for event in events:
                left = began + timeout_s - time.monotonic()
                if left <= 0:
                    late = True
                    break
                error = error or event.get("error")
                if isinstance(event.get("aux"), dict) and "ID" in event["aux"]:
                    image_id = str(event["aux"]["ID"])
                for line in str(event.get("stream") or event.get("error") or "").splitlines():
                    text = line.rstrip()[:LINE_CHARS]
                    if not text:
                        continue
                    lines.append(text)
                    if match := RUNNING.match(text):
                        steps.append(match[1])
                        watchdog.watch(match[1], Limits(disk_bytes=DISK_BYTES, lifetime_s=left))
                        _limit_processes(client, match[1])
                    elif layers is not None and (match := LAYER.match(text)):
                        layers.append(match[1])
                    if on_line is not None:
                        on_line(text)
                if running.ended.is_set():
                    error = "the engine was closed"
                    break
    except EngineUnavailable:
        raise
    except SandboxError as failure:
        # The engine refused the context or the Dockerfile before it began.
        error = str(failure)
    except BaseException:
        running.end(client)
        raise
    finally:
        if running.ended.is_set():
            running.end(client)
        if watchdog is not None:
            watchdog.stop()
        for response in opened:
            response.close()
        log = "\n".join(lines)
        seconds = time.monotonic() - began
        if error or late or image_id is None:
            client.close()
    ended = watchdog.reason(steps[-1]) if watchdog and steps else None
    if isinstance(ended, SandboxFull):
        raise BuildFailed(f"The build was ended: a step wrote over {DISK_BYTES >> 30} GiB.", log)
    if ended or late:
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


def moment(stamp: str) -> float:
    """A time as the engine writes it, in seconds since 1970."""
    # The engine gives nanoseconds; Python's times end at microseconds.
    whole = re.sub(r"(\.\d{6})\d+", r"\1", stamp).replace("Z", "+00:00")
    return datetime.fromisoformat(whole).timestamp()


def _limit_processes(client: docker.DockerClient, container_id: str) -> None:
    """Limits a build step's processes; the builder has no setting for it."""
    with contextlib.suppress(docker.errors.DockerException, requests.exceptions.RequestException):
        # The SDK's own call has no parameter for it either.
        api: Any = client.api
        url = api._url("/containers/{0}/update", container_id)
        api._post_json(url, data={"PidsLimit": PROCESSES})

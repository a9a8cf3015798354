"""Talking to the container engine so that only `SandboxError`s come out."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests.exceptions
import urllib3.exceptions

from sandbox.errors import EngineUnavailable, SandboxError, SandboxLost

# Seconds for one request; creating a container on a busy machine takes a few.
REQUEST_S = 120
ADVICE = (
    "Start Docker (`systemctl start docker`, or `dockerd` as root), or set DOCKER_HOST; "
    "`python -m agent doctor` shows what is missing."
)


def open_client(timeout_s: float = REQUEST_S) -> docker.DockerClient:
    """Opens a connection of its own to the engine that the environment names.

    Raises:
        EngineUnavailable: no engine answers.
    """
    try:
        return docker.from_env(timeout=int(timeout_s))
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise EngineUnavailable(f"No container engine answers ({error}). {ADVICE}") from error


def data_root() -> Path | None:
    """Where the engine keeps images and containers; None if it is none of this machine's folders.

    That is so for an engine elsewhere, and for one that does not answer.
    """
    try:
        with closing(open_client()) as client:
            root = Path(str(client.info().get("DockerRootDir") or ""))
    except (SandboxError, docker.errors.DockerException, requests.exceptions.RequestException):
        return None
    return root if root.is_absolute() and root.is_dir() else None


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turns what the SDK raises into a `SandboxError` that says what was being done."""
    try:
        yield
    except docker.errors.NotFound as error:
        raise SandboxLost(f"Could not {doing}: {explain(error)}.") from error
    except docker.errors.APIError as error:
        raise SandboxError(f"Could not {doing}: {explain(error)}.") from error
    except (
        docker.errors.DockerException,
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
        OSError,
    ) as error:
        raise EngineUnavailable(
            f"Could not {doing}: the container engine stopped answering ({error}). {ADVICE}"
        ) from error


def raw_socket(attached: Any) -> socket.socket:
    """The socket in the object that the SDK gives for an attached process."""
    found: socket.socket = getattr(attached, "_sock", attached)
    return found


def hang_up(attached: Any) -> None:
    """Ends the connection to an attached process; closing the SDK's object alone would not."""
    found = raw_socket(attached)
    with suppress(OSError):
        found.shutdown(socket.SHUT_RDWR)
    response = getattr(attached, "_response", None)
    for end in (response, attached, found):
        if end is not None:
            end.close()


def explain(error: docker.errors.APIError) -> str:
    """The engine's own words about an error, without the address of the request."""
    return str(error.explanation or error).strip().rstrip(".")

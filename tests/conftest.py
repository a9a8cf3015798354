"""Fixtures for all rooms: a connected engine and images to run things in.

The tests run in several processes at once (pytest-xdist), beside whatever else uses the engine. So
an image that tests share is made under a lock, nobody counts what is not its own, and images that
were there before the tests are there after them, unchanged.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import signal
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import docker.errors
import pytest

from sandbox import bases
from sandbox.engine import Engine

# A job in the background ignores interrupts, one under nohup hang-ups, and so would all that they
# start; the tests of such ends need them.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# What most environments have: Python, the tools of a shell, and a user without rights.
RECIPE = """\
FROM {base}
RUN apt-get update \\
 && apt-get install -y --no-install-recommends python3 procps patch tini \\
 && rm -rf /var/lib/apt/lists/* \\
 && useradd --create-home --uid 1000 --shell /bin/bash solver
"""


def context(dockerfile: str, **files: str) -> bytes:
    """Packs a build context."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, text in {"Dockerfile": dockerfile, **files}.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


def containers_of(engine: Engine, process: int) -> set[str]:
    """Containers that a process started, dead or alive; others may work on the same machine."""
    found = engine.client.containers.list(
        all=True, filters={"label": "kettle.owner"}, ignore_removed=True
    )
    return {str(c.id) for c in found if f"/{process}-" in c.labels["kettle.owner"]}


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Holds a lock against all test processes on this machine; a test's own cache has no say."""
    path = Path(tempfile.gettempdir()) / f"kettle-tests-{os.getuid()}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def shared_images(engine: Engine) -> dict[str, str]:
    """The content behind each public base and each image that is kept between runs, by tag."""
    found = engine.client.api.images()
    return {
        tag: str(image["Id"])
        for image in found
        for tag in image["RepoTags"] or ()
        if tag.startswith(("debian:", "kettle-bootstrap:", "kettle-workbench:"))
    }


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The container engine; everything started through it is gone after the tests."""
    with Engine.connect() as connected:
        before = shared_images(connected)
        yield connected
        after = shared_images(connected)
        changed = {tag for tag, content in before.items() if after.get(tag) != content}
        assert not changed, "tests must leave the images that everybody uses as they are"


@pytest.fixture(scope="session")
def bare_image(engine: Engine) -> str:
    """Debian without Python."""
    with one_at_a_time():
        return bases.ensure(engine).tag


@pytest.fixture(scope="session")
def workbench(engine: Engine, bare_image: str) -> str:
    """The image of a builder's sandbox; tests of whole builds ask for it, so it is made once."""
    with one_at_a_time():
        return bases.workbench(engine, bare_image)


@pytest.fixture(scope="session")
def base_image(engine: Engine, bare_image: str) -> str:
    """See `python_image`."""
    return python_image(engine, bare_image)


def python_image(engine: Engine, bare_image: str) -> str:
    """Debian with python3, procps, patch, tini and the user solver (1000); kept between runs."""

    def recipe() -> str:
        trusted = bases.trusted_base(engine, bare_image)
        return f"{RECIPE.format(base=trusted)}# {engine.client.images.get(trusted).id}\n"

    return kept_image(engine, "kettle-test-python", recipe)


def kept_image(engine: Engine, name: str, recipe: Callable[[], str]) -> str:
    """The image of a Dockerfile, kept between runs; its text is made under the tests' own lock."""
    with one_at_a_time():
        text = recipe()
        tag = f"{name}:{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        try:
            engine.client.images.get(tag)
        except docker.errors.ImageNotFound:
            engine.build(context(text), tag=tag, keep=True)
        return tag

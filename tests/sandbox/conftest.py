"""A container that harmless tests of one module share, and waiting without sleeping blindly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from sandbox.container import Sandbox
from sandbox.engine import Engine

# Long enough for a busy machine; a test that waits this long has failed.
PATIENCE_S = 60.0


def wait_until(true: Callable[[], object], seconds: float = PATIENCE_S) -> bool:
    """Whether something comes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return False


@pytest.fixture(scope="module")
def shared(engine: Engine, base_image: str) -> Iterator[Sandbox]:
    with engine.create(base_image, purpose="test") as sandbox:
        yield sandbox


@pytest.fixture
def box(shared: Sandbox) -> Sandbox:
    """The shared container, back in its first directory."""
    shared.run("cd /")
    shared.run("cd /", user="solver")
    return shared


@pytest.fixture
def fresh(engine: Engine, base_image: str) -> Iterator[Sandbox]:
    """A container of the test's own, to be ill-treated."""
    with engine.create(base_image, purpose="test") as sandbox:
        yield sandbox

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from agent.models import open_model
from agent.models.base import Model
from agent.models.retry import Retry
from tests.agent.models.provider import Provider, serving


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """A scripted provider that both SDKs are pointed at by their own variables."""
    with serving() as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "key")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        # A proxy of the machine must not come between a test and its loopback server.
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield server


@pytest.fixture
def waits() -> list[float]:
    """The seconds that retries asked to wait; nobody really waits."""
    return []


@pytest.fixture
def told() -> list[str]:
    """What the user was told."""
    return []


@pytest.fixture
def connect(waits: list[float], told: list[str]) -> Callable[..., Model]:
    """Opens a model whose waits between tries are only written down."""

    def connect(spec: str, *, timeout_s: float = 30, retry: Retry | None = None) -> Model:
        patient = replace(retry or Retry(jitter_s=0), wait=waits.append, notify=told.append)
        return open_model(spec, retry=patient, timeout_s=timeout_s, notify=told.append)

    return connect

"""Failures of a provider, each over real HTTP and through both real SDKs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from agent.errors import ProviderError
from agent.models import open_model
from agent.models.base import Message, Model
from agent.models.retry import Retry, retry_after
from tests.agent.models.provider import Answer, Provider, completion, message, text

Connect = Callable[..., Model]
ASK = [Message(role="user", text="Build it.")]
ERROR = {"type": "error", "error": {"type": "x", "message": "try later"}}
FINE = {"anthropic:m": message(text("Here.")), "openai:m": completion("Here.")}

both = pytest.mark.parametrize("spec", ["anthropic:m", "openai:m"])


@both
@pytest.mark.parametrize(
    "trouble",
    [
        Answer(ERROR, status=429),
        Answer(ERROR, status=408),
        Answer(ERROR, status=409),
        Answer(ERROR, status=500),
        Answer(b"<html>Bad gateway</html>", status=502, kind="text/html"),
        Answer(ERROR, status=503),
        Answer(ERROR, status=529),
        Answer(hang_up=True),
        Answer(b'{"id": "x", "content": [{"ty'),
        Answer(b'{"id": "x"', declared=500),
        Answer(b"<html>Log in first</html>", kind="text/html"),
        Answer([1, 2]),
        Answer({}),
        Answer(b""),
    ],
    ids=[
        *("429", "408", "409", "500", "502", "503", "529", "hang-up", "torn", "cut-off"),
        *("html", "list", "empty-object", "empty"),
    ],
)
def test_trouble_that_may_pass_is_tried_again(
    provider: Provider, connect: Connect, waits: list[float], spec: str, trouble: Answer
) -> None:
    provider.says(trouble, trouble, FINE[spec])
    assert connect(spec).query("s", ASK).text == "Here."
    assert waits == [1, 2]
    assert len(provider.requests) == 3


@both
def test_a_slow_answer_is_given_up_and_asked_for_again(
    provider: Provider, connect: Connect, waits: list[float], spec: str
) -> None:
    late = threading.Event()
    provider.says(replace(FINE[spec], held=late), FINE[spec])
    assert connect(spec, timeout_s=0.3).query("s", ASK).text == "Here."
    assert waits == [1]
    late.set()


@both
@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (400, "would fail again"),
        (401, "_API_KEY"),
        (402, "no credit"),
        (403, "_API_KEY"),
        (404, "model's name"),
        (413, "would fail again"),
        (422, "would fail again"),
    ],
)
def test_trouble_that_stays_ends_at_once_and_says_what_to_do(
    provider: Provider, connect: Connect, spec: str, status: int, advice: str
) -> None:
    provider.says(Answer(ERROR, status=status))
    with pytest.raises(ProviderError, match=advice) as error:
        connect(spec).query("s", ASK)
    assert spec in str(error.value)
    assert "try later" in str(error.value)
    assert len(provider.requests) == 1


def test_an_account_without_credit_is_not_asked_again(provider: Provider, connect: Connect) -> None:
    body = {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}
    provider.says(Answer(body, status=429))
    with pytest.raises(ProviderError, match="no credit"):
        connect("openai:m").query("s", ASK)


@both
def test_a_provider_that_says_no_retry_is_believed(
    provider: Provider, connect: Connect, spec: str
) -> None:
    provider.says(Answer(ERROR, status=500, headers={"x-should-retry": "false"}))
    with pytest.raises(ProviderError):
        connect(spec).query("s", ASK)
    assert len(provider.requests) == 1


@both
def test_retry_after_is_honoured_in_seconds_and_as_a_date(
    provider: Provider, connect: Connect, waits: list[float], spec: str
) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    provider.says(
        Answer(ERROR, status=429, headers={"retry-after": "40"}),
        Answer(ERROR, status=529, headers={"retry-after": date}),
        FINE[spec],
    )
    assert connect(spec).query("s", ASK).text == "Here."
    assert waits[0] == 40
    assert 90 < waits[1] <= 100


@both
def test_a_wait_longer_than_patience_ends_at_once(
    provider: Provider, connect: Connect, waits: list[float], spec: str
) -> None:
    provider.says(Answer(ERROR, status=429, headers={"retry-after": "7200"}))
    with pytest.raises(ProviderError, match="asks to wait 7200 s"):
        connect(spec).query("s", ASK)
    assert waits == []


@both
def test_tries_are_bounded_and_the_user_is_told_of_each(
    provider: Provider, connect: Connect, waits: list[float], told: list[str], spec: str
) -> None:
    provider.says(*[Answer(ERROR, status=529)] * 5)
    with pytest.raises(ProviderError, match="Tried 5 times"):
        connect(spec, retry=Retry(tries=5, jitter_s=0, longest_wait_s=3)).query("s", ASK)
    assert waits == [1, 2, 3, 3]
    assert len(provider.requests) == 5
    assert len(told) == 4
    assert "529" in told[0]


def test_waits_are_spread(provider: Provider) -> None:
    provider.says(*[Answer(hang_up=True)] * 10)
    spread = set()
    for _ in range(5):
        waits: list[float] = []
        with pytest.raises(ProviderError):
            open_model(
                "openai:m", retry=Retry(tries=2, wait=waits.append, give_up_after_s=60)
            ).query("s", ASK)
        spread.add(waits[0])
    assert len(spread) > 1


@both
def test_nobody_listening_is_a_clear_error(
    monkeypatch: pytest.MonkeyPatch, connect: Connect, spec: str
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key")
    # Port 9 (discard) is closed on any machine that runs tests.
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(ProviderError, match=r"no connection to http://127\.0\.0\.1:9"):
        connect(spec, retry=Retry(tries=2)).query("s", ASK)


@both
def test_stop_ends_the_wait_and_the_tries(provider: Provider, spec: str) -> None:
    stop = threading.Event()
    provider.says(Answer(ERROR, status=529), FINE[spec])
    # The wait is real; being told of it is what sets the stop.
    retry = Retry(first_wait_s=300, stop=stop, notify=lambda _: stop.set())
    with pytest.raises(ProviderError, match="Stopped"):
        open_model(spec, retry=retry).query("s", ASK)
    assert len(provider.requests) == 1


@both
def test_ctrl_c_passes_through(provider: Provider, spec: str) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    provider.says(Answer(ERROR, status=529), FINE[spec])
    with pytest.raises(KeyboardInterrupt):
        open_model(spec, retry=Retry(wait=interrupted)).query("s", ASK)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("12", 12),
        ("0.5", 0.5),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30),
        ("Wed, 21 Oct 2026 07:28:30", 30),
        ("Wed, 21 Oct 2026 07:00:00 GMT", None),
        ("-3", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_headers(header: str | None, seconds: float | None) -> None:
    now = datetime(2026, 10, 21, 7, 28, 0, tzinfo=UTC)
    assert retry_after(header, now) == seconds

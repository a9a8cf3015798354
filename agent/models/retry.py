"""The one owner of retries: what is tried again, how long to wait, and when to give up.

Adapters turn what their SDK raised into `Transient` (worth another try) or `ProviderError` (not);
`Retry.call` does the rest. Only what is on the list is tried again: a status in `TRANSIENT_STATUS`,
a lost connection, a timeout, an answer that is not the provider's format.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol, TypeVar

import tenacity

from agent.errors import ProviderError

T = TypeVar("T")

TRANSIENT_STATUS = frozenset({408, 409, 429, 500, 502, 503, 504, 520, 522, 524, 529})
"""Request timeout, conflict (both vendors' SDKs try it again), rate limit, server trouble, the
gateway's own 52x, and Anthropic's 529 "overloaded"."""

TRIES = 8
"""With `FIRST_WAIT_S` doubling to `LONGEST_WAIT_S`, about three minutes: outlasts a deployment."""

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
"""A minute is the window of most rate limits."""

JITTER_S = 1.0
"""Spreads builders that were refused at the same instant."""

GIVE_UP_AFTER_S = 15 * 60.0
"""Nobody wants a build that hangs longer than this on a provider that is down."""

MESSAGE_LIMIT = 600
"""Characters kept of a provider's own words; an error page can be a whole document."""


class Transient(Exception):
    """A failure that may pass.

    Attributes:
        after_s: seconds the provider asked to wait; None when it did not say.
    """

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


class Pace(Protocol):
    """Shared patience: builders that ask the same provider wait together."""

    def ready(self) -> None:
        """Return when the provider may be asked."""

    def refused(self, wait_s: float, why: str) -> None:
        """Hear that the provider asked for patience.

        Args:
            wait_s: seconds until it is asked again.
            why: what it said, in one line.
        """


@dataclass(frozen=True)
class Retry:
    """How to go on after a failure that may pass.

    Attributes:
        tries: queries in all, the first one included.
        first_wait_s: seconds before the second try; doubles from there.
        longest_wait_s: seconds; caps the doubling, not what a provider asks for.
        jitter_s: seconds; a random part up to this is added to every wait.
        give_up_after_s: seconds; no wait is begun that would end later than this.
        stop: once set, waits end at once and nothing is tried again.
        wait: how to spend the seconds between two tries; None waits on `stop`.
        notify: told in one line about every wait.
        pace: asked before every try, and told about every wait; None waits alone.
    """

    tries: int = TRIES
    first_wait_s: float = FIRST_WAIT_S
    longest_wait_s: float = LONGEST_WAIT_S
    jitter_s: float = JITTER_S
    give_up_after_s: float = GIVE_UP_AFTER_S
    stop: threading.Event = field(default_factory=threading.Event)
    wait: Callable[[float], object] | None = None
    notify: Callable[[str], None] = lambda _: None
    pace: Pace | None = None

    def call(self, query: Callable[[], T]) -> T:
        """What `query` returns, after as many tries as it takes.

        Raises:
            ProviderError: `query` raised it, or raised `Transient` too often or for too long.
        """
        doubling = tenacity.wait_exponential(multiplier=self.first_wait_s, max=self.longest_wait_s)
        jitter = tenacity.wait_random(0, self.jitter_s)

        def pause(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.after_s if isinstance(error, Transient) else None
            return max(float(doubling(state)), asked or 0) + float(jitter(state))

        def tell(state: tenacity.RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            if self.pace is not None:
                self.pace.refused(state.upcoming_sleep, str(error))
            self.notify(
                f"{error}; try {state.attempt_number + 1} of {self.tries} "
                f"in {state.upcoming_sleep:.0f} s"
            )

        def once() -> T:
            if self.pace is not None:
                self.pace.ready()
            return query()

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Transient),
            wait=pause,
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(self.tries),
                tenacity.stop_before_delay(self.give_up_after_s),
                tenacity.stop_when_event_set(self.stop),
            ),
            sleep=self._wait,
            before_sleep=tell,
            reraise=True,
        )
        try:
            return retrying(once)
        except Transient as last:
            raise ProviderError(self._gave_up(last, retrying)) from last

    def _wait(self, seconds: float) -> None:
        (self.wait or self.stop.wait)(seconds)
        if self.stop.is_set():
            raise ProviderError("Stopped while waiting for the provider.")

    def _gave_up(self, last: Transient, retrying: tenacity.Retrying) -> str:
        tried = int(retrying.statistics.get("attempt_number", 1))
        if last.after_s is not None and last.after_s > self.give_up_after_s:
            return (
                f"{last}. It asks to wait {last.after_s:.0f} s, longer than the "
                f"{self.give_up_after_s:.0f} s Kettle waits. Start again later: the build resumes."
            )
        return (
            f"{last}. Tried {tried} times. Start again when the provider is back: "
            "the build resumes where it stopped."
        )


def refused(
    provider: str, status: int, headers: Mapping[str, str], said: str, *, key: str, code: str = ""
) -> Transient | ProviderError:
    """The error that an HTTP status of a provider stands for.

    Args:
        provider: the model's name as the user gave it.
        status: HTTP status code.
        headers: the response's, with lower-case or case-insensitive names.
        said: the provider's own message.
        key: name of the environment variable that holds the key.
        code: the provider's machine-readable error code, if it gave one.
    """
    head = f"{provider}: the provider answered {status}: {clipped(said)}"
    if status in (401, 403):
        return ProviderError(f"{head}. Check {key} and what the key may use.")
    if status == 402 or code == "insufficient_quota":
        return ProviderError(f"{head}. The account has no credit left: top it up.")
    if status == 404:
        return ProviderError(f"{head}. Check the model's name and the base URL.")
    if status not in TRANSIENT_STATUS or headers.get("x-should-retry") == "false":
        return ProviderError(f"{head}. The same request would fail again, so it was not repeated.")
    return Transient(head, retry_after(headers.get("retry-after")))


def retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds to wait according to a `retry-after` header: a number or an HTTP date (RFC 9110)."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            date = parsedate_to_datetime(header)
        except ValueError:
            return None
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        seconds = (date - (now or datetime.now(UTC))).total_seconds()
    # `nan` and `inf` parse as floats, and a past date is no reason to hurry.
    return seconds if 0 <= seconds < float("inf") else None


def clipped(text: str) -> str:
    """One line of at most `MESSAGE_LIMIT` characters, without a full stop at its end."""
    line = " ".join(text.split())
    return line[:MESSAGE_LIMIT].rstrip(".") + ("…" if len(line) > MESSAGE_LIMIT else "")

"""Times as sessions record them: ISO 8601 in many spellings, and epoch seconds or milliseconds."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

MILLISECONDS_FROM = 100_000_000_000
"""Numbers from here on are epoch milliseconds: as seconds they would lie beyond the year 5138."""
LONGEST = 60
"""Characters of the longest spelling of a time; what is longer is none."""
LATEST = 253_402_300_799
"""The last second that `datetime` knows (end of the year 9999)."""

_SPACED = re.compile(
    r"(\d{4}-\d{2}-\d{2})[ T](\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)\s*(Z|UTC|[+-]\d{2}:?\d{2})?$"
)
_DAY_FIRST = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}),? (\d{1,2}):(\d{2}):(\d{2})$")


def when(value: Any) -> datetime | None:
    """A moment, timezone-aware.

    Args:
        value: an ISO 8601 text, or epoch seconds or milliseconds as a number or as digits.

    Returns:
        The moment; one without a zone is read as UTC. None when the value is no time.
    """
    if isinstance(value, str):
        return _from_text(value.strip())
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not math.isfinite(value) or value <= 0:
        return None
    seconds = value / 1000 if value >= MILLISECONDS_FROM else float(value)
    return datetime.fromtimestamp(seconds, UTC) if seconds <= LATEST else None


def zoned(value: str) -> bool:
    """True when a text names its zone."""
    return bool(re.search(r"(?:Z|UTC|[+-]\d{2}:?\d{2})\)?$", value.strip()))


def _from_text(text: str) -> datetime | None:
    if len(text) > LONGEST:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _from_odd_text(text)
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _from_odd_text(text: str) -> datetime | None:
    if text.isdigit() and 9 <= len(text) <= 16:
        return when(int(text))
    match = _SPACED.match(text)
    if match:
        day, clock, zone = match.groups()
        if clock.index(":") == 1:
            clock = "0" + clock
        clock = re.sub(r"(\.\d{6})\d+", r"\1", clock)
        try:
            moment = datetime.fromisoformat(f"{day}T{clock}")
            return moment.replace(tzinfo=_zone(zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            return None
    match = _DAY_FIRST.match(text)
    if match:
        day_, month, year, hour, minute, second = (int(g) for g in match.groups())
        if month > 12:
            day_, month = month, day_
        try:
            return datetime(year, month, day_, hour, minute, second, tzinfo=UTC)
        except ValueError:
            return None
    return None


def _zone(text: str | None) -> timezone:
    if text in (None, "Z", "UTC"):
        return UTC
    assert text is not None  # noqa: S101 (narrowing for the type checker)
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[-2:])))

"""Times of the log: microseconds since 1970 (UTC) inside, RFC 3339 in the events."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def midnight(day: date) -> int:
    """The start of a day (UTC), in microseconds since 1970."""
    return (day - _EPOCH.date()).days * DAY


def day_of(time_us: int) -> date:
    """The day (UTC) of a time."""
    return (_EPOCH + timedelta(microseconds=time_us)).date()


def rfc3339(time_us: int) -> str:
    """`2026-03-01T09:30:00.125Z`: milliseconds, UTC."""
    moment = _EPOCH + timedelta(microseconds=time_us)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"

"""Times of trace files and test cases: RFC 3339 text to microseconds."""

from __future__ import annotations

import datetime as dt
import re

START_US = int(dt.datetime(2000, 1, 1, tzinfo=dt.UTC).timestamp()) * 1_000_000
"""Where the clock stands before the first time is named, so early that every real time lies ahead."""

PAUSE_US = 1_000
"""What passes before an action without a time: little, so that windows and cooldowns are read strictly."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_ORDINARY = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d(?:\.\d{6}|\.\d{3})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
"""What nearly every time looks like, and Python reads by itself as the RFC says."""

_RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):(\d\d)(\.\d+)?(?:([Zz])|([+-]\d\d:\d\d))", re.ASCII
)  # fmt: skip


def instant(text: str) -> int:
    """Return a time in microseconds since the epoch, UTC.

    Source: RFC 3339, section 5.6; a leap second counts as the second after it.

    Args:
        text: Such as `2026-03-01T09:30:00Z` or `2026-03-01T10:30:00.250+01:00`.

    Raises:
        ValueError: It is no such time, or before 1970; the message says what one looks like.
    """
    if _ORDINARY.fullmatch(text) is not None:
        try:
            since = dt.datetime.fromisoformat(text) - _EPOCH
        except ValueError:
            since = None
        if since is not None and since.days >= 0:
            return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    found = _RFC_3339.fullmatch(text)
    if found is not None:
        day, minute, second, fraction, utc, offset = found.groups()
        leap = second == "60"
        try:
            moment = dt.datetime.fromisoformat(
                f"{day}T{minute}:{'59' if leap else second}{'+00:00' if utc else offset}"
            )
            at_us = round(moment.timestamp()) * 1_000_000
        except (ValueError, OverflowError):
            at_us = -1
        at_us += 1_000_000 if leap else int(f"{fraction[1:7]:0<6}") if fraction else 0
        if at_us >= 0:
            return at_us
    raise ValueError("it has to be a time such as 2026-03-01T09:30:00Z (RFC 3339, with its zone)")

"""RFC 3339 to microseconds."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.backtest.times import START_US, instant

SECOND = 1_000_000


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-03-01T10:30:00+01:00", "2026-03-01T09:30:00Z"),
        ("2026-03-01t09:30:00z", "2026-03-01T09:30:00Z"),
        ("2026-03-01 09:30:00Z", "2026-03-01T09:30:00Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2026-03-01T09:30:00.000000999Z", "2026-03-01T09:30:00Z"),
    ],
)
def test_the_same_moment(text, same):
    """However it is written; a leap second is the second after it, and what is below a microsecond is cut."""
    assert instant(text) == instant(same)


def test_fractions():
    """Down to the microsecond."""
    assert instant("1970-01-01T00:00:01.5Z") == 1_500_000
    assert instant("1970-01-01T00:00:00.000001Z") == 1


def test_real_times_lie_after_the_start():
    """So that a clock that stood there goes forward to them."""
    assert instant("2000-01-01T00:00:00Z") == START_US


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026-03-01", "2026-03-01T09:30:00", "2026-03-01T09:30Z", "2026-13-01T09:30:00Z", "1969-12-31T23:59:59Z",
     "2026-03-01T24:00:00Z", "2026-03-01T09:30:00Z ", "٢٠٢٦-03-01T09:30:00Z", "2026-03-01T09:61:00Z", "1"],
)  # fmt: skip
def test_what_is_no_time(text):
    """Says what one looks like."""
    with pytest.raises(ValueError, match="such as 2026-03-01T09:30:00Z"):
        instant(text)


@given(st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(9999, 1, 1), timezones=st.just(dt.UTC)))
def test_what_python_writes(moment):
    """Comes back exactly."""
    us = (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
    assert instant(moment.isoformat()) == us

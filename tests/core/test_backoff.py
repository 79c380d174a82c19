"""The brief's formula, at any attempt."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handrail.core.backoff import RETRIES_MAX, RETRY_WINDOW_US, Backoff

SECONDS = st.floats(0.001, 86_400)
ROLL = st.floats(0, 1, exclude_max=True)
ATTEMPT = st.integers(0, 5_000)
quick = settings(deadline=None, suppress_health_check=list(HealthCheck))


@quick
@given(SECONDS, SECONDS, ATTEMPT, ROLL, st.floats(0, 3_600), st.none() | SECONDS)
def test_never_overflows(base, cap, attempt, roll, retry_after, jitter):
    """At attempt 5,000 as at 0 the delay is finite, not negative, and bounded by cap, jitter and Retry-After."""
    delay = Backoff(base, cap, jitter).delay_s(attempt, roll, retry_after)
    assert math.isfinite(delay)
    assert 0 <= delay <= max(cap + (cap if jitter is None else jitter), retry_after)


def test_huge_attempts():
    """Beyond what a double's exponent can hold, too."""
    assert Backoff(1.0, 30.0).delay_s(10**9, 0.0) == 30.0


@quick
@given(SECONDS, st.integers(0, 30), ROLL, SECONDS)
def test_formula_with_fixed_jitter(base, attempt, roll, jitter):
    """Below the cap it is literally `base * 2^k + roll * jitter`."""
    delay = Backoff(base, math.inf, jitter).delay_s(attempt, roll)
    assert delay == base * 2**attempt + roll * jitter


@quick
@given(SECONDS, st.integers(0, 30), ROLL)
def test_jitter_scales_with_the_delay(base, attempt, roll):
    """By default jitter grows with the delay, so that a herd stays spread: `jitter_k = base * 2^k`."""
    delay = Backoff(base, math.inf).delay_s(attempt, roll)
    assert delay == base * 2**attempt + roll * (base * 2**attempt)


@quick
@given(SECONDS, SECONDS, ATTEMPT, ROLL, st.floats(0, 3_600))
def test_retry_after_is_a_floor(base, cap, attempt, roll, retry_after):
    """What the upstream asks for is kept, also above the cap; never a reason to wait less."""
    backoff = Backoff(base, cap)
    assert backoff.delay_s(attempt, roll, retry_after) == max(backoff.delay_s(attempt, roll), retry_after)


@quick
@given(SECONDS, SECONDS, ATTEMPT, ROLL)
def test_waits_grow(base, cap, attempt, roll):
    """With the same roll a later retry never waits less."""
    backoff = Backoff(base, cap)
    assert backoff.delay_s(attempt + 1, roll) >= backoff.delay_s(attempt, roll)


@quick
@given(SECONDS, SECONDS, ATTEMPT, ROLL)
def test_cap_bounds_what_grows(base, cap, attempt, roll):
    """The cap bounds the delay before jitter; jitter comes on top, so that a herd at the cap stays spread."""
    assert Backoff(base, cap, 0.0).delay_s(attempt, roll) <= cap
    assert Backoff(base, cap, 5.0).delay_s(attempt, roll) == pytest.approx(
        Backoff(base, cap, 0.0).delay_s(attempt, 0) + roll * 5
    )


def test_defaults():
    """At most three retries, forgotten after ten minutes; half a second first."""
    assert (RETRIES_MAX, RETRY_WINDOW_US) == (3, 600_000_000)
    assert [Backoff().delay_s(k, 0.0) for k in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]

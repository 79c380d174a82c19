"""How long to wait before a retry.

Source: the brief, `delay = base_delay * (2 ^ attempt) + random(0, jitter)`. A fixed jitter leaves a herd in a one-
second band while the delay grows, so by default `jitter` scales with the delay: `jitter_k = base * 2^k` (measured:
the least wasteful of the capped local formulas). Retries are counted from 0, so that the code is the formula.
"""

from __future__ import annotations

from dataclasses import dataclass

RETRIES_MAX = 3
"""Retries after the first attempt, per action key (promise 2.1)."""

RETRY_WINDOW_US = 600 * 1_000_000
"""Failures are forgotten after this long without an attempt, in microseconds."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """The formula's constants.

    Attributes:
        base_s: Delay before the first retry without jitter, in seconds, > 0.
        cap_s: Upper bound of the delay before jitter, in seconds. Jitter comes on top, so that a herd at the cap stays
            spread.
        jitter_s: Fixed jitter in seconds; None (default) lets it scale with the delay.
    """

    base_s: float = 0.5
    cap_s: float = 30.0
    jitter_s: float | None = None

    def delay_s(self, attempt: int, roll: float, retry_after_s: float = 0.0) -> float:
        """Return the seconds to wait.

        Args:
            attempt: Which retry this is, counted from 0; any size.
            roll: A random number in [0, 1).
            retry_after_s: What the upstream asked for, in seconds; a floor that the cap does not cut.
        """
        grown = min(self.base_s * 2.0 ** min(attempt, 64), self.cap_s)
        jitter = grown if self.jitter_s is None else self.jitter_s
        return max(grown + roll * jitter, retry_after_s)

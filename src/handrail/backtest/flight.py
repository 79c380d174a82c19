"""What is in flight: attempts are admitted in order, settled when they end, and answered in order again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush

from handrail.backtest.times import PAUSE_US
from handrail.backtest.trace import Attempt
from handrail.backtest.trial import Course, Trial


class Flight:
    """Runs attempts through a trial.

    Args:
        trial: The trial.

    Attributes:
        late: Attempts whose time was before that of the one before them: the clock does not go back.
    """

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._flying: list[tuple[int, int, Course]] = []
        self._number = 0
        self._started = False
        self.late = 0

    def run(self, attempts: Iterable[Attempt]) -> Iterator[Course]:
        """Yield each attempt, in their order, once it has ended.

        An attempt that is in flight while later ones are decided holds back their answers, not their decisions.
        """
        waiting: deque[Course] = deque()
        for attempt in attempts:
            waiting.append(self.start(attempt))
            while waiting and not waiting[0].in_flight:
                yield waiting.popleft()
        self.land(None)
        yield from waiting

    def start(self, attempt: Attempt) -> Course:
        """Settle what has ended by then, and decide about an attempt."""
        trial = self._trial
        at_us = attempt.at_us
        if at_us is None:
            at_us = trial.now_us + (PAUSE_US if self._started else 0)
        self.late += at_us < trial.now_us
        self._started = True
        self.land(at_us)
        trial.advance(at_us)
        course = trial.begin(attempt)
        if not course.in_flight:
            return course
        ended_us = attempt.ended_us
        if ended_us is None or ended_us <= trial.now_us:
            trial.end(course)
        else:
            heappush(self._flying, (ended_us, self._number, course))
            self._number += 1
        return course

    def land(self, until_us: int | None) -> None:
        """Settle what ends until then; everything where no time is said."""
        flying = self._flying
        while flying and (until_us is None or flying[0][0] <= until_us):
            ended_us, _, course = heappop(flying)
            self._trial.advance(ended_us)
            self._trial.end(course)

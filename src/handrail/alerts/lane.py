"""The way to one target: a bounded queue and the thread that empties it.

Every target has its own lane, so that a dead receiver delays nobody else's alarms. States of an alert in a
lane: waiting, busy (taken by the thread), gone. It leaves either delivered or reported through `on_failure`,
exactly once; or it was never let in because the queue was full, and the next alert taken out says how many
were.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from handrail.alerts.alert import Alert, Delivery
from handrail.core.backoff import RETRIES_MAX
from handrail.core.text import safe

if TYPE_CHECKING:
    from collections.abc import Callable

    from handrail.alerts.alert import OnFailure


class Target(Protocol):
    """Something that takes alerts."""

    @property
    def shown(self) -> str:
        """The target's name without secrets, safe to print."""

    def deliver(self, alert: Alert, *, retries_max: int, wait: Callable[[float], bool]) -> Delivery:
        """Deliver one alert; every failure is in the answer. `wait` sleeps, and is False when time is up."""


def deliver(target: Target, alert: Alert, *, retries_max: int, wait: Callable[[float], bool]) -> Delivery:
    """Deliver one alert; a target that raises is a failed delivery too."""
    try:
        return target.deliver(alert, retries_max=retries_max, wait=wait)
    except Exception as error:  # noqa: BLE001 (its text may hold the URL, so only the type is told)
        return Delivery(target.shown, False, f"{type(error).__name__} while sending")


class Lane:
    """The queue and the thread of one target.

    Args:
        target: Where alerts go.
        on_failure: Called with the alert, the target's name and the reason, for every alert that was let in
            and not delivered; from the lane's thread, from `close`, and after closing from `put`.
        queue_max: Alerts that may wait, ≥ 1.

    Raises:
        ValueError: `queue_max` is below 1.
    """

    def __init__(self, target: Target, on_failure: OnFailure, *, queue_max: int) -> None:
        if queue_max < 1:
            raise ValueError(f"queue_max must be at least 1, not {queue_max}.")
        self.target = target
        self._on_failure = on_failure
        self._queue_max = queue_max
        self._closed = False
        self.reset()

    def reset(self) -> None:
        """Forget all but whether it is closed: in a forked child, queue, lock and thread are the parent's."""
        self._changed = threading.Condition()
        self._waiting: deque[Alert] = deque()
        self._busy: Alert | None = None
        self._dropped = 0
        self._deadline: float | None = None
        self._gone = False
        self._thread: threading.Thread | None = None

    def put(self, alert: Alert) -> None:
        """Let the alert in, or count it as dropped, and start the thread; never wait for the target."""
        with self._changed:
            if not self._closed:
                self._let_in(alert)
                return
        self._fail(alert, "it was sent after closing")

    def _let_in(self, alert: Alert) -> None:
        if len(self._waiting) >= self._queue_max:
            self._dropped += 1
            return
        self._waiting.append(alert)
        self._changed.notify_all()
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="handrail-alerts", daemon=True)
            with contextlib.suppress(RuntimeError):  # none to be had: the next put tries again, close reports
                thread.start()
                self._thread = thread

    def start_closing(self, deadline: float) -> None:
        """Let nothing in any more; the thread ends with the queue empty or at `deadline` (monotonic)."""
        with self._changed:
            self._closed = True
            self._deadline = deadline
            self._changed.notify_all()

    def finish_closing(self) -> int:
        """Wait for the thread until the deadline; report what is left as failed, and return its number."""
        assert self._deadline is not None
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(max(0.0, self._deadline - time.monotonic()))
        with self._changed:
            self._gone = True
            self._changed.notify_all()
            left = list(self._waiting)
            self._waiting.clear()
            busy, self._busy = self._busy, None
            dropped, self._dropped = self._dropped, 0
        if dropped:
            left[0] = left[0].after_dropped(dropped)
        if busy is not None:
            self._fail(busy, "it was still being sent when time was up; it may yet arrive")
        for alert in left:
            self._fail(alert, "it was not sent before time was up")
        return len(left) + (busy is not None)

    def _run(self) -> None:
        while (alert := self._take()) is not None:
            delivery = deliver(self.target, alert, retries_max=RETRIES_MAX, wait=self._wait)
            with self._changed:
                if self._gone:
                    return
                self._busy = None
            if not delivery.ok:
                self._fail(alert, delivery.detail)

    def _take(self) -> Alert | None:
        """Return the next alert as soon as there is one; None when the thread should end."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if not self._waiting or (self._deadline is not None and time.monotonic() >= self._deadline):
                return None
            alert = self._waiting.popleft()
            if self._dropped:
                alert, self._dropped = alert.after_dropped(self._dropped), 0
            self._busy = alert
            return alert

    def _wait(self, delay_s: float) -> bool:
        """Wait between two attempts; False as soon as closing leaves no time for it."""
        end = time.monotonic() + delay_s
        with self._changed:
            while (left_s := end - time.monotonic()) > 0:
                if self._deadline is not None and end >= self._deadline:
                    return False
                self._changed.wait(left_s)
            return not self._gone

    def _fail(self, alert: Alert, reason: str) -> None:
        """Report a failure; a report that fails itself goes to stderr, the last place there is."""
        try:
            self._on_failure(alert, self.target.shown, reason)
        except Exception as error:  # noqa: BLE001 (the caller's code; the thread must live on)
            line = (
                f"handrail: the alert {safe(alert.title)!r} did not reach {self.target.shown} ({reason}), "
                f"and recording that failed with {type(error).__name__}\n"
            )
            with contextlib.suppress(OSError):
                os.write(2, line.encode())

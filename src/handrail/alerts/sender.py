"""Sends alerts to every target without ever holding up whoever raises them."""

from __future__ import annotations

import atexit
import os
import time
import weakref
from typing import TYPE_CHECKING

from handrail.alerts.desktop import Desktop
from handrail.alerts.lane import Lane, deliver
from handrail.alerts.webhook import TIMEOUT_S, Webhook
from handrail.core.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Iterable

    from handrail.alerts.alert import Alert, Delivery, OnFailure
    from handrail.alerts.lane import Target

QUEUE_MAX = 1_000
"""Alerts that may wait for one target."""

URLS_MAX = 20
"""URLs that alerts may go to; each has its own thread."""

EXIT_FLUSH_S = 2.0
"""Seconds that the end of the process waits for alerts still under way."""


class Sender:
    """Where a runtime's alerts go.

    Nothing runs before the first alert: no thread, no connection, no import of an HTTP client. A forked child
    starts with empty queues; what waits in the parent is the parent's to send. When the process ends, alerts
    under way get `EXIT_FLUSH_S`; a process that ends by `os._exit`, as multiprocessing's children do, must
    `close` before.

    Args:
        urls: Webhooks; a URL given twice counts once.
        desktop: Whether to show desktop notifications as well.
        on_failure: Called with the alert, the target (`https://host/…`, `desktop`) and the reason for every
            alert that a target did not get, except those that a full queue dropped: the next alert says how
            many these were. Called from other threads, from `close` and at exit; should it raise, one line
            goes to stderr.
        timeout_s: Seconds for one attempt of a webhook, > 0.
        backoff: The waits between a webhook's attempts, of which there are at most four.
        queue_max: Alerts that may wait for one target, ≥ 1.

    Raises:
        ValueError: A URL that alerts cannot go to (see `webhook.url_error`), or more than `URLS_MAX`; no
            message holds more of a URL than its scheme and host.
    """

    def __init__(
        self,
        urls: Iterable[str],
        desktop: bool,
        *,
        on_failure: OnFailure,
        timeout_s: float = TIMEOUT_S,
        backoff: Backoff | None = None,
        queue_max: int = QUEUE_MAX,
    ) -> None:
        unique = list(dict.fromkeys(urls))
        if len(unique) > URLS_MAX:
            raise ValueError(f"Alerts can go to at most {URLS_MAX} URLs, not {len(unique)}.")
        targets: list[Target] = [Webhook(url, timeout_s, backoff or Backoff()) for url in unique]
        if desktop:
            targets.append(Desktop())
        self._lanes = tuple(Lane(target, on_failure, queue_max=queue_max) for target in targets)
        self._close_at_exit = False
        _reset_after_fork(self)

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets' names without secrets, in the order of their deliveries."""
        return tuple(lane.target.shown for lane in self._lanes)

    def send(self, alert: Alert) -> None:
        """Hand the alert to every target and return at once; without targets it goes nowhere."""
        if not self._close_at_exit:
            self._close_at_exit = True
            atexit.register(self.close, EXIT_FLUSH_S)
        for lane in self._lanes:
            lane.put(alert)

    def deliver_now(self, alert: Alert, *, retries_max: int = 0) -> list[Delivery]:
        """Deliver the alert to one target after the other, past the queues, and return what became of it.

        Failures are in the answer only; `on_failure` is not called.

        Args:
            alert: What to send.
            retries_max: Attempts of a webhook after the first, from 0 to 3.
        """
        return [deliver(lane.target, alert, retries_max=retries_max, wait=_sleep) for lane in self._lanes]

    def close(self, timeout_s: float = 5.0) -> int:
        """Send what is waiting, for at most `timeout_s` seconds in all, and stop. May be called again.

        Returns:
            How many deliveries were given up for lack of time, each reported through `on_failure`; failures
            that took place in time are reported too and not counted. Alerts sent after closing fail.
        """
        deadline = time.monotonic() + timeout_s
        for lane in self._lanes:
            lane.start_closing(deadline)
        left = sum(lane.finish_closing() for lane in self._lanes)
        atexit.unregister(self.close)
        return left

    def reset(self) -> None:
        """Forget what is queued and who sends it: for a forked child, where both belong to the parent."""
        for lane in self._lanes:
            lane.reset()


def _sleep(delay_s: float) -> bool:
    time.sleep(delay_s)
    return True


def _reset_after_fork(sender: Sender) -> None:
    """Reset `sender` in every forked child, for as long as it lives."""
    alive = weakref.ref(sender)

    def reset() -> None:
        if found := alive():
            found.reset()

    os.register_at_fork(after_in_child=reset)

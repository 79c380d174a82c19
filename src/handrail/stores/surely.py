"""Finish what must not be left half done, however often it is interrupted.

Python runs signal handlers between two instructions of the main thread, also inside `finally`: Ctrl-C while a lock is
released would leave it locked, for every process.
"""

from __future__ import annotations

from collections.abc import Callable

_FAILURES_MAX = 3


def surely(action: Callable[[], object]) -> None:
    """Run `action` to its end, then raise the first interrupt that came.

    Args:
        action: Can be begun again wherever it was interrupted. A handler may raise an ordinary exception too, so
            these are tried again as well, a few times.
    """
    interrupt: BaseException | None = None
    failures = 0
    while True:
        try:
            action()
            break
        except BaseException as error:
            if isinstance(error, Exception):
                failures += 1
                if failures >= _FAILURES_MAX:
                    raise
            interrupt = interrupt or error
    if interrupt is not None:
        try:
            raise interrupt
        finally:
            interrupt = None  # its traceback holds this frame: leave no cycle

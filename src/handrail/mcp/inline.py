"""A store that commits small steps in the event loop's own thread: handing them to another one costs more than they do.

A commit that does not wait for the disk takes some 50 µs; the way to a writer thread and back takes 150. Steps that
wait for the disk, and all steps for a while after one was slow (others are writing a lot), go to the writer thread, so
that the loop never stands still for long.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar, cast

from handrail.core.store import Step, Store

T = TypeVar("T")

SLOW_S = 0.02
"""A step that takes this long, in seconds, was slow."""

PAUSE_S = 5.0
"""Seconds after a slow step in which nothing is committed in the loop's thread."""


def inline(store: Store) -> Store:
    """Return a store that commits small steps at once; one that is reached over a network stays as it is."""
    return cast("Store", InlineStore(store)) if store.url.startswith("sqlite:") else store


class InlineStore:
    """The given store, apart from `submit`.

    Args:
        store: The store.
        clock: Monotonic time, in seconds.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._until_s = 0.0

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            """Everything else is the store's own."""
            return getattr(self._store, name)

    def submit(self, step: Step[T], *, durable: bool = False) -> Future[T]:
        """Run a step in one write transaction; the future is done already where that was quick to do."""
        begun = self._clock()
        if durable or begun < self._until_s:
            return self._store.submit(step, durable=durable)
        future: Future[T] = Future()
        try:
            future.set_result(self._store.transact(step))
        except Exception as error:  # noqa: BLE001 (whoever waits for the future gets it)
            future.set_exception(error)
        ended = self._clock()
        if ended - begun > SLOW_S:
            self._until_s = ended + PAUSE_S
        return future

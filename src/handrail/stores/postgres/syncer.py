"""Durable steps wait for the disk together: one sync serves all that was committed before it, whoever committed it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from handrail.errors import StoreError
from handrail.stores.postgres.life import PostgresLife
from handrail.stores.postgres.session import SQL, Connection
from handrail.stores.postgres.transaction import CommitMark

if TYPE_CHECKING:
    from handrail.stores.postgres.writer import Entry


class Written(NamedTuple):
    """What was committed and is not on disk yet.

    Attributes:
        entries: The steps.
        mark: By which their transaction is known.
        made: How often the sign of life had been connected when it began.
        running: (run, call, action, attempt) of the intents in it.
    """

    entries: list[Entry[Any]]
    mark: CommitMark
    made: int
    running: tuple[tuple[str, str, str, int], ...]


class Syncer:
    """Syncs, and answers those who waited.

    Args:
        life: Syncs on its connection.
        again: Takes steps whose transaction a crash of the server undid; they are run again.
        doubt: Takes intents of which nobody knows whether they are on disk.
    """

    def __init__(
        self,
        life: PostgresLife,
        again: Callable[[list[Entry[Any]]], None],
        doubt: Callable[[tuple[tuple[str, str, str, int], ...]], None],
    ) -> None:
        self.syncs = 0
        self._life = life
        self._again = again
        self._doubt = doubt
        self._changed = threading.Condition()
        self._waiting: list[Written] = []
        self._closing = False
        self._thread: threading.Thread | None = None

    def add(self, written: Written) -> None:
        """Have a transaction synced and its steps answered."""
        with self._changed:
            self._waiting.append(written)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="handrail-postgres-sync", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Finish what waits."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                waiting, self._waiting = self._waiting, []
            if not waiting:
                return
            self._serve(waiting)

    def _serve(self, waiting: list[Written]) -> None:
        try:
            self._life.sync()
            self.syncs += 1
            made = self._life.made
            kept = [one.made == made or self._life.ask(partial(is_kept, mark=one.mark)) for one in waiting]
        except BaseException as error:  # noqa: BLE001 (whoever waits is told, whatever it is)
            for written in waiting:
                self._doubt(written.running)
                for entry in written.entries:
                    entry.fail(StoreError(f"It was written, but perhaps not for good: {error}"), error)
            return
        for written, there in zip(waiting, kept, strict=True):
            if there:
                for entry in written.entries:
                    entry.answer()
            else:
                self._again(written.entries)


def is_kept(connection: Connection, mark: CommitMark) -> bool:
    """Return whether the transaction that left a mark is committed."""
    if mark.hash:
        row = connection.execute(SQL["row_hash"], (mark.writer, mark.number), binary=True).fetchone()
        return row is not None and row[0] == mark.hash
    row = connection.execute(SQL["step"], (mark.writer, mark.connection)).fetchone()
    return row is not None and int(str(row[0])) >= mark.number

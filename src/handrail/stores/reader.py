"""Reading a store on a snapshot, with one connection that no fork inherits."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import TypeVar

from handrail.errors import StoreError
from handrail.stores import forks

T = TypeVar("T")

FORK_PATIENCE_S = 10.0
"""How long a fork waits for a read under way."""


class Reader:
    """Runs reading works, one at a time.

    Args:
        connect: Opens a connection; called on first use, and again after a fork.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self._held = False
        self._closed = False
        forks.pause(self)

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in a read transaction. Raises `StoreError` after closing."""
        with self._lock:
            if self._closed:
                raise StoreError("The store is closed. Open Handrail again.")
            if self._connection is None:
                self._connection = self._connect()
                self._connection.execute("PRAGMA query_only = ON")
                self._connection.execute("PRAGMA busy_timeout = 5000")
            self._connection.execute("BEGIN")
            try:
                return work(self._connection)
            finally:
                self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Wait for what is under way, and close."""
        with self._lock:
            self._closed = True
            self._disconnect()

    def before_fork(self) -> None:
        """Let no connection be open while the process forks: SQLite's locks would be inherited by half."""
        self._held = self._lock.acquire(timeout=FORK_PATIENCE_S)
        if self._held:
            self._disconnect()

    def after_fork_in_parent(self) -> None:
        """Let reads go on."""
        if self._held:
            self._held = False
            self._lock.release()

    def after_fork_in_child(self) -> None:
        """Begin anew."""
        self._lock = threading.Lock()
        self._held = False
        self._connection = None

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

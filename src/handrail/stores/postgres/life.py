"""Who holds an intent, and whether that writer still lives, fleet-wide.

Each writer holds a session-level advisory lock of the server, named by its id, on a connection of its own for as long
as it lives. The server drops the lock with the connection: at once when the process is killed, within half a minute
when its machine or network is gone (TCP keepalives). SQL asks for it: the function `alive` in `sql/postgres`.

A connection can be lost although the process lives: the server restarts, or somebody ends the session. A thread watches
for that and takes the lock again, under the same id; whoever waits for the lock counts as alive too. Until then the
function `alive` gives a grace to writers that were there before the server started.

The same connection syncs: commits are made with `synchronous_commit = off`, and a durable one is on disk once any later
commit has waited for the disk, because the write-ahead log has one order.
"""

from __future__ import annotations

import os
import secrets
import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from handrail.errors import StoreError
from handrail.stores.postgres.session import LOCK, SQL, Address, Connection, PostgresSession, SessionSettings

T = TypeVar("T")

LOOK_S = 15.0
"""How often an idle connection is tried even if it seems to be well."""

_AGAIN_S = 0.2


class PostgresLife:
    """One writer's sign of life, and the syncing of what it committed.

    Args:
        address: Where the store is.
        patience_s: How long to wait for a server that is away.

    Attributes:
        id: The writer. Final once `begin` was called.
    """

    def __init__(self, address: Address, patience_s: float) -> None:
        self.id = secrets.token_hex(6)
        self._session = PostgresSession(address, SessionSettings(synchronous=True), patience_s)
        self._mutex = threading.Lock()
        self._locked: Connection | None = None
        self._begun = False
        self._closing = threading.Event()
        self._keeper: threading.Thread | None = None
        self._bell: socket.socket | None = None

    @property
    def begun(self) -> bool:
        """Whether this writer has ever been seen to live."""
        return self._begun

    @property
    def lost_us(self) -> int:
        """When a lost connection was last replaced, by the server's clock; 0 for never."""
        return self._session.lost_us

    @property
    def made(self) -> int:
        """How many connections there were: as long as it stays, the server did not restart."""
        return self._session.made

    def begin(self) -> None:
        """Let others see that this writer lives; before the first row or intent is written under its id.

        Raises:
            StoreError: The server cannot be reached.
        """
        if self._locked is not None and self._locked is self._session.current:
            return
        self.ask(lambda _: None)
        if self._bell is None:
            ring, self._bell = socket.socketpair()
            self._keeper = threading.Thread(target=self._keep, args=(ring,), name="handrail-postgres-life", daemon=True)
            self._keeper.start()

    def sync(self) -> None:
        """Wait until everything that was committed before is on disk.

        Raises:
            StoreError: The server cannot be reached or cannot sync.
        """
        self.ask(lambda connection: connection.execute(SQL["flush"]))

    def ask(self, question: Callable[[Connection], T]) -> T:
        """Return the answer to a question that may be asked again. Raises `StoreError` when there is none."""
        with self._mutex:
            return self._session.use(lambda connection: question(self._lock(connection)), self._closing.is_set)

    def look(self) -> None:
        """Try the connection; take the lock again if it was lost. A server that is away is tried again later."""
        if self._begun and not self._closing.is_set():
            with suppress(StoreError):
                self.ask(lambda connection: connection.execute("SELECT 1"))

    def end(self) -> None:
        """Be dead from now on: what this writer began and did not settle is in doubt."""
        self._closing.set()
        bell, self._bell = self._bell, None
        if bell is not None:
            bell.close()
        if self._keeper is not None:
            self._keeper.join()
        with self._mutex:
            self._locked = None
            self._session.drop()

    def abandon(self) -> None:
        """In a forked child: the parent lives on."""
        self._session.abandon()
        if self._bell is not None:
            self._bell.close()

    def _lock(self, connection: Connection) -> Connection:
        """Hold the lock on this connection."""
        if connection is self._locked:
            return connection
        if self._begun:  # our old session may still be there; waiting for its lock counts as life
            connection.execute(SQL["end_old"], (key(self.id),))
            connection.execute(SQL["hold"], (key(self.id),))
        while not self._begun:
            row = connection.execute(SQL["try_hold"], (key(self.id),)).fetchone()
            self._begun = row is not None and bool(row[0])
            self.id = self.id if self._begun else secrets.token_hex(6)
        self._locked = connection
        if self._bell is not None:
            self._bell.send(b"!")  # there is another connection to watch
        return connection

    def _keep(self, ring: socket.socket) -> None:
        """Watch the connection, and take the lock again when it was lost."""
        with ring:
            while not self._closing.is_set():
                with self._mutex:
                    connection = self._session.current
                watched = select.poll()
                watched.register(ring, select.POLLIN)
                if connection is not None:
                    watched.register(connection.fileno(), select.POLLIN)
                ready = watched.poll((LOOK_S if connection is not None else _AGAIN_S) * 1_000)
                if ring.fileno() in dict(ready):
                    ring.recv(64)
                else:
                    self.look()


def key(id: str) -> int:
    """Return the advisory lock of a writer."""
    return LOCK + int(id, 16)


def process() -> tuple[str, int]:
    """Return this machine's name and this process's number, for people who look."""
    return socket.gethostname(), os.getpid()

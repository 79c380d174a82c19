"""The store of a fleet: one PostgreSQL database, shared by any number of processes on any number of machines.

Writes go through `writer.py` (group commit under one advisory lock), reads use a second connection and see a
consistent snapshot, and a third shows that this process lives (`life.py`). `docs/postgres.md` says what it
promises and what was measured.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

from handrail.core.backoff import RETRY_WINDOW_US
from handrail.core.store import Step, Transaction, Verification
from handrail.errors import StoreError
from handrail.stores import forks
from handrail.stores.chain import Row, Verifier, pruned
from handrail.stores.postgres.life import PostgresLife
from handrail.stores.postgres.risks import risks
from handrail.stores.postgres.session import (
    PATIENCE_S,
    SQL,
    Connection,
    PostgresSession,
    SessionSettings,
    migrate,
    parse,
)
from handrail.stores.postgres.transaction import PostgresTransaction
from handrail.stores.postgres.wire import Wire
from handrail.stores.postgres.writer import Writer
from handrail.stores.surely import surely

T = TypeVar("T")

PRUNE_ROWS = 10_000
"""Journal rows that one transaction of a retention run looks at: the fleet waits for it."""


class PostgresStore:
    """A store in one PostgreSQL database, in the schema `handrail`.

    Args:
        url: `postgresql://user@host:port/database`, with any parameter that libpq knows.
        clock_us: Source of time for tests; by default the server's clock.
        patience_s: How long a step waits for a server that is away.

    Raises:
        ConfigurationError: The address cannot be read.
        StoreError: The database cannot be reached or used.
        StoreVersionError: It was made by a newer Handrail.
    """

    def __init__(self, url: str, clock_us: Callable[[], int] | None = None, *, patience_s: float = PATIENCE_S) -> None:
        self._address = parse(url)
        self._clock_us = clock_us
        self._patience_s = patience_s
        self._closed = False
        self._begin_anew()
        try:
            self._writing.use(migrate)
        except BaseException:
            self._writing.drop()
            raise
        forks.watch(self)

    @property
    def url(self) -> str:
        """The address, without secrets."""
        return self._address.shown

    @property
    def writer(self) -> str:
        """Id of our chain. Final once something was written."""
        return self._life.id

    def _begin_anew(self) -> None:
        patience_s = self._patience_s
        self._writing = PostgresSession(self._address, SessionSettings(), patience_s, patient=False)
        self._reading = PostgresSession(self._address, SessionSettings(), patience_s)
        self._read_lock = threading.Lock()
        self._life = PostgresLife(self._address, patience_s)
        self._writer = Writer(self._writing, self._life, patience_s, self._clock_us)

    def after_fork_in_child(self) -> None:
        """Begin a chain of our own on connections of our own; the parent's go on."""
        self._writing.abandon()
        self._reading.abandon()
        self._life.abandon()
        self._begin_anew()

    def transact(self, step: Step[T], *, durable: bool = False) -> T:
        """Run a step in one write transaction."""
        future = self.submit(step, durable=durable)
        try:
            future.exception()
        except BaseException:  # an interrupt: nothing of the step may happen after the caller has gone on
            if not future.cancel():
                surely(partial(wait, [future]))
            raise
        return future.result()

    def submit(self, step: Step[T], *, durable: bool = False) -> Future[T]:
        """Run a step in one write transaction, without blocking the caller."""
        if self._closed:
            raise StoreError("The store is closed. Open Handrail again.")
        return self._writer.submit(step, durable=durable)

    def read(self, step: Step[T]) -> T:
        """Run a reading step on a snapshot."""
        with self._read_lock:
            if self._closed:
                raise StoreError("The store is closed. Open Handrail again.")
            try:
                return self._reading.use(lambda connection: self._on_snapshot(connection, step))
            except StoreError:
                self._reading.drop()  # psycopg takes statements for prepared that the server skipped after an error
                raise

    def _on_snapshot(self, connection: Connection, step: Step[T]) -> T:
        wire = Wire(connection)
        wire.later(SQL["snapshot"])
        tx = PostgresTransaction(wire, self._life, self._writer.chain, self._reading.lost_us, self._clock_us)
        try:
            return step(cast("Transaction", tx))
        finally:
            if not connection.closed:
                wire.end(SQL["rollback"])

    def verify(self, progress: Callable[[int, int], None] | None = None) -> Verification:
        """Check every chain, payload digest and anchor, on a connection of its own."""
        session = PostgresSession(self._address, SessionSettings(statement_s=0), self._patience_s)
        try:
            return session.use(lambda connection: _verify(connection, progress))
        finally:
            session.drop()

    def prune(self, before_us: int) -> int:
        """Remove old bodies of ended actions, some thousand rows at a time."""

        def facts(step: Transaction) -> None:
            cast("PostgresTransaction", step).prune_facts(min(before_us, step.now_us - RETRY_WINDOW_US))

        def bodies(step: Transaction, start: int) -> int:
            tx = cast("PostgresTransaction", step)
            until_us = min(before_us, tx.now_us + 1)  # what is written later was not meant
            rows = tx.prune(until_us, start, start + PRUNE_ROWS - 1)
            if rows:
                tx.append(pruned(until_us, rows))
            return rows

        self.transact(facts)
        first, last = self.read(lambda tx: cast("PostgresTransaction", tx).span())
        return sum(self.transact(partial(bodies, start=start)) for start in range(first, last + 1, PRUNE_ROWS))

    def backup(self, path: Path) -> None:
        """Refuse: a copy of a database is made with its own tools."""
        raise StoreError(
            f"A PostgreSQL store is not copied into a file of ours ({path.name}). Copy it with: "
            f"pg_dump --schema=handrail --format=custom --file=handrail.dump {self.url}"
        )

    def risks(self) -> tuple[str, ...]:
        """Return what of the server would break a promise, or let others at the store; a sentence each."""
        with self._read_lock:
            return self._reading.use(risks)

    def die(self) -> None:
        """Leave everything as a killed process leaves it; for tests of what others find."""
        self._closed = True
        self._life.end()
        self._writing.drop()
        self._reading.drop()

    def close(self) -> None:
        """Wait for what is under way, and release everything."""
        if self._closed:
            return
        with suppress(Exception):  # a witness more, not a condition for closing
            self._bear_witness()
        self._closed = True
        self._writer.close()
        self._life.end()
        with self._read_lock:
            self._reading.drop()

    def _bear_witness(self) -> None:
        """Anchor what others wrote since our last anchor: later it could be removed unseen."""

        def moved(step: Transaction) -> bool:
            tx = cast("PostgresTransaction", step)
            return tx.wrote_before() and not tx.others().keys() <= self._writer.chain.anchored

        if self._life.begun and self.read(moved):
            self.transact(lambda tx: cast("PostgresTransaction", tx).witness())


def _verify(connection: Connection, progress: Callable[[int, int], None] | None) -> Verification:
    verifier = Verifier()
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        row = connection.execute(SQL["count_rows"]).fetchone()
        total = 0 if row is None else int(str(row[0]))
        with connection.cursor("rows", binary=True) as cursor:
            cursor.itersize = 2_000
            cursor.execute(SQL["rows"] + " ORDER BY seq")
            for index, found in enumerate(cursor):
                verifier.feed(cast("Row", found))
                if progress is not None and index % 1_000 == 0:
                    progress(index, total)
        return verifier.result(lambda writer, number: _hash_of(connection, writer, number))


def _hash_of(connection: Connection, writer: str, number: int) -> str | None:
    row = connection.execute(SQL["row_hash"], (writer, number), binary=True).fetchone()
    return None if row is None else cast("bytes", row[0]).hex()

"""Group commit for PostgreSQL: one thread of the process writes for all of its callers.

Steps that wait are run in one transaction, each behind a savepoint, under the advisory lock that all writers of the
fleet share: what a decision was made on cannot change before it is recorded. The commit does not wait for the disk, so
the lock is free again at once; whoever needs durability waits for the sync afterwards (syncer.py).

A connection that is lost:

- before COMMIT was sent: nothing was written; the steps run again, on a new connection;
- after COMMIT was sent: whether it was committed is looked up by what the transaction left, under the lock, which the
  old session keeps until it has ended. Only if the server stays away are the callers told that nobody knows, and
  intents of theirs are left in doubt as soon as it is back.

A thread of its own, because signals are never delivered there: no interrupt comes between COMMIT and its answer.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar, cast

import psycopg

from handrail.core.store import Step, Transaction
from handrail.errors import StoreError
from handrail.stores.postgres.life import PostgresLife
from handrail.stores.postgres.session import LOCK, SQL, Connection, PostgresSession, sentence
from handrail.stores.postgres.syncer import Syncer, Written, is_kept
from handrail.stores.postgres.transaction import CommitMark, OwnChain, PostgresTransaction
from handrail.stores.postgres.wire import Wire

T = TypeVar("T")

BATCH_STEPS_MAX = 128
BATCH_S_MAX = 0.01
"""A transaction takes up no further step after this long: the fleet waits for it."""

AGAIN_S = 0.05
"""Between two attempts at a transaction whose connection was lost."""

Intents = tuple[tuple[str, str, str, int], ...]


class Entry(Generic[T]):
    """A step on its way from its caller to its answer."""

    __slots__ = ("durable", "error", "future", "step", "value")

    def __init__(self, step: Step[T], *, durable: bool) -> None:
        self.step = step
        self.durable = durable
        self.future: Future[T] = Future()
        self.value: T | None = None
        self.error: BaseException | None = None

    def begin(self) -> bool:
        """Whether to run it: it may have been cancelled in the meantime."""
        return self.future.running() or self.future.set_running_or_notify_cancel()

    def answer(self) -> None:
        """Tell the caller what came of it."""
        if self.error is not None:
            error, self.error = self.error, None
            self.future.set_exception(error)
        else:
            self.future.set_result(cast("T", self.value))

    def fail(self, told: StoreError, cause: BaseException | None) -> None:
        """Tell the caller that it was not kept, or that nobody knows."""
        told.__cause__, self.error = cause, None
        self.future.set_exception(told)


class _Attempt:
    """One transaction and how far it got."""

    __slots__ = ("committing", "made", "mark", "running")

    def __init__(self, made: int) -> None:
        self.made = made
        self.committing = False
        self.mark: CommitMark | None = None
        self.running: Intents = ()


class Writer:
    """Runs steps, each atomically, and groups those that arrive together.

    Args:
        session: The connection to write on.
        life: Our own sign of life.
        patience_s: How long a step is tried again while connections are lost.
        clock_us: Source of time for tests.

    Attributes:
        steps: How many have run.
        commits: How many transactions they took.
    """

    def __init__(
        self, session: PostgresSession, life: PostgresLife, patience_s: float, clock_us: Callable[[], int] | None = None
    ) -> None:
        self.chain = OwnChain()
        self.steps = 0
        self.commits = 0
        self.syncer = Syncer(life, self._again, self._doubt)
        self._session = session
        self._life = life
        self._patience_s = patience_s
        self._clock_us = clock_us
        self._changed = threading.Condition()
        self._queue: deque[Entry[Any]] = deque()
        self._unanswered = 0
        self._closing = False
        self._thread: threading.Thread | None = None
        self._doubts: list[Intents] = []

    def submit(self, step: Step[T], *, durable: bool) -> Future[T]:
        """Have a step run in a transaction; the future is done once that is committed, and on disk if durable.

        Raises:
            StoreError: Called from within a step, or after closing.
        """
        if threading.current_thread() is self._thread:
            raise StoreError("A step began another transaction, so nothing runs. This is a bug in what was called.")
        entry = Entry(step, durable=durable)
        with self._changed:
            if self._closing:
                raise StoreError("The store is closed. Open Handrail again.")
            self._unanswered += 1
            self._queue.append(entry)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="handrail-postgres-writer", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        entry.future.add_done_callback(self._answered)
        return entry.future

    def close(self) -> None:
        """Refuse newcomers, finish what is queued, and close the connection."""
        with self._changed:
            self._closing = True
            while self._unanswered:
                self._changed.wait()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        self.syncer.close()
        self._session.drop()

    def _answered(self, future: Future[Any]) -> None:
        del future
        with self._changed:
            self._unanswered -= 1
            if self._closing and not self._unanswered:
                self._changed.notify_all()

    def _again(self, entries: list[Entry[Any]]) -> None:
        with self._changed:
            self._queue.extendleft(reversed(entries))
            self._changed.notify_all()

    def _doubt(self, intents: Intents) -> None:
        self._doubts.append(intents)

    def _take(self) -> Entry[Any] | None:
        """Return the first who waits and still wants to run."""
        with self._changed:
            while self._queue:
                entry = self._queue.popleft()
                if entry.begin():
                    return entry
        return None

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._queue:
                    if self._closing and not self._unanswered:
                        return
                    self._changed.wait()
            first = self._take()
            if first is not None:
                self._serve([first])

    def _serve(self, entries: list[Entry[Any]], *, joined: bool = True) -> None:
        """Run these steps, and whoever joins, in one transaction; again if the connection is lost; answer them all."""
        until = time.monotonic() + self._patience_s
        while True:
            attempt = _Attempt(self._life.made)
            try:
                self._transact(entries, attempt, joined=joined)
                break
            except psycopg.Error as error:
                self.chain.forget()
                if not self._session.lost(error):
                    if isinstance(error, psycopg.errors.DeadlockDetected) and time.monotonic() < until:
                        self._session.drop()  # somebody else's statement on our tables; ours was undone
                        continue
                    return self._refused(entries, error)
                self._life.look()
                try:
                    if attempt.mark is not None and attempt.committing and self._is_kept(attempt.mark):
                        break
                except StoreError as away:
                    return self._unknown(entries, attempt, away)
                if time.monotonic() >= until:
                    return self._failed(entries, StoreError(sentence(self._session.address, error)), error)
                time.sleep(AGAIN_S)
            except StoreError as error:
                self.chain.forget()
                return self._failed(entries, error, error.__cause__)
            except BaseException as error:  # noqa: BLE001 (whoever waits is told, whatever it is)
                self.chain.forget()
                self._session.drop()
                why = f"The store failed ({type(error).__name__}), so nothing runs. Run: handrail doctor"
                return self._failed(entries, StoreError(why), error)
        return self._kept(entries, attempt)

    def _transact(self, entries: list[Entry[Any]], attempt: _Attempt, *, joined: bool) -> None:
        """Run the steps and commit."""
        self._life.begin()
        attempt.made = self._life.made
        wire = Wire(self._session.open())
        tx = PostgresTransaction(wire, self._life, self.chain, self._session.lost_us, self._clock_us)
        self._begin(wire)
        doubts = tuple(self._doubts)
        for intent in (one for intents in doubts for one in intents):
            tx.disown(*intent)
        stop, index = time.perf_counter() + BATCH_S_MAX, 0
        while index < len(entries):
            self._perform(tx, wire, entries[index], savepoint=index > 0 or bool(doubts))
            index += 1
            if joined and index == len(entries) < BATCH_STEPS_MAX and time.perf_counter() < stop:
                entries.extend(filter(None, (self._take(),)))
        attempt.mark, attempt.running = tx.mark(self._session.made), tuple(tx.running)
        attempt.committing = True
        said = wire.end(SQL["commit"])
        if said != "COMMIT":  # a transaction that failed is rolled back by COMMIT, without an error
            raise StoreError(f"The store {self._session.address.shown} did not commit, so nothing runs. Try again.")
        del self._doubts[: len(doubts)]

    def _begin(self, wire: Wire) -> None:
        wire.later(SQL["begin"])
        wire.later(SQL["lock"], (LOCK,))

    def _perform(self, tx: PostgresTransaction, wire: Wire, entry: Entry[Any], *, savepoint: bool) -> None:
        """Run one step, undone if it raises. The first needs no savepoint: nothing comes before it."""
        entry.error = entry.value = None
        tx.lasting = False
        if savepoint:
            wire.later(SQL["savepoint"])
        try:
            entry.value = entry.step(cast("Transaction", tx))
            entry.durable = entry.durable or tx.lasting
        except psycopg.Error:
            raise
        except BaseException as error:  # noqa: BLE001 (the step's own affair: its caller gets it)
            entry.error = error
            self.chain.forget()
            if savepoint:
                wire.later(SQL["undo"])
            else:
                wire.later(SQL["rollback"])
                self._begin(wire)
        if savepoint:
            wire.later(SQL["release"])

    def _is_kept(self, mark: CommitMark) -> bool:
        """Return whether a transaction was committed whose COMMIT was not answered."""

        def look(connection: Connection) -> bool:
            with connection.transaction():
                connection.execute(SQL["lock"], (LOCK,))  # the old session has it until it has ended
                return is_kept(connection, mark)

        return self._session.use(look)

    def _kept(self, entries: list[Entry[Any]], attempt: _Attempt) -> None:
        """Answer those whose transaction is committed; the durable ones once it is on disk."""
        self.steps += len(entries)
        self.commits += 1
        durable = [entry for entry in entries if entry.durable and entry.error is None and attempt.mark is not None]
        if durable and attempt.mark is not None:
            self.syncer.add(Written(durable, attempt.mark, attempt.made, attempt.running))
        for entry in entries:
            if entry not in durable:
                entry.answer()

    def _refused(self, entries: list[Entry[Any]], error: psycopg.Error) -> None:
        """After an error of the database: each step alone, so that only the one it concerns is told.

        The connection is not used again: psycopg takes statements for prepared that the server skipped after the error.
        """
        self._session.drop()
        if len(entries) > 1:
            for entry in entries:
                self._serve([entry], joined=False)
            return
        self._failed(entries, StoreError(sentence(self._session.address, error)), error)

    def _unknown(self, entries: list[Entry[Any]], attempt: _Attempt, error: BaseException) -> None:
        self._doubts.append(attempt.running)
        why = f"It is not known whether this was recorded, because the connection was lost: {error}"
        self._failed(entries, StoreError(why), error)

    def _failed(self, entries: list[Entry[Any]], error: StoreError, cause: BaseException | None) -> None:
        for entry in entries:
            told = error if len(entries) == 1 else type(error)(str(error))
            entry.fail(told, cause)

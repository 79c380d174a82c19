"""Group commit: whoever comes first writes for all who wait.

A caller who finds nobody writing takes the lock, runs its work in a transaction of its own, commits and goes
on: no other thread is involved. A caller who finds somebody writing puts its work into a queue and waits.
When the writer has committed it hands over to the first of the queue, who runs everything that is waiting by
then in *one* transaction with *one* COMMIT, and tells the others. Under load the transactions thus become
larger, not the queue longer ("flat combining": Hendler, Incze, Shavit, Tzafrir, SPAA 2010).

There are two such lines, since a durable commit waits for the disk and the others need not wait for it:

- plain works: committed `synchronous=NORMAL`; they survive the death of any process, not a power loss;
- durable works: committed the same way, then synced after the write lock has been released (walsync.py).
  While a sync is under way the next durable works gather, and share the next one.

The rules, each with a test:

- A work runs at most once, in some thread of this process, alone on the connection, inside a transaction
  that it must not end. It must not wait for another work of this committer.
- Nobody gets an answer before COMMIT (and the sync, if durable) has returned.
- A work that raises is undone alone (savepoint); its own caller gets the exception.
- If the transaction as a whole fails or is interrupted, all its callers are told that nothing was written.
- An interrupt never leaves the lock held or a transaction open: every other process would wait for ever.
- The connection is closed before a fork; parent and child each open their own on the next use.
"""

import sqlite3
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock
from time import monotonic, perf_counter
from types import FrameType
from typing import Any, Generic, TypeVar, cast

from handrail.errors import StoreError
from handrail.stores import forks
from handrail.stores.fairlock import FairLock
from handrail.stores.surely import surely
from handrail.stores.walsync import WalSync

T = TypeVar("T")

BATCH_WORKS_MAX = 256
BATCH_S_MAX = 0.005  # a transaction takes up no further work after this long: other processes wait for it
FORK_PATIENCE_S = 10.0  # how long a fork waits for the work that is running
PATIENCE_S = 60.0  # how long a program that writes without queueing may hold SQLite's own lock


class WriteFailedError(StoreError):
    """Nothing of this work was written; the cause says why. It may be tried again."""


class NotDurableError(StoreError):
    """The work was written and is visible, but may not survive a power loss: syncing the disk failed."""


class CommitterMisuseError(StoreError):
    """The committer was called where it cannot serve: from within a work, after `close()`, after a bad fork."""


class _Entry(Generic[T]):
    """A work on its way from its caller to its answer."""

    __slots__ = ("error", "future", "value", "wake", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], T], future: "Future[T] | None" = None) -> None:
        self.work = work
        self.future = future
        self.wake: Lock | None = None  # locked while a blocking caller waits for it
        self.value: T | None = None
        self.error: BaseException | None = None

    def begin(self) -> bool:
        """Whether to run it: a future may have been cancelled in the meantime."""
        return self.future is None or self.future.set_running_or_notify_cancel()

    def answer(self) -> None:
        """Tell the caller what has been put into `value` or `error`; telling twice does no harm."""
        if self.future is not None:
            self._complete(self.future)
        elif self.wake is not None and self.wake.locked():
            self.wake.release()

    def result(self) -> T:
        if self.error is not None:
            try:
                raise self.error
            finally:
                self.error = None  # its traceback holds this frame: leave no cycle
        return cast(T, self.value)

    def _complete(self, future: "Future[T]") -> None:
        if future.done() or not (future.running() or future.set_running_or_notify_cancel()):
            return
        if self.error is not None:
            future.set_exception(self.error)
            self.error = None
        else:
            future.set_result(cast(T, self.value))


class _Batch:
    """The works of one transaction and how far it got."""

    __slots__ = ("committed", "committing", "durable", "entries", "failure", "synced")

    def __init__(self, first: _Entry[Any], *, durable: bool) -> None:
        self.entries = [first]
        self.durable = durable
        self.committing = False
        self.committed = False
        self.synced = False
        self.failure: BaseException | None = None

    def settle(self) -> None:
        """Answer everybody; if the batch failed, each with an exception object of its own."""
        failure = self.failure
        kept = self.committed and (self.synced or not self.durable)
        for entry in self.entries:
            if not kept and entry.error is None:
                entry.error = self._error(failure)
            entry.answer()

    def _error(self, failure: BaseException | None) -> Exception:
        why = str(failure) or type(failure).__name__
        error: Exception
        if self.committed:
            error = NotDurableError(f"written, but perhaps not for good: {why}")
        else:
            error = WriteFailedError(f"nothing was written: {why}")
        error.__cause__ = failure
        return error


class _Line:
    """Callers in order of arrival; at most one of them leads, and nobody waits unless somebody leads."""

    def __init__(self, committer: "Committer", *, durable: bool, closed: str = "") -> None:
        self.durable = durable
        self.closed = closed  # why nobody may enter
        self.abandoned = False  # this process is a forked child, and the line is its parent's
        self._committer = committer
        self._mutex = Lock()
        self._queue: deque[_Entry[Any]] = deque()
        self._leader: _Entry[Any] | None = None  # never in the queue
        self._idle = threading.Condition(self._mutex)
        self._writer: threading.Thread | None = None
        self._writer_turn = threading.Semaphore(0)

    def enter(self, entry: _Entry[Any]) -> bool:
        """Lead if nobody does, else queue.

        Returns:
            Whether the entry leads.
        """
        with self._mutex:
            if self.closed:
                raise CommitterMisuseError(self.closed)
            if self._leader is None:
                self._leader = entry
                return True
            if entry.future is None:
                entry.wake = Lock()
                entry.wake.acquire()
            self._queue.append(entry)
            return False

    def wait(self, entry: _Entry[Any]) -> bool:
        """Wait for the answer, or for the lead.

        Returns:
            Whether the entry leads now.
        """
        assert entry.wake is not None
        entry.wake.acquire()
        return self._leader is entry

    def take(self, entries: list[_Entry[Any]]) -> _Entry[Any] | None:
        """Move the first who waits into `entries`; only the leader does this."""
        with self._mutex:
            if not self._queue:
                return None
            entry = self._queue.popleft()
        entries.append(entry)
        return entry

    def step_out(self, entry: _Entry[Any]) -> None:
        """Neither lead nor wait any longer: hand over to the first who waits, if this entry leads.

        An entry that is neither leader nor in the queue has had its turn, or is having it.
        """
        surely(partial(self._step_out, entry))

    def _step_out(self, entry: _Entry[Any]) -> None:
        with self._mutex:
            surely(partial(self._pass_on, entry))

    def _pass_on(self, entry: _Entry[Any]) -> None:
        """Make the first who waits leader, then wake it; can be begun again after an interrupt anywhere."""
        if self._leader is entry:
            self._leader = self._queue[0] if self._queue else None
        elif entry in self._queue and self._queue[0] is not self._leader:
            self._queue.remove(entry)
        heir = self._leader
        if heir is None:
            self._idle.notify_all()
        elif self._queue and self._queue[0] is heir:
            if heir.wake is None:
                self._writer_turn.release()
            elif heir.wake.locked():
                heir.wake.release()
            self._queue.popleft()

    def submit(self, entry: _Entry[Any]) -> None:
        """Enter on behalf of somebody who does not wait here: the writer thread leads for them."""
        self._start_writer()
        if self.enter(entry):
            self._writer_turn.release()

    def close(self) -> None:
        """Refuse newcomers, and wait for those who are here."""
        with self._mutex:
            self.closed = self.closed or "the committer is closed"
            while self._leader is not None:
                self._idle.wait()
            writer, self._writer = self._writer, None
        if writer is not None:
            self._writer_turn.release()
            writer.join()

    def _start_writer(self) -> None:
        with self._mutex:
            if self._writer is not None or self.closed:
                return
            name = "handrail-durable-writer" if self.durable else "handrail-writer"
            self._writer = threading.Thread(target=self._write, name=name, daemon=True)
            self._writer.start()

    def _write(self) -> None:
        while True:
            self._writer_turn.acquire()
            leader = self._leader
            if leader is not None and leader.future is not None:
                with suppress(BaseException):  # lead() has told those whom it concerns
                    self._committer.lead(self, leader)
            elif self._writer is None:  # woken by close(); otherwise woken twice, by an interrupted hand-over
                return


class Committer:
    """Runs works, each in a transaction, and groups those that arrive together.

    Args:
        connect: opens a connection to the database: WAL, `isolation_level=None`, `check_same_thread=False`.
            It is called on first use and again in a forked child, and is used by one thread at a time.
        lock: shared by everyone who writes to this database.
        patience_s: how long to keep trying while a program that does not queue holds SQLite's own lock.

    Attributes:
        on_abort: called, alone like a work, whenever something that works did has been undone: whatever was
            remembered about the database has to be read again. It must not raise.
        works: how many have run.
        commits: how many transactions they took.
    """

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], lock: FairLock, *, patience_s: float = PATIENCE_S
    ) -> None:
        self.on_abort: Callable[[], None] | None = None
        self.works = 0
        self.commits = 0
        self._connect = connect
        self._lock = lock
        self._patience_s = patience_s
        self._sync = WalSync(lock.path.with_name(lock.path.name + "-sync"), mode=lock.mode)
        self._connection: sqlite3.Connection | None = None
        self._paused = False  # a thread of ours is forking
        self._wal = Path()
        self._lines = self._new_lines()
        forks.pause(self)

    @property
    def syncs(self) -> int:
        """How many syncs this process has made; one may serve many commits, of other processes too."""
        return self._sync.syncs

    def run(self, work: Callable[[sqlite3.Connection], T], *, durable: bool) -> T:
        """Run `work` in a transaction; return its result when that is committed.

        Args:
            work: is given the connection; runs at most once, possibly in another caller's thread.
            durable: return only when the commit survives a power loss too.

        Raises:
            WriteFailedError: the transaction failed as a whole; nothing of this work was written.
            NotDurableError: written, but perhaps not for good.
            CommitterMisuseError: called from within a work, or after `close()`.
        """
        self._refuse_nesting()
        line = self._lines[durable]
        entry = _Entry(work)
        try:
            if line.enter(entry) or line.wait(entry):
                self.lead(line, entry)
        except BaseException:  # interrupted somewhere in between
            if not line.abandoned:
                line.step_out(entry)
            raise
        return entry.result()

    def submit(self, work: Callable[[sqlite3.Connection], T], *, durable: bool) -> "Future[T]":
        """Like `run`, for callers who must not block: a daemon thread writes and completes the future.

        Works of one kind (durable or not) run in the order of their submission; a plain one may overtake
        a durable one. Cancelling helps until the work begins.
        """
        self._refuse_nesting()
        future: Future[T] = Future()
        self._lines[durable].submit(_Entry(work, future))
        return future

    def close(self) -> None:
        """Finish what is queued, then close the connection and the lock's file."""
        self._refuse_nesting()
        for line in self._lines:
            line.close()
        self._disconnect()
        self._lock.close()

    def before_fork(self) -> None:
        """Finish what is being written, and close the connection (forks.py says why).

        If that does not end, or is what forks, the connection stays open and the child cannot write.
        """
        if not self._lock.held() and self._lock.pause(FORK_PATIENCE_S):
            self._paused = True
            self._disconnect()

    def after_fork_in_parent(self) -> None:
        """Go on; the next work opens a connection."""
        if self._paused and self._lock.held():
            self._paused = False
            self._lock.resume()

    def after_fork_in_child(self) -> None:
        """Begin anew: those who wait here wait in the parent."""
        why_not = ""
        if self._connection is not None:
            why_not = "forked in the middle of a work: this child cannot use SQLite"
            _keep_forever(self._connection)
            self._connection = None
        self._paused = False
        for line in self._lines:
            line.abandoned = True
        self._lines = self._new_lines(why_not or self._lines[False].closed)

    def lead(self, line: _Line, first: _Entry[Any]) -> None:
        """Run one transaction with `first` and those who wait; hand over; answer them.

        Raises:
            BaseException: an interrupt. A failure is told to the callers and not raised.
        """
        batch = _Batch(first, durable=line.durable)
        settle = partial(self._settle, line, first, batch)
        try:
            try:
                self._write(line, batch)
            except BaseException as error:
                batch.failure = error
                if line.abandoned or not isinstance(error, Exception):
                    raise
            finally:
                surely(settle)
        except BaseException:
            surely(settle)  # an interrupt may have come before it began
            raise
        finally:
            batch.failure = None  # its traceback holds this frame: leave no cycle

    def _settle(self, line: _Line, first: _Entry[Any], batch: _Batch) -> None:
        if not line.abandoned:
            line.step_out(first)
            batch.settle()

    def _write(self, line: _Line, batch: _Batch) -> None:
        number = 0
        try:
            self._lock.acquire()
            self._transact(self._connection or self._open(), line, batch)
            if line.durable and batch.committed:
                number = self._sync.note()
            self._lock.release()
        except BaseException:
            try:
                surely(self._retreat)
            except BaseException:
                surely(self._retreat)  # an interrupt may have come before it began
                raise
            raise
        if number:
            self._sync.flush(number, self._wal)
            batch.synced = True

    def _retreat(self) -> None:
        """Leave no transaction open, and neither hold the lock nor wait for it."""
        connection = self._connection
        if self._lock.held() and connection is not None and connection.in_transaction:
            self._roll_back(connection)
            self._tell_undone()
        self._lock.withdraw()

    def _transact(self, connection: sqlite3.Connection, line: _Line, batch: _Batch) -> None:
        self._begin(connection)
        try:
            self._perform(connection, line, batch)
            if connection.in_transaction:
                batch.committing = True
                connection.execute("COMMIT")
                batch.committed = True
        except BaseException as error:
            if not line.abandoned:
                surely(partial(self._undo, connection, batch, error))
            raise
        self.works += len(batch.entries)
        self.commits += batch.committed

    def _begin(self, connection: sqlite3.Connection) -> None:
        """Begin to write; outwait programs that write without queueing, and checkpoints that block."""
        give_up = 0.0
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                if error.sqlite_errorcode == sqlite3.SQLITE_BUSY_SNAPSHOT:
                    self._disconnect()
                    raise CommitterMisuseError("an earlier work left a cursor open") from error
                give_up = give_up or monotonic() + self._patience_s
                if monotonic() > give_up:
                    raise TimeoutError(
                        f"some program has held SQLite's write lock for {self._patience_s:g} s without queueing"
                    ) from error

    def _perform(self, connection: sqlite3.Connection, line: _Line, batch: _Batch) -> None:
        """Run the works; leaves the transaction open, unless its only work has failed."""
        entries = batch.entries
        stop = perf_counter() + BATCH_S_MAX
        entry: _Entry[Any] | None = entries[0]
        while entry is not None:
            if entry.begin():
                self._attempt(connection, line, entry, first=len(entries) == 1)
                if not connection.in_transaction:
                    if len(entries) == 1 and entry.error is not None:
                        return
                    raise entry.error or CommitterMisuseError("a work ended the transaction itself")
            if len(entries) >= BATCH_WORKS_MAX or perf_counter() >= stop:
                return
            entry = line.take(entries)

    def _attempt(self, connection: sqlite3.Connection, line: _Line, entry: _Entry[Any], *, first: bool) -> None:
        """Run one work, undone if it raises. The first needs no savepoint: nothing comes before it."""
        if not first:
            connection.execute("SAVEPOINT handrail_work")
        try:
            entry.value = entry.work(connection)
        except Exception as error:  # noqa: BLE001  # the work's own affair: its caller gets it
            entry.error = error
        if line.abandoned:
            raise CommitterMisuseError("a work forked: the child cannot end the parent's transaction")
        if entry.error is not None:
            if connection.in_transaction:
                connection.execute("ROLLBACK" if first else "ROLLBACK TO handrail_work")
            self._tell_undone()
        if not first and connection.in_transaction:
            connection.execute("RELEASE handrail_work")

    def _undo(self, connection: sqlite3.Connection, batch: _Batch, error: BaseException) -> None:
        """Leave no transaction open, and find out what an interrupt has interrupted."""
        if not connection.in_transaction and batch.committing and not isinstance(error, sqlite3.Error):
            batch.committed = True  # COMMIT had returned
            return
        self._roll_back(connection)
        self._tell_undone()

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._disconnect()

    def _tell_undone(self) -> None:
        if self.on_abort is not None:
            self.on_abort()

    def _open(self) -> sqlite3.Connection:
        connection = self._connect()
        try:
            self._wal = _prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        self._sync.close()
        if connection is not None:
            connection.close()

    def _refuse_nesting(self) -> None:
        if not self._lock.held():
            return
        if self._paused or self._leads():
            raise CommitterMisuseError("called from within a work, or holding the lock: it would wait for itself")
        surely(self._retreat)  # what an interrupt left, between two instructions

    def _leads(self) -> bool:
        """Whether this thread is in the middle of writing; only its stack tells that for sure."""
        frame: FrameType | None = sys._getframe()  # noqa: SLF001
        while frame is not None:
            if frame.f_code is Committer.lead.__code__ and frame.f_locals["self"] is self:
                return True
            frame = frame.f_back
        return False

    def _new_lines(self, closed: str = "") -> tuple[_Line, _Line]:
        return _Line(self, durable=False, closed=closed), _Line(self, durable=True, closed=closed)


def _prepare(connection: sqlite3.Connection) -> Path:
    """Check that the connection can be shared in the way we share it.

    Returns:
        The write-ahead log's path.
    """
    if connection.isolation_level is not None:
        raise CommitterMisuseError("connect with isolation_level=None: transactions are the committer's")
    connection.execute("PRAGMA busy_timeout = 250")  # short, so that an interrupt is heard; _begin() repeats
    connection.execute("PRAGMA synchronous = NORMAL")
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":
        raise CommitterMisuseError(f"the database must be in WAL mode, not {mode}")
    (file,) = (row[2] for row in connection.execute("PRAGMA database_list") if row[1] == "main")
    return Path(file + "-wal")


def _keep_forever(connection: sqlite3.Connection) -> None:
    """Never free this object, not even at exit: that would close it, and roll back what the parent writes."""
    import ctypes  # noqa: PLC0415  # 5 ms for something that is never to happen

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))

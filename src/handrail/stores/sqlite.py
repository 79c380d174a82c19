"""The default store: one SQLite file in WAL mode, shared by every process of one machine.

Writes go through `committer.py` (group commit under a fair lock, our own `BEGIN IMMEDIATE`); reads use a second
connection and see a consistent snapshot. What a decision needs is read in one statement, so its cost does not depend
on history.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from handrail.core.backoff import RETRY_WINDOW_US
from handrail.core.store import Step, Verification
from handrail.errors import StoreError, StoreVersionError
from handrail.stores import forks
from handrail.stores.chain import Link, Verifier, pruned
from handrail.stores.committer import Committer, NotDurableError, WriteFailedError
from handrail.stores.fairlock import FairLock
from handrail.stores.life import Life
from handrail.stores.reader import Reader
from handrail.stores.sql import migrations
from handrail.stores.sqlite_transaction import SQL, SqliteTransaction

T = TypeVar("T")
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SqliteStore:
    """A store in one SQLite file.

    Args:
        path: The file; its folder is made, readable by its owner only.
        clock_us: Source of time for tests; by default a clock that starts at the wall clock (or at the newest row, if
            that is later) and cannot jump back.

    Raises:
        StoreError: The file cannot be opened or written.
        StoreVersionError: It was written by a newer Handrail.
    """

    def __init__(self, path: Path, clock_us: Callable[[], int] | None = None) -> None:
        self.path = path.resolve()
        self._given_clock = clock_us
        self._closed = False
        self._reader = Reader(self._connect)
        self._life = Life(self.path.with_name(self.path.name + ".writers"))
        self._begin_anew()
        forks.watch(self)
        with _faults(self.path):
            _make_private(self.path)
            self._file = _identity(self.path)
            self._life.sweep()
            self._committer = Committer(self._connect, FairLock(self.path.with_name(self.path.name + ".lock")))
            self._committer.on_abort = self._forget_head
            self._committer.run(_migrate, durable=True)
            self._base_us = max(time.time_ns() // 1_000, self.read(lambda tx: tx.last_us())) - _ticks_us()  # type: ignore[attr-defined]

    @property
    def writer(self) -> str:
        """Id of our chain. Final once something was written."""
        return self._life.id

    def after_fork_in_child(self) -> None:
        """Begin a chain of our own; the parent's goes on."""
        self._life.abandon()
        self._life = Life(self._life.folder)
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.head: Link | None = None
        self.begun = False
        self.anchored: frozenset[tuple[str, int]] = frozenset()
        self.last_us = 0

    def die(self) -> None:
        """Leave everything as a killed process leaves it; for tests of what others find."""
        self._life.abandon()
        self._closed = True

    def begin_life(self) -> None:
        """Let others see that whoever owns what is written next lives."""
        if not self._life.begun:
            self._life.begin()

    def alive(self, owner: str) -> bool:
        """Return whether the writer of an intent lives."""
        return self._life.alive(owner)

    def check_file(self) -> None:
        """Raise `StoreError` unless the file is still the one that was opened."""
        try:
            found = _identity(self.path)
        except FileNotFoundError:
            found = None
        if found != self._file:
            raise StoreError(
                f"The store {self.path} was deleted or replaced while it was open, so nothing runs. "
                "Stop the process and look."
            )

    def _connect(self) -> sqlite3.Connection:
        self.check_file()  # SQLite would make a new one
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, cached_statements=256)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -16000")
        connection.execute("PRAGMA mmap_size = 268435456")
        return connection

    def _forget_head(self) -> None:
        """After a rollback the chain's head is whatever the file says."""
        self.head = None
        self.begun = False
        self.anchored = frozenset()

    @property
    def url(self) -> str:
        """The address."""
        return f"sqlite:///{self.path}"

    def clock_us(self) -> int:
        """Return the store's time, which never goes back."""
        now = self._given_clock() if self._given_clock is not None else self._base_us + _ticks_us()
        self.last_us = max(self.last_us, now)
        return self.last_us

    def transact(self, step: Step[T], *, durable: bool = False) -> T:
        """Run a step in one write transaction."""
        with _faults(self.path):
            return self._committer.run(self._work(step), durable=durable)

    def submit(self, step: Step[T], *, durable: bool = False) -> Future[T]:
        """Run a step in one write transaction, without blocking the caller."""
        clear: Future[T] = Future()
        self._committer.submit(self._work(step), durable=durable).add_done_callback(
            lambda future: _hand_over(future, clear, self.path)
        )
        return clear

    def _work(self, step: Step[T]) -> Callable[[sqlite3.Connection], T]:
        if self._closed:
            raise StoreError("The store is closed. Open Handrail again.")

        def work(connection: sqlite3.Connection) -> T:
            self.check_file()
            tx = SqliteTransaction(connection, self)
            try:
                return step(tx)
            except BaseException:
                self._forget_head()
                raise

        return work

    def read(self, step: Step[T]) -> T:
        """Run a reading step on a snapshot."""

        def work(connection: sqlite3.Connection) -> T:
            self.check_file()
            return step(SqliteTransaction(connection, self))

        with _faults(self.path):
            return self._reader.run(work)

    def verify(self, progress: Callable[[int, int], None] | None = None) -> Verification:
        """Check every chain, payload digest and anchor."""

        def check(tx: SqliteTransaction) -> Verification:
            connection = tx.connection
            (total,) = connection.execute(SQL["count_rows"]).fetchone()
            verifier = Verifier()
            connection.text_factory = _text  # a row that is not Unicode is a fault, not the end of the search
            try:
                for index, row in enumerate(connection.execute(SQL["rows"] + " ORDER BY seq")):
                    verifier.feed(row)
                    if progress is not None and index % 1_000 == 0:
                        progress(index, total)
                return verifier.result(lambda writer, number: _hash_of(connection, writer, number))
            finally:
                connection.text_factory = str

        return self.read(check)  # type: ignore[arg-type]

    def prune(self, before_us: int) -> int:
        """Remove old bodies of ended actions."""

        def remove(tx: SqliteTransaction) -> int:
            tx.connection.execute(SQL["prune_failures"], (min(before_us, tx.now_us - RETRY_WINDOW_US),))
            for ended in ("prune_marks", "prune_tallies"):
                tx.connection.execute(SQL[ended], (tx.now_us,))
            until_us = min(before_us, tx.now_us + 1)  # what is written later was not meant
            rows = tx.connection.execute(SQL["prune"], (until_us,)).rowcount
            if rows:
                tx.append(pruned(until_us, rows))
            return rows

        return self.transact(remove)  # type: ignore[arg-type]

    def backup(self, path: Path) -> None:
        """Write a consistent copy to `path`, which must not exist."""
        if path.exists():
            raise StoreError(f"{path} already exists. Name a new file.")

        def copy(connection: sqlite3.Connection) -> None:
            target = sqlite3.connect(path)
            try:
                connection.backup(target)
            finally:
                target.close()

        with _faults(path):
            _make_private(path)
            self._reader.run(copy)

    def close(self) -> None:
        """Wait for what is under way, and release everything."""
        if self._closed:
            self._release()
            return
        with suppress(Exception):  # a witness more, not a condition for closing
            self._bear_witness()
        self._closed = True
        self._release()

    def _release(self) -> None:
        self._committer.close()
        self._life.end()
        self._reader.close()

    def _bear_witness(self) -> None:
        """Anchor what others wrote since our last anchor: later it could be removed unseen."""

        def moved(tx: SqliteTransaction) -> bool:
            wrote = tx.connection.execute(SQL["head"], (self.writer,)).fetchone() is not None
            return wrote and not tx.others().keys() <= self.anchored

        if self._life.begun and self.read(moved):  # type: ignore[arg-type]
            self.transact(lambda tx: tx.witness())  # type: ignore[attr-defined]


def _identity(path: Path) -> tuple[int, int]:
    found = os.stat(path)  # noqa: PTH116 (half the time of Path.stat, and asked for every transaction)
    return found.st_dev, found.st_ino


def _text(raw: bytes) -> str:
    return raw.decode(errors="surrogateescape")


def _ticks_us() -> int:
    return time.clock_gettime_ns(_CLOCK) // 1_000


def _make_private(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


class _faults:  # noqa: N801 (used as a statement)
    """Turns what SQLite and the file system raise into one clear error."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _FAULTS):
            raise StoreError(_sentence(self._path, error)) from error


_FAULTS = (sqlite3.Error, OSError, WriteFailedError, NotDurableError)


def _hand_over(future: Future[T], clear: Future[T], path: Path) -> None:
    """Complete `clear` like `future`, with one clear error for whatever SQLite raised."""
    error = future.exception()
    if error is None:
        clear.set_result(future.result())
        return
    if isinstance(error, _FAULTS):
        told = StoreError(_sentence(path, error))
        told.__cause__, error = error, told
    clear.set_exception(error)


def _sentence(path: Path, error: BaseException) -> str:
    if isinstance(error, WriteFailedError) and type(error.__cause__) is StoreError:
        return str(error.__cause__)
    if isinstance(error, NotDurableError):
        return f"{error} The store is {path}. Run: handrail doctor"
    text = str(error)
    hint = "Run: handrail doctor"
    if "full" in text or "No space" in text:
        hint = "The disk is full: free some space."
    elif "readonly" in text or isinstance(error, PermissionError):
        hint = "It cannot be written: check who owns the file and its folder."
    elif "not a database" in text or "malformed" in text:
        hint = "It is damaged or not a store: restore a backup."
    return f"The store {path} cannot be used ({text}), so nothing runs. {hint}"


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema up to date; runs inside the committer's transaction."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    known = migrations("sqlite")
    newest = known[-1][0]
    if version > newest:
        message = f"The store has version {version}; this Handrail knows up to {newest}. Upgrade Handrail."
        raise StoreVersionError(message)
    for number, script in known:
        if number > version:
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script (`executescript` would commit our transaction)."""
    pending = ""
    for line in script.splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


def _hash_of(connection: sqlite3.Connection, writer: str, number: int) -> str | None:
    found = connection.execute(SQL["row_hash"], (writer, number)).fetchone()
    if found is None:
        return None
    return found[0].hex() if isinstance(found[0], bytes) else "unreadable"

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
from functools import cache
from pathlib import Path
from typing import TypeVar

from handrail.core.backoff import RETRY_WINDOW_US
from handrail.core.facts import Call, CallState, Facts, Latch, Need, Resource
from handrail.core.record import Record, Stored
from handrail.core.store import Denial, Query, Step, Verification
from handrail.core.ticket import Grant, Reviewer, Ticket, TicketState
from handrail.core.tool import Access
from handrail.errors import StoreError, StoreVersionError
from handrail.stores import documents, forks
from handrail.stores.chain import ANCHOR_EVERY, ANCHORED_MAX, Link, Verifier, anchor, link, pruned, row_of, stored
from handrail.stores.committer import Committer, NotDurableError, WriteFailedError
from handrail.stores.fairlock import FairLock
from handrail.stores.life import Life, host
from handrail.stores.reader import Reader
from handrail.stores.sql import migrations, queries

T = TypeVar("T")
SQL = queries("sqlite")
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


@cache
def _facts_sql(lineage: int, resources: int, doubt: bool) -> str:
    """Return the one statement that reads all facts of a decision."""
    parts = [SQL["facts_failures"], _expand("facts_latches", lineage), SQL["facts_demotion"]]
    if doubt:
        parts.append(SQL["facts_running"])
    if resources:
        parts += [_expand("facts_zones", resources), _expand("facts_denials", resources)]
    return " UNION ALL ".join(parts)


def _expand(name: str, count: int) -> str:
    return SQL[name].replace(":names", ",".join("?" * count))


def _hash_of(connection: sqlite3.Connection, writer: str, number: int) -> str | None:
    found = connection.execute(SQL["row_hash"], (writer, number)).fetchone()
    if found is None:
        return None
    return found[0].hex() if isinstance(found[0], bytes) else "unreadable"


class SqliteTransaction:
    """What a step can do with an SQLite store."""

    __slots__ = ("_store", "connection", "now_us")

    def __init__(self, connection: sqlite3.Connection, store: SqliteStore) -> None:
        self.connection = connection
        self._store = store
        self.now_us = store.clock_us() if hasattr(store, "_base_us") or store._given_clock else 0  # noqa: SLF001

    @property
    def writer(self) -> str:
        """Id of the chain."""
        return self._store.writer

    def last_us(self) -> int:
        """Return the time of the newest row, 0 when there is none."""
        found = self.connection.execute(SQL["last_at"]).fetchone()
        return 0 if found is None else int(found[0])

    def facts(self, need: Need) -> Facts:
        """Return what is remembered for one decision."""
        values: list[object] = [need.key, *need.lineage, need.lineage[-1]]
        if need.doubt:
            values.append(need.key)
        if need.resources:
            values += [*need.resources, *need.resources, need.lineage[0]]
        sql = _facts_sql(len(need.lineage), len(need.resources), need.doubt)
        rows = self.connection.execute(sql, values).fetchall()
        call = self.call(need.run, need.call) if need.call else None
        return _facts(self, need, rows, call) if rows else Facts(self.now_us, call)

    def append(self, record: Record) -> None:
        """Append one journal row."""
        store = self._store
        if not store.begun:
            store.begin_life()
            self._begin()
        assert store.head is not None
        made = link(store.head, store.writer, self.now_us, record)
        self.connection.execute(SQL["append"], row_of(0, store.writer, self.now_us, record, made)[1:])
        store.head = made
        if made.number % ANCHOR_EVERY == 0:
            self._anchor()

    def _begin(self) -> None:
        """Find our chain's head, or begin the chain: say who writes it, and anchor it to the others."""
        store = self._store
        found = self.connection.execute(SQL["head"], (store.writer,)).fetchone()
        store.begun = True
        if found is not None:
            store.head = Link(int(found[0]), bytes(found[1]))
            return
        self.connection.execute(SQL["put_writer"], (store.writer, host(), os.getpid(), self.now_us))
        store.head = Link()
        self._anchor()

    def _anchor(self) -> None:
        heads = self.others()
        self._store.anchored = frozenset(heads)
        self.append(anchor((writer, number, digest) for (writer, number), digest in heads.items()))

    def witness(self) -> None:
        """Name the heads of the other chains once more."""
        if self._store.begun:
            self._anchor()
        else:
            self.append(anchor((writer, number, digest) for (writer, number), digest in self.others().items()))

    def others(self) -> dict[tuple[str, int], str]:
        """Return the heads of the other chains, newest first: the hash of (writer, number)."""
        heads: dict[tuple[str, int], str] = {}
        seen = {self._store.writer}
        for writer, number, digest in self.connection.execute(SQL["tips"]):
            if writer not in seen:
                seen.add(writer)
                heads[writer, number] = digest.hex()
            if len(heads) >= ANCHORED_MAX:
                break
        return heads

    def records(self, query: Query) -> Iterator[Stored]:
        """Yield journal rows."""
        wanted = {
            "run": query.run, "agent": query.agent, "tool": query.tool, "resource": query.resource,
            "action": query.action, "status": query.status,
        }  # fmt: skip
        conditions, values = ["seq > ?"], [query.after_seq]
        for column, value in wanted.items():
            if value is not None:
                conditions.append(f"{column} = ?")
                values.append(value)  # type: ignore[arg-type]
        if query.run:
            conditions.append("run <> ''")
        if query.resource:
            conditions.append("resource <> ''")
        if query.kinds:
            conditions.append(f"kind IN ({','.join('?' * len(query.kinds))})")
            values += query.kinds  # type: ignore[arg-type]
        order = "DESC" if query.newest_first else "ASC"
        sql = f"{SQL['rows']} WHERE {' AND '.join(conditions)} ORDER BY seq {order} LIMIT ?"
        last = query.after_seq
        try:
            for row in self.connection.execute(sql, (*values, query.limit)):
                yield stored(row)
                last = row[0]
        except sqlite3.OperationalError as error:
            if "decode" not in str(error):
                raise
            message = f"The journal's row next to row {last} cannot be read: {error}. Run: handrail log verify"
            raise StoreError(message) from error

    def call(self, run: str, call: str) -> Call | None:
        """Return one call."""
        row = self.connection.execute(SQL["call"], (run, call)).fetchone()
        return None if row is None else self._call(row)

    def _call(self, row: tuple[object, ...]) -> Call:
        (
            run,
            call,
            action,
            agent,
            tool,
            key,
            state,
            attempt,
            owner,
            ticket,
            status,
            reason,
            why,
            result,
            at,
            durable,
        ) = row
        return Call(
            run, call, action, agent, tool, key, CallState(state), attempt, owner,  # type: ignore[arg-type]
            state != CallState.RUNNING or self._store.alive(str(owner)),
            ticket, status, reason, why, result, at, bool(durable),  # type: ignore[arg-type]
        )  # fmt: skip

    def put_call(self, call: Call) -> None:
        """Write one call."""
        self._store.begin_life()
        self.connection.execute(
            SQL["put_call"],
            (
                call.run, call.call, call.action, call.agent, call.tool, call.key, call.state, call.attempt,
                self._store.writer, call.ticket, call.status, call.reason, call.why, call.result, self.now_us,
                call.durable,
            ),
        )  # fmt: skip

    def alive(self, owner: str) -> bool:
        """Return whether the writer of an intent lives."""
        return self._store.alive(owner)

    def disown(self, run: str, call: str, action: str, attempt: int) -> None:
        """Leave a running call in doubt."""
        self.connection.execute(SQL["disown"], (run, call, action, attempt))

    def drop_call(self, run: str, call: str) -> None:
        """Forget one call."""
        self.connection.execute(SQL["drop_call"], (run, call))

    def unsettled(self) -> tuple[Call, ...]:
        """Return every running call, oldest first."""
        return tuple(self._call(row) for row in self.connection.execute(SQL["unsettled"]).fetchall())

    def add_failure(self, key: str) -> int:
        """Count one more failure."""
        row = self.connection.execute(SQL["failures"], (key,)).fetchone() or (0, 0)
        count = Facts(self.now_us, failures=row[0], failed_us=row[1]).recent_failures + 1
        self.put_failures(key, count)
        return count

    def put_failures(self, key: str, count: int) -> None:
        """Set the failures of an action key."""
        if count:
            self.connection.execute(SQL["put_failures"], (key, count, self.now_us))
        else:
            self.connection.execute(SQL["drop_failures"], (key,))

    def put_zone(self, resource: str, zone: str) -> None:
        """Remember a zone."""
        self.connection.execute(SQL["put_zone"], (resource, zone))

    def put_denial(self, denial: Denial) -> None:
        """Remember a refusal."""
        values = (denial.resource, denial.root, denial.verb, denial.rule, denial.at_us)
        self.connection.execute(SQL["put_denial"], values)

    def clear_denials(self, resource: str) -> int:
        """Forget refusals."""
        return self.connection.execute(SQL["clear_denials"], (resource,)).rowcount

    def latches(self) -> tuple[Latch, ...]:
        """Return every stop."""
        return tuple(Latch(*row) for row in self.connection.execute(SQL["latches"]).fetchall())

    def put_latch(self, latch: Latch) -> None:
        """Stop an agent."""
        self.connection.execute(SQL["put_latch"], (latch.agent, latch.by, latch.why, latch.at_us))

    def clear_latch(self, agent: str) -> bool:
        """Lift a stop."""
        return self.connection.execute(SQL["clear_latch"], (agent,)).rowcount > 0

    def put_access(self, agent: str, access: Access | None) -> None:
        """Demote an agent, or lift it."""
        if access is None:
            self.connection.execute(SQL["clear_access"], (agent,))
        else:
            self.connection.execute(SQL["put_access"], (agent, access))

    def ticket(self, id: str) -> Ticket | None:
        """Return one ticket."""
        row = self.connection.execute(SQL["ticket"], (id,)).fetchone()
        return None if row is None else documents.load_ticket(row[0])

    def tickets(
        self,
        *,
        digest: str | None = None,
        key: str | None = None,
        states: tuple[TicketState, ...] = (),
        limit: int = 1_000,
    ) -> tuple[Ticket, ...]:
        """Return tickets, newest first."""
        conditions, values = ["1 = 1"], []
        for column, value in (("digest", digest), ("key", key)):
            if value is not None:
                conditions.append(f"{column} = ?")
                values.append(value)
        if states:
            conditions.append(f"state IN ({','.join('?' * len(states))})")
            values += states
        sql = f"{SQL['tickets']} WHERE {' AND '.join(conditions)} ORDER BY asked_us DESC, rowid DESC LIMIT ?"
        rows = self.connection.execute(sql, (*values, limit)).fetchall()
        return tuple(documents.load_ticket(row[0]) for row in rows)

    def put_ticket(self, ticket: Ticket) -> None:
        """Write a ticket."""
        values = (ticket.id, ticket.digest, ticket.key, ticket.state, ticket.asked_us, documents.dump(ticket))
        self.connection.execute(SQL["put_ticket"], values)

    def grants(self, agent: str | None = None, tool: str | None = None) -> tuple[Grant, ...]:
        """Return grants, newest first."""
        sql = f"{SQL['grants']} WHERE (?1 IS NULL OR agent = ?1) AND (?2 IS NULL OR tool = ?2) ORDER BY rowid DESC"
        rows = self.connection.execute(sql, (agent, tool)).fetchall()
        return tuple(documents.load_grant(row[0]) for row in rows)

    def put_grant(self, grant: Grant) -> None:
        """Write a grant."""
        self.connection.execute(SQL["put_grant"], (grant.id, grant.agent, grant.tool, documents.dump(grant)))

    def reviewers(self) -> tuple[Reviewer, ...]:
        """Return every reviewer, by name."""
        return tuple(Reviewer(*row) for row in self.connection.execute(SQL["reviewers"]).fetchall())

    def put_reviewer(self, reviewer: Reviewer) -> None:
        """Write a reviewer."""
        values = (reviewer.name, reviewer.salt, reviewer.public_key, self.now_us)
        self.connection.execute(SQL["put_reviewer"], values)

    def shape(self, tool: str) -> str | None:
        """Return what was learned."""
        row = self.connection.execute(SQL["shape"], (tool,)).fetchone()
        return None if row is None else row[0]

    def put_shape(self, tool: str, state: str) -> None:
        """Write what was learned."""
        self.connection.execute(SQL["put_shape"], (tool, state))


def _facts(tx: SqliteTransaction, need: Need, rows: list[tuple[str, str, str, int, str]], call: Call | None) -> Facts:
    count = failed_us = 0
    latches: list[Latch] = []
    access: Access | None = None
    doubtful: Call | None = None
    zones: dict[str, str] = {}
    denials: dict[str, list[tuple[str, str]]] = {}
    for kind, one, two, at_us, three in rows:
        match kind:
            case "failures":
                count, failed_us = int(two), at_us
            case "latch":
                latches.append(Latch(one, three, two, at_us))
            case "access":
                access = Access(two)
            case "zone":
                zones[one] = two
            case "denial":
                denials.setdefault(one, []).append((two, three))
            case "running" if (one, two) != (need.run, need.call) and not tx.alive(three):
                found = tx.call(one, two)
                doubtful = found if doubtful is None else doubtful
            case _:
                pass
    resources = {
        name: Resource(zones.get(name), denials=tuple(denials.get(name, ())))
        for name in need.resources
        if name in zones or name in denials
    }
    return Facts(tx.now_us, call, doubtful, count, failed_us, tuple(latches), access, resources)

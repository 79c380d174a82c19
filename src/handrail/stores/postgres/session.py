"""One connection to PostgreSQL, made again when it was lost, with settings under which nothing hangs for ever."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

import psycopg
from psycopg import conninfo

from handrail.core.text import safe
from handrail.errors import ConfigurationError, StoreError, StoreVersionError
from handrail.stores.postgres.text import adapt
from handrail.stores.sql import migrations, queries

if TYPE_CHECKING:
    from typing import LiteralString

T = TypeVar("T")

SQL: dict[str, LiteralString] = queries("postgres")

Connection: TypeAlias = "psycopg.Connection[tuple[object, ...]]"

CONNECT_S = 10
"""How long one attempt to connect may take."""

PATIENCE_S = 30.0
"""How long a step waits for a server that is away: a restart takes a few seconds, a failover up to half a minute."""

LOCK = 0x4852 << 48
"""The advisory lock that all writers share; a writer's own is this one with its id in the lower 48 bits."""

_PAUSES_S = (0.05, 0.1, 0.2, 0.5)
_REFUSED = re.compile(
    r"authentication failed|no password supplied|no pg_hba\.conf entry|does not exist|permission denied|not permitted"
)
"""What no waiting mends."""


class Address(NamedTuple):
    """Where a store is.

    Attributes:
        parameters: What libpq is given.
        shown: The address without secrets.
    """

    parameters: dict[str, str]
    shown: str

    def cleaned(self, text: object) -> str:
        """Return a text of the server's or libpq's on one line, without the password."""
        line = " ".join(str(text).split())
        for name in ("password", "sslpassword"):
            secret = self.parameters.get(name)
            if secret:
                line = line.replace(secret, "…")
        return safe(line, max_chars=300).rstrip(".")


def parse(url: str) -> Address:
    """Return the address that a URL names.

    Raises:
        ConfigurationError: It is not one; what it says is not repeated, for it may hold a password.
    """
    plain = re.sub(r"^postgresql\+\w+:", "postgresql:", url)
    try:
        found = {name: str(value) for name, value in conninfo.conninfo_to_dict(plain).items() if value is not None}
    except (psycopg.Error, UnicodeError):
        raise ConfigurationError(
            "The store's address is no PostgreSQL URL that can be read. Use postgresql://user@host:5432/database; "
            "write special characters in it as %40 and the like."
        ) from None
    user, host, port = (found.get(name, "") for name in ("user", "host", "port"))
    place = f"{host}:{port}" if port else host
    shown = f"postgresql://{user}@{place}" if user else f"postgresql://{place}"
    return Address(found, safe(f"{shown}/{found.get('dbname', '')}", max_chars=300))


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How a connection is used.

    Attributes:
        synchronous: Whether a commit waits for the disk (and the synchronous standbys, where there are some).
        statement_s: How long one statement may take; 0 for as long as it likes.
    """

    synchronous: bool = False
    statement_s: int = 30


class PostgresSession:
    """One connection, used by one thread at a time, and opened again on its next use once it was lost.

    Args:
        address: Where.
        settings: How.
        patience_s: How long `open` waits for a server that is away.
        patient: Whether it waits the first time, too.

    Attributes:
        made: How many connections there were.
        lost_us: The server's time at which a lost connection had been replaced; 0 when none was ever lost.
    """

    def __init__(
        self, address: Address, settings: SessionSettings, patience_s: float = PATIENCE_S, *, patient: bool = True
    ) -> None:
        self.address = address
        self.made = 0
        self.lost_us = 0
        self._settings = settings
        self._patience_s = patience_s
        self._patient = patient  # no longer when the last wait was in vain
        self._was_lost = False
        self._connection: Connection | None = None

    def open(self, give_up: Callable[[], bool] = lambda: False) -> Connection:
        """Return the connection; connect if there is none, and wait a while for a server that is away.

        Args:
            give_up: Asked between two attempts.

        Raises:
            StoreError: There is no connection to be had.
        """
        if self._connection is not None and not self._connection.closed:
            return self._connection
        self._was_lost = self._was_lost or self._connection is not None
        self.drop()
        until = time.monotonic() + (self._patience_s if self._patient else 0)
        for count in range(1_000_000):
            try:
                self._connection = self._connect()
            except psycopg.Error as error:
                if _REFUSED.search(str(error)) or time.monotonic() >= until or give_up():
                    self._patient = False
                    raise StoreError(sentence(self.address, error)) from _bare(error)
                time.sleep(_PAUSES_S[min(count, len(_PAUSES_S) - 1)])
            else:
                self._patient = True
                self.made += 1
                return self._connection
        raise AssertionError  # a wait of days

    def use(self, work: Callable[[Connection], T], give_up: Callable[[], bool] = lambda: False) -> T:
        """Run a work that may be run again; again when the connection was lost, for as long as patience lasts.

        Raises:
            StoreError: It could not be run.
        """
        until = time.monotonic() + self._patience_s
        while True:
            connection = self.open(give_up)
            try:
                return work(connection)
            except psycopg.Error as error:
                if not self.lost(error) or time.monotonic() >= until or give_up():
                    raise StoreError(sentence(self.address, error)) from error
            time.sleep(_PAUSES_S[0])

    @property
    def current(self) -> Connection | None:
        """The connection, None when there is none that can be used."""
        return None if self._connection is None or self._connection.closed else self._connection

    def lost(self, error: BaseException) -> bool:
        """Return whether an error means that the connection is gone; if so it is put away."""
        if not isinstance(error, psycopg.Error):
            return False
        fatal = error.diag.severity_nonlocalized in {"FATAL", "PANIC"}  # last words: the end comes behind them
        ours = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and error.sqlstate is None
        if self.current is not None and not fatal and not ours:
            return False
        self._was_lost = True
        self.drop()
        return True

    def drop(self) -> None:
        """Close the connection; its transaction, if any, is rolled back by the server."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def abandon(self) -> None:
        """In a forked child: let go of the parent's connection without a word to the server."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.closed:
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, connection.fileno())
            os.close(nowhere)
            connection.pgconn.finish()

    def _connect(self) -> Connection:
        given = self.address.parameters
        defaults = {"connect_timeout": str(CONNECT_S), "keepalives_idle": "10", "keepalives_interval": "5",
                    "keepalives_count": "3", "tcp_user_timeout": "20000", "application_name": "handrail",
                    "target_session_attrs": "read-write"}  # fmt: skip
        parameters = {**defaults, **given, "client_encoding": "UTF8"}
        connection: Connection = psycopg.connect(autocommit=True, **parameters)  # type: ignore[arg-type]
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: Connection) -> None:
        row = connection.execute(SQL["synchronous"]).fetchone()
        assert row is not None
        synchronous = str(row[0]) if self._settings.synchronous else "off"
        row = connection.execute(SQL["settings"], (synchronous, f"{self._settings.statement_s}s")).fetchone()
        assert row is not None
        if row[-1] != "UTF8":
            raise StoreError(
                f"The database {self.address.shown} has the encoding {safe(row[-1])}, which cannot hold every text, so "
                "nothing runs. Make one with: createdb --encoding=UTF8 --template=template0 NAME"
            )
        if self._was_lost:
            row = connection.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT").fetchone()
            assert row is not None
            self.lost_us, self._was_lost = int(str(row[0])), False
        adapt(connection)


def sentence(address: Address, error: BaseException) -> str:
    """Return one sentence for whatever psycopg raised: what happened, and what to do next."""
    text = address.cleaned(error)
    hint = "Run: handrail doctor"
    if isinstance(error, psycopg.errors.LockNotAvailable):
        text, hint = "the writers' lock was not free for 20 s", "See who holds it: SELECT * FROM pg_stat_activity"
    elif isinstance(error, psycopg.errors.QueryCanceled):
        hint = "A statement took too long: see what the server is busy with."
    elif isinstance(error, psycopg.errors.ProgramLimitExceeded):
        text, hint = "an id is too long for an index", "Use ids of runs, calls and resources under 2,500 bytes."
    elif isinstance(error, psycopg.errors.DiskFull):
        hint = "The server's disk is full: free some space."
    elif isinstance(error, psycopg.errors.InsufficientPrivilege):
        hint = "Give the store's role a schema of its own: CREATE SCHEMA handrail AUTHORIZATION role"
    elif isinstance(error, psycopg.errors.ReadOnlySqlTransaction) or "read-only" in text:
        hint = "It is a standby: name the primary."
    elif _REFUSED.search(text):
        hint = "Check user, password (PGPASSWORD, ~/.pgpass), database and pg_hba.conf."
    elif "too many" in text or "remaining connection slots" in text:
        hint = "Raise max_connections: each process needs up to three."
    elif isinstance(error, psycopg.OperationalError):
        hint = "Check that the server runs and can be reached from here."
    return f"The store {address.shown} cannot be used ({text}), so nothing runs. {hint}"


def _bare(error: psycopg.Error) -> psycopg.Error:
    """Return the error without what it was raised from: libpq's parameters stand in frames and causes."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def migrate(connection: Connection) -> None:
    """Bring the schema up to date, under the lock of all writers.

    Raises:
        StoreVersionError: It was made by a newer Handrail.
    """
    known = migrations("postgres")
    newest = known[-1][0]
    if _version(connection) == newest:
        return
    with connection.transaction():
        connection.execute("SET LOCAL synchronous_commit = on")
        connection.execute(SQL["lock"], (LOCK,))
        if connection.execute(SQL["schema"]).fetchone() is None:
            connection.execute(SQL["create_schema"])
        version = _version(connection)
        if version > newest:
            message = f"The store has version {version}; this Handrail knows up to {newest}. Upgrade Handrail."
            raise StoreVersionError(message)
        for number, script in known:
            if number > version:
                connection.execute(script.encode())
                connection.execute(SQL["put_version"], (str(number),))


def _version(connection: Connection) -> int:
    if connection.execute(SQL["tables"]).fetchone() is None:
        return 0
    row = connection.execute(SQL["version"]).fetchone()
    return 0 if row is None else int(str(row[0]))

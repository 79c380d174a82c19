"""Reading PostgreSQL: an ordinary role, a read-only transaction, a cursor in the extended protocol, a watchdog."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeAlias

import psycopg
from psycopg import errors

from handrail.core.text import safe
from handrail.data.reading.apart import REACHES_STORE, reached
from handrail.data.reading.failure import QueryFailed
from handrail.data.reading.limits import ReadLimits
from handrail.data.reading.loaders import load_plainly
from handrail.data.reading.place import CONNECT_S, Place
from handrail.data.reading.rows import Taken
from handrail.data.reading.watchdog import Watchdog
from handrail.errors import ConfigurationError

if TYPE_CHECKING:
    from typing import LiteralString

    from handrail.data.sql.catalog import Catalog

Connection: TypeAlias = "psycopg.Connection[tuple[object, ...]]"

SLACK_S = 0.5
"""How long after the server's own time limit the watchdog waits: the server's is the gentler one."""

_POWERS: LiteralString = """
    SELECT 'is a superuser', 1 FROM pg_catalog.pg_roles AS r
    WHERE r.rolname IN (session_user, current_user) AND r.rolsuper
    UNION ALL
    SELECT 'may replicate', 2 FROM pg_catalog.pg_roles AS r
    WHERE r.rolname IN (session_user, current_user) AND r.rolreplication
    UNION ALL
    SELECT 'is a member of ' || r.rolname, 3 FROM pg_catalog.pg_roles AS r
    WHERE (r.rolsuper OR r.rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program'))
      AND r.rolname NOT IN (session_user, current_user)
      AND (pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER') OR pg_catalog.pg_has_role(r.oid, 'MEMBER'))
    ORDER BY 2, 1
"""
"""What no read-only transaction holds: files, programs, and the right to anything."""

_BEGIN = """
    BEGIN TRANSACTION READ ONLY;
    SET LOCAL statement_timeout = '{time_ms}ms';
    SET LOCAL lock_timeout = '{lock_ms}ms';
    SET LOCAL idle_in_transaction_session_timeout = '{idle_ms}ms';
    SET LOCAL search_path = pg_catalog, public, pg_temp;
    SET LOCAL standard_conforming_strings = on;
    SET LOCAL transform_null_equals = off;
    SET LOCAL cursor_tuple_fraction = 1;
    SET LOCAL datestyle = 'ISO'
"""


"""How every query begins. The plans are those of the statement by itself, not of a cursor of which little is read."""


class PostgresReads:
    """The queries of a PostgreSQL database, one at a time, on one connection that is made again when it was lost.

    Args:
        where: The database.
        limits: How much a query may take.

    Raises:
        ConfigurationError: The server cannot be reached, or the role has powers that no transaction holds.
    """

    def __init__(self, where: Place, limits: ReadLimits) -> None:
        self._where, self._limits = where, limits
        self._turn = threading.Lock()
        self._connection: Connection | None = None
        ms = {"time_ms": limits.time_s, "lock_ms": limits.lock_s, "idle_ms": limits.time_s + 2 * SLACK_S}
        begin = _BEGIN.format(**{name: max(1, round(value * 1_000)) for name, value in ms.items()})
        self._begin = begin.encode()
        said = ""
        try:
            self._connection = self._connect()
        except _failures() as error:
            said = where.cleaned(getattr(error, "orig", None) or error)
        if said:
            raise ConfigurationError(
                f"The database cannot be reached ({said}). Check host, port, database, user and password."
            )

    def read(self, sql: str, catalog: Catalog) -> Taken:  # noqa: ARG002 (the role's rights tell what may be read)
        """Run one statement.

        Args:
            sql: The text to run, as it is.
            catalog: Not needed: here the rights of the role tell what may be read.

        Raises:
            QueryFailed: PostgreSQL refused it, failed, was lost, or it took too long.
        """
        if not self._turn.acquire(timeout=self._limits.lock_s):
            raise QueryFailed(
                f"Other queries have kept the connection for {self._limits.lock_s:g} seconds. Ask again in a moment."
            )
        said = ""
        bitten = [False]
        try:
            return self._within(self._ready(), sql, bitten)
        except _failures() as error:
            said = self._sentence(error, bitten=bitten[0])
            if self._connection is not None and (bitten[0] or self._connection.broken):
                self._drop()
        finally:
            self._turn.release()
        raise QueryFailed(said)

    def close(self) -> None:
        """Close the connection. A query that is under way is waited for."""
        with self._turn:
            self._drop()

    def _within(self, connection: Connection, sql: str, bitten: list[bool]) -> Taken:
        """Read in a transaction that has begun, and leave nothing of it behind."""
        watchdog = Watchdog(connection, self._limits.time_s + SLACK_S, self._open)
        try:
            with watchdog:
                try:
                    return self._take(connection, sql)
                finally:
                    self._forget(connection)
        finally:
            bitten[0] = watchdog.bit
            if watchdog.bit or connection.broken:
                self._drop()

    def _take(self, connection: Connection, sql: str) -> Taken:
        """Read through a cursor: psycopg declares it in the extended protocol, which takes one statement only."""
        taken = Taken(self._limits)
        with connection.cursor(name="handrail") as cursor:
            cursor.execute(_encoded(sql))
            taken.name(column.name for column in cursor.description or ())
            while batch := cursor.fetchmany(taken.wanted()):
                if not all(taken.take(row) for row in batch):
                    break
        return taken

    def _forget(self, connection: Connection) -> None:
        """End the transaction, and what survives its end: advisory locks, prepared statements, settings."""
        try:
            connection.execute("ROLLBACK")
            connection.execute("DISCARD ALL")
        except psycopg.Error:
            self._drop()  # what cannot be cleaned is not used again

    def _ready(self) -> Connection:
        """Return a connection within a transaction; one that was lost since the last query is made again."""
        if self._connection is not None:
            try:
                with Watchdog(self._connection, CONNECT_S, self._open) as watchdog:
                    self._connection.execute(self._begin)
                if not watchdog.bit:
                    return self._connection
            except psycopg.Error:
                pass  # it was lost while nobody used it
            self._drop()
        self._connection = self._connect()
        self._connection.execute(self._begin)
        return self._connection

    def _connect(self) -> Connection:
        """Return a new connection of a role that a read-only transaction holds.

        Raises:
            ConfigurationError: It does not, or the role reaches a store.
        """
        connection = self._open()
        try:
            powers = [str(row[0]) for row in connection.execute(_POWERS)]
            reaching = connection.execute(REACHES_STORE).fetchone()
            user = connection.info.user
        except BaseException:
            connection.close()
            raise
        if powers:
            connection.close()
            raise ConfigurationError(
                f"The role {safe(user)} {safe(' and '.join(powers))}, and no read-only transaction holds such a role. "
                "Make one for agents: CREATE ROLE agent_reader LOGIN PASSWORD '…'; GRANT SELECT ON the tables that it "
                "may read TO agent_reader."
            )
        if reaching is not None:
            connection.close()
            raise reached(reaching[0])
        return connection

    def _open(self) -> Connection:
        """Return a new connection that is nobody else's: it never goes back to a pool."""
        pooled = self._where.engine.raw_connection()
        connection = pooled.driver_connection
        pooled.detach()
        if not isinstance(connection, psycopg.Connection):
            pooled.close()
            raise ConfigurationError("The engine does not connect by psycopg. Use postgresql+psycopg://.")
        connection.rollback()
        connection.autocommit = True
        connection.prepare_threshold = None
        load_plainly(connection)
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _sentence(self, error: Exception, *, bitten: bool) -> str:
        text = self._where.cleaned(getattr(error, "orig", None) or error)
        if bitten or isinstance(error, errors.QueryCanceled):
            return (
                f"The query took longer than {self._limits.time_s:g} seconds and was stopped. "
                "Narrow it down with WHERE, or join fewer rows."
            )
        if isinstance(error, errors.LockNotAvailable):
            return f"A table was locked for {self._limits.lock_s:g} seconds. Ask again in a moment."
        if isinstance(error, errors.InsufficientPrivilege):
            return f"The database's role may not do this ({text}). Ask the operator for the right to read it."
        if isinstance(error, errors.ReadOnlySqlTransaction):
            return f"PostgreSQL itself refused it ({text}), for this connection only reads. Ask for a change instead."
        if not isinstance(error, psycopg.Error) or _lost(error):
            return f"The connection to the database was lost ({text}). Nothing was changed; ask again in a moment."
        return f"PostgreSQL could not answer ({text}). Correct the statement."


def _encoded(sql: str) -> bytes:
    """Return the text as bytes; libpq would read it only up to a NUL, and run another statement than was given."""
    if "\0" in sql:
        raise psycopg.DataError("the text holds a NUL")
    try:
        return sql.encode()
    except UnicodeEncodeError:
        raise psycopg.DataError("the text is not valid Unicode") from None


def _lost(error: psycopg.Error) -> bool:
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate.startswith(("08", "57P"))


def _failures() -> tuple[type[Exception], ...]:
    """Return what connecting and reading may raise."""
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 (heavy, loaded with the engine by now)

    return (psycopg.Error, SQLAlchemyError, OSError)

"""Reading SQLite: one fresh connection for each query, opened read-only, with an authorizer that denies by default."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from handrail.data.reading.authorizer import authorizer
from handrail.data.reading.failure import QueryFailed
from handrail.data.reading.limits import VALUE_BYTES_MAX, ReadLimits
from handrail.data.reading.place import Place, existing
from handrail.data.reading.rows import Taken
from handrail.data.sql.catalog import Catalog
from handrail.errors import ConfigurationError

STEPS = 1_000
"""Instructions of SQLite's machine between two looks at the clock."""

_LIMITS = (
    (sqlite3.SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX),
    (sqlite3.SQLITE_LIMIT_SQL_LENGTH, 1_000_000),
    (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
    (sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 0),
    (sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 1),
    (sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0),
    (sqlite3.SQLITE_LIMIT_VDBE_OP, 1_000_000),
    (sqlite3.SQLITE_LIMIT_COMPOUND_SELECT, 100),
    (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000),
)
_WARM = ("SELECT 1 FROM json_each('[]')", "SELECT 1 FROM json_tree('[]')")
"""The first use of these tables declares them, for which SQLite asks as for a write."""


class SqliteReads:
    """The queries of a SQLite file. Nothing is kept open, so that nothing of one query reaches the next.

    Args:
        where: The database.
        limits: How much a query may take.
        functions: Names of functions that the operator vouches for.

    Raises:
        ConfigurationError: It is no file, or cannot be opened.
    """

    def __init__(self, where: Place, limits: ReadLimits, functions: Iterable[str] = ()) -> None:
        self._where, self._limits, self._functions = where, limits, tuple(functions)
        self._path = existing(where.engine.url.database)
        said = ""
        try:
            with closing(self._connect()) as connection:
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            said = where.cleaned(error)
        if said:
            raise ConfigurationError(
                f"The SQLite file cannot be read ({said}). Name another, or give it the right mode."
            )

    def read(self, sql: str, catalog: Catalog) -> Taken:
        """Run one statement.

        Args:
            sql: The text to run, as it is.
            catalog: What it may read.

        Raises:
            QueryFailed: SQLite refused it, failed, or it took too long.
        """
        end = time.monotonic() + self._limits.time_s
        try:
            with closing(self._connect()) as connection:
                self._guard(connection, catalog, end)
                return self._take(connection, sql)
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:  # a ValueError: a NUL, or no valid Unicode
            said = self._sentence(error, late=time.monotonic() > end)
        raise QueryFailed(said)

    def close(self) -> None:
        """There is nothing to close."""

    def _connect(self) -> sqlite3.Connection:
        address = f"file:{quote(str(Path(self._path)))}?mode=ro"
        connection = sqlite3.connect(
            address, uri=True, isolation_level=None, timeout=self._limits.lock_s, cached_statements=0
        )
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        return connection

    def _guard(self, connection: sqlite3.Connection, catalog: Catalog, end: float) -> None:
        """Put everything in place under which a text of anybody may be run."""
        for sql in _WARM:
            connection.execute(sql).fetchall()
        judge = authorizer(connection, catalog, self._functions)
        for limit, value in _LIMITS:
            connection.setlimit(limit, value)
        connection.text_factory = _text
        connection.set_progress_handler(lambda: time.monotonic() > end, STEPS)
        connection.set_authorizer(judge)

    def _take(self, connection: sqlite3.Connection, sql: str) -> Taken:
        taken = Taken(self._limits)
        cursor = connection.execute(sql)
        taken.name(column[0] for column in cursor.description or ())
        for row in cursor:
            if not taken.take(row):
                break
        cursor.close()
        return taken

    def _sentence(self, error: Exception, *, late: bool) -> str:
        text, code = self._where.cleaned(error), getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_INTERRUPT and late:
            return (
                f"The query took longer than {self._limits.time_s:g} seconds and was stopped. "
                "Narrow it down with WHERE, or join fewer rows."
            )
        if code == sqlite3.SQLITE_AUTH:
            return f"SQLite itself refused it ({text}). Read only the tables and columns that describe tells."
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return f"The database was locked for {self._limits.lock_s:g} seconds. Ask again in a moment."
        if code == sqlite3.SQLITE_TOOBIG:
            return f"A value is larger than {VALUE_BYTES_MAX:,} bytes. Select a part of it with substr()."
        return f"SQLite could not answer ({text}). Correct the statement, or ask the operator about the file."


def _text(raw: bytes) -> str | bytes:
    """Return text, or the bytes of what claims to be text and is not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw

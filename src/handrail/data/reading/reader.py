"""What an agent may ask of a database: its description, and queries, which are understood first and then run anew."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from handrail.core.text import safe
from handrail.data.dialect import Dialect
from handrail.data.reading.failure import QueryFailed, QueryRefused
from handrail.data.reading.limits import ReadLimits
from handrail.data.reading.opened_file import OpenedFile
from handrail.data.reading.place import Place, existing, place
from handrail.data.reading.rows import Rows, Taken
from handrail.data.sql import Catalog, Classified, StatementClass, Table, classify

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from sqlalchemy.engine import Engine

FRESH_S = 5.0
"""How old a description may be when a statement names something that is not in it."""


class Reads(Protocol):
    """A connection that the database itself holds read-only."""

    def read(self, sql: str, catalog: Catalog) -> Taken:
        """Run one statement."""

    def close(self) -> None:
        """Close it."""


class DataReader:
    """Reads a database for agents; several threads may ask.

    Args:
        where: `postgresql://…`, `sqlite:///file.db`, or a SQLAlchemy engine of one of them. SQLite is read through
            connections of its own to the same file.
        catalog: What agents may know and read; everything that the role may see, as the database tells it, by default.
        functions: Names of functions that the operator vouches for.
        limits: How much one query may take.

    Raises:
        ConfigurationError: The database cannot be used, or its role has powers that no read-only transaction holds.
    """

    def __init__(
        self,
        where: str | Engine,
        catalog: Catalog | None = None,
        functions: Iterable[str] = (),
        limits: ReadLimits | None = None,
    ) -> None:
        self.limits = limits or ReadLimits()
        self._functions = frozenset(functions)
        self._where = place(where)
        self._given = catalog is not None
        self._look = threading.Lock()
        self._looked_s = time.monotonic()
        self._file: OpenedFile | None = None
        try:
            if self._where.dialect is Dialect.SQLITE:
                self._file = OpenedFile.of(existing(self._where.engine.url.database))
            self._reads = _reads(self._where, self.limits, self._functions)
            self._catalog = catalog if catalog is not None else _reflected(self._where)
        except BaseException:
            self._dispose()
            raise

    def query(self, sql: str) -> Rows:
        """Run one read.

        Args:
            sql: What an agent wrote: anything. It is understood first; what runs is written anew from it.

        Returns:
            Its rows as JSON values, cut off at the limits, which is said.

        Raises:
            QueryRefused: It is no read, or names what is not known.
            QueryFailed: The database refused it, failed, or it took too long.
        """
        self._look_at_file()
        answer, catalog = self._looked_up(sql)
        if answer.kind is StatementClass.REFUSED:
            raise QueryRefused(answer.why)
        if answer.kind is not StatementClass.READ:
            raise QueryRefused(f"{answer.why} A query only reads. Ask for a plan of the change instead.")
        if not answer.resolved:
            raise QueryRefused(_unknown(answer, catalog))
        return self._reads.read(answer.sql, catalog).answer(answer.why)

    def describe(self, table: str | None = None) -> tuple[Table, ...]:
        """Return what is known of the tables.

        Args:
            table: The name of one, as the database stores it, with its schema where that is not the usual one
                (`sales.lead`); all of them by default.

        Raises:
            QueryRefused: There is no such table.
            QueryFailed: The database cannot be looked at.
        """
        self._look_at_file()
        catalog = self._now()
        if table is None:
            return catalog.tables
        for found in catalog.tables:
            full = f"{found.schema}.{found.name}" if found.schema else found.name
            if catalog.dialect.stored(full) == catalog.dialect.stored(table):
                return (found,)
        raise QueryRefused(f"There is no table {safe(table)}.{catalog.near(table)} Ask for all of them first.")

    def gone(self) -> str:
        """Return what to say when the database's file is another one by now, or none; `""` while it is the same."""
        return "" if self._file is None else self._file.gone()

    def close(self) -> None:
        """Close the connections."""
        self._reads.close()
        self._dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def understood(self, sql: str) -> Classified:
        """Return what a statement is, with the tables of this database; nothing is run."""
        return self._looked_up(sql)[0]

    def _looked_up(self, sql: str) -> tuple[Classified, Catalog]:
        """Return what the statement is; where it names what is not known, by a fresh look at the database."""
        catalog = self._catalog
        answer = classify(sql, self._where.dialect, catalog, self._functions)
        if answer.resolved and answer.kind is not StatementClass.REFUSED:
            return answer, catalog
        fresh = self._now()
        if fresh is catalog:
            return answer, catalog
        return classify(sql, self._where.dialect, fresh, self._functions), fresh

    def _now(self) -> Catalog:
        """Return the description, and look again where it is old: tables come and go."""
        with self._look:
            if not self._given and not self.gone() and time.monotonic() - self._looked_s > FRESH_S:
                self._catalog = _reflected(self._where)
                self._looked_s = time.monotonic()
            return self._catalog

    def _look_at_file(self) -> None:
        """Raise `QueryFailed` unless the database's file is the one that was opened."""
        gone = self.gone()
        if gone:
            raise QueryFailed(gone)

    def _dispose(self) -> None:
        if self._where.owned:
            self._where.engine.dispose()


def _reads(where: Place, limits: ReadLimits, functions: frozenset[str]) -> Reads:
    if where.dialect is Dialect.SQLITE:
        from handrail.data.reading.sqlite import SqliteReads  # noqa: PLC0415 (only what is needed)

        return SqliteReads(where, limits, functions)
    from handrail.data.reading.postgres import PostgresReads  # noqa: PLC0415 (psycopg is an extra)

    return PostgresReads(where, limits)


def _reflected(where: Place) -> Catalog:
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 (heavy, loaded with the engine by now)

    from handrail.data.sql.reflect import reflect  # noqa: PLC0415 (heavy)

    try:
        return reflect(where.engine)
    except SQLAlchemyError as error:
        said = where.cleaned(getattr(error, "orig", None) or error)
    raise QueryFailed(f"The tables of the database could not be looked at ({said}). Nothing was changed; ask again.")


def _unknown(answer: Classified, catalog: Catalog) -> str:
    for name in answer.tables:
        short = name.rpartition(".")[2]
        if catalog.find(catalog.dialect.stored(short)) is None:
            return (
                f"There is no table {safe(name)} that may be read.{catalog.near(short)} Ask describe for all of them."
            )
    return "It names a table that is not known. Ask describe for all of them."

"""What a SQLite connection of an agent may do: SQLite asks about each step of a statement, and nearly all are denied.

A view may read what stands behind it. SQLite names the view that asks, but it names a CTE in the same way, so the name
proves nothing: a view is therefore granted exactly the columns that it reads, which are learned beforehand.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from handrail.data.dialect import Dialect
from handrail.data.sql.catalog import Catalog, Table
from handrail.data.sql.functions import FUNCTIONS, ROW_COLUMNS, ROWS

Authorizer: TypeAlias = Callable[[int, str | None, str | None, str | None, str | None], int]

Read: TypeAlias = tuple[str, str, str]
"""A table, a column of it, and the view that reads it, all folded."""

OPERATORS = frozenset({"->", "->>", "match", "regexp", "current_date", "current_time", "current_timestamp"})
"""What SQLite takes for functions, though nobody writes a call."""

_MAIN = (None, "main")
_ANY = "*"
_OWN = ("sqlite_", "pragma_")
"""How SQLite's own tables begin; nobody else's may."""


def authorizer(connection: sqlite3.Connection, catalog: Catalog, functions: Iterable[str] = ()) -> Authorizer:
    """Return the rule for a connection; nothing is denied yet.

    Args:
        connection: An open connection. The views of the catalog are looked through on it.
        catalog: The tables and columns that may be read.
        functions: Names of functions that the operator vouches for.
    """
    columns = dict(_columns(connection, catalog))
    stored = {_folded(row[1]) for row in connection.execute("PRAGMA main.table_list")}
    behind = frozenset(_behind(connection, [table for table in catalog.tables if table.view]))
    counted = {table for table, _, _ in behind}
    called = FUNCTIONS[Dialect.SQLITE] | OPERATORS | {name.lower() for name in functions}

    def reads(table: str, column: str, schema: str | None, source: str | None) -> bool:
        if schema not in _MAIN:
            return False
        if not column and (table in counted or not (table in stored or table.startswith(_OWN))):
            return True  # count(*): of what stands behind a view, or of a CTE
        allowed = columns.get(table, frozenset())
        if column in allowed or _ANY in allowed:
            return True
        return source is not None and (table, column, _folded(source)) in behind

    def judge(code: int, first: str | None, second: str | None, schema: str | None, source: str | None) -> int:
        if code in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
            return sqlite3.SQLITE_OK
        if code == sqlite3.SQLITE_FUNCTION and _folded(second) in called:
            return sqlite3.SQLITE_OK
        if code == sqlite3.SQLITE_READ and reads(_folded(first), _folded(second), schema, source):
            return sqlite3.SQLITE_OK
        if code == sqlite3.SQLITE_PRAGMA and (first, second) == ("data_version", None):
            return sqlite3.SQLITE_OK  # full-text tables ask for this number, which tells nothing
        return sqlite3.SQLITE_DENY

    return judge


def _columns(connection: sqlite3.Connection, catalog: Catalog) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the readable columns of each table; the empty name is what count(*) reads."""
    for name in ROWS[Dialect.SQLITE]:
        yield name, ROW_COLUMNS[Dialect.SQLITE] | {""}
    kinds = {_folded(row[1]): row[2] for row in connection.execute("PRAGMA main.table_list")}
    indexed: list[str] = []
    for table in catalog.tables:
        name = _folded(table.name)
        if kinds.get(name) == "virtual":
            indexed.append(f"{name}_")
            yield name, frozenset({_ANY})  # with hidden columns of its module
        else:
            yield name, frozenset(map(_folded, table.names)) | {""}
    for name, kind in kinds.items():
        if kind == "shadow" and name.startswith(tuple(indexed)):
            yield name, frozenset({_ANY})  # where the virtual table keeps what it tells


def _behind(connection: sqlite3.Connection, views: list[Table]) -> Iterator[Read]:
    """Yield what the views themselves read: each is planned, not run, and SQLite tells."""
    found: set[Read] = set()

    def note(code: int, first: str | None, second: str | None, schema: str | None, source: str | None) -> int:
        if code == sqlite3.SQLITE_READ and source is not None and schema in _MAIN:
            found.add((_folded(first), _folded(second), _folded(source)))
        return sqlite3.SQLITE_OK

    connection.set_authorizer(note)
    try:
        for view in views:
            quoted = view.name.replace('"', '""')
            try:
                connection.execute(f'EXPLAIN SELECT * FROM main."{quoted}"').fetchall()  # noqa: S608 (a quoted name)
            except sqlite3.OperationalError:
                continue  # a view of something that is gone: whoever asks for it is told so by SQLite
    finally:
        connection.set_authorizer(None)
    yield from found


def _folded(name: str | None) -> str:
    return Dialect.SQLITE.stored(name or "")

"""The catalog of a real database, as its own inspector tells it; a key whose index is not valid is no key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handrail.data.dialect import Dialect
from handrail.data.sql.catalog import DEFAULT_SCHEMA, Catalog, CatalogError, Table, TableColumn

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.engine.interfaces import ReflectedColumn
    from sqlalchemy.engine.reflection import Inspector

NAMES = {"postgresql": Dialect.POSTGRES, "sqlite": Dialect.SQLITE}
"""The databases that are understood, by SQLAlchemy's names for them."""

_NOT_VALID = """
    SELECT n.nspname, c.relname
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE i.indisprimary AND NOT (i.indisvalid AND i.indisready AND i.indislive)
"""
_HIDDEN = ("pg_", "information_schema")
_OURS = "handrail_"
"""How our own tables begin: the history holds old rows, which agents are not told of."""


def reflect(engine: Engine) -> Catalog:
    """Return what a database says of its tables and views.

    On PostgreSQL, tables of the schema `public` are found without a schema, those of all others with theirs.

    Args:
        engine: A SQLAlchemy engine of PostgreSQL or SQLite.

    Raises:
        CatalogError: It is another database.
    """
    from sqlalchemy import inspect, text  # noqa: PLC0415 (heavy, needed only here)

    dialect = NAMES.get(engine.dialect.name)
    if dialect is None:
        raise CatalogError(
            f"{engine.dialect.name} is not understood. Use PostgreSQL (postgresql://…) or SQLite (sqlite:///…)."
        )
    with engine.connect() as connection:
        broken: set[tuple[str, str]] = set()
        if dialect is Dialect.POSTGRES:
            broken = {(str(row[0]), str(row[1])) for row in connection.execute(text(_NOT_VALID))}
        tables = _tables(inspect(connection), dialect, broken)
        generated = _generated(connection, dialect, [table.name for table in tables])
    return Catalog([_without(table, generated) for table in tables], dialect)


def _tables(inspector: Inspector, dialect: Dialect, broken: Collection[tuple[str, str]]) -> list[Table]:
    usual = DEFAULT_SCHEMA[dialect]
    schemas = [usual] if dialect is Dialect.SQLITE else inspector.get_schema_names()
    found: list[Table] = []
    for schema in schemas:
        if schema.startswith(_HIDDEN):
            continue
        views = set(inspector.get_view_names(schema=schema))
        if dialect is Dialect.POSTGRES:
            views |= set(inspector.get_materialized_view_names(schema=schema))
        for name in sorted({*inspector.get_table_names(schema=schema), *views}):
            if name.startswith(_OURS):
                continue
            columns = tuple(_column(column) for column in inspector.get_columns(name, schema=schema))
            key: tuple[str, ...] = ()
            if name not in views and (schema, name) not in broken:
                key = tuple(inspector.get_pk_constraint(name, schema=schema)["constrained_columns"])
            found.append(Table(name, columns, key, "" if schema == usual else schema, name in views))
    return found


def _column(column: ReflectedColumn) -> TableColumn:
    kind = str(column["type"]) if type(column["type"]).__name__ != "NullType" else ""
    identity = column.get("identity")
    computed = "computed" in column or (identity is not None and bool(identity.get("always")))
    return TableColumn(column["name"], kind.lower(), computed)


def _generated(connection: Connection, dialect: Dialect, names: list[str]) -> set[tuple[str, str]]:
    """Return generated columns that the inspector of SQLite may leave out of what it tells."""
    if dialect is not Dialect.SQLITE:
        return set()
    from sqlalchemy import text  # noqa: PLC0415

    found: set[tuple[str, str]] = set()
    for name in names:
        for row in connection.execute(text("SELECT name, hidden FROM pragma_table_xinfo(:name)"), {"name": name}):
            if row[1] in (2, 3):
                found.add((name, str(row[0])))
    return found


def _without(table: Table, generated: set[tuple[str, str]]) -> Table:
    """Return the table with its generated columns marked."""
    columns = tuple(
        TableColumn(one.name, one.type, one.generated or (table.name, one.name) in generated) for one in table.columns
    )
    return Table(table.name, columns, table.primary_key, table.schema, table.view)

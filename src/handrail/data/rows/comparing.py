"""Which rows exist, and which are not as planned: told by their keys."""

# ruff: noqa: S608 (texts are made of quoted names and our own expressions; every value is bound)

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from handrail.core.text import safe
from handrail.data.rows.backend import Backend, key_equals, planned_key, version
from handrail.data.rows.errors import Key, RowConflict, shown
from handrail.data.rows.plan import ABSENT, Part, Row
from handrail.data.rows.shape import TableShape

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

KEYS_MAX = 100
"""Keys that are listed."""


def existing(kind: Backend, connection: Connection, shape: TableShape, rows: Sequence[Row]) -> list[Key]:
    """Return the keys of rows that exist, at most 100.

    Args:
        kind: The kind of database.
        connection: A transaction.
        shape: The table.
        rows: Rows, of which only the keys count.
    """
    found: list[Key] = []
    for start in range(0, len(rows), kind.chunk(len(shape.key) + 2)):
        chunk = list(enumerate(rows[start : start + kind.chunk(len(shape.key) + 2)]))
        source, given = kind.source(chunk, len(shape.key), 0)
        sql = (
            f"WITH {source} SELECT {key_cells(kind, shape, 't')} FROM k JOIN {kind.table(shape.schema, shape.name)} "
            f"AS t ON {key_equals(kind, shape, 't', planned_key(shape))} LIMIT 100"
        )
        found += [key_of(kind, shape, row) for row in connection.exec_driver_sql(sql, given)]
    return found[:100]


def key_cells(kind: Backend, shape: TableShape, alias: str) -> str:
    """Return the expressions of the key of a row."""
    return ", ".join(kind.out(f"{alias}.{kind.name(name)}") for name in shape.key)


def key_of(kind: Backend, shape: TableShape, row: Sequence[object]) -> Key:
    """Return the key that `key_cells` read."""
    return tuple(kind.cell(value, shape.by_name[name]) for name, value in zip(shape.key, row, strict=False))


def conflict(table: str, keys: Sequence[Key]) -> RowConflict:
    """Return the refusal of an undo."""
    return RowConflict(
        f"Rows of {safe(table)} were changed since: {shown(keys)}. Nothing was undone, so that nobody's later change "
        "is lost. Settle these rows by hand.",
        keys,
    )


def differing(kind: Backend, connection: Connection, part: Part, shape: TableShape) -> list[Key]:
    """Return the keys of rows that are not as planned, at most 100.

    Args:
        kind: The kind of database.
        connection: A transaction.
        part: The part.
        shape: Its table.
    """
    if part.versioned_by == ABSENT:
        return existing(kind, connection, shape, [row for row in part.rows if row.key])
    found: list[Key] = []
    size = kind.chunk(len(shape.key) + 2)
    planned = ", ".join(kind.out(name) for name in planned_key(shape))
    for start in range(0, len(part.rows), size):
        chunk: list[tuple[int, Row]] = list(enumerate(part.rows[start : start + size]))
        source, given = kind.source(chunk, len(shape.key), 0)
        sql = (
            f"WITH {source} SELECT {planned} FROM k LEFT JOIN {kind.table(shape.schema, shape.name)} AS t "
            f"ON {key_equals(kind, shape, 't', planned_key(shape))} "
            f"WHERE t.{kind.name(shape.key[0])} IS NULL OR {version(kind, part, shape, 't')} <> k.v LIMIT 100"
        )
        found += [key_of(kind, shape, row) for row in connection.exec_driver_sql(sql, given)]
    return found[:100]

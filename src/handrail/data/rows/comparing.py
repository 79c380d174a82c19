"""Which rows exist, and which are not as planned: told by their keys."""

# ruff: noqa: S608 (texts are made of quoted names and our own expressions; every value is bound)

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from handrail.core.text import safe
from handrail.data.rows.backend import CHUNK, Backend, key_equals, planned_key, version
from handrail.data.rows.errors import Key, RowConflict, shown
from handrail.data.rows.plan import Part
from handrail.data.rows.row import ABSENT, Columns, Row
from handrail.data.rows.shape import TableShape

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

KEYS_MAX = 100
"""Keys that are listed."""


def existing(kind: Backend, connection: Connection, shape: TableShape, rows: Iterable[Row]) -> list[Key]:
    """Return the keys of rows that exist, at most 100.

    Args:
        kind: The kind of database.
        connection: A transaction.
        shape: The table.
        rows: Rows, of which only the keys count.
    """
    found: list[Key] = []
    left = iter(rows)
    while len(found) < KEYS_MAX and (chunk := list(islice(left, CHUNK))):
        source, given = kind.source(0, Columns.of([(row.key, None, ()) for row in chunk]), len(shape.key), 0)
        sql = (
            f"WITH {source} SELECT {key_cells(kind, shape, 't')} FROM k JOIN {kind.table(shape.schema, shape.name)} "
            f"AS t ON {key_equals(kind, shape, 't', planned_key(shape))} LIMIT {KEYS_MAX}"
        )
        found += [key_of(kind, shape, row) for row in connection.exec_driver_sql(sql, given)]
    return found[:KEYS_MAX]


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
        return existing(kind, connection, shape, (row for row in part.rows if row.key))
    found: list[Key] = []
    planned = ", ".join(kind.out(name) for name in planned_key(shape))
    for start, chunk in part.packed.chunks(CHUNK):
        source, given = kind.source(start, chunk, len(shape.key), 0)
        sql = (
            f"WITH {source} SELECT {planned} FROM k LEFT JOIN {kind.table(shape.schema, shape.name)} AS t "
            f"ON {key_equals(kind, shape, 't', planned_key(shape))} "
            f"WHERE t.{kind.name(shape.key[0])} IS NULL OR {version(kind, part, shape, 't')} <> k.v LIMIT {KEYS_MAX}"
        )
        found += [key_of(kind, shape, row) for row in connection.exec_driver_sql(sql, given)]
        if len(found) >= KEYS_MAX:
            break
    return found[:KEYS_MAX]

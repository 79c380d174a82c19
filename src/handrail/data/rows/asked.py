"""Do the declared limits and the table as it is allow a change? Otherwise one sentence says why not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from handrail.core.names import did_you_mean
from handrail.core.text import safe
from handrail.data.rows.backend import Backend
from handrail.data.rows.errors import ChangeRefused
from handrail.data.rows.shape import HARMLESS, TableShape
from handrail.data.rows.table import Table
from handrail.data.sql.change import Operation

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def declared(tables: Mapping[str, Table], schema: str, name: str) -> Table:
    """Return the limits of a table.

    Raises:
        ChangeRefused: Nobody declared it.
    """
    full = f"{schema}.{name}" if schema else name
    usual = name if schema in ("", "public", "main") else full
    found = tables.get(full) or tables.get(usual)
    if found is None or name.startswith("handrail_"):
        raise ChangeRefused(
            f"The table {safe(full)} is not declared, so nothing in it is changed.{did_you_mean(full, sorted(tables))} "
            "Have it declared under 'tables' first."
        )
    return found


def is_declared(tables: Mapping[str, Table], schema: str, name: str) -> bool:
    """Return whether the table of a part is declared: what a cascade took, and its undo, may touch others."""
    return f"{schema}.{name}" in tables or (schema in ("", "public", "main") and name in tables)


def shaped(kind: Backend, connection: Connection, schema: str, name: str) -> TableShape:
    """Return a table as it is now.

    Raises:
        ChangeRefused: There is none, or its rows cannot be named by a key.
    """
    return usable(kind.shape(connection, schema, name), name)


def usable(shape: TableShape | None, name: str) -> TableShape:
    """Return the shape of a table whose rows can be changed.

    Args:
        shape: The table as it is, None when there is none.
        name: Its name.

    Raises:
        ChangeRefused: There is none, or its rows cannot be named by a key.
    """
    if shape is None:
        raise ChangeRefused(f"There is no table {safe(name)}. Ask for the description of the tables.")
    if shape.obstacle:
        raise ChangeRefused(f"Rows of {safe(shape.full_name)} cannot be changed: {shape.obstacle}.")
    if not shape.key:
        raise ChangeRefused(
            f"The table {safe(shape.full_name)} has no valid primary key, so its rows cannot be named. Add a key first."
        )
    return shape


def allowed(operation: Operation, columns: Collection[str], table: Table, shape: TableShape) -> None:
    """Check what is to be written.

    Args:
        operation: What happens to rows.
        columns: The columns that are written.
        table: The limits.
        shape: The table as it is.

    Raises:
        ChangeRefused: It is not allowed.
    """
    name = safe(shape.full_name)
    if operation is Operation.DELETE and not table.delete:
        raise ChangeRefused(f"Rows of {name} may not be deleted. Ask for delete=True, or update a column instead.")
    if operation is Operation.INSERT and not table.insert:
        raise ChangeRefused(f"Rows may not be added to {name}. Ask for insert=True.")
    if operation is not Operation.DELETE and not columns:
        raise ChangeRefused(f"Nothing is to be written to {name}. Name at least one column and its value.")
    if len(set(columns)) != len(columns):
        raise ChangeRefused(f"A column of {name} is written twice. Name each once.")
    for column in columns:
        _column(operation, column, table, shape)
    if table.version and table.version not in shape.by_name:
        raise ChangeRefused(
            f"The version column {safe(table.version)} is no column of {name}. Correct its declaration."
        )
    for hidden in table.hide:
        if hidden not in shape.by_name or hidden in shape.key:
            raise ChangeRefused(
                f"The hidden column {safe(hidden)} is no column of {name} that can be hidden: keys name rows. Correct "
                "its declaration."
            )
    if operation is Operation.UPDATE:
        for reference in shape.references:
            if set(reference.parent_columns) & set(columns) and reference.on_update not in HARMLESS:
                raise ChangeRefused(
                    f"Updating {safe(', '.join(reference.parent_columns))} of {name} would change rows of "
                    f"{safe(reference.table)} too. Change those rows by key first."
                )


def _column(operation: Operation, column: str, table: Table, shape: TableShape) -> None:
    name = f"{safe(shape.full_name)}.{safe(column)}"
    found = shape.by_name.get(column)
    if found is None:
        raise ChangeRefused(f"There is no column {name}.{did_you_mean(column, [one.name for one in shape.columns])}")
    if found.computed or found.identity:
        raise ChangeRefused(f"The database computes {name}, so nobody writes it. Leave it out.")
    if column in shape.key:
        if operation is Operation.UPDATE:
            raise ChangeRefused(
                f"{name} is part of the primary key, which is not updated. Insert a row, delete the old one."
            )
        return
    if column not in table.write:
        may = ", ".join(sorted(map(safe, table.write))) or "none"
        raise ChangeRefused(f"{name} may not be written. Columns that may: {may}.")


def few(count: int, table: Table, shape: TableShape) -> None:
    """Check the number of rows.

    Raises:
        ChangeRefused: There are more than the table's limit.
    """
    if count > table.rows_max:
        raise ChangeRefused(
            f"The change touches more than {table.rows_max:,} rows of {safe(shape.full_name)}, which is the limit. "
            f"Split it into changes of at most {table.rows_max:,} rows each."
        )

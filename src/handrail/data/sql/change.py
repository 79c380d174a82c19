"""A change that a statement asks for, taken out of its words: table, columns, values, keys or condition.

The statement itself is never run. Whoever applies the change writes statements of their own, with bound values.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from handrail.core.digest import Json
from handrail.data.sql.keys import Key
from handrail.data.sql.literal import Literal


class Operation(StrEnum):
    """What happens to rows."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Computed:
    """A value that the database computes while the change is planned.

    Attributes:
        sql: The expression, written anew. In an UPDATE it may name columns of the row by the alias of the table.
    """

    sql: str


Value = Literal | Computed


@dataclass(frozen=True, slots=True)
class Change:
    """What a statement would change.

    Attributes:
        operation: Insert, update or delete.
        table: Name of the table, as the database stores it; as it was written where nobody knows the table.
        schema: Its schema, `""` for the usual one.
        alias: What conditions and expressions call the table; its own name when the statement gave none.
        columns: The columns that are written, as the database stores them. For an INSERT into a table that nobody
            knows, `()` when the statement names none: all of them, in the table's order.
        rows: The values of the columns: one row for an UPDATE, one for each new row of an INSERT, none for a DELETE.
        key_columns: The primary key, where it is known.
        keys: For a change by key, the keys of its rows, each with a value for each of `key_columns`.
        predicate: The condition, written anew; `""` when every row is meant, and for changes by key and inserts.
        where_columns: Columns of the table that the condition names, in their order, for a breakdown by their values.
    """

    operation: Operation
    table: str
    schema: str = ""
    alias: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Value, ...], ...] = ()
    key_columns: tuple[str, ...] = ()
    keys: tuple[Key, ...] = ()
    predicate: str = ""
    where_columns: tuple[str, ...] = ()

    @property
    def whole_table(self) -> bool:
        """Whether every row of the table is meant."""
        return self.operation is not Operation.INSERT and not self.keys and not self.predicate

    def to_json(self) -> dict[str, Json]:
        """Return the change as JSON, with what has no form there as `{"decimal": "1.50"}` and the like."""
        return {
            "operation": self.operation.value,
            "table": self.table,
            "schema": self.schema,
            "alias": self.alias,
            "columns": list(self.columns),
            "rows": [[_json(value) for value in row] for row in self.rows],
            "key_columns": list(self.key_columns),
            "keys": [[_json(value) for value in key] for key in self.keys],
            "predicate": self.predicate,
            "where_columns": list(self.where_columns),
        }


def _json(value: Value) -> Json:
    if isinstance(value, Computed):
        return {"sql": value.sql}
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, dt.datetime):
        return {"timestamp": value.isoformat()}
    if isinstance(value, dt.date):
        return {"date": value.isoformat()}
    return {"uuid": str(value)} if isinstance(value, uuid.UUID) else value

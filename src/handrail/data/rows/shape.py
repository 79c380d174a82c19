"""What a table is made of: columns, key, who refers to it, which triggers stand on it; and a fingerprint of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from handrail.core.digest import Json, digest

HARMLESS = frozenset({"NO ACTION", "RESTRICT"})
"""What a foreign key does that changes no row: it refuses."""


@dataclass(frozen=True, slots=True)
class ShapeColumn:
    """A column.

    Attributes:
        name: Its name, as the database stores it.
        type: Its type, as a cast to it is written.
        full_type: Its type with length and precision.
        computed: Whether the database computes it from others.
        identity: Whether the database alone gives its values.
    """

    name: str
    type: str
    full_type: str
    computed: bool = False
    identity: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key of some table to this one.

    Attributes:
        schema: Schema of the table that refers.
        table: The table that refers.
        columns: Its columns.
        parent_columns: The columns of this table that they name.
        on_delete: What happens to its rows when a row of this one is deleted.
        on_update: The same, when the columns that they name are updated.
    """

    schema: str
    table: str
    columns: tuple[str, ...]
    parent_columns: tuple[str, ...]
    on_delete: str
    on_update: str


@dataclass(frozen=True)
class TableShape:
    """A table as it is.

    Attributes:
        schema: Where it is; `""` on SQLite.
        name: Its name.
        columns: Its columns, in their order.
        key: The columns of its primary key; `()` when there is no valid one.
        references: Foreign keys that refer to it and are enforced.
        triggers: What triggers and rules on it are, each as one text.
        obstacle: Why its rows cannot be changed by key, as the end of a sentence; `""` when they can.
    """

    schema: str
    name: str
    columns: tuple[ShapeColumn, ...]
    key: tuple[str, ...]
    references: tuple[Reference, ...] = ()
    triggers: tuple[str, ...] = ()
    obstacle: str = ""

    @property
    def full_name(self) -> str:
        """The name with the schema."""
        return f"{self.schema}.{self.name}" if self.schema else self.name

    @cached_property
    def by_name(self) -> dict[str, ShapeColumn]:
        """The columns by their names."""
        return {column.name: column for column in self.columns}

    @cached_property
    def stored(self) -> tuple[str, ...]:
        """The columns whose values are kept: all that the database does not compute from others."""
        return tuple(column.name for column in self.columns if not column.computed)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over everything above: a plan holds for exactly this table."""
        triggers: list[Json] = [*sorted(self.triggers)]
        return digest(
            {
                "table": self.full_name,
                "columns": [[one.name, one.full_type, one.computed, one.identity] for one in self.columns],
                "key": list(self.key),
                "references": sorted(
                    [
                        [one.schema, one.table, *one.columns, "->", *one.parent_columns, one.on_delete, one.on_update]
                        for one in self.references
                    ],
                    key=str,
                ),
                "triggers": triggers,
                "obstacle": self.obstacle,
            }
        )

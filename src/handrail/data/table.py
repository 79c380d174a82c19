"""What may be done to a table, as its operator declares it; what is not declared is refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from handrail.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Table:
    """The limits of a table.

    Attributes:
        write: Columns that may be written. An INSERT may also write the primary key.
        insert: Whether rows may be added.
        delete: Whether rows may be removed.
        rows_max: Rows that one change may touch, those that cascades take included; ≥ 1. More is refused.
        rows_free: Rows that a change by key may touch before somebody has to be asked; the plan carries it, whoever
            decides about plans heeds it.
        version: Column with a whole number that every writer of the table increments; `""` when there is none. A
            change of ours increments it too.
        also: Rows that triggers insert into other tables for each changed row, by table. A trigger that writes
            anything else, and is not declared here, makes the change roll back.
        inserts_free: Rows that one change may add before somebody has to be asked.
        hide: Columns whose values no preview shows.

    Raises:
        ConfigurationError: A limit makes no sense.
    """

    write: Collection[str] = frozenset()
    insert: bool = False
    delete: bool = False
    rows_max: int = 1000
    rows_free: int = 0
    version: str = ""
    also: Mapping[str, int] = field(default_factory=dict)
    inserts_free: int = 100
    hide: Collection[str] = frozenset()

    def __post_init__(self) -> None:
        if isinstance(self.write, str):
            raise ConfigurationError("The columns that may be written are a set: write={'status'}.")
        if isinstance(self.hide, str):
            raise ConfigurationError("The columns that are not shown are a set: hide={'password'}.")
        if self.rows_max < 1 or self.rows_free < 0 or self.inserts_free < 0:
            raise ConfigurationError("rows_max has to be 1 or more, rows_free and inserts_free 0 or more.")
        if any(count < 1 for count in self.also.values()):
            raise ConfigurationError("also has to tell 1 row or more for each table. Leave out what is not written.")
        if self.version and self.version in self.write:
            raise ConfigurationError("The version column is incremented by every change. Take it out of write.")

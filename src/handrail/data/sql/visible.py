"""Which names mean something at one place of a statement: tables, aliases, and the columns that they have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from handrail.data.sql.catalog import Table


class RowSource(NamedTuple):
    """Something that rows come from.

    Attributes:
        columns: Folded names of its columns; None when they are not known.
        table: The table of the catalog, None for a subquery, a function, or a table that nobody knows.
        derived: Whether the statement itself says what is in it (a subquery, a CTE, a function).
    """

    columns: frozenset[str] | None
    table: Table | None = None
    derived: bool = False


@dataclass(slots=True)
class Visible:
    """The names at one level of a query; what is not found here is looked for one level out.

    Attributes:
        outer: The level around.
        sources: What rows come from, by folded name or alias.
        queries: The columns of CTEs, by folded name.
        aliases: Folded names of output columns, which ORDER BY and GROUP BY may use.
    """

    outer: Visible | None = None
    sources: dict[str, RowSource] = field(default_factory=dict)
    queries: dict[str, frozenset[str] | None] = field(default_factory=dict)
    aliases: set[str] = field(default_factory=set)

    def source(self, name: str) -> RowSource | None:
        """Return what a qualifier names."""
        level: Visible | None = self
        while level is not None:
            if name in level.sources:
                return level.sources[name]
            level = level.outer
        return None

    def query(self, name: str) -> tuple[bool, frozenset[str] | None]:
        """Return whether `name` is a CTE, and its columns."""
        level: Visible | None = self
        while level is not None:
            if name in level.queries:
                return True, level.queries[name]
            level = level.outer
        return False, None

    def column(self, name: str) -> tuple[bool, RowSource | None]:
        """Return whether a column without a qualifier may be there, and what it surely belongs to."""
        unknown = False
        level: Visible | None = self
        while level is not None:
            for source in level.sources.values():
                if source.columns is None:
                    unknown = True
                elif name in source.columns:
                    return True, source
            if name in level.aliases:
                return True, None
            level = level.outer
        return unknown, None

    def columns(self) -> list[str]:
        """Return the names of all columns that are known, for a hint."""
        found: list[str] = []
        level: Visible | None = self
        while level is not None:
            for source in level.sources.values():
                found += source.columns or ()
            level = level.outer
        return found

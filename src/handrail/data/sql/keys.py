"""Does a WHERE name every row by its full primary key, with values that are written out? Then these are the keys."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from collections.abc import Sequence
from decimal import Decimal

from handrail.data.dialect import Dialect
from handrail.data.sql.catalog import Catalog, Table, TableColumn
from handrail.data.sql.literal import Literal, NotLiteral, literal
from handrail.data.sql.parts import split, split_words, unwrapped
from handrail.data.sql.tokens import Kind, Token

KEYS_MAX = 10_000
"""Rows that one statement may name."""

Key = tuple[Literal, ...]
"""The values of a primary key, in the order of its columns."""


def keys(where: Sequence[Token], table: Table, catalog: Catalog, alias: str = "") -> tuple[Key, ...] | None:
    """Return the keys that a WHERE names, in their order and each once; None when it is any other condition.

    Understood are `id = 1`, `1 = id`, `id IN (1, 2)`, the same for each column of a composite key joined by AND, and
    `(a, b) = (1, 2)` and `(a, b) IN ((1, 2), (3, 4))`.

    Args:
        where: What stands after WHERE.
        table: The table that is changed.
        catalog: Where the table stands.
        alias: The folded alias of the table, `""` when it has none.
    """
    if not table.primary_key or not where:
        return None
    reader = _Reader(table, catalog, alias or catalog.dialect.stored(table.name))
    named: dict[tuple[str, ...], list[Key]] = {}
    for part in split_words(unwrapped(where), "and"):
        found = reader.condition(unwrapped(part))
        if found is None or any(column in columns for columns in named for column in found[0]):
            return None
        named[found[0]] = found[1]
    return _combined(named, tuple(catalog.dialect.stored(name) for name in table.primary_key))


def _combined(named: dict[tuple[str, ...], list[Key]], primary: tuple[str, ...]) -> tuple[Key, ...] | None:
    columns = [column for group in named for column in group]
    if sorted(columns) != sorted(primary):
        return None
    count = 1
    for found in named.values():
        count *= len(found)
    if count > KEYS_MAX:
        return None
    order = [columns.index(name) for name in primary]
    joined = ([value for key in group for value in key] for group in itertools.product(*named.values()))
    # 1 and TRUE are equal in Python, and two different values in a database
    unique = {tuple((type(row[at]), row[at]) for at in order): tuple(row[at] for at in order) for row in joined}
    return tuple(unique.values())


class _Reader:
    """Reads single conditions on the columns of one table."""

    def __init__(self, table: Table, catalog: Catalog, owner: str) -> None:
        self._columns = catalog.columns(table)
        self._dialect = catalog.dialect
        self._owner = owner

    def condition(self, found: Sequence[Token]) -> tuple[tuple[str, ...], list[Key]] | None:
        """Return the columns of one condition, and the values that they may have."""
        for at, token in enumerate(found):
            if token.low in ("=", "=="):
                return self._equal(found[:at], found[at + 1 :])
            if token.low == "in":
                return self._in(found[:at], found[at + 1 :])
        return None

    def _equal(self, left: Sequence[Token], right: Sequence[Token]) -> tuple[tuple[str, ...], list[Key]] | None:
        for columns, values in ((left, right), (right, left)):
            names = self._names(columns)
            if names is not None:
                found = self._values(values, names)
                return None if found is None else (names, [found])
        return None

    def _in(self, left: Sequence[Token], right: Sequence[Token]) -> tuple[tuple[str, ...], list[Key]] | None:
        names = self._names(left)
        if names is None or len(right) < 3 or right[0].low != "(" or right[-1].low != ")":
            return None
        found: list[Key] = []
        for part in split(right[1:-1], ","):
            values = self._values(part, names)
            if values is None:
                return None
            found.append(values)
        return names, found

    def _names(self, found: Sequence[Token]) -> tuple[str, ...] | None:
        """Return the folded names that stand there: one column, or several in parentheses."""
        name = self._name(found)
        if name is not None:
            return (name,)
        if len(found) < 5 or found[0].low != "(" or found[-1].low != ")":
            return None
        names = [self._name(part) for part in split(found[1:-1], ",")]
        if None in names or len(set(names)) != len(names):
            return None
        return tuple(name for name in names if name is not None)

    def _name(self, found: Sequence[Token]) -> str | None:
        if len(found) == 3 and found[1].low == "." and self._folded(found[0]) == self._owner:
            found = found[2:]
        name = self._folded(found[0]) if len(found) == 1 else None
        return name if name in self._columns else None

    def _folded(self, token: Token) -> str | None:
        if token.kind not in (Kind.WORD, Kind.QUOTED):
            return None
        return self._dialect.folded(token.value, quoted=token.kind is Kind.QUOTED)

    def _values(self, found: Sequence[Token], names: tuple[str, ...]) -> Key | None:
        """Return the values of the columns, None when one is not written out or is of another kind than the column."""
        parts = [found]
        if len(names) > 1:
            if len(found) < 3 or found[0].low != "(" or found[-1].low != ")":
                return None
            parts = split(found[1:-1], ",")
        if len(parts) != len(names):
            return None
        values: list[Literal] = []
        for part, name in zip(parts, names, strict=True):
            try:
                value = literal(part, self._dialect)
            except NotLiteral:
                return None
            if value is None or not fits(value, self._columns[name], self._dialect):
                return None
            values.append(value)
        return tuple(values)


_INTEGERS = ("int", "serial")
_NUMBERS = ("numeric", "decimal", "real", "double", "float")
_TEXTS = ("char", "text", "clob", "citext")


def fits(value: Literal, column: TableColumn, dialect: Dialect) -> bool:
    """Return whether a value is of the kind of its column, so that no conversion decides which row is meant.

    Args:
        value: The value.
        column: The column; where its type is not known, everything but fractions and TRUE fits.
        dialect: Whose types count.
    """
    kind = column.type
    if isinstance(value, bool):
        return "bool" in kind
    if isinstance(value, Decimal):
        return any(name in kind for name in _NUMBERS)
    if isinstance(value, dt.date | uuid.UUID):
        return dialect is Dialect.POSTGRES and (not kind or any(name in kind for name in ("date", "timestamp", "uuid")))
    if isinstance(value, str):
        return not any(name in kind for name in (*_INTEGERS, *_NUMBERS)) or "interval" in kind
    return not any(name in kind for name in (*_TEXTS, "uuid", "date", "time", "json", "bytea", "blob"))

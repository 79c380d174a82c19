"""What is known of a database: its tables, their columns, types and primary keys."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from handrail.core.names import did_you_mean
from handrail.core.text import safe
from handrail.data.dialect import Dialect
from handrail.errors import ConfigurationError

KEYS = frozenset({"columns", "primary_key", "schema", "kind", "types", "generated"})
"""What the JSON form of a table may say."""


class CatalogError(ConfigurationError):
    """The description of the tables cannot be used."""


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column.

    Attributes:
        name: Its name, as the database stores it.
        type: Its type, as the database names it, in lower case; `""` when it is not known.
        generated: Whether the database computes it, so that nobody writes it.
    """

    name: str
    type: str = ""
    generated: bool = False


@dataclass(frozen=True)
class Table:
    """A table or a view.

    Attributes:
        name: Its name, as the database stores it.
        columns: Its columns, in their order.
        primary_key: Names of the columns that name a row; `()` when there is no valid key, None when nobody knows.
        schema: Where it is; `""` for where names without a schema are looked up.
        view: Whether it is a view, and not written.
    """

    name: str
    columns: tuple[TableColumn, ...]
    primary_key: tuple[str, ...] | None = None
    schema: str = ""
    view: bool = False

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)


class Catalog:
    """The tables of a database.

    Args:
        tables: The tables. One without a schema is found by its name alone.
        dialect: How names are compared.

    Raises:
        CatalogError: Two tables, or two columns of one, have the same name.
    """

    def __init__(self, tables: Iterable[Table], dialect: Dialect) -> None:
        self.dialect = dialect
        self.tables = tuple(tables)
        self._found: dict[tuple[str, str], Table] = {}
        self._columns: dict[tuple[str, str], dict[str, TableColumn]] = {}
        for table in self.tables:
            key = (dialect.stored(table.schema), dialect.stored(table.name))
            columns = {dialect.stored(column.name): column for column in table.columns}
            if key in self._found:
                raise CatalogError(f"Two tables are named {safe(table.name)}. Name each once.")
            if len(columns) != len(table.columns):
                raise CatalogError(f"Two columns of {safe(table.name)} have the same name. Name each once.")
            for name in table.primary_key or ():
                if dialect.stored(name) not in columns:
                    raise CatalogError(
                        f"The primary key of {safe(table.name)} names {safe(name)}, which is no column of it. "
                        "List it among the columns."
                    )
            self._found[key] = table
            self._columns[key] = columns

    def find(self, name: str, schema: str = "") -> Table | None:
        """Return a table.

        Args:
            name: Its name, folded as the dialect does.
            schema: Its schema, folded; `""` when the statement names none.
        """
        found = self._found.get((schema, name))
        if found is None and schema == DEFAULT_SCHEMA[self.dialect]:
            found = self._found.get(("", name))
        return found

    def columns(self, table: Table) -> Mapping[str, TableColumn]:
        """Return the columns of a table by their folded names."""
        return self._columns[self.dialect.stored(table.schema), self.dialect.stored(table.name)]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all tables."""
        return tuple(table.name for table in self.tables)

    def near(self, name: str) -> str:
        """Return the end of a sentence that names the table most like `name`, or `""`."""
        return did_you_mean(name, self.names)

    @classmethod
    def from_json(cls, value: object, dialect: Dialect) -> Catalog:
        """Return a catalog from `{"lead": {"columns": ["id", "status"], "primary_key": ["id"]}}`.

        Args:
            value: The parsed JSON. A table may also have a `schema`, a `kind` (`table` or `view`), `types` (of columns,
                by name) and a list of `generated` columns.
            dialect: How names are compared.

        Raises:
            CatalogError: It has another form.
        """
        if not isinstance(value, dict):
            raise CatalogError('A schema is an object with a table for each key: {"lead": {"columns": ["id"]}}.')
        return cls([_table(str(name), form) for name, form in value.items()], dialect)

    @classmethod
    def from_text(cls, text: str, dialect: Dialect) -> Catalog:
        """Return a catalog from JSON text.

        Raises:
            CatalogError: It is not JSON, or has another form.
        """
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CatalogError(f"The schema is not JSON: {safe(error)}.") from None
        return cls.from_json(value, dialect)


DEFAULT_SCHEMA = {Dialect.POSTGRES: "public", Dialect.SQLITE: "main"}
"""The schema that a table without one may also be named by."""


def _table(name: str, form: object) -> Table:
    if not isinstance(form, dict):
        raise CatalogError(f"The table {safe(name)} has to be an object with its columns.")
    for key in form:
        if key not in KEYS:
            raise CatalogError(f"The table {safe(name)} has the key {safe(key)}.{did_you_mean(str(key), sorted(KEYS))}")
    schema, kind = form.get("schema", ""), form.get("kind", "table")
    types = form.get("types", {})
    if not isinstance(schema, str) or kind not in ("table", "view") or not isinstance(types, dict):
        raise CatalogError(
            f"Of the table {safe(name)}, the schema has to be text, the kind 'table' or 'view', and types an object."
        )
    generated = set(_names(name, form, "generated"))
    columns = tuple(
        TableColumn(column, str(types.get(column, "")).lower(), column in generated)
        for column in _names(name, form, "columns")
    )
    key = tuple(_names(name, form, "primary_key")) if "primary_key" in form else None
    return Table(name, columns, key, schema, kind == "view")


def _names(table: str, form: Mapping[object, object], key: str) -> list[str]:
    value = form.get(key, [])
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise CatalogError(f"The {key} of the table {safe(table)} have to be a list of names.")
    return value

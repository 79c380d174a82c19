"""What a database lacks: tables of the history, and tables and columns that a policy declares of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from handrail.core.names import did_you_mean
from handrail.core.text import safe
from handrail.data.rows.history import TABLES
from handrail.data.sql.catalog import DEFAULT_SCHEMA, Catalog, Table
from handrail.policy.guarded import TableSpec

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def history_missing(connection: Connection) -> tuple[str, ...]:
    """Return the tables of the history that a database does not have."""
    from sqlalchemy import inspect  # noqa: PLC0415 (heavy, needed only here)

    schema = "public" if connection.dialect.name == "postgresql" else None
    look = inspect(connection)
    return tuple(table for table in TABLES if not look.has_table(table, schema=schema))


def torn(missing: Sequence[str]) -> str:
    """Return what to say of a history of which only some tables are missing; `""` when all are there, or none.

    They are not made anew beside the others: the history belongs to a random id of the database, and plans are never
    applied twice only while it is whole. All made anew have another id, so that no old plan fits any more.
    """
    left = [table for table in TABLES if table not in missing]
    if not missing or not left:
        return ""
    drops = " ".join(f"DROP TABLE {table};" for table in reversed(left))
    return (
        f"Of the history tables {', '.join(missing)} {_are(missing)} missing, while {', '.join(left)} {_are(left)} "
        "there, so nothing can be changed or undone. Put back what is missing from a backup; or give up what was kept "
        f"(no change made so far can then be undone): {drops} then handrail data install --apply"
    )


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def lacks(catalog: Catalog, tables: Mapping[str, TableSpec], name: str) -> tuple[str, ...]:
    """Return a sentence for each table and column that is declared and that the database does not have.

    Args:
        catalog: What the database tells of itself.
        tables: What is declared.
        name: What the database is called.
    """
    known = _known(catalog)
    return tuple(
        sentence for table, spec in tables.items() for sentence in _lacks(known, catalog, table, spec, safe(name))
    )


def is_known(catalog: Catalog, table: str) -> bool:
    """Return whether a database has a table, named as a policy names it."""
    return table in _known(catalog)


def _known(catalog: Catalog) -> dict[str, Table]:
    """Return the tables by the names that a policy may give them."""
    usual = DEFAULT_SCHEMA[catalog.dialect]
    found = {(f"{one.schema}.{one.name}" if one.schema else one.name): one for one in catalog.tables}
    return {**{f"{usual}.{one.name}": one for one in catalog.tables if not one.schema}, **found}


def _lacks(known: dict[str, Table], catalog: Catalog, table: str, spec: TableSpec, name: str) -> Iterator[str]:
    found = known.get(table)
    if found is None:
        names = [f"{one.schema}.{one.name}" if one.schema else one.name for one in catalog.tables]
        yield (
            f"'{name}' has no table '{safe(table)}', which the policy declares, or its role may not see it."
            f"{did_you_mean(table, names)}"
        )
        return
    if found.view:
        yield f"'{safe(table)}' of '{name}' is a view, and views are not changed. Declare the table behind it."
    written = {"write": spec.write, "version": (spec.version,) if spec.version else (), "hide": spec.hide}
    for key, columns in written.items():
        for column in columns:
            if column not in found.names:
                yield (
                    f"Table '{safe(table)}' of '{name}' has no column '{safe(column)}', which the policy names under "
                    f"'{key}'.{did_you_mean(column, found.names)}"
                )

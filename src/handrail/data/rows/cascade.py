"""Which rows the database itself would remove with the rows of a plan, found by following the foreign keys."""

# ruff: noqa: S608 (texts are made of quoted names and our own expressions; every value is bound)

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from handrail.core.digest import Json, canonical
from handrail.core.text import safe
from handrail.data.rows.asked import shaped
from handrail.data.rows.backend import CHUNK, Backend, key_equals, planned_key
from handrail.data.rows.errors import ChangeRefused, Key
from handrail.data.rows.plan import Part
from handrail.data.rows.row import Columns, Row, packed
from handrail.data.rows.shape import HARMLESS, Reference, TableShape
from handrail.data.sql.change import Operation

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def versioned(kind: Backend, version: str) -> str:
    """Return what the versions of rows are, in the order: declared column, xmin, content."""
    if version:
        return "column"
    return "xmin" if kind.xmin("t") else "content"


def cascades(
    kind: Backend, connection: Connection, shape: TableShape, rows: Sequence[Row], rows_max: int
) -> list[Part]:
    """Return the rows that deleting `rows` takes along, each once, parents before children.

    Args:
        kind: The kind of database.
        connection: A transaction that reads.
        shape: The table of the rows.
        rows: The rows that are deleted.
        rows_max: Rows that may be taken along.

    Raises:
        ChangeRefused: There are more, or rows would be changed in another way than by being deleted.
    """
    seen: dict[str, set[bytes]] = {shape.full_name: {canonical(list(row.key)) for row in rows}}
    found: list[Part] = []
    level: list[tuple[TableShape, Sequence[Row]]] = [(shape, rows)]
    while level:
        below: list[tuple[TableShape, Sequence[Row]]] = []
        for parent, parents in level:
            for reference in parent.references:
                if reference.on_delete in HARMLESS:
                    continue
                child, taken = _children(kind, connection, parent, parents, reference, seen, rows_max)
                if taken:
                    below.append((child, taken))
                    by, content = versioned(kind, ""), child.stored
                    part = Part(
                        child.schema, child.name, Operation.DELETE, tuple(taken), child.fingerprint, child.stored, by,
                        content=content, cascade=True,
                    )  # fmt: skip
                    found.append(part)
        level = below
    return found


def _children(
    kind: Backend,
    connection: Connection,
    parent: TableShape,
    parents: Sequence[Row],
    reference: Reference,
    seen: dict[str, set[bytes]],
    rows_max: int,
) -> tuple[TableShape, list[Row]]:
    child = kind.shape(connection, reference.schema, reference.table)
    if child is None:
        raise ChangeRefused(f"The table {safe(reference.table)}, which refers to {safe(parent.name)}, cannot be read.")
    known = seen.setdefault(child.full_name, set())
    taken: list[Row] = []
    for _, chunk in packed(parents).chunks(CHUNK):
        for row in _referring(kind, connection, parent, child, reference, chunk, rows_max):
            if reference.on_delete != "CASCADE" or not child.key:
                raise _unsupported(parent, child, reference)
            mark = canonical(list(row.key))
            if mark not in known:
                known.add(mark)
                taken.append(row)
        if sum(map(len, seen.values())) > rows_max:
            raise ChangeRefused(
                f"With the rows of {safe(child.full_name)} that go along, the change touches more than {rows_max:,} "
                "rows, which is the limit. Split it into smaller changes."
            )
    if taken:
        shaped(kind, connection, reference.schema, reference.table)
    return child, taken


def _referring(
    kind: Backend,
    connection: Connection,
    parent: TableShape,
    child: TableShape,
    reference: Reference,
    chunk: Columns,
    rows_max: int,
) -> list[Row]:
    source, given = kind.source(0, chunk, len(parent.key), 0)
    same = " AND ".join(
        f"c.{kind.name(mine)} = p.{kind.name(theirs)}"
        for mine, theirs in zip(reference.columns, reference.parent_columns, strict=True)
    )
    mark = kind.xmin("c") or kind.fingerprint("c", child.stored)
    keys = [kind.out(f"c.{kind.name(name)}") for name in child.key]
    found = connection.exec_driver_sql(
        f"WITH {source} SELECT {', '.join([mark, *keys])} FROM k "
        f"JOIN {kind.table(parent.schema, parent.name)} AS p ON {key_equals(kind, parent, 'p', planned_key(parent))} "
        f"JOIN {kind.table(child.schema, child.name)} AS c ON {same} LIMIT {rows_max + 1}",
        given,
    ).all()
    columns = [child.by_name[name] for name in child.key]
    rows: list[Row] = []
    for one in found:
        key: Key = tuple(kind.cell(value, column) for value, column in zip(one[1:], columns, strict=True))
        version: Json = str(one[0])
        rows.append(Row(key, version))
    return rows


def _unsupported(parent: TableShape, child: TableShape, reference: Reference) -> ChangeRefused:
    name = safe(child.full_name)
    if not child.key:
        return ChangeRefused(
            f"Deleting rows of {safe(parent.full_name)} would take rows of {name}, which has no valid primary key. "
            "Delete those rows first."
        )
    return ChangeRefused(
        f"Deleting rows of {safe(parent.full_name)} would change rows of {name} ({reference.on_delete}). "
        "Update those rows by key first."
    )

"""An undo is a plan: every row has to be exactly as the change left it, and becomes what it was before."""

# ruff: noqa: S608 (texts are made of quoted names and our own expressions; every value is bound)

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from handrail.core.digest import Json
from handrail.core.text import safe
from handrail.data.rows import history
from handrail.data.rows.asked import declared, is_declared, shaped
from handrail.data.rows.backend import Backend
from handrail.data.rows.comparing import conflict, differing
from handrail.data.rows.errors import ChangeRefused
from handrail.data.rows.plan import ABSENT, Part, PlanPreview, Row, RowPlan, Sample, footprint
from handrail.data.rows.planning import SAMPLES, named, samples_of
from handrail.data.rows.shape import TableShape
from handrail.data.rows.table import Table
from handrail.data.sql.change import Operation

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

INVERSE = {
    Operation.INSERT: Operation.DELETE,
    Operation.UPDATE: Operation.UPDATE,
    Operation.DELETE: Operation.INSERT,
}
"""What takes back what."""


def undo(
    kind: Backend,
    connection: Connection,
    tables: Mapping[str, Table],
    database: str,
    change: str,
    expires_s: int,
    *,
    compare: bool = True,
) -> RowPlan:
    """Return the plan that takes a change back.

    Args:
        kind: The kind of database.
        connection: A transaction that reads.
        tables: The declared tables; an undo needs no permission to write beyond the change that it undoes.
        database: Identity of the database.
        change: Digest of the change.
        expires_s: When the plan expires, in seconds since 1970.
        compare: Whether the rows are compared now, and shown. Applying compares them in any case.

    Raises:
        ChangeRefused: There is no such change, its rows were pruned, or a table is no longer as it was.
        RowConflict: Rows were changed since.
    """
    heads = history.parts(kind, connection, change)
    parts: list[Part] = []
    samples: list[Sample] = []
    also: dict[str, int] = {}
    numbered = list(enumerate(heads))
    if not any(head["cascade"] for head in heads):
        numbered.reverse()  # what was written last goes first; rows that a cascade took stand behind their parents
    for number, head in numbered:
        shape = shaped(kind, connection, str(head["schema"]), str(head["table"]))
        part = _part(kind, connection, tables, change, number, head, shape)
        keys = differing(kind, connection, part, shape) if compare else []
        if keys:
            raise conflict(part.name, keys)
        if is_declared(tables, part.schema, part.table):
            for name, count in declared(tables, part.schema, part.table).also.items():
                also[named(name, shape)] = also.get(named(name, shape), 0) + count * len(part.rows)
        samples += _samples(kind, connection, change, part, shape) if compare else []
        parts.append(part)
    rows = sum(len(part.rows) for part in parts)
    limits = {"rows_max": rows, "rows_free": 0}
    made = RowPlan(database, tuple(parts), footprint(parts, also), limits, expires_s, secrets.token_hex(16), change)
    warnings = () if rows else ("No row is changed.",)
    return made.seen(PlanPreview(rows, {}, tuple(samples[:SAMPLES]), {}, warnings))


def _part(
    kind: Backend,
    connection: Connection,
    tables: Mapping[str, Table],
    change: str,
    number: int,
    head: Mapping[str, Json],
    shape: TableShape,
) -> Part:
    if _names(head["key"]) != shape.key:
        raise ChangeRefused(
            f"The primary key of {safe(shape.full_name)} is another one since, so nothing can be undone."
        )
    operation = INVERSE[Operation(str(head["operation"]))]
    columns, content = _names(head["columns"]), _names(head["content"])
    for name in (*columns, *content):
        if name not in shape.stored:
            raise ChangeRefused(
                f"The column {safe(name)} of {safe(shape.full_name)} is gone, so its old values cannot be restored."
            )
    if operation is Operation.DELETE:
        columns = shape.stored
    found = tuple(_rows(kind, connection, change, number, head, shape))
    if len(found) != int(str(head["count"])):
        raise ChangeRefused(f"Kept rows of the change {safe(change[:12])} are missing, so it cannot be undone.")
    known = is_declared(tables, shape.schema, shape.name)
    table = declared(tables, shape.schema, shape.name) if known else None
    bump = table.version if table is not None and operation is Operation.UPDATE else ""
    by = ABSENT if operation is Operation.INSERT else "content"
    return Part(
        shape.schema, shape.name, operation, found, shape.fingerprint, columns, by, bump, content, source=number
    )  # fmt: skip


def _rows(
    kind: Backend, connection: Connection, change: str, number: int, head: Mapping[str, Json], shape: TableShape
) -> list[Row]:
    """Return the rows as the change left them, with the fingerprint of the image that each gets back."""
    inserted = head["operation"] == Operation.INSERT
    restored = "NULL" if inserted else kind.hashed("before")
    found = connection.exec_driver_sql(
        f"SELECT n, key, after_fp, {restored} FROM {kind.table('public', 'handrail_row')} "
        f"WHERE change_id = {kind.mark} AND part = {kind.mark} ORDER BY n",
        (history.change_id(change), number),
    )
    rows: list[Row] = []
    for at, row in enumerate(found):
        if int(row[0]) != at:
            break
        version = ABSENT if head["operation"] == Operation.DELETE else str(row[2])
        rows.append(Row(kind.image_cells(row[1]), version, () if inserted else (str(row[3]),)))
    return rows if all(len(row.key) == len(shape.key) for row in rows) else []


def _samples(kind: Backend, connection: Connection, change: str, part: Part, shape: TableShape) -> list[Sample]:
    if part.operation is Operation.DELETE:
        return list(samples_of(kind, connection, part, shape))
    found = connection.exec_driver_sql(
        f"SELECT key, before, after FROM {kind.table('public', 'handrail_row')} WHERE change_id = {kind.mark} "
        f"AND part = {kind.mark} AND n < {kind.mark} ORDER BY n",
        (history.change_id(change), part.source, SAMPLES),
    )
    return [
        Sample(
            kind.image_cells(row[0]),
            None if row[2] is None else dict(zip(part.columns, kind.image_cells(row[2]), strict=True)),
            dict(zip(part.columns, kind.image_cells(row[1]), strict=True)),
        )
        for row in found
    ]


def _names(value: Json) -> tuple[str, ...]:
    return tuple(str(name) for name in value) if isinstance(value, list) else ()

"""An undo is a plan: every row has to be exactly as the change left it, and becomes what it was before."""

# ruff: noqa: S608 (texts are made of quoted names and our own expressions; every value is bound)

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count, islice
from operator import itemgetter
from typing import TYPE_CHECKING, cast

from handrail.core.digest import Json
from handrail.core.text import safe
from handrail.data.rows import history
from handrail.data.rows.asked import declared, is_declared, shaped, usable
from handrail.data.rows.backend import CHUNK, Backend, DatabaseState, key_equals, raw, version
from handrail.data.rows.comparing import KEYS_MAX, conflict
from handrail.data.rows.errors import ChangeRefused, Key
from handrail.data.rows.plan import Part, PlanPreview, RowPlan, Sample, footprint
from handrail.data.rows.planning import SAMPLES, named, samples_of, shown
from handrail.data.rows.row import ABSENT, Columns, PackedRows
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
    change: str,
    expires_s: int,
) -> RowPlan:
    """Return the plan that takes a change back.

    Args:
        kind: The kind of database.
        connection: A transaction that reads.
        tables: The declared tables; an undo needs no permission to write beyond the change that it undoes.
        change: Digest of the change.
        expires_s: When the plan expires, in seconds since 1970.

    Raises:
        ChangeRefused: There is no such change, its rows were pruned, or a table is no longer as it was.
        RowConflict: Rows were changed since.
    """
    state = history.state(kind, connection, undone=change)
    heads = history.parts(change, state.undone)
    stands(change, state)
    parts: list[Part] = []
    samples: list[Sample] = []
    for number, head in _order(heads):
        shape = usable(state.shapes[number], str(head["table"]))
        empty = _part(tables, number, head, shape)
        keys: list[Key] = []
        part = replace(empty, rows=PackedRows.of_columns(_rows(kind, connection, change, empty, shape, keys)))
        if len(part.rows) != int(str(head["count"])):
            raise ChangeRefused(f"Kept rows of the change {safe(change[:12])} are missing, so it cannot be undone.")
        if keys:
            raise conflict(part.name, keys)
        known = is_declared(tables, part.schema, part.table)
        hide = declared(tables, part.schema, part.table).hide if known else ()
        samples += _samples(kind, connection, change, part, shape, hide) if len(samples) < SAMPLES else []
        parts.append(part)
    rows = sum(len(part.rows) for part in parts)
    limits = {"rows_max": rows, "rows_free": 0}
    touched = footprint(parts, _also(tables, parts))
    made = RowPlan(state.identity, tuple(parts), touched, limits, expires_s, secrets.token_hex(16), change)
    warnings = () if rows else ("No row is changed.",)
    return made.seen(PlanPreview(rows, {}, tuple(samples[:SAMPLES]), {}, warnings))


def stands(change: str, state: DatabaseState) -> None:
    """Check that a change is not undone now: done once more, its undo would go over what others did since.

    Args:
        change: Digest of the change.
        state: What stands in the database, of that change.

    Raises:
        ChangeRefused: It is undone.
    """
    by = history.is_undone(state)
    if by:
        raise ChangeRefused(
            f"The change {safe(change[:12])} is undone already, by {safe(by[:12])}. To have it again, undo that undo."
        )


def agrees(tables: Mapping[str, Table], plan: RowPlan, state: DatabaseState, shapes: Sequence[TableShape]) -> bool:
    """Return whether everything in an undo but its rows is what the history says of the change.

    Args:
        tables: The declared tables.
        plan: The undo.
        state: What stands in the database, of the change that is undone.
        shapes: The tables of the plan's parts, as they are.

    Raises:
        ChangeRefused: There is no such change, its rows were pruned, or a table is no longer as it was.
    """
    order = _order(history.parts(plan.undo_of, state.undone))
    if len(order) != len(plan.parts):
        return False
    for (number, head), part, shape in zip(order, plan.parts, shapes, strict=True):
        if (head["schema"], head["table"], head["count"]) != (part.schema, part.table, len(part.rows)):
            return False
        if replace(part, rows=()) != _part(tables, number, head, shape):
            return False
    return footprint(plan.parts, _also(tables, plan.parts)) == plan.footprint


def agree_rows(kind: Backend, connection: Connection, plan: RowPlan, number: int) -> bool:
    """Return whether the rows of a part of an undo are what the history says of the change.

    Args:
        kind: The kind of database.
        connection: A transaction.
        plan: The undo.
        number: Number of the part.
    """
    part = plan.parts[number]
    shape = shaped(kind, connection, part.schema, part.table)
    recorded = _rows(kind, connection, plan.undo_of, replace(part, rows=()), shape, None)
    return PackedRows.of_columns(recorded) == part.packed


def _order(heads: Sequence[Mapping[str, Json]]) -> list[tuple[int, Mapping[str, Json]]]:
    """Return the parts with their numbers in the order in which they are undone."""
    numbered = list(enumerate(heads))
    if not any(head["cascade"] for head in heads):
        numbered.reverse()  # what was written last goes first; rows that a cascade took stand behind their parents
    return numbered


def _also(tables: Mapping[str, Table], parts: Sequence[Part]) -> dict[str, int]:
    """Return the rows that triggers insert, by table."""
    also: dict[str, int] = {}
    for part in parts:
        if is_declared(tables, part.schema, part.table):
            for table, count in declared(tables, part.schema, part.table).also.items():
                name = named(table, part.schema)
                also[name] = also.get(name, 0) + count * len(part.rows)
    return also


def _part(tables: Mapping[str, Table], number: int, head: Mapping[str, Json], shape: TableShape) -> Part:
    """Return a part without its rows."""
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
    known = is_declared(tables, shape.schema, shape.name)
    table = declared(tables, shape.schema, shape.name) if known else None
    bump = table.version if table is not None and operation is Operation.UPDATE else ""
    by = ABSENT if operation is Operation.INSERT else "content"
    return Part(
        shape.schema, shape.name, operation, (), shape.fingerprint, columns, by, bump, content, source=number
    )  # fmt: skip


def _rows(
    kind: Backend, connection: Connection, change: str, part: Part, shape: TableShape, conflicts: list[Key] | None
) -> Iterator[Columns]:
    """Return the rows as the change left them, with the fingerprint of the image that each gets back.

    Args:
        kind: The kind of database.
        connection: A transaction.
        change: Digest of the change that is undone.
        part: The part, without rows.
        shape: Its table.
        conflicts: Takes the keys of rows that are not as the change left them, at most 100; None when they are not
            compared.
    """
    history_rows = f"{kind.table('public', 'handrail_row')} AS h"
    absent = part.versioned_by == ABSENT
    restored = "NULL" if part.operation is Operation.DELETE else kind.hashed("h.before")
    exists = f"t.{kind.name(shape.key[0])} IS NOT NULL"
    joined, differs = "", "0"
    if conflicts is not None:
        kept = [kind.item("h.key", at) for at in range(len(shape.key))]
        table = kind.table(shape.schema, shape.name)
        joined = f"LEFT JOIN {table} AS t ON {key_equals(kind, shape, 't', kept)}"
        left = f"{exists} AND {version(kind, part, shape, 't')} = h.after_fp"
        differs = f"CASE WHEN {exists if absent else f'NOT ({left})'} THEN 1 ELSE 0 END"
    sql = (
        f"SELECT h.n, {kind.out('h.key')}, {'NULL' if absent else 'h.after_fp'}, {restored}, {differs} "
        f"FROM {history_rows} {joined} WHERE h.change_id = {history.change_id(change)} AND h.part = {part.source} AND "
    )
    for start in count(0, CHUNK):
        found = raw(connection, f"{sql}{kind.place(start)} ORDER BY h.n")
        if not found:
            return
        numbers, texts, versions, images, differing = (list(map(itemgetter(at), found)) for at in range(5))
        try:
            kept_keys = kind.images_cells(texts)
            whole = set(map(len, kept_keys)) == {len(shape.key)}
        except (ValueError, TypeError):  # somebody has altered them
            return
        if not whole or numbers != list(range(start, start + len(found))):
            return
        keys = [list(map(itemgetter(at), kept_keys)) for at in range(len(shape.key))]
        if conflicts is not None:
            there = (key for key, differs in zip(zip(*keys, strict=True), differing, strict=True) if differs)
            conflicts += islice(there, KEYS_MAX - len(conflicts))
        values = [] if part.operation is Operation.DELETE else [cast("list[Json]", images)]
        yield Columns(len(found), keys, ABSENT if absent else cast("list[Json]", versions), values)
        if len(found) < CHUNK:
            return


def _samples(
    kind: Backend, connection: Connection, change: str, part: Part, shape: TableShape, hide: Collection[str]
) -> list[Sample]:
    if part.operation is Operation.DELETE:
        return list(samples_of(kind, connection, part, shape, hide))
    found = connection.exec_driver_sql(
        f"SELECT {kind.out('h.key')}, {kind.out('h.before')}, {kind.out('h.after')} "
        f"FROM {kind.table('public', 'handrail_row')} AS h WHERE h.change_id = {history.change_id(change)} "
        f"AND h.part = {part.source} AND {kind.place(0)} AND h.n < {SAMPLES} ORDER BY h.n"
    )
    return [
        Sample(
            kind.image_cells(row[0]),
            None if row[2] is None else shown(dict(zip(part.columns, kind.image_cells(row[2]), strict=True)), hide),
            shown(dict(zip(part.columns, kind.image_cells(row[1]), strict=True)), hide),
        )
        for row in found
    ]


def _names(value: Json) -> tuple[str, ...]:
    return tuple(str(name) for name in value) if isinstance(value, list) else ()

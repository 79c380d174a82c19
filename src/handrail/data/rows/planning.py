"""A change becomes a plan: rows by key, with their versions and literal values, and what a person should see of it."""

# ruff: noqa: S608 (texts are made of quoted names and our own expressions; every value is bound)

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, cast

from handrail.core.digest import Json, canonical
from handrail.core.text import safe
from handrail.data.rows.asked import allowed, few
from handrail.data.rows.backend import CHUNK, Backend, Source, batch, key_equals, planned_key, raw, version
from handrail.data.rows.cascade import cascades, versioned
from handrail.data.rows.comparing import existing
from handrail.data.rows.errors import ChangeRefused, Key
from handrail.data.rows.errors import shown as shown_keys
from handrail.data.rows.plan import Part, PlanPreview, RowPlan, Sample, footprint
from handrail.data.rows.row import ABSENT, ALIKE, Columns, PackedRows, Row, repeated
from handrail.data.rows.shape import ShapeColumn, TableShape
from handrail.data.rows.table import Table
from handrail.data.sql.change import Change, Computed, Operation

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

SAMPLES = 20
"""Rows that a preview shows."""

REDACTED = "[redacted]"
"""What stands for a value that is not shown."""

TOP = 10
"""Values of a column that a breakdown shows."""


@dataclass(frozen=True, slots=True)
class Planning:
    """What planning needs.

    Attributes:
        kind: The kind of database.
        connection: A transaction that reads.
        database: Its identity.
        change: What is asked for. Values may be any Python values.
        table: The limits of its table.
        shape: The table as it is.
        expires_s: When the plan expires, in seconds since 1970.
    """

    kind: Backend
    connection: Connection
    database: str
    change: Change
    table: Table
    shape: TableShape
    expires_s: int


@dataclass(slots=True)
class _First:
    """What the first statement that reads rows tells beside them.

    Attributes:
        fixed: The values that all rows get, as the database itself writes them, by place; None until they are known.
        images: The first rows as they are, as texts that `Backend.image_cells` takes.
    """

    fixed: dict[int, Json] | None = None
    images: list[object] = field(default_factory=list)


def plan(work: Planning) -> RowPlan:
    """Return the plan of a change, with its preview.

    Raises:
        ChangeRefused: The change is not allowed, or too large.
    """
    change, shape = work.change, work.shape
    allowed(change.operation, change.columns, work.table, shape)
    warnings = _warnings(work)
    asked, first = 0, _First()
    if change.operation is Operation.INSERT:
        rows, by = PackedRows.of(_new(work)), ABSENT
    else:
        by = versioned(work.kind, work.table.version)
        keys = _keys(work)
        asked = len(keys[0]) if keys else 0
        rows = PackedRows.of_columns(_existing(work, by, keys, first))
        if len(rows) < asked:
            warnings.append(f"{asked - len(rows):,} of {asked:,} keys name no row.")
    if not rows:
        warnings.append("No row is changed.")
    part = _part(work, rows, by)
    taken: list[Part] = []
    if change.operation is Operation.DELETE:
        taken = cascades(work.kind, work.connection, shape, rows, work.table.rows_max)
    parts = (part, *taken)
    also = {named(name, shape.schema): count * len(rows) for name, count in work.table.also.items()}
    limits = {"rows_max": work.table.rows_max, "rows_free": work.table.rows_free if change.keys else 0}
    made = RowPlan(work.database, parts, footprint(parts, also), limits, work.expires_s, secrets.token_hex(16))
    counts: dict[str, int] = {}
    for one in taken:
        counts[one.name] = counts.get(one.name, 0) + len(one.rows)
    samples = samples_of(work.kind, work.connection, part, shape, work.table.hide, first.images)
    return made.seen(PlanPreview(len(rows), _breakdown(work) if rows else {}, samples, counts, tuple(warnings)))


def named(table: str, schema: str) -> str:
    """Return a table's name with a schema, unless it has one of its own."""
    return f"{schema}.{table}" if schema and "." not in table else table


def _part(work: Planning, rows: PackedRows, by: str) -> Part:
    change, shape = work.change, work.shape
    columns = shape.stored if change.operation is Operation.DELETE else change.columns
    bump = work.table.version if change.operation is not Operation.INSERT else ""
    return Part(
        shape.schema, shape.name, change.operation, rows, shape.fingerprint, columns, by, bump,
        shape.stored if by == "content" else (),
    )  # fmt: skip


def _warnings(work: Planning) -> list[str]:
    found: list[str] = []
    name = safe(work.shape.full_name)
    if work.shape.triggers:
        also = ", ".join(sorted(map(safe, work.table.also))) or "no other table"
        found.append(
            f"{len(work.shape.triggers)} triggers or rules stand on {name}; they are declared to write {also}, and the "
            "change is rolled back if they write anything else. What they alter in the row itself is not foreseen."
        )
    if any(column.computed for column in work.shape.columns):
        computed = ", ".join(safe(column.name) for column in work.shape.columns if column.computed)
        found.append(f"The database computes {computed} of {name} anew.")
    if work.change.whole_table:
        found.append(f"Every row of {name} is meant: there is no condition.")
    return found


def _cells(work: Planning, columns: Sequence[ShapeColumn], rows: Sequence[Sequence[object]]) -> list[tuple[Json, ...]]:
    """Return values as the database itself writes them; a value that it cannot read is refused by it."""
    kind = work.kind
    if kind.exact:
        return [tuple(map(kind.cell, row, columns)) for row in rows]
    found: list[tuple[Json, ...]] = []
    read = ", ".join(kind.out(kind.cast(f"k.k{at}", column)) for at, column in enumerate(columns))
    for start in range(0, len(rows), CHUNK):
        chunk = [(tuple(map(kind.cell, row, columns)), None, ()) for row in rows[start : start + CHUNK]]
        source, given = kind.source(start, Columns.of(chunk), len(columns), 0)
        got = work.connection.exec_driver_sql(f"WITH {source} SELECT {read} FROM k ORDER BY n", given).all()
        found += [tuple(map(kind.cell, row, columns)) for row in got]
    return found


def _new(work: Planning) -> Sequence[Row]:
    change, shape, kind = work.change, work.shape, work.kind
    few(len(change.rows), work.table, shape)
    columns = [shape.by_name[name] for name in change.columns]
    rows = [[_computed(work, value, column) for value, column in zip(row, columns, strict=True)] for row in change.rows]
    values = _cells(work, columns, rows)
    if not set(shape.key) <= set(change.columns):
        return tuple(Row((), ABSENT, row) for row in values)
    at = [change.columns.index(name) for name in shape.key]
    made = tuple(Row(tuple(row[index] for index in at), ABSENT, row) for row in values)
    if any(None in row.key for row in made):
        raise ChangeRefused("A new row has NULL in its primary key. Leave the key out, or give all of it.")
    there = existing(kind, work.connection, shape, made)
    if there:
        raise ChangeRefused(
            f"Rows with these keys exist already: {shown_keys(there)}. Update them, or take other keys."
        )
    if len({canonical(list(row.key)) for row in made}) != len(made):
        raise ChangeRefused("Two of the new rows have the same key. Give each row a key of its own.")
    return made


def _computed(work: Planning, value: object, column: ShapeColumn) -> object:
    if not isinstance(value, Computed):
        return value
    kind = work.kind
    expression = kind.out(kind.cast(f"({kind.text(value.sql)})", column))
    found: object = work.connection.exec_driver_sql(f"SELECT {expression} WHERE {kind.mark} = 1", (1,)).scalar()
    return found


def _keys(work: Planning) -> list[list[Json]]:
    """Return the columns of the keys that were asked for as cells, each key once; `[]` where none were.

    They are sorted where they can be, so that rows lie together.
    """
    change, shape, kind = work.change, work.shape, work.kind
    few(len(change.keys), work.table, shape)
    if not change.keys:
        return []
    if set(map(len, change.keys)) != {len(shape.key)}:
        raise ChangeRefused(
            f"A key of {safe(shape.full_name)} has the columns {safe(', '.join(shape.key))}. Give a value for each."
        )
    columns = [shape.by_name[name] for name in shape.key]
    lists: list[list[object]] = [list(map(itemgetter(at), change.keys)) for at in range(len(columns))]
    if len(lists) == 1:
        if {int}.issuperset(map(type, lists[0])):  # in the order of the numbers, not of their texts
            return [kind.cells_of(sorted(set(cast("list[int]", lists[0]))), columns[0])]
        cells = kind.cells_of(lists[0], columns[0])
        if {str}.issuperset(map(type, cells)):
            return [sorted(set(cast("list[str]", cells)))]  # type: ignore[list-item]
        return [list({canonical(cell): cell for cell in cells}.values())]
    keys: list[Key] = list(zip(*map(kind.cells_of, lists, columns), strict=True))
    try:
        keys = sorted(set(keys))
    except TypeError:  # cells of several types, or with a form of their own, have no order
        keys = list({canonical(list(key)): key for key in keys}.values())
    return [list(map(itemgetter(at), keys)) for at in range(len(columns))]


def _existing(work: Planning, by: str, keys: Sequence[list[Json]], first: _First) -> Iterator[Columns]:
    """Return the rows that exist with the values that they are to get."""
    change, shape, kind = work.change, work.shape, work.kind
    columns = [shape.by_name[name] for name in change.columns]
    asked = change.rows[0] if change.operation is Operation.UPDATE else ()
    plain = {at: value for at, value in enumerate(asked) if not isinstance(value, Computed)}
    computed = {at: value.sql for at, value in enumerate(asked) if isinstance(value, Computed)}
    if kind.exact or not keys:
        first.fixed = _fixed(work, plain)
    alias = kind.name(change.alias or shape.name)
    part = Part(shape.schema, shape.name, change.operation, (), "", (), by, work.table.version)
    expressions = [kind.out(f"{alias}.{kind.name(name)}") for name in shape.key]
    expressions.append(version(kind, part, shape, alias))
    expressions += [kind.out(kind.cast(f"({kind.text(sql)})", columns[at])) for at, sql in computed.items()]
    width = len(shape.key)
    marks = shape.by_name[work.table.version] if by == "column" else None
    for rows in _selected(work, alias, ", ".join(expressions), keys, plain, first):
        lists = [list(map(itemgetter(at), rows)) for at in range(len(expressions))]
        named = [_column(kind, cells, shape.by_name[name]) for cells, name in zip(lists, shape.key, strict=False)]
        versions = _column(kind, lists[width], marks) if marks is not None else cast("list[Json]", lists[width])
        _whole(work, named, versions)
        got = {at: _column(kind, cells, columns[at]) for at, cells in zip(computed, lists[width + 1 :], strict=True)}
        fixed = first.fixed = first.fixed or _fixed(work, plain)
        values = [got[at] if at in got else repeated(fixed[at], len(rows)) for at in range(len(columns))]
        yield Columns(len(rows), named, versions, values)
    if first.fixed is None:
        _fixed(work, plain)  # no row gets them, and yet a value that the database cannot read is refused


def _fixed(work: Planning, plain: Mapping[int, object]) -> dict[int, Json]:
    """Return the values that all rows get, as the database itself writes them."""
    if not plain:
        return {}
    columns = [work.shape.by_name[work.change.columns[at]] for at in plain]
    return dict(zip(plain, _cells(work, columns, [list(plain.values())])[0], strict=True))


def _whole(work: Planning, keys: Sequence[Sequence[Json]], versions: Sequence[Json]) -> None:
    """Check that each row can be named and has a version."""
    if any(None in cells for cells in keys):
        raise ChangeRefused(
            f"A row of {safe(work.shape.full_name)} has NULL in its key, so it cannot be named. Repair it first."
        )
    if None in versions:
        key = tuple(cells[versions.index(None)] for cells in keys)
        raise ChangeRefused(
            f"The row {shown_keys([key])} has no version (NULL in {safe(work.table.version)}). Set it first."
        )


def _column(kind: Backend, cells: list[object], column: ShapeColumn) -> list[Json]:
    """Return what was read of a column as cells."""
    return cast("list[Json]", cells) if ALIKE.issuperset(map(type, cells)) else kind.cells_of(cells, column)


def _selected(
    work: Planning, alias: str, expressions: str, keys: Sequence[list[Json]], plain: Mapping[int, object], first: _First
) -> Iterator[Sequence[tuple[object, ...]]]:
    """Return what expressions say of the rows that are meant, in pieces."""
    change, shape, kind = work.change, work.shape, work.kind
    table = f"{kind.table(shape.schema, shape.name)} AS {alias}"
    order = ", ".join(f"{alias}.{kind.name(name)}" for name in shape.key)
    if not change.keys:
        where = kind.text(change.predicate) or "true"
        sql = f"SELECT {expressions} FROM {table} WHERE ({where}) ORDER BY {order} LIMIT {kind.mark}"
        result = work.connection.exec_driver_sql(sql, (work.table.rows_max + 1,))
        found = 0
        while rows := batch(result, CHUNK):
            found += len(rows)
            few(found, work.table, shape)
            yield rows
            if len(rows) < CHUNK:
                return
        return
    for start in range(0, len(keys[0]), CHUNK):
        chunk = [cells[start : start + CHUNK] for cells in keys]
        more, values = _beside(work, alias, plain, first) if start == 0 and len(chunk) == 1 else ("", ())
        if len(chunk) == 1:
            source, where, given = kind.named(chunk[0], shape, alias)
            sql = f"SELECT {expressions}{more} FROM {source}{table} WHERE {where}"
        else:
            source, given = kind.source(0, Columns(len(chunk[0]), chunk, None, ()), len(shape.key), 0)
            equal = key_equals(kind, shape, alias, planned_key(shape))
            sql = f"WITH {source} SELECT {expressions} FROM k JOIN {table} ON {equal} ORDER BY {order}"
        found_now = raw(work.connection, sql, (*values, *given))
        if found_now and more:
            first.images = [row[-1] for row in found_now[:SAMPLES]]
            if first.fixed is None:
                read = found_now[0][-1 - len(plain) : -1]
                first.fixed = {
                    at: kind.cell(cell, shape.by_name[change.columns[at]]) for at, cell in zip(plain, read, strict=True)
                }
        if found_now:
            yield found_now


def _beside(work: Planning, alias: str, plain: Mapping[int, object], first: _First) -> Source:
    """Return what the first statement tells beside the rows: the values that they get, and the first rows whole."""
    kind, shape, found, given = work.kind, work.shape, "", []
    if first.fixed is None:
        columns = [shape.by_name[work.change.columns[at]] for at in plain]
        for column, value in zip(columns, plain.values(), strict=True):
            read = kind.out(kind.cast(f"CAST({kind.mark} AS text)", column))
            found += f", CASE WHEN row_number() OVER () = 1 THEN {read} END"
            given.append(kind.cell(value, column))
    image = kind.sample(alias, [column.name for column in shape.columns])
    return f"{found}, CASE WHEN row_number() OVER () <= {SAMPLES} THEN {image} END", tuple(given)


def _breakdown(work: Planning) -> Mapping[str, tuple[tuple[Json, int], ...]]:
    """Return the most frequent values of the columns in the WHERE, among the rows that it found."""
    change, shape, kind = work.change, work.shape, work.kind
    alias = kind.name(change.alias or shape.name)
    found: dict[str, tuple[tuple[Json, int], ...]] = {}
    if change.keys:
        return found
    for name in change.where_columns:
        value = kind.out(f"{alias}.{kind.name(name)}")
        sql = (
            f"SELECT {value}, count(*) FROM {kind.table(shape.schema, shape.name)} AS {alias} "
            f"WHERE ({kind.text(change.predicate) or 'true'}) GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {kind.mark}"
        )
        rows = work.connection.exec_driver_sql(sql, (TOP,))
        hidden = name in work.table.hide
        found[name] = tuple(
            (REDACTED if hidden else kind.cell(row[0], shape.by_name[name]), int(row[1])) for row in rows
        )
    return found


def samples_of(
    kind: Backend,
    connection: Connection,
    part: Part,
    shape: TableShape,
    hide: Collection[str],
    images: Sequence[object] = (),
) -> tuple[Sample, ...]:
    """Return the first rows of a part before and after.

    Args:
        kind: The kind of database.
        connection: A transaction that reads.
        part: The part.
        shape: Its table, as it is.
        hide: Columns whose values are not shown.
        images: The first rows as they are, where they were read already.
    """
    first = part.packed.first(SAMPLES)
    if part.operation is Operation.INSERT:
        return tuple(
            Sample(row.key, None, shown(dict(zip(part.columns, row.values, strict=True)), hide)) for row in first
        )
    if not first:
        return ()
    befores = dict(enumerate(map(kind.image_cells, images))) or _befores(kind, connection, shape, first)
    names, gone = [column.name for column in shape.columns], part.operation is Operation.DELETE
    samples: list[Sample] = []
    for at, cells in befores.items():
        before = dict(zip(names, cells, strict=True))
        after = None if gone else shown({**before, **dict(zip(part.columns, first[at].values, strict=False))}, hide)
        samples.append(Sample(first[at].key, shown(before, hide), after))
    return tuple(samples)


def _befores(
    kind: Backend, connection: Connection, shape: TableShape, rows: Sequence[Row]
) -> dict[int, Sequence[Json]]:
    """Return the cells of planned rows as they are, by number."""
    source, given = kind.source(0, Columns.of(rows), len(shape.key), 0)
    cells = ", ".join(kind.out(f"t.{kind.name(column.name)}") for column in shape.columns)
    found = connection.exec_driver_sql(
        f"WITH {source} SELECT k.n, {cells} FROM k JOIN {kind.table(shape.schema, shape.name)} AS t "
        f"ON {key_equals(kind, shape, 't', planned_key(shape))} ORDER BY k.n",
        given,
    ).all()
    return {
        int(row[0]): [kind.cell(value, one) for one, value in zip(shape.columns, row[1:], strict=True)] for row in found
    }


def shown(cells: Mapping[str, Json], hide: Collection[str]) -> dict[str, Json]:
    """Return the values of a row as a preview shows them."""
    return {name: REDACTED if name in hide else cell for name, cell in cells.items()}

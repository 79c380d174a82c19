"""Guarded rows on SQLite, with the standard library's driver."""

# ruff: noqa: S608 (texts are made of quoted names and our own expressions; every value is bound)

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import marshal
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import orjson

from handrail.core.digest import Json
from handrail.core.text import safe
from handrail.data.rows.backend import (
    CHUNK,
    Bound,
    Compared,
    DatabaseState,
    Source,
    Work,
    columns_of,
    kept,
    key_equals,
    planned_key,
    undoing,
    values,
)
from handrail.data.rows.errors import ChangeRefused
from handrail.data.rows.plan import RowPlan, Touched
from handrail.data.rows.row import ALIKE, Columns
from handrail.data.rows.shape import Reference, ShapeColumn, TableShape
from handrail.data.sql.change import Operation

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

COLUMNS_MAX = 100
"""Columns that a table may have: SQLite's functions take 127 values."""

STAGED = 500
"""Rows of a chunk from which on they are put into a temporary table, instead of being read anew by each statement."""

MARSHAL = 2
"""Version of the format that fingerprints are made of: exact, and never changed since Python 2.5."""

HISTORY = (
    "CREATE TABLE handrail_meta (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL)",
    """CREATE TABLE handrail_change (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, parts TEXT NOT NULL, footprint TEXT NOT NULL,
    rows INTEGER NOT NULL, undo_of TEXT NOT NULL, applied_at TEXT NOT NULL, pruned INTEGER NOT NULL DEFAULT 0
)""",
    "CREATE INDEX handrail_change_at ON handrail_change (applied_at)",
    "CREATE INDEX handrail_change_undo ON handrail_change (undo_of) WHERE undo_of <> ''",
    """CREATE TABLE handrail_row (
    change_id INTEGER NOT NULL, part INTEGER NOT NULL, n INTEGER NOT NULL,
    key TEXT NOT NULL, before TEXT, after TEXT, after_fp TEXT, PRIMARY KEY (change_id, part, n)
) WITHOUT ROWID""",
)


def cell(value: object) -> Json:
    """Return a value of SQLite as a cell: reals and blobs have forms of their own, so that 1 and 1.0 stay apart.

    Raises:
        ChangeRefused: SQLite has no such value.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | int):
        if not -(2**63) <= int(value) < 2**63:
            raise ChangeRefused(
                f"SQLite holds whole numbers of 64 bits, and {safe(value)} is longer. Write it as text."
            )
        return int(value)
    if isinstance(value, float | Decimal):
        if math.isnan(value):
            raise ChangeRefused("SQLite has no NaN. Write NULL.")
        return {"real": repr(float(value))}
    if isinstance(value, bytes | bytearray | memoryview):
        return {"blob": bytes(value).hex()}
    if isinstance(value, dt.datetime):
        return value.isoformat(" ")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False)
    raise ChangeRefused(f"SQLite has no {type(value).__name__}. Give the text or the number that the column holds.")


def bound(value: Json) -> str | int | float | bytes | None:
    """Return a cell as the driver binds it.

    Raises:
        ValueError: It is no cell.
    """
    if isinstance(value, dict):
        if "real" in value:
            return float(str(value["real"]))
        return bytes.fromhex(str(value["blob"]))
    if value is None or isinstance(value, str | int):
        return value
    raise ValueError(value)


def image(*found: object) -> str:
    """Return the values of a row as JSON text (called by SQLite)."""
    return json.dumps([cell(value) for value in found], ensure_ascii=False, separators=(",", ":"))


def hashed(text: str | None) -> str | None:
    """Return 128 bits of the SHA-256 of an image (called by SQLite)."""
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()[:32]


def item(text: str | None, index: int) -> str | int | float | bytes | None:
    """Return a value of an image (called by SQLite)."""
    return None if text is None else bound(json.loads(text)[index])


def fingerprint(*found: str | float | bytes | None) -> str:
    """Return 128 bits of the SHA-256 of the values of a row and their types (called by SQLite)."""
    return hashlib.sha256(marshal.dumps(found, MARSHAL)).hexdigest()[:32]


class Sqlite:
    """SQLite. One writer at a time, so a change takes several statements and is one all the same."""

    mark = "?"
    exact = True
    history: tuple[str, ...] = HISTORY

    @contextlib.contextmanager
    def reading(self, engine: Engine) -> Iterator[Connection]:
        """Return a transaction that sees one state and cannot write."""
        with self._open(engine, "BEGIN") as connection:
            connection.exec_driver_sql("PRAGMA query_only = ON")
            try:
                yield connection
            finally:
                connection.exec_driver_sql("PRAGMA query_only = OFF")

    @contextlib.contextmanager
    def writing(self, engine: Engine, lock_s: float, statement_s: float, *changes: int) -> Iterator[Connection]:  # noqa: ARG002 (SQLite has no time limit of a statement, and one writer)
        """Return a transaction that writes; others wait for the whole of it."""
        with self._open(engine, "BEGIN IMMEDIATE", int(lock_s * 1000)) as connection:
            yield connection

    @contextlib.contextmanager
    def _open(self, engine: Engine, begin: str, wait_ms: int | None = None) -> Iterator[Connection]:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            ours = connection.info.get(_OURS)
            if ours is None:
                raw = connection.connection.dbapi_connection
                assert raw is not None
                for name, count, function in _FUNCTIONS:
                    raw.create_function(name, count, function, deterministic=True)
                connection.info[_OURS] = ours = -1
            if wait_ms is not None and wait_ms != ours:
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {wait_ms}")
                connection.info[_OURS] = wait_ms
            connection.exec_driver_sql(begin)
            try:
                yield connection
            finally:
                raw = connection.connection.driver_connection
                assert raw is not None
                if raw.in_transaction:
                    connection.exec_driver_sql("ROLLBACK")

    def commit(self, connection: Connection) -> None:
        """Commit what `writing` began."""
        connection.exec_driver_sql("COMMIT")

    def state(
        self,
        connection: Connection,
        tables: Sequence[tuple[str, str]] = (),
        digest: str = "",
        counted: Collection[str] | None = None,
        undone: str = "",
    ) -> DatabaseState | None:
        """Return what stands in the database."""
        from sqlalchemy.exc import OperationalError  # noqa: PLC0415 (heavy, needed only here)

        given: list[str] = [digest]
        sql = [f"{_CHANGE}, {'NULL' if counted is None else self.touches(counted)}"]
        if undone:
            sql.append(f"{_CHANGE}, {_UNDOING}, {_NULL if tables else _PARTS}")
            given += (undone,) * (2 if tables else 3)
        sql += [_SHAPE] * len(tables)
        given += [name for _, name in tables for _ in range(_SHAPE.count("?"))]
        try:
            found = connection.exec_driver_sql(
                f"SELECT (SELECT value FROM main.handrail_meta WHERE name = 'database'), {', '.join(sql)}", tuple(given)
            ).one()
        except OperationalError as error:
            if "no such table: main.handrail_" in str(error.orig):
                return None
            raise
        if found[0] is None:
            return None
        touched = {} if counted is None else self.touched(found[2], counted)
        before, chain, parts = found[3:6] if undone else (None, None, None)
        told = [_shape(*table, json.loads(one)) for table, one in zip(tables, found[6 if undone else 3 :], strict=True)]
        told += [_shape("", *one) for one in json.loads(parts or "[]")]
        change, before = (None if one is None else json.loads(one) for one in (found[1], before))
        return DatabaseState(f"sqlite:{found[0]}", change, told, touched, before, json.loads(chain or "[]"))

    def shape(self, connection: Connection, schema: str, table: str) -> TableShape | None:
        """Return a table as it is now."""
        found = connection.exec_driver_sql(f"SELECT {_SHAPE}", (table,) * _SHAPE.count("?")).scalar_one()
        return _shape(schema, table, json.loads(found))

    def again(self, tables: Sequence[tuple[str, str]]) -> Source | None:  # noqa: ARG002
        """Return None: there is one writer."""
        return None

    def shapes(self, found: object, count: int) -> Sequence[TableShape | None]:
        """Return nothing: nobody asks."""
        raise NotImplementedError

    def cell(self, value: object, column: ShapeColumn) -> Json:  # noqa: ARG002 (a value brings its type along)
        """Return a Python value as a cell."""
        return cell(value)

    def cells_of(self, values: Sequence[object], column: ShapeColumn) -> list[Json]:  # noqa: ARG002
        """Return Python values as cells."""
        if {str, type(None)}.issuperset(map(type, values)):
            return cast("list[Json]", list(values))
        if {int}.issuperset(map(type, values)):
            whole = cast("list[int]", list(values))
            cell(min(whole, default=0)), cell(max(whole, default=0))
            return cast("list[Json]", whole)
        return [cell(value) for value in values]

    def name(self, name: str) -> str:
        """Return a quoted name."""
        return '"' + name.replace('"', '""') + '"'

    def table(self, schema: str, table: str) -> str:  # noqa: ARG002 (there is one schema)
        """Return a quoted table."""
        return f"main.{self.name(table)}"

    def text(self, sql: str) -> str:
        """Return the text as it is: the classifier lets no placeholder through."""
        return sql

    def out(self, expression: str) -> str:
        """Return the expression: SQLite's values are read exactly."""
        return expression

    def cast(self, expression: str, column: ShapeColumn) -> str:  # noqa: ARG002 (columns convert by themselves)
        """Return the expression."""
        return expression

    def image(self, alias: str, columns: Sequence[str]) -> str:
        """Return an expression that holds the exact values of columns of a row, as JSON."""
        return self.cells([f"{alias}.{self.name(column)}" for column in columns])

    def cells(self, expressions: Sequence[str]) -> str:
        """Return an expression of the image of values.

        SQLite's own JSON writes whole numbers, text and NULL exactly; rows with reals or blobs go through Python.
        """
        found = ", ".join(expressions)
        kinds = ", ".join(f"typeof({one})" for one in expressions)
        return (
            f"CASE WHEN 'real' IN ({kinds}) OR 'blob' IN ({kinds}) "
            f"THEN handrail_image({found}) ELSE json_array({found}) END"
        )

    def item(self, image: str, index: int) -> str:
        """Return the expression of one value of an image: reals, blobs and zero characters are read by Python."""
        return (
            f"CASE WHEN json_type({image}, '$[{index}]') = 'object' OR instr({image}, '\\u0000') "
            f"THEN handrail_item({image}, {index}) ELSE json_extract({image}, '$[{index}]') END"
        )

    def image_cells(self, image: object) -> tuple[Json, ...]:
        """Return the cells of an image that was read."""
        return tuple(json.loads(str(image)))

    def sample(self, alias: str, columns: Sequence[str]) -> str:
        """Return the expression of the values of a row."""
        return f"handrail_image({', '.join(f'{alias}.{self.name(column)}' for column in columns)})"

    def images_cells(self, images: Sequence[object]) -> list[list[Json]]:
        """Return the cells of images that were read."""
        return cast("list[list[Json]]", orjson.loads(f"[{','.join(map(str, images))}]"))

    def hashed(self, image: str) -> str:
        """Return the expression of the fingerprint of an image."""
        return f"handrail_hash({image})"

    def fingerprint(self, alias: str, columns: Sequence[str]) -> str:
        """Return the expression of the fingerprint of columns of a row."""
        return f"handrail_fp({', '.join(f'{alias}.{self.name(column)}' for column in columns)})"

    def xmin(self, alias: str) -> str | None:  # noqa: ARG002
        """Return None: SQLite keeps no version of a row."""
        return None

    def source(self, start: int, rows: Columns, keys: int, values: int) -> Source:
        """Return rows as a table in a statement: one JSON text, and one value where all of a column are the same."""
        alone, lists = columns_of(rows, keys, values)
        plain = all(ALIKE.issuperset(map(type, cells)) for cells in lists.values())
        given = json.dumps(list(zip(*lists.values(), strict=True)) or [0] * rows.count, ensure_ascii=False)
        read = self.item if not plain or "\\u0000" in given else _extracted
        chosen = [f"{read('j.value', at)} AS {name}" for at, name in enumerate(lists)]
        columns = ", ".join([f"{start} + j.key AS n", *(f"? AS {name}" for name in alone), *chosen])
        return f"k AS MATERIALIZED (SELECT {columns} FROM json_each(?) AS j)", (*map(bound, alone.values()), given)

    def named(self, keys: Sequence[Json], shape: TableShape, alias: str) -> tuple[str, str, tuple[Bound, ...]]:
        """Return how the rows that have keys of one column are found."""
        equal, text = f"{alias}.{self.name(shape.key[0])} = k.k0", json.dumps(keys, ensure_ascii=False)
        if "\\u0000" not in text and ALIKE.issuperset(map(type, keys)):
            return "(SELECT value AS k0 FROM json_each(?)) AS k CROSS JOIN ", equal, (text,)
        source, given = self.source(0, Columns(len(keys), [list(keys)], None, ()), 1, 0)
        return f"(WITH {source} SELECT k0 FROM k) AS k CROSS JOIN ", equal, given

    def place(self, start: int, alias: str = "h") -> str:
        """Return the condition of a row of the history that its number is one of a chunk."""
        return f"{alias}.n BETWEEN {start} AND {start + CHUNK - 1}"

    def write(self, connection: Connection, work: Work) -> int:
        """Keep the images before, write, keep the images after."""
        part, shape = work.part, work.shape
        if part.operation is Operation.INSERT:
            return self._insert(connection, work)
        source, given = self._staged(connection, work)
        table, equal = self.table(part.schema, part.table), key_equals(self, shape, "t", planned_key(shape))
        readable = "" if part.versioned_by == "content" else f" AND {self.fingerprint('t', shape.stored)} IS NOT NULL"
        matched = connection.exec_driver_sql(
            "INSERT INTO main.handrail_row (change_id, part, n, key, before) "
            f"WITH {source} SELECT {work.change}, {work.number}, k.n, {self.image('t', shape.key)}, "
            f"{self.image('t', part.columns) if part.columns else 'NULL'} "
            f"FROM k CROSS JOIN {table} AS t {_crossed(kept(self, work))} WHERE {equal} "
            f"AND {work.version} = k.v{readable}",
            given,
        ).rowcount
        if matched != work.rows.count or part.cascade:
            self._dropped(connection, work)
            return matched
        keys, chosen = ", ".join(f"t.{self.name(key)}" for key in shape.key), ", ".join(planned_key(shape))
        if part.operation is Operation.DELETE:
            sql = f"DELETE FROM {table} AS t WHERE ({keys}) IN (WITH {source} SELECT {chosen} FROM k)"
            matched = connection.exec_driver_sql(sql, given).rowcount
        else:
            sql = (
                f"UPDATE OR ABORT {table} AS t SET {', '.join(self._sets(work))} "
                f"FROM (WITH {source} SELECT * FROM k) AS k {self._images(work)} WHERE {equal}"
            )
            matched = connection.exec_driver_sql(sql, given).rowcount
            self._after(connection, work, source, given)
        self._dropped(connection, work)
        return matched

    def _images(self, work: Work) -> str:
        """Return the join to the images that are restored, which were compared before."""
        if work.part.source is None:
            return ""
        return (
            f"CROSS JOIN main.handrail_row AS h ON h.change_id = {work.undone} AND h.part = {work.part.source} "
            "AND h.n = k.n"
        )

    def _staged(self, connection: Connection, work: Work) -> Source:
        """Return the rows of a chunk as a table, which many of them are put into first."""
        keys, values = len(work.shape.key), max(len(work.part.columns), 1)
        if work.rows.count <= STAGED:
            return self.source(work.start, work.rows, keys, values)
        alone, lists = columns_of(work.rows, keys, values)
        names = ["n", *lists]
        made = ", ".join(["n INTEGER PRIMARY KEY", *lists])
        connection.exec_driver_sql(f"CREATE TEMP TABLE handrail_k ({made})")
        cells = [cells if ALIKE.issuperset(map(type, cells)) else map(bound, cells) for cells in lists.values()]
        connection.exec_driver_sql(
            f"INSERT INTO temp.handrail_k ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
            list(zip(range(work.start, work.start + work.rows.count), *cells, strict=True)),
        )
        columns = ", ".join([*names, *(f"? AS {name}" for name in alone)])
        return f"k AS (SELECT {columns} FROM temp.handrail_k)", tuple(map(bound, alone.values()))

    def _dropped(self, connection: Connection, work: Work) -> None:
        if work.rows.count > STAGED:
            connection.exec_driver_sql("DROP TABLE temp.handrail_k")

    def _sets(self, work: Work) -> list[str]:
        sets = [
            f"{self.name(name)} = {value}" for name, value in zip(work.part.columns, values(self, work), strict=True)
        ]
        bump = self.name(work.part.bump)
        return [*sets, f"{bump} = t.{bump} + 1"] if work.part.bump else sets

    def _after(self, connection: Connection, work: Work, source: str, given: tuple[object, ...]) -> None:
        part, shape = work.part, work.shape
        connection.exec_driver_sql(
            f"UPDATE main.handrail_row AS r SET after = {self.image('t', part.columns)}, "
            f"after_fp = {self.fingerprint('t', shape.stored)} "
            f"FROM (WITH {source} SELECT * FROM k) AS k CROSS JOIN {self.table(part.schema, part.table)} AS t "
            f"WHERE {key_equals(self, shape, 't', planned_key(shape))} "
            f"AND r.change_id = {work.change} AND r.part = {work.number} AND r.n = k.n "
            f"AND {self.place(work.start, 'r')}",
            given,
        )

    def _insert(self, connection: Connection, work: Work) -> int:
        part, shape = work.part, work.shape
        source, given = self.source(work.start, work.rows, len(shape.key), max(len(part.columns), 1))
        table, names = self.table(part.schema, part.table), ", ".join(map(self.name, part.columns))
        made = connection.exec_driver_sql(
            f"INSERT OR ABORT INTO {table} ({names}) WITH {source} SELECT {', '.join(values(self, work))} "
            f"FROM k {_crossed(kept(self, work))} WHERE true ORDER BY k.n "
            f"RETURNING {', '.join(map(self.name, shape.key))}",
            given,
        ).all()
        if len(made) != work.rows.count:
            return len(made)
        keys = Columns.of([(tuple(map(cell, key)), None, ()) for key in made])
        source, given = self.source(work.start, keys, len(shape.key), 0)
        return connection.exec_driver_sql(
            "INSERT INTO main.handrail_row (change_id, part, n, key, after, after_fp) "
            f"WITH {source} SELECT {work.change}, {work.number}, k.n, {self.image('t', shape.key)}, "
            f"{self.image('t', part.columns)}, {self.fingerprint('t', shape.stored)} "
            f"FROM k CROSS JOIN {table} AS t WHERE {key_equals(self, shape, 't', planned_key(shape))}",
            given,
        ).rowcount

    def touches(self, counted: Collection[str]) -> str:
        """Return the expression of how many rows the connection has written, and of how many each of several has."""
        tables = sorted(counted) if len(counted) > 1 else ()
        counts = "".join(f", (SELECT count(*) FROM {self.table('', name)})" for name in tables)
        return f"json_array(total_changes(){counts})"

    def touched(self, found: object, counted: Collection[str]) -> Mapping[str, Touched]:
        """Return both as counts by table, the sum under `*`."""
        own, *counts = json.loads(str(found))
        touched: dict[str, Touched] = {"*": (0, own, 0)}
        for name, count in zip(sorted(counted), counts, strict=False):
            touched[name] = (count, 0, 0)
        return touched

    def compared(self, plan: RowPlan, before: Mapping[str, Touched], after: Mapping[str, Touched]) -> Compared:
        """Return the sum over all tables, told as updates, and by how many rows each table grew or shrank.

        Of what was written in all, the history takes one for each row, for an UPDATE two, and so does each row of a
        large chunk that is put into the temporary table.
        """
        own = sum(len(part.rows) * (2 if part.operation is Operation.UPDATE else 1) for part in plan.parts)
        own += sum(_staged(len(part.rows)) for part in plan.parts if part.operation is not Operation.INSERT)
        planned: dict[str, Touched] = {"*": (0, sum(sum(counts) for counts in plan.footprint.values()), 0)}
        found: dict[str, Touched] = {"*": (0, after["*"][1] - before["*"][1] - own, 0)}
        for name in after.keys() - {"*"}:
            counts = plan.footprint[name]
            planned[name] = _grown(counts[0] - counts[2])
            found[name] = _grown(after[name][0] - before[name][0])
        return planned, found

    def settle(self, connection: Connection) -> None:
        """Do nothing: SQLite refuses the commit when a deferred constraint fails."""


def _grown(count: int) -> Touched:
    return (max(count, 0), 0, max(-count, 0))


def _staged(count: int) -> int:
    """Return how many of so many rows are put into the temporary table."""
    last = count % CHUNK
    return count - last + (last if last > STAGED else 0)


def _crossed(join: str) -> str:
    """Return a join that is carried out where it stands."""
    return f"CROSS {join}" if join else ""


def _extracted(image: str, index: int) -> str:
    return f"json_extract({image}, '$[{index}]')"


def _obstacle(kind: str, sql: str, info: Sequence[object]) -> str:
    if kind == "view":
        return "it is a view; change the tables under it"
    if sql.lstrip().upper().startswith("CREATE VIRTUAL"):
        return "it is a virtual table, whose changes cannot be counted"
    return f"it has more than {COLUMNS_MAX} columns" if len(info) > COLUMNS_MAX else ""


_OURS = "handrail: how long this connection waits for a lock, in milliseconds"
_FUNCTIONS: tuple[tuple[str, int, Callable[..., object]], ...] = (
    ("handrail_image", -1, image),
    ("handrail_hash", 1, hashed),
    ("handrail_item", 2, item),
    ("handrail_fp", -1, fingerprint),
)
_SHAPE = """
json_array(
    (SELECT json_array(type, sql) FROM main.sqlite_master WHERE type IN ('table', 'view') AND name = ?),
    (SELECT json_group_array(json_array(name, type, pk, hidden)) FROM
        (SELECT name, type, pk, hidden FROM pragma_table_xinfo(?, 'main') ORDER BY cid)),
    (SELECT json_group_array(sql) FROM (SELECT tbl_name, type, sql FROM main.sqlite_master UNION ALL
        SELECT tbl_name, type, sql FROM temp.sqlite_master) WHERE type = 'trigger' AND lower(tbl_name) = lower(?)),
    (SELECT json_group_array(json_array(name, id, mine, theirs, on_delete, on_update)) FROM
        (SELECT m.name, f.id, f."from" AS mine, f."to" AS theirs, f.on_delete, f.on_update
         FROM main.sqlite_master AS m, pragma_foreign_key_list(m.name, 'main') AS f
         WHERE m.type = 'table' AND lower(f."table") = lower(?) AND (SELECT foreign_keys FROM pragma_foreign_keys)
         ORDER BY m.name, f.id, f.seq)))
"""

_NULL = "NULL"
_NAME = "json_extract(e.value, '$.table')"
_PARTS = f"""(SELECT json_group_array(json(one)) FROM (SELECT json_array({_NAME}, {_SHAPE.replace("?", _NAME)}) AS one
FROM main.handrail_change AS d, json_each(d.parts) AS e WHERE d.digest = ? ORDER BY e.key))"""
_CHANGE = """(SELECT json_array(rows, footprint, applied_at, undo_of, parts, pruned)
FROM main.handrail_change WHERE digest = ?)"""
_UNDOING = f"""({undoing("main.handrail_change", "?")}
SELECT json_group_array(digest) FROM (SELECT digest FROM u WHERE at > 0 AND digest IS NOT NULL ORDER BY at))"""


def _shape(schema: str, table: str, found: Sequence[Any]) -> TableShape | None:
    """Return the shape that `_SHAPE` read."""
    made, info, triggers, references = found
    if schema not in ("", "main") or made is None:
        return None
    columns = tuple(ShapeColumn(row[0], "", row[1], row[3] in (2, 3)) for row in info)
    key = tuple(row[0] for row in sorted((row for row in info if row[2]), key=lambda row: int(row[2])))
    obstacle = _obstacle(made[0], made[1], info)
    return TableShape("", table, columns, key, _references(references, key), tuple(triggers), obstacle)


def _references(found: Sequence[Sequence[object]], key: tuple[str, ...]) -> tuple[Reference, ...]:
    groups: dict[tuple[str, str], list[Sequence[object]]] = {}
    for row in found:
        groups.setdefault((str(row[0]), str(row[1])), []).append(row)
    return tuple(
        Reference(
            "", child, tuple(str(row[2]) for row in rows),
            tuple(key[at] if row[3] is None else str(row[3]) for at, row in enumerate(rows) if row[3] or at < len(key)),
            str(rows[0][4]), str(rows[0][5]),
        )
        for (child, _), rows in groups.items()
    )  # fmt: skip

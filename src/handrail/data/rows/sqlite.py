"""Guarded rows on SQLite, with the standard library's driver."""

# ruff: noqa: S608 (texts are made of quoted names and our own expressions; every value is bound)

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from handrail.core.digest import Json
from handrail.core.text import safe
from handrail.data.rows.backend import Compared, Source, Work, kept, key_equals, planned_key, values
from handrail.data.rows.errors import ChangeRefused
from handrail.data.rows.plan import Row, RowPlan, Touched
from handrail.data.rows.shape import Reference, ShapeColumn, TableShape
from handrail.data.sql.change import Operation

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

COLUMNS_MAX = 100
"""Columns that a table may have: SQLite's functions take 127 values."""

VARIABLES_MAX = 30_000
"""Values that one statement may have."""

HISTORY = (
    "CREATE TABLE handrail_meta (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL)",
    """CREATE TABLE handrail_change (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, parts TEXT NOT NULL, footprint TEXT NOT NULL,
    rows INTEGER NOT NULL, undo_of TEXT NOT NULL, applied_at TEXT NOT NULL, pruned INTEGER NOT NULL DEFAULT 0
)""",
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


class Sqlite:
    """SQLite. One writer at a time, so a change takes several statements and is one all the same."""

    mark = "?"
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
    def writing(self, engine: Engine, lock_s: float, statement_s: float) -> Iterator[Connection]:  # noqa: ARG002 (SQLite has no time limit of a statement)
        """Return a transaction that writes; others wait for the whole of it."""
        with self._open(engine, "BEGIN IMMEDIATE", int(lock_s * 1000)) as connection:
            yield connection

    @contextlib.contextmanager
    def _open(self, engine: Engine, begin: str, wait_ms: int | None = None) -> Iterator[Connection]:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            raw = connection.connection.driver_connection
            assert raw is not None
            raw.create_function("handrail_image", -1, image, deterministic=True)
            raw.create_function("handrail_hash", 1, hashed, deterministic=True)
            raw.create_function("handrail_item", 2, item, deterministic=True)
            if wait_ms is not None:
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {wait_ms}")
            connection.exec_driver_sql(begin)
            try:
                yield connection
            finally:
                if raw.in_transaction:
                    connection.exec_driver_sql("ROLLBACK")

    def commit(self, connection: Connection) -> None:
        """Commit what `writing` began."""
        connection.exec_driver_sql("COMMIT")

    def claim(self, connection: Connection, change_id: int) -> None:
        """Do nothing: there is one writer."""

    def identity(self, connection: Connection, meta: str) -> str:  # noqa: ARG002 (a file has no name of its own)
        """Return the identity of the database."""
        return f"sqlite:{meta}"

    def shape(self, connection: Connection, schema: str, table: str) -> TableShape | None:
        """Return a table as it is now."""
        found = connection.exec_driver_sql(
            "SELECT name, type, sql FROM main.sqlite_master WHERE type IN ('table', 'view') AND name = ?", (table,)
        ).first()
        if schema not in ("", "main") or found is None:
            return None
        info = connection.exec_driver_sql(
            "SELECT name, type, pk, hidden FROM pragma_table_xinfo(?, 'main') ORDER BY cid", (table,)
        ).all()
        columns = tuple(ShapeColumn(str(row[0]), "", str(row[1]), row[3] in (2, 3)) for row in info)
        key = tuple(str(row[0]) for row in sorted((row for row in info if row[2]), key=lambda row: int(row[2])))
        triggers = connection.exec_driver_sql(
            "SELECT sql FROM (SELECT tbl_name, type, sql FROM main.sqlite_master UNION ALL "
            "SELECT tbl_name, type, sql FROM temp.sqlite_master) WHERE type = 'trigger' AND lower(tbl_name) = lower(?)",
            (table,),
        ).scalars()
        shape = TableShape(
            "", table, columns, key, (), tuple(map(str, triggers)), _obstacle(str(found[1]), str(found[2]), info)
        )
        enforced = connection.exec_driver_sql("PRAGMA foreign_keys").scalar()
        references = _references(connection, table, key) if enforced else ()
        return TableShape("", table, columns, key, references, shape.triggers, shape.obstacle)

    def cell(self, value: object, column: ShapeColumn) -> Json:  # noqa: ARG002 (a value brings its type along)
        """Return a Python value as a cell."""
        return cell(value)

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
        """Return an expression that holds the exact values of columns of a row."""
        return f"handrail_image({', '.join(f'{alias}.{self.name(column)}' for column in columns)})"

    def item(self, image: str, index: int) -> str:
        """Return the expression of one value of an image."""
        return f"handrail_item({image}, {index})"

    def image_cells(self, image: object) -> tuple[Json, ...]:
        """Return the cells of an image that was read."""
        return tuple(json.loads(str(image)))

    def hashed(self, image: str) -> str:
        """Return the expression of the fingerprint of an image."""
        return f"handrail_hash({image})"

    def xmin(self, alias: str) -> str | None:  # noqa: ARG002
        """Return None: SQLite keeps no version of a row."""
        return None

    def chunk(self, width: int) -> int:
        """Return how many rows of that many values one statement takes."""
        return max(1, min(2000, VARIABLES_MAX // width))

    def source(self, rows: Sequence[tuple[int, Row]], keys: int, values: int) -> Source:
        """Return rows as a table in a statement."""
        names = ["n", *(f"k{at}" for at in range(keys)), "v", *(f"x{at}" for at in range(values))]
        line = f"({', '.join('?' * len(names))})"
        found: list[object] = []
        for number, row in rows:
            cells = [*_filled(row.key, keys), row.version, *_filled(row.values, values)]
            found += [number, *map(bound, cells)]
        return f"k({', '.join(names)}) AS (VALUES {', '.join([line] * len(rows))})", tuple(found)

    def write(self, connection: Connection, work: Work) -> int:
        """Keep the images before, write, keep the images after."""
        part, shape = work.part, work.shape
        source, given = self.source(work.rows, len(shape.key), max(len(part.columns), 1))
        table, equal = self.table(part.schema, part.table), key_equals(self, shape, "t", planned_key(shape))
        if part.operation is Operation.INSERT:
            return self._insert(connection, work, source, given)
        matched = _changed(
            connection,
            f"WITH {source} INSERT INTO main.handrail_row (change_id, part, n, key, before) "
            f"SELECT {work.change}, {work.number}, k.n, {self.image('t', shape.key)}, "
            f"{self.image('t', part.columns) if part.columns else 'NULL'} "
            f"FROM k CROSS JOIN {table} AS t WHERE {equal} AND {work.version} = k.v",
            given,
        )
        if matched != len(work.rows) or part.cascade:
            return matched
        if part.operation is Operation.DELETE:
            keys = ", ".join(f"t.{self.name(key)}" for key in shape.key)
            chosen = ", ".join(planned_key(shape))
            sql = f"WITH {source} DELETE FROM {table} AS t WHERE ({keys}) IN (SELECT {chosen} FROM k)"
            return _changed(connection, sql, given)
        written = _changed(
            connection,
            f"WITH {source} UPDATE OR ABORT {table} AS t SET {', '.join(self._sets(work))} "
            f"FROM k {kept(self, work)} WHERE {equal}",
            given,
        )
        self._after(connection, work, source, given)
        return written

    def _sets(self, work: Work) -> list[str]:
        sets = [
            f"{self.name(name)} = {value}" for name, value in zip(work.part.columns, values(self, work), strict=True)
        ]
        bump = self.name(work.part.bump)
        return [*sets, f"{bump} = t.{bump} + 1"] if work.part.bump else sets

    def _after(self, connection: Connection, work: Work, source: str, given: tuple[object, ...]) -> None:
        part, shape = work.part, work.shape
        connection.exec_driver_sql(
            f"WITH {source} UPDATE main.handrail_row AS r SET after = {self.image('t', part.columns)}, "
            f"after_fp = {self.hashed(self.image('t', shape.stored))} "
            f"FROM k CROSS JOIN {self.table(part.schema, part.table)} AS t "
            f"WHERE {key_equals(self, shape, 't', planned_key(shape))} "
            f"AND r.change_id = {work.change} AND r.part = {work.number} AND r.n = k.n",
            given,
        )

    def _insert(self, connection: Connection, work: Work, source: str, given: tuple[object, ...]) -> int:
        part, shape = work.part, work.shape
        table, names = self.table(part.schema, part.table), ", ".join(map(self.name, part.columns))
        made = connection.exec_driver_sql(
            f"WITH {source} INSERT OR ABORT INTO {table} ({names}) SELECT {', '.join(values(self, work))} "
            f"FROM k {kept(self, work)} WHERE true ORDER BY k.n RETURNING {', '.join(map(self.name, shape.key))}",
            given,
        ).all()
        if len(made) != len(work.rows):
            return len(made)
        rows = [(number, Row(tuple(map(cell, key)), None)) for (number, _), key in zip(work.rows, made, strict=True)]
        source, given = self.source(rows, len(shape.key), 0)
        return _changed(
            connection,
            f"WITH {source} INSERT INTO main.handrail_row (change_id, part, n, key, after, after_fp) "
            f"SELECT {work.change}, {work.number}, k.n, {self.image('t', shape.key)}, {self.image('t', part.columns)}, "
            f"{self.hashed(self.image('t', shape.stored))} FROM k CROSS JOIN {table} AS t "
            f"WHERE {key_equals(self, shape, 't', planned_key(shape))}",
            given,
        )

    def touched(self, connection: Connection, plan: RowPlan) -> Mapping[str, Touched]:
        """Return how many rows the connection has written; where several tables are written, the rows of each too."""
        own = connection.exec_driver_sql("SELECT total_changes()").scalar_one()
        found: dict[str, Touched] = {"*": (0, int(own), 0)}
        if len(plan.footprint) > 1:
            for name in plan.footprint:
                count = connection.exec_driver_sql(f"SELECT count(*) FROM {self.table('', name)}").scalar_one()
                found[name] = (int(count), 0, 0)
        return found

    def compared(self, plan: RowPlan, before: Mapping[str, Touched], after: Mapping[str, Touched]) -> Compared:
        """Return the sum over all tables, told as updates, and by how many rows each table grew or shrank.

        Of what was written in all, the history takes one for each row, for an UPDATE two.
        """
        own = sum(len(part.rows) * (2 if part.operation is Operation.UPDATE else 1) for part in plan.parts)
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


def _changed(connection: Connection, sql: str, given: tuple[object, ...]) -> int:
    """Run a statement; return how many rows it changed (the driver does not tell for one that begins with WITH)."""
    connection.exec_driver_sql(sql, given)
    return int(connection.exec_driver_sql("SELECT changes()").scalar_one())


def _filled(cells: Sequence[Json], count: int) -> list[Json]:
    return [*cells[:count], *[None] * (count - len(cells))]


def _obstacle(kind: str, sql: str, info: Sequence[object]) -> str:
    if kind == "view":
        return "it is a view; change the tables under it"
    if sql.lstrip().upper().startswith("CREATE VIRTUAL"):
        return "it is a virtual table, whose changes cannot be counted"
    return f"it has more than {COLUMNS_MAX} columns" if len(info) > COLUMNS_MAX else ""


def _references(connection: Connection, table: str, key: tuple[str, ...]) -> tuple[Reference, ...]:
    found = connection.exec_driver_sql(
        'SELECT m.name, f.id, f."from", f."to", f.on_delete, f.on_update '
        "FROM main.sqlite_master AS m, pragma_foreign_key_list(m.name, 'main') AS f "
        "WHERE m.type = 'table' AND lower(f.\"table\") = lower(?) ORDER BY m.name, f.id, f.seq",
        (table,),
    ).all()
    groups: dict[tuple[str, int], list[Sequence[object]]] = {}
    for row in found:
        groups.setdefault((str(row[0]), int(row[1])), []).append(row)
    return tuple(
        Reference(
            "", child, tuple(str(row[2]) for row in rows),
            tuple(key[at] if row[3] is None else str(row[3]) for at, row in enumerate(rows) if row[3] or at < len(key)),
            str(rows[0][4]), str(rows[0][5]),
        )
        for (child, _), rows in groups.items()
    )  # fmt: skip

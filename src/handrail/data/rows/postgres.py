"""Guarded rows on PostgreSQL, with psycopg 3; every value travels as the text that the server itself writes for it."""

# ruff: noqa: S608 (texts are made of quoted names and our own expressions; every value is bound)

from __future__ import annotations

import contextlib
import datetime as dt
import json
import uuid
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

SETTINGS = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "jit": "off",
}
"""What the text of a value depends on, fixed for our transactions."""

CHUNK = 5000
"""Rows in one statement."""

HISTORY = (
    "CREATE TABLE public.handrail_meta (name text PRIMARY KEY, value text NOT NULL)",
    """CREATE TABLE public.handrail_change (
    id bigint PRIMARY KEY, digest text NOT NULL UNIQUE, parts text NOT NULL, footprint text NOT NULL,
    rows bigint NOT NULL, undo_of text NOT NULL, applied_at text NOT NULL, pruned integer NOT NULL DEFAULT 0
)""",
    """CREATE TABLE public.handrail_row (
    change_id bigint NOT NULL, part integer NOT NULL, n integer NOT NULL,
    key text[] NOT NULL, before text[], after text[], after_fp text, PRIMARY KEY (change_id, part, n)
)""",
)

_SHAPE = """
SELECT c.oid, c.relkind::text, c.relispartition OR c.relhassubclass,
    EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhrelid = c.oid),
    (SELECT json_agg(json_build_array(a.attname, format_type(a.atttypid, -1), format_type(a.atttypid, a.atttypmod),
        a.attgenerated <> '', a.attidentity = 'a') ORDER BY a.attnum)
     FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    (SELECT json_agg(a.attname ORDER BY k.at) FROM pg_index AS i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k(num, at)
        JOIN pg_attribute AS a ON a.attnum = k.num
     WHERE i.indrelid = c.oid AND a.attrelid = c.oid AND i.indisprimary AND i.indisvalid AND i.indisready
        AND i.indislive AND k.at <= i.indnkeyatts),
    (SELECT json_agg(json_build_array(n2.nspname, c2.relname,
        (SELECT json_agg(a.attname ORDER BY k.at) FROM unnest(f.conkey) WITH ORDINALITY AS k(num, at)
         JOIN pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = k.num),
        (SELECT json_agg(a.attname ORDER BY k.at) FROM unnest(f.confkey) WITH ORDINALITY AS k(num, at)
         JOIN pg_attribute AS a ON a.attrelid = f.confrelid AND a.attnum = k.num),
        f.confdeltype, f.confupdtype) ORDER BY n2.nspname, c2.relname, f.conname)
     FROM pg_constraint AS f JOIN pg_class AS c2 ON c2.oid = f.conrelid
        JOIN pg_namespace AS n2 ON n2.oid = c2.relnamespace
     WHERE f.contype = 'f' AND f.confrelid = c.oid),
    (SELECT json_agg(pg_get_triggerdef(g.oid) || ' ' || g.tgenabled::text ORDER BY g.tgname) FROM pg_trigger AS g
     WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled <> 'D'),
    (SELECT json_agg(pg_get_ruledef(r.oid) ORDER BY r.rulename) FROM pg_rewrite AS r WHERE r.ev_class = c.oid)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s
"""
_ACTIONS = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table", "p": "a partitioned table"}


def text(value: object, column: ShapeColumn) -> str | None:
    """Return a Python value as text that PostgreSQL reads as a value of the column.

    Raises:
        ChangeRefused: It has no such text.
    """
    if value is None or isinstance(value, str):
        if value is not None and "\0" in value:
            raise ChangeRefused(f"PostgreSQL holds no zero character, and the value for {safe(column.name)} has one.")
        return value
    if column.type in ("json", "jsonb"):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes | bytearray | memoryview):
        return "\\x" + bytes(value).hex()
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, int | float | Decimal | uuid.UUID):
        return str(value)
    if isinstance(value, list | tuple):
        return "{" + ",".join(_element(one, column) for one in value) + "}"
    kind = type(value).__name__
    raise ChangeRefused(f"A {safe(kind)} has no form for the column {safe(column.name)}. Give it as text.")


def _element(value: object, column: ShapeColumn) -> str:
    if value is None:
        return "NULL"
    found = text(value, column) or ""
    return found if isinstance(value, list | tuple) else '"' + found.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Postgres:
    """PostgreSQL. A chunk is one statement that compares the versions, writes, and keeps the images."""

    mark = "%s"
    history: tuple[str, ...] = HISTORY

    @contextlib.contextmanager
    def reading(self, engine: Engine) -> Iterator[Connection]:
        """Return a transaction that sees one state and cannot write."""
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection, connection.begin():
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            _settings(connection, SETTINGS)
            yield connection
            connection.rollback()

    @contextlib.contextmanager
    def writing(self, engine: Engine, lock_s: float, statement_s: float) -> Iterator[Connection]:
        """Return a transaction that writes, and waits for locks and statements only so long."""
        waits = {"lock_timeout": f"{int(lock_s * 1000)}ms", "statement_timeout": f"{int(statement_s * 1000)}ms"}
        with engine.connect().execution_options(isolation_level="READ COMMITTED") as connection:
            _settings(connection, SETTINGS | waits)
            yield connection

    def commit(self, connection: Connection) -> None:
        """Commit what `writing` began."""
        connection.commit()

    def claim(self, connection: Connection, change_id: int) -> None:
        """Wait for others that apply the same plan, even for one whose connection broke while it committed."""
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (change_id,))

    def identity(self, connection: Connection, meta: str) -> str:
        """Return the identity of the database."""
        name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
        return f"postgres:{meta}:{name}"

    def shape(self, connection: Connection, schema: str, table: str) -> TableShape | None:
        """Return a table as it is now."""
        schema = schema or "public"
        row = connection.exec_driver_sql(_SHAPE, (schema, table)).first()
        if row is None:
            return None
        obstacle = f"it is {_KINDS[row[1]]}" if row[1] in _KINDS else ""
        if row[2] or row[3]:
            obstacle = obstacle or "it has partitions or inherits, so its changes cannot be counted by table"
        return TableShape(
            schema,
            table,
            tuple(ShapeColumn(*found) for found in row[4] or ()),
            tuple(row[5] or ()),
            tuple(
                Reference(one[0], one[1], tuple(one[2]), tuple(one[3]), _ACTIONS[one[4]], _ACTIONS[one[5]])
                for one in row[6] or ()
            ),
            tuple(row[7] or ()) + tuple(row[8] or ()),
            obstacle,
        )

    def cell(self, value: object, column: ShapeColumn) -> Json:
        """Return a Python value as a cell: its text."""
        return text(value, column)

    def name(self, name: str) -> str:
        """Return a quoted name."""
        return '"' + name.replace('"', '""').replace("%", "%%") + '"'

    def table(self, schema: str, table: str) -> str:
        """Return a quoted table."""
        return f"{self.name(schema or 'public')}.{self.name(table)}"

    def text(self, sql: str) -> str:
        """Return a text in which the driver finds no parameter."""
        return sql.replace("%", "%%")

    def out(self, expression: str) -> str:
        """Return an expression of the text of a value."""
        return f"CAST({expression} AS text)"

    def cast(self, expression: str, column: ShapeColumn) -> str:
        """Return an expression of the column's type, without its length: the column itself refuses what is too long."""
        return f"CAST({expression} AS {self.text(column.type)})"

    def image(self, alias: str, columns: Sequence[str]) -> str:
        """Return an expression that holds the exact values of columns of a row."""
        return f"ARRAY[{', '.join(self.out(f'{alias}.{self.name(column)}') for column in columns)}]"

    def item(self, image: str, index: int) -> str:
        """Return the expression of one value of an image."""
        return f"({image})[{index + 1}]"

    def image_cells(self, image: object) -> tuple[Json, ...]:
        """Return the cells of an image that was read."""
        assert isinstance(image, list)
        return tuple(image)

    def hashed(self, image: str) -> str:
        """Return the expression of the fingerprint of an image: 128 bits of its SHA-256."""
        return f"left(encode(sha256(convert_to(CAST({image} AS text), 'UTF8')), 'hex'), 32)"

    def xmin(self, alias: str) -> str | None:
        """Return the version that PostgreSQL itself keeps of each row."""
        return f"CAST({alias}.xmin AS text)"

    def chunk(self, width: int) -> int:  # noqa: ARG002 (a column of values is one parameter)
        """Return how many rows one statement takes."""
        return CHUNK

    def source(self, rows: Sequence[tuple[int, Row]], keys: int, values: int) -> Source:
        """Return rows as a table in a statement."""
        names = [*(f"k{at}" for at in range(keys)), "v", *(f"x{at}" for at in range(values))]
        lists: list[list[object]] = [[number for number, _ in rows]]
        lists += [[row.key[at] if at < len(row.key) else None for _, row in rows] for at in range(keys)]
        lists.append([row.version for _, row in rows])
        lists += [[row.values[at] if at < len(row.values) else None for _, row in rows] for at in range(values)]
        taken = ", ".join(["CAST(%s AS integer[])", *["CAST(%s AS text[])"] * len(names)])
        return f"k AS MATERIALIZED (SELECT * FROM unnest({taken}) AS k(n, {', '.join(names)}))", tuple(lists)

    def write(self, connection: Connection, work: Work) -> int:
        """Compare, write and keep the images in one statement."""
        part, shape = work.part, work.shape
        source, given = self.source(work.rows, len(shape.key), max(len(part.columns), 1))
        changed, after = self._changed(work)
        sql = (
            f"WITH {source}, c AS ({changed}) "
            "INSERT INTO public.handrail_row (change_id, part, n, key, before, after, after_fp) "
            f"SELECT {work.change}, {work.number}, {after} FROM c"
        )
        return connection.exec_driver_sql(sql, given).rowcount

    def _changed(self, work: Work) -> tuple[str, str]:
        """Return the statement that writes, and what of it goes into the history."""
        part, shape = work.part, work.shape
        table, columns = self.table(part.schema, part.table), part.columns
        key, now = self.image("t", shape.key), self.image("t", columns) if columns else "NULL::text[]"
        mark = self.hashed(self.image("t", shape.stored))
        equal = key_equals(self, shape, "t", planned_key(shape))
        if part.cascade:
            rows = f"SELECT k.n, {key} AS key, {now} AS before FROM k JOIN {table} AS t ON {equal}"
            return f"{rows} WHERE {work.version} = k.v FOR UPDATE OF t", "n, key, before, NULL, NULL"
        if part.operation is Operation.DELETE:
            rows = f"DELETE FROM {table} AS t USING k WHERE {equal} AND {work.version} = k.v"
            return f"{rows} RETURNING k.n, {key} AS key, {now} AS before", "n, key, before, NULL, NULL"
        made = f"{key} AS key, {now} AS after, {mark} AS mark"
        if part.operation is Operation.INSERT:
            overriding = "OVERRIDING SYSTEM VALUE " if part.source is not None else ""
            names = ", ".join(map(self.name, columns))
            rows = f"SELECT {', '.join(values(self, work))} FROM k {kept(self, work)} ORDER BY k.n"
            number = f"{work.rows[0][0]} - 1 + row_number() OVER ()"
            return (
                f"INSERT INTO {table} AS t ({names}) {overriding}{rows} RETURNING {made}",
                f"{number}, key, NULL, after, mark",
            )
        sets = [f"{self.name(name)} = {value}" for name, value in zip(columns, values(self, work), strict=True)]
        if part.bump:
            sets.append(f"{self.name(part.bump)} = t.{self.name(part.bump)} + 1")
        old = key_equals(self, shape, "o", planned_key(shape))
        same = " AND ".join(f"t.{self.name(name)} = o.{self.name(name)}" for name in shape.key)
        rows = (
            f"UPDATE {table} AS t SET {', '.join(sets)} FROM k JOIN {table} AS o ON {old} {kept(self, work)} "
            f"WHERE {same} AND {work.version} = k.v RETURNING k.n, {self.image('o', columns)} AS before, {made}"
        )
        return rows, "n, key, before, after, mark"

    def touched(self, connection: Connection, plan: RowPlan) -> Mapping[str, Touched]:  # noqa: ARG002 (all tables are looked at)
        """Return what this transaction has touched, and what is not yet flushed of earlier ones, by table."""
        found = connection.exec_driver_sql(
            "SELECT schemaname, relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_xact_user_tables "
            "WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 AND (schemaname, relname) NOT IN "
            "(('public', 'handrail_row'), ('public', 'handrail_change'))"
        ).all()
        return {f"{row[0]}.{row[1]}": (int(row[2]), int(row[3]), int(row[4])) for row in found}

    def compared(self, plan: RowPlan, before: Mapping[str, Touched], after: Mapping[str, Touched]) -> Compared:
        """Return both by table."""
        found: dict[str, Touched] = {}
        for name, counts in after.items():
            old = before.get(name, (0, 0, 0))
            delta = (counts[0] - old[0], counts[1] - old[1], counts[2] - old[2])
            if any(delta):
                found[name] = delta
        return plan.footprint, found

    def settle(self, connection: Connection) -> None:
        """Check deferred constraints now."""
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")


def _settings(connection: Connection, settings: Mapping[str, str]) -> None:
    calls = ", ".join(["set_config(%s, %s, true)"] * len(settings))
    connection.exec_driver_sql(f"SELECT {calls}", tuple(part for pair in settings.items() for part in pair))

"""Guarded rows on PostgreSQL, with psycopg 3; every value travels as the text that the server itself writes for it."""

# ruff: noqa: S608 (texts are made of quoted names and our own expressions; every value is bound)

from __future__ import annotations

import contextlib
import datetime as dt
import json
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, cast

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
from handrail.data.rows.row import Columns
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

HISTORY = (
    "CREATE TABLE public.handrail_meta (name text PRIMARY KEY, value text NOT NULL)",
    """CREATE TABLE public.handrail_change (
    id bigint PRIMARY KEY, digest text NOT NULL UNIQUE, parts text NOT NULL, footprint text NOT NULL,
    rows bigint NOT NULL, undo_of text NOT NULL, applied_at text NOT NULL, pruned integer NOT NULL DEFAULT 0
)""",
    "CREATE INDEX handrail_change_at ON public.handrail_change (applied_at)",
    "CREATE INDEX handrail_change_undo ON public.handrail_change (undo_of) WHERE undo_of <> ''",
    """CREATE TABLE public.handrail_row (
    change_id bigint NOT NULL, n integer NOT NULL, part smallint NOT NULL,
    key jsonb NOT NULL, before jsonb, after jsonb, after_fp text
)""",
    f"CREATE INDEX handrail_row_place ON public.handrail_row (change_id, part, (n / {CHUNK}))",
    "ALTER TABLE public.handrail_row REPLICA IDENTITY FULL",
)
"""Rows of one chunk share an entry of the index, so that it takes 7 bytes a row instead of 38. A change is recorded
once, by the key of `handrail_change`; its rows need no key of their own."""

_SHAPES = """
(SELECT CAST(json_agg(json_build_array(w.at, c.relkind::text, c.relispartition OR c.relhassubclass,
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
    (SELECT json_agg(pg_get_ruledef(r.oid) ORDER BY r.rulename) FROM pg_rewrite AS r WHERE r.ev_class = c.oid),
    n.nspname, c.relname)) AS text)
FROM {tables} AS w(schema, name, at)
JOIN pg_namespace AS n ON n.nspname = w.schema JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.name)
"""
_NAMED = "unnest(CAST(%s AS text[]), CAST(%s AS text[])) WITH ORDINALITY"
_PARTS = """(SELECT coalesce(nullif(e.part ->> 'schema', ''), 'public'), e.part ->> 'table', e.at
    FROM public.handrail_change AS d, json_array_elements(CAST(d.parts AS json)) WITH ORDINALITY AS e(part, at)
    WHERE d.digest = %s)"""
_CHANGE = """(SELECT CAST(json_build_array(rows, footprint, applied_at, undo_of, parts, pruned) AS text)
FROM public.handrail_change WHERE digest = %s)"""
_UNDOING = f"""({undoing("public.handrail_change", "%s")}
SELECT CAST(json_agg(digest ORDER BY at) AS text) FROM u WHERE at > 0 AND digest IS NOT NULL)"""
_TOUCHES = """
(SELECT CAST(json_agg(json_build_array(schemaname, relname, n_tup_ins, n_tup_upd, n_tup_del)) AS text)
FROM pg_stat_xact_user_tables WHERE n_tup_ins + n_tup_upd + n_tup_del > 0
AND (schemaname, relname) NOT IN (('public', 'handrail_row'), ('public', 'handrail_change')))
"""
_NO_TABLE = "42P01"
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
    return found if isinstance(value, list | tuple) else f'"{_escaped(found)}"'


class Postgres:
    """PostgreSQL. A chunk is one statement that compares the versions, writes, and keeps the images."""

    mark = "%s"
    exact = False
    history: tuple[str, ...] = HISTORY

    @contextlib.contextmanager
    def reading(self, engine: Engine) -> Iterator[Connection]:
        """Return a transaction that sees one state and cannot write.

        It is ended, not rolled back: the driver forgets its prepared statements at a rollback.
        """
        with _begun(engine, "REPEATABLE READ READ ONLY", SETTINGS) as connection:
            yield connection
            connection.exec_driver_sql("END")

    @contextlib.contextmanager
    def writing(self, engine: Engine, lock_s: float, statement_s: float, *changes: int) -> Iterator[Connection]:
        """Return a transaction that writes, and waits for locks and statements only so long.

        Others that apply or undo the same changes are waited for, even one whose connection broke while it committed.
        """
        waits = {"lock_timeout": f"{int(lock_s * 1000)}ms", "statement_timeout": f"{int(statement_s * 1000)}ms"}
        locks = [f"pg_advisory_xact_lock({change})" for change in changes]
        with _begun(engine, "READ COMMITTED", SETTINGS | waits, locks) as connection:
            yield connection

    def commit(self, connection: Connection) -> None:
        """Commit what `writing` began."""
        connection.commit()

    def state(
        self,
        connection: Connection,
        tables: Sequence[tuple[str, str]] = (),
        digest: str = "",
        counted: Collection[str] | None = None,
        undone: str = "",
    ) -> DatabaseState | None:
        """Return what stands in the database."""
        from sqlalchemy.exc import ProgrammingError  # noqa: PLC0415 (heavy, needed only here)

        shapes, given = self.again(tables)
        if undone and not tables:
            shapes, given = _SHAPES.format(tables=_PARTS), (undone,)
        touches = "NULL" if counted is None else self.touches(counted)
        undo, asked = (f"{_CHANGE}, {_UNDOING}", (undone, undone)) if undone else ("NULL, NULL", ())
        try:
            found = connection.exec_driver_sql(
                "SELECT (SELECT value FROM public.handrail_meta WHERE name = 'database'), current_database(), "
                f"{_CHANGE}, {touches}, {undo}, {shapes}",
                (digest, *asked, *given),
            ).one()
        except ProgrammingError as error:
            if getattr(error.orig, "sqlstate", "") == _NO_TABLE:
                return None
            raise
        if found[0] is None:
            return None
        change, before = (None if one is None else json.loads(one) for one in (found[2], found[4]))
        touched = {} if counted is None else self.touched(found[3], counted)
        parts = len(tables) if tables or before is None else len(json.loads(before[4]))
        told = self.shapes(found[6], parts)
        chain = json.loads(found[5]) if found[5] else ()
        return DatabaseState(f"postgres:{found[0]}:{found[1]}", change, told, touched, before, chain)

    def shape(self, connection: Connection, schema: str, table: str) -> TableShape | None:
        """Return a table as it is now."""
        sql, given = self.again([(schema, table)])
        return self.shapes(connection.exec_driver_sql(f"SELECT {sql}", given).scalar_one(), 1)[0]

    def again(self, tables: Sequence[tuple[str, str]]) -> Source:
        """Return the expression of the shapes: the write has locked its tables, so what is read after it stays."""
        return _SHAPES.format(tables=_NAMED), (
            array([one[0] or "public" for one in tables]),
            array([one[1] for one in tables]),
        )

    def shapes(self, found: object, count: int) -> Sequence[TableShape | None]:
        """Return the shapes that the expression of `again` gave."""
        shapes: list[TableShape | None] = [None] * count
        for row in json.loads(str(found)) if found is not None else ():
            obstacle = f"it is {_KINDS[row[1]]}" if row[1] in _KINDS else ""
            if row[2] or row[3]:
                obstacle = obstacle or "it has partitions or inherits, so its changes cannot be counted by table"
            references = (
                Reference(one[0], one[1], tuple(one[2]), tuple(one[3]), _ACTIONS[one[4]], _ACTIONS[one[5]])
                for one in row[6] or ()
            )
            shapes[row[0] - 1] = TableShape(
                row[9],
                row[10],
                tuple(ShapeColumn(*one) for one in row[4] or ()),
                tuple(row[5] or ()),
                tuple(references),
                tuple(row[7] or ()) + tuple(row[8] or ()),
                obstacle,
            )
        return shapes

    def cell(self, value: object, column: ShapeColumn) -> Json:
        """Return a Python value as a cell: its text."""
        return text(value, column)

    def cells_of(self, values: Sequence[object], column: ShapeColumn) -> list[Json]:
        """Return Python values as cells."""
        if column.type not in ("json", "jsonb") and {int}.issuperset(map(type, values)):
            return list(map(str, values))
        return [text(value, column) for value in values]

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
        """Return an expression that holds the exact values of columns of a row: their texts, as JSON."""
        return f"jsonb_build_array({self._texts(alias, columns)})"

    def cells(self, expressions: Sequence[str]) -> str:
        """Return an expression of the image of cells, which are texts."""
        return f"jsonb_build_array({', '.join(expressions)})"

    def item(self, image: str, index: int) -> str:
        """Return the expression of one value of an image."""
        return f"({image} ->> {index})"

    def image_cells(self, image: object) -> tuple[Json, ...]:
        """Return the cells of an image that was read."""
        return tuple(json.loads(str(image)))

    def sample(self, alias: str, columns: Sequence[str]) -> str:
        """Return the expression of the values of a row: an array, since a function takes only 100 values."""
        return self.out(f"to_json(ARRAY[{self._texts(alias, columns)}])")

    def images_cells(self, images: Sequence[object]) -> list[list[Json]]:
        """Return the cells of images that were read."""
        return cast("list[list[Json]]", orjson.loads(f"[{','.join(map(str, images))}]"))

    def hashed(self, image: str) -> str:
        """Return the expression of the fingerprint of an image: 128 bits of its SHA-256."""
        return f"left(encode(sha256(convert_to(CAST({image} AS text), 'UTF8')), 'hex'), 32)"

    def fingerprint(self, alias: str, columns: Sequence[str]) -> str:
        """Return the expression of the fingerprint of columns of a row."""
        return self.hashed(f"ARRAY[{self._texts(alias, columns)}]")

    def _texts(self, alias: str, columns: Sequence[str]) -> str:
        return ", ".join(self.out(f"{alias}.{self.name(column)}") for column in columns)

    def xmin(self, alias: str) -> str | None:
        """Return the version that PostgreSQL itself keeps of each row."""
        return f"CAST({alias}.xmin AS text)"

    def source(self, start: int, rows: Columns, keys: int, values: int) -> Source:
        """Return rows as a table in a statement: a column is one text, or one value where all are the same."""
        alone, lists = columns_of(rows, keys, values)
        if not {type(None), str}.issuperset(map(type, chain(alone.values(), *lists.values()))):
            raise ChangeRefused("The plan holds a value that is no text of PostgreSQL. Plan the change again.")
        names = ["n", *lists]
        given = ["{" + ",".join(map(str, range(start, start + rows.count))) + "}"]
        given += [array(cast("list[str | None]", cells)) for cells in lists.values()]
        columns = ", ".join([*(f"u.{name}" for name in names), *(f"CAST(%s AS text) AS {name}" for name in alone)])
        taken = ", ".join(["CAST(%s AS integer[])", *["CAST(%s AS text[])"] * len(lists)])
        sql = f"SELECT {columns} FROM unnest({taken}) AS u({', '.join(names)})"
        return f"k AS MATERIALIZED ({sql})", (*alone.values(), *given)

    def named(self, keys: Sequence[Json], shape: TableShape, alias: str) -> tuple[str, str, tuple[Bound, ...]]:
        """Return how the rows that have keys of one column are found."""
        column = shape.by_name[shape.key[0]]
        found = array(cast("Sequence[str | None]", keys))
        if column.type.endswith("]"):
            source, key = "unnest(CAST(%s AS text[])) AS k(k0), ", self.cast("k.k0", column)
            return source, f"{alias}.{self.name(column.name)} = {key}", (found,)
        return (
            "",
            f"{alias}.{self.name(column.name)} = ANY(CAST(CAST(%s AS text[]) AS {self.text(column.type)}[]))",
            (found,),
        )

    def place(self, start: int) -> str:
        """Return the condition of a row of the history that its number is one of a chunk."""
        return f"h.n / {CHUNK} = {start // CHUNK}"

    def write(self, connection: Connection, work: Work) -> int:
        """Compare, write and keep the images in one statement."""
        part, shape = work.part, work.shape
        source, given = self.source(work.start, work.rows, len(shape.key), max(len(part.columns), 1))
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
        key, now = self.image("t", shape.key), self.image("t", columns) if columns else "NULL::jsonb"
        mark = self.fingerprint("t", shape.stored)
        equal = key_equals(self, shape, "t", planned_key(shape))
        if part.cascade:
            rows = f"SELECT k.n, {key} AS key, {now} AS before FROM k JOIN {table} AS t ON {equal}"
            return f"{rows} WHERE {work.version} = k.v FOR UPDATE OF t", "n, key, before, NULL, NULL"
        if part.operation is Operation.DELETE:
            using = f"k {kept(self, work)}"
            rows = f"DELETE FROM {table} AS t USING {using} WHERE {equal} AND {work.version} = k.v"
            return f"{rows} RETURNING k.n, {key} AS key, {now} AS before", "n, key, before, NULL, NULL"
        made = f"{key} AS key, {now} AS after, {mark} AS mark"
        if part.operation is Operation.INSERT:
            overriding = "OVERRIDING SYSTEM VALUE " if part.source is not None else ""
            names = ", ".join(map(self.name, columns))
            rows = f"SELECT {', '.join(values(self, work))} FROM k {kept(self, work)} ORDER BY k.n"
            number = f"{work.start} - 1 + row_number() OVER ()"
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

    def touches(self, counted: Collection[str]) -> str:  # noqa: ARG002 (all tables are looked at)
        """Return the expression of what this transaction has touched, and what is not yet flushed of earlier ones."""
        return _TOUCHES

    def touched(self, found: object, counted: Collection[str]) -> Mapping[str, Touched]:  # noqa: ARG002
        """Return it by table."""
        rows = json.loads(str(found)) if found is not None else ()
        return {f"{row[0]}.{row[1]}": (row[2], row[3], row[4]) for row in rows}

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


@contextlib.contextmanager
def _begun(engine: Engine, mode: str, settings: Mapping[str, str], locks: Sequence[str] = ()) -> Iterator[Connection]:
    """Return a transaction that was begun, set up and given its locks in one message to the server.

    Args:
        engine: The engine.
        mode: What the transaction is, as BEGIN takes it.
        settings: What is set for it, by name; our own texts.
        locks: Expressions that wait for others, once everything is set.
    """
    calls = ", ".join([*(f"set_config('{name}', '{value}', true)" for name, value in settings.items()), *locks])
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"BEGIN ISOLATION LEVEL {mode}; SELECT {calls}")
        yield connection


def array(texts: Sequence[str | None]) -> str:
    """Return texts as PostgreSQL writes an array of them."""
    if None not in texts:
        found = '","'.join(cast("Sequence[str]", texts))
        if "\\" not in found and found.count('"') == 2 * (len(texts) - 1):
            return '{"' + found + '"}'
    return "{" + ",".join("NULL" if one is None else f'"{_escaped(one)}"' for one in texts) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')

"""What SQLite and PostgreSQL do differently, as one port: transactions, shapes, cells, expressions, the write."""

# ruff: noqa: S608 (texts are made of quoted names and our own expressions; every value is bound)

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from handrail.core.digest import Json
from handrail.data.rows.errors import ChangeRefused
from handrail.data.rows.plan import Part, RowPlan, Touched
from handrail.data.rows.row import Column, Columns
from handrail.data.rows.shape import ShapeColumn, TableShape
from handrail.data.sql.change import Operation

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, CursorResult, Engine

Bound = object
"""A value as the driver binds it."""

Compared = tuple[Mapping[str, Touched], Mapping[str, Touched]]
"""What was planned, and what was found."""

Source = tuple[str, tuple[Bound, ...]]
"""A common table expression `k` with the columns n, k0 …, v, x0 …, and its parameters."""

CHUNK = 5000
"""Rows that one statement takes."""

UNDOING_MAX = 1000
"""How often a change may have been undone and redone in turn; an undo after that is refused."""


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """What stands in a database before anything is written; one statement reads it.

    Attributes:
        identity: Identity of the database.
        change: What is recorded of a change: rows, footprint, applied_at, undo_of, parts, pruned; None when there is
            no such change.
        shapes: Tables as they are now, None for one that is not there.
        touched: What this connection has touched so far.
        undone: The same of the change that is to be undone as `change` tells.
        undoing: Digests: the last change that undid that one, the last one that undid this, and so on.
    """

    identity: str
    change: Sequence[object] | None
    shapes: Sequence[TableShape | None]
    touched: Mapping[str, Touched]
    undone: Sequence[object] | None = None
    undoing: Sequence[str] = ()


class Backend(Protocol):
    """A kind of database. Expressions are SQL texts; names in them are quoted, and `mark` stands for a parameter.

    Attributes:
        mark: A parameter.
        exact: Whether the database reads every cell as it stands, so that it need not be asked.
        history: The DDL of the history tables.
    """

    mark: str
    exact: bool
    history: tuple[str, ...]

    def reading(self, engine: Engine) -> AbstractContextManager[Connection]:
        """Return a transaction that sees one state and cannot write."""
        ...

    def writing(
        self, engine: Engine, lock_s: float, statement_s: float, *changes: int
    ) -> AbstractContextManager[Connection]:
        """Return a transaction that writes; `commit` ends it, everything else rolls it back.

        Whoever else applies or undoes a change of those ids is waited for.
        """
        ...

    def commit(self, connection: Connection) -> None:
        """Commit what `writing` began."""
        ...

    def state(
        self,
        connection: Connection,
        tables: Sequence[tuple[str, str]] = (),
        digest: str = "",
        counted: Collection[str] | None = None,
        undone: str = "",
    ) -> DatabaseState | None:
        """Return what stands in the database, None when the history is not installed.

        Args:
            connection: A transaction.
            tables: Schema and name of the tables whose shapes are told.
            digest: Digest of a change.
            counted: The tables of a footprint; None when what was touched is not asked for.
            undone: Digest of a change that is to be undone. Without `tables`, those of its parts are told.
        """
        ...

    def shape(self, connection: Connection, schema: str, table: str) -> TableShape | None:
        """Return a table as it is now, None when there is none."""
        ...

    def cell(self, value: object, column: ShapeColumn) -> Json:
        """Return a Python value, of a user or of `out`, as a cell.

        Raises:
            ChangeRefused: It has no form in this database.
        """
        ...

    def cells_of(self, values: Sequence[object], column: ShapeColumn) -> list[Json]:
        """Return what `cell` does for each value."""
        ...

    def name(self, name: str) -> str:
        """Return a quoted name."""
        ...

    def table(self, schema: str, table: str) -> str:
        """Return a quoted table."""
        ...

    def text(self, sql: str) -> str:
        """Return a text of ours or of the classifier so that the driver finds no parameter in it."""
        ...

    def out(self, expression: str) -> str:
        """Return an expression whose value `cell` takes."""
        ...

    def cast(self, expression: str, column: ShapeColumn) -> str:
        """Return an expression of the type of a column."""
        ...

    def image(self, alias: str, columns: Sequence[str]) -> str:
        """Return an expression that holds the exact values of columns of a row."""
        ...

    def cells(self, expressions: Sequence[str]) -> str:
        """Return an expression of the image of cells as `source` brings them."""
        ...

    def item(self, image: str, index: int) -> str:
        """Return the expression of one value of an image."""
        ...

    def image_cells(self, image: object) -> tuple[Json, ...]:
        """Return the cells of an image that was read."""
        ...

    def sample(self, alias: str, columns: Sequence[str]) -> str:
        """Return the expression of the values of columns of a row as a text that `image_cells` takes."""
        ...

    def images_cells(self, images: Sequence[object]) -> list[list[Json]]:
        """Return the cells of images that were read."""
        ...

    def hashed(self, image: str) -> str:
        """Return the expression of the fingerprint of an image that is kept."""
        ...

    def fingerprint(self, alias: str, columns: Sequence[str]) -> str:
        """Return the expression of the fingerprint of columns of a row."""
        ...

    def xmin(self, alias: str) -> str | None:
        """Return the expression of the version that the database itself keeps, None when it keeps none."""
        ...

    def source(self, start: int, rows: Columns, keys: int, values: int) -> Source:
        """Return rows as a table in a statement.

        Args:
            start: Number of the first row.
            rows: The rows, at most `CHUNK`.
            keys: Columns of the key.
            values: Columns of values; those of rows with fewer are NULL.
        """
        ...

    def named(self, keys: Sequence[Json], shape: TableShape, alias: str) -> tuple[str, str, tuple[Bound, ...]]:
        """Return how the rows that have keys of one column are found.

        Args:
            keys: The keys as cells.
            shape: The table.
            alias: What its rows are called.

        Returns:
            What stands before the table in FROM, the condition, and the parameters.
        """
        ...

    def place(self, start: int) -> str:
        """Return the condition of a row of the history, called `h`, that its number is one of a chunk."""
        ...

    def write(self, connection: Connection, work: Work) -> int:
        """Write one chunk and keep its images; return the rows that were as planned.

        Where that is fewer than the chunk has, some of it may be written: the caller rolls back.
        """
        ...

    def touches(self, counted: Collection[str]) -> str:
        """Return the expression of what this connection has touched so far, as a text that `touched` takes.

        Args:
            counted: The tables of a footprint.
        """
        ...

    def touched(self, found: object, counted: Collection[str]) -> Mapping[str, Touched]:
        """Return what was touched, as far as a plan needs to know."""
        ...

    def again(self, tables: Sequence[tuple[str, str]]) -> Source | None:
        """Return the expression of the shapes after the write, None where nobody can have changed them meanwhile."""
        ...

    def shapes(self, found: object, count: int) -> Sequence[TableShape | None]:
        """Return the shapes that the expression of `again` gave."""
        ...

    def compared(self, plan: RowPlan, before: Mapping[str, Touched], after: Mapping[str, Touched]) -> Compared:
        """Return what the plan says and what was touched, the history left out, in the same terms.

        Args:
            plan: The plan.
            before: What was touched before the first row was written.
            after: What was after the last one.
        """
        ...

    def settle(self, connection: Connection) -> None:
        """Check deferred constraints now."""
        ...


class Work:
    """One chunk of a part, ready to be written.

    Attributes:
        change: Id of the change.
        number: Number of the part.
        part: The part.
        shape: Its table, as it is now.
        start: Number of the first row.
        rows: The rows.
        version: The expression of the version of the row `t`.
        undone: Id of the change that is undone, None for any other.
    """

    __slots__ = ("change", "number", "part", "rows", "shape", "start", "undone", "version")

    def __init__(
        self,
        change: int,
        number: int,
        part: Part,
        shape: TableShape,
        start: int,
        rows: Columns,
        version: str,
        undone: int | None,
    ) -> None:
        self.change = change
        self.number = number
        self.part = part
        self.shape = shape
        self.start = start
        self.rows = rows
        self.version = version
        self.undone = undone


def undoing(change: str, mark: str) -> str:
    """Return the expression of the digests of what undid a change, and of what undid that, as a chain of rows `u`.

    Args:
        change: The table of changes.
        mark: A parameter, the digest of the change.
    """
    return (
        f"WITH RECURSIVE u(at, digest) AS (SELECT 0, CAST({mark} AS text) UNION ALL SELECT u.at + 1, (SELECT c.digest "
        f"FROM {change} AS c WHERE c.undo_of = u.digest AND c.undo_of <> '' ORDER BY c.applied_at DESC, c.id LIMIT 1) "
        f"FROM u WHERE u.digest IS NOT NULL AND u.at < {UNDOING_MAX})"
    )


def key_equals(backend: Backend, shape: TableShape, alias: str, names: Sequence[str]) -> str:
    """Return the condition that a row has the key that expressions tell.

    Args:
        backend: The kind of database.
        shape: The table.
        alias: What the row is called.
        names: An expression for each column of the key.
    """
    return " AND ".join(
        f"{alias}.{backend.name(key)} = {backend.cast(name, shape.by_name[key])}"
        for key, name in zip(shape.key, names, strict=True)
    )


def planned_key(shape: TableShape) -> list[str]:
    """Return the columns of `k` that hold the key."""
    return [f"k.k{index}" for index in range(len(shape.key))]


def version(backend: Backend, part: Part, shape: TableShape, alias: str) -> str:
    """Return the expression of the version of a row, as the part counts it."""
    if part.versioned_by == "column":
        return backend.out(f"{alias}.{backend.name(part.bump)}")
    if part.versioned_by == "xmin":
        kept_by_database = backend.xmin(alias)
        if kept_by_database is None:
            raise ChangeRefused("The plan's versions are none of this kind of database. Plan the change again.")
        return kept_by_database
    return backend.fingerprint(alias, part.content or shape.stored)


def values(backend: Backend, work: Work) -> list[str]:
    """Return the expression of each value that is written: what is planned, or what the history keeps."""
    part = work.part
    names = [f"x{index}" for index in range(len(part.columns))]
    found = [
        backend.item("h.before", index) if part.source is not None else f"k.{name}" for index, name in enumerate(names)
    ]
    return [backend.cast(one, work.shape.by_name[name]) for one, name in zip(found, part.columns, strict=True)]


def kept(backend: Backend, work: Work) -> str:
    """Return the join to what is undone, `""` for any other change.

    A row takes part only where the plan says exactly what the history says: key, fingerprint of the row as the change
    left it, fingerprint of the image that is restored.
    """
    part = work.part
    if part.source is None or work.undone is None:
        return ""
    condition = [
        f"h.change_id = {work.undone} AND h.part = {part.source} AND h.n = k.n AND {backend.place(work.start)}",
        f"h.key = {backend.cells(planned_key(work.shape))}",
    ]
    if part.operation is not Operation.INSERT:
        condition.append("h.after_fp = k.v")
    if part.operation is not Operation.DELETE:
        condition.append(f"{backend.hashed('h.before')} = k.x0")
    return f"JOIN {backend.table('public', 'handrail_row')} AS h ON {' AND '.join(condition)}"


def columns_of(rows: Columns, keys: int, values: int) -> tuple[dict[str, Json], dict[str, list[Json]]]:
    """Return the columns of a source but the number, by name: those that have one cell, and the others."""
    found: dict[str, Column] = {f"k{at}": rows.keys[at] if at < len(rows.keys) else None for at in range(keys)}
    found["v"] = rows.version
    found |= {f"x{at}": rows.values[at] if at < len(rows.values) else None for at in range(values)}
    lists = {name: column for name, column in found.items() if isinstance(column, list)}
    return {name: cell for name, cell in found.items() if name not in lists}, lists


def raw(connection: Connection, sql: str, given: tuple[Bound, ...] = ()) -> Sequence[tuple[object, ...]]:
    """Return the rows of a query as the driver gives them, which for many rows is faster."""
    return batch(connection.exec_driver_sql(sql, given), None)


def batch(result: CursorResult[object], count: int | None) -> list[tuple[object, ...]]:
    """Return the next rows of a query as the driver gives them, all that are left for None.

    Raises:
        DBAPIError: The database says so only now.
    """
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 (heavy, needed only here)

    cursor = result.cursor
    assert cursor is not None
    try:
        rows = cursor.fetchall() if count is None else cursor.fetchmany(count)
    except result.connection.dialect.loaded_dbapi.Error as error:
        raise DBAPIError(None, None, error) from error
    if count is None or len(rows) < count:
        result.close()
    return list(rows)

"""What SQLite and PostgreSQL do differently, as one port: transactions, shapes, cells, expressions, the write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from handrail.core.digest import Json
from handrail.data.rows.errors import ChangeRefused
from handrail.data.rows.plan import Part, Row, RowPlan, Touched
from handrail.data.rows.shape import ShapeColumn, TableShape

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

Bound = object
"""A value as the driver binds it."""

Compared = tuple[Mapping[str, Touched], Mapping[str, Touched]]
"""What was planned, and what was found."""

Source = tuple[str, tuple[Bound, ...]]
"""A common table expression `k` with the columns n, k0 …, v, x0 …, and its parameters."""


class Backend(Protocol):
    """A kind of database. Expressions are SQL texts; names in them are quoted, and `mark` stands for a parameter.

    Attributes:
        mark: A parameter.
        history: The DDL of the history tables.
    """

    mark: str
    history: tuple[str, ...]

    def reading(self, engine: Engine) -> AbstractContextManager[Connection]:
        """Return a transaction that sees one state and cannot write."""
        ...

    def writing(self, engine: Engine, lock_s: float, statement_s: float) -> AbstractContextManager[Connection]:
        """Return a transaction that writes; `commit` ends it, everything else rolls it back."""
        ...

    def commit(self, connection: Connection) -> None:
        """Commit what `writing` began."""
        ...

    def claim(self, connection: Connection, change_id: int) -> None:
        """Wait until nobody else applies the same plan."""
        ...

    def identity(self, connection: Connection, meta: str) -> str:
        """Return the identity of the database; `meta` is the random id in the history."""
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

    def item(self, image: str, index: int) -> str:
        """Return the expression of one value of an image."""
        ...

    def image_cells(self, image: object) -> tuple[Json, ...]:
        """Return the cells of an image that was read."""
        ...

    def hashed(self, image: str) -> str:
        """Return the expression of the fingerprint of an image."""
        ...

    def xmin(self, alias: str) -> str | None:
        """Return the expression of the version that the database itself keeps, None when it keeps none."""
        ...

    def chunk(self, width: int) -> int:
        """Return how many rows of that many values one statement takes."""
        ...

    def source(self, rows: Sequence[tuple[int, Row]], keys: int, values: int) -> Source:
        """Return rows as a table in a statement.

        Args:
            rows: The rows with their numbers.
            keys: Columns of the key.
            values: Columns of values; those of rows with fewer are NULL.
        """
        ...

    def write(self, connection: Connection, work: Work) -> int:
        """Write one chunk and keep its images; return the rows that were as planned.

        Where that is fewer than the chunk has, some of it may be written: the caller rolls back.
        """
        ...

    def touched(self, connection: Connection, plan: RowPlan) -> Mapping[str, Touched]:
        """Return what this connection has touched so far, as far as a plan needs to know."""
        ...

    def compared(self, plan: RowPlan, before: Mapping[str, Touched], after: Mapping[str, Touched]) -> Compared:
        """Return what the plan says and what was touched, the history left out, in the same terms.

        Args:
            plan: The plan.
            before: What `touched` said before the first row was written.
            after: What it said after the last one.
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
        rows: The rows with their numbers.
        version: The expression of the version of the row `t`.
        undone: Id of the change that is undone, None for any other.
    """

    __slots__ = ("change", "number", "part", "rows", "shape", "undone", "version")

    def __init__(
        self,
        change: int,
        number: int,
        part: Part,
        shape: TableShape,
        rows: Sequence[tuple[int, Row]],
        version: str,
        undone: int | None,
    ) -> None:
        self.change = change
        self.number = number
        self.part = part
        self.shape = shape
        self.rows = rows
        self.version = version
        self.undone = undone


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
    return backend.hashed(backend.image(alias, part.content or shape.stored))


def values(backend: Backend, work: Work) -> list[str]:
    """Return the expression of each value that is written: what is planned, or what the history keeps."""
    part = work.part
    names = [f"x{index}" for index in range(len(part.columns))]
    found = [
        backend.item("h.before", index) if part.source is not None else f"k.{name}" for index, name in enumerate(names)
    ]
    return [backend.cast(one, work.shape.by_name[name]) for one, name in zip(found, part.columns, strict=True)]


def kept(backend: Backend, work: Work) -> str:
    """Return the join to the images that are restored, `""` when there are none."""
    if work.part.source is None or not work.part.columns or work.undone is None:
        return ""
    history = backend.table("public", "handrail_row")
    return (
        f"JOIN {history} AS h ON h.change_id = {work.undone} AND h.part = {work.part.source} "
        f"AND h.n = k.n AND {backend.hashed('h.before')} = k.x0"
    )

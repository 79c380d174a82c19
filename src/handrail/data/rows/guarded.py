"""A guarded database: plan a change, apply the plan, undo what was applied."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from handrail.core.text import safe
from handrail.data.rows import history
from handrail.data.rows.applying import Applying, apply, find, unknown
from handrail.data.rows.asked import declared, usable
from handrail.data.rows.errors import ChangeRefused
from handrail.data.rows.history import ChangeReceipt
from handrail.data.rows.plan import RowPlan
from handrail.data.rows.planning import Planning, plan
from handrail.data.rows.table import Table
from handrail.data.rows.undoing import undo
from handrail.data.sql.change import Change, Operation, Value
from handrail.data.sql.keys import Key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine

EXPIRES_S = 30 * 60
"""How long a plan may be applied."""


class GuardedRows:
    """A database whose rows are changed by plans only.

    Planning reads and never writes. A plan holds for the rows, versions, values and tables that it names, and its
    digest is what an approval is bound to. Nothing here asks anybody: who may apply which plan is decided elsewhere.

    Args:
        engine: A SQLAlchemy engine of PostgreSQL (psycopg 3) or SQLite.
        tables: What may be done to which table, by name, on PostgreSQL with the schema unless it is `public`.
        expires_s: How long a plan may be applied, in seconds.
        lock_s: How long to wait for others' locks, in seconds.
        statement_s: How long one statement may take, in seconds; SQLite has no such limit.
        clock: The time, in seconds since 1970.

    Raises:
        ConfigurationError: It is another database.
    """

    def __init__(
        self,
        engine: Engine,
        tables: Mapping[str, Table],
        *,
        expires_s: int = EXPIRES_S,
        lock_s: float = 5,
        statement_s: float = 300,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._kind = history.backend(engine.dialect.name)
        self._engine = engine
        self._tables = dict(tables)
        self._expires_s = expires_s
        self._waits = (lock_s, statement_s)
        self._clock = clock

    def plan(self, change: Change) -> RowPlan:
        """Plan a change that a statement asks for; expressions and the condition are evaluated now.

        Args:
            change: What `handrail.data.sql.classify` took out of the statement. Its texts are run, in a transaction
                that only reads: they have to come from the classifier.

        Raises:
            ChangeRefused: The change is not allowed, not possible or too large; the message tells what to do.
        """
        with self._database(), self._kind.reading(self._engine) as connection:
            state = history.state(self._kind, connection, [(change.schema, change.table)])
            table = declared(self._tables, change.schema, change.table)
            shape = usable(state.shapes[0], change.table)
            expires_s = int(self._clock()) + self._expires_s
            return plan(Planning(self._kind, connection, state.identity, change, table, shape, expires_s))

    def update(self, table: str, ids: Iterable[object], set: Mapping[str, object]) -> RowPlan:
        """Plan new values for rows.

        Args:
            table: The table.
            ids: Keys of the rows; a key of several columns is a tuple.
            set: The values by column.

        Raises:
            ChangeRefused: As for `plan`.
        """
        columns = tuple(set)
        return self.plan(_change(Operation.UPDATE, table, columns, [tuple(set.values())], _keys(ids)))

    def insert(self, table: str, rows: Sequence[Mapping[str, object]]) -> RowPlan:
        """Plan new rows.

        Args:
            table: The table.
            rows: The values of each row by column; all rows have the same columns.

        Raises:
            ChangeRefused: As for `plan`.
        """
        columns = tuple(rows[0]) if rows else ()
        if any(row.keys() != rows[0].keys() for row in rows):
            raise ChangeRefused("The new rows have different columns. Insert those with the same columns together.")
        return self.plan(
            _change(Operation.INSERT, table, columns, [tuple(row[name] for name in columns) for row in rows])
        )

    def delete(self, table: str, ids: Iterable[object]) -> RowPlan:
        """Plan the removal of rows.

        Args:
            table: The table.
            ids: Keys of the rows; a key of several columns is a tuple.

        Raises:
            ChangeRefused: As for `plan`.
        """
        return self.plan(_change(Operation.DELETE, table, (), [], _keys(ids)))

    def undo(self, change: str) -> RowPlan:
        """Plan to take a change back; `apply` does it, and that can be undone as well.

        Args:
            change: Digest of the change.

        Raises:
            ChangeRefused: There is no such change, or what is kept of it is gone.
            RowConflict: Rows were changed since; they are listed.
        """
        with self._database(), self._kind.reading(self._engine) as connection:
            return undo(self._kind, connection, self._tables, change, int(self._clock()) + self._expires_s)

    def apply(self, plan: RowPlan, digest: str | None = None) -> ChangeReceipt:
        """Apply a plan: all of it or nothing, and once however often it is called.

        Args:
            plan: The plan.
            digest: The digest that was approved, where somebody had to approve.

        Raises:
            ChangeRefused: It may not be applied, or the database refused; nothing was written.
            StaleRows: Rows are no longer as planned; they are listed.
            RowConflict: The same, for an undo.
            Footprint: The change touched other rows than planned, and was rolled back.
            DatabaseBusy: The database is locked or out of reach; this call wrote nothing.
            CommitInDoubt: The connection broke while committing, and the database does not answer.
        """
        if digest is not None and digest != plan.digest:
            raise ChangeRefused("What was approved is another plan. Have this one approved.")
        with self._database():
            return apply(self._applying(), plan)

    def receipt(self, change: str) -> ChangeReceipt | None:
        """Return what was done by a change, None when it certainly was not made.

        Args:
            change: Digest of the plan.

        Raises:
            ChangeRefused: The database has no history.
            CommitInDoubt: The database does not answer, or somebody is making the change right now.
        """
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 (heavy, needed only here)

        try:
            return find(self._applying(), change)
        except SQLAlchemyError as error:
            raise unknown(change, error) from error

    def undone(self, change: str) -> str:
        """Return the digest of the undo by which a change is undone now; `""` when it stands, or stands again.

        Args:
            change: Digest of the change.
        """
        with self._database(), self._kind.reading(self._engine) as connection:
            return history.is_undone(history.state(self._kind, connection, undone=change))

    def changes(self, limit: int = 50) -> tuple[ChangeReceipt, ...]:
        """Return what was done last, newest first.

        Args:
            limit: How many changes at most; ≥ 1.
        """
        with self._database(), self._kind.reading(self._engine) as connection:
            history.state(self._kind, connection)
            return tuple(history.changes(self._kind, connection, limit))

    def _applying(self) -> Applying:
        return Applying(self._kind, self._engine, self._tables, self._clock(), *self._waits)

    @contextmanager
    def _database(self) -> Iterator[None]:
        """Turn what the database says into a refusal."""
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 (heavy, needed only here)

        try:
            yield
        except SQLAlchemyError as error:
            cause = safe(str(getattr(error, "orig", None) or error).strip().split("\n")[0])
            raise ChangeRefused(f"The database refused: {cause}. Nothing was written. Correct the change.") from error


def _keys(ids: Iterable[object]) -> tuple[Key, ...]:
    given = list(ids)
    if any(issubclass(kind, tuple) for kind in set(map(type, given))):
        given = [one if isinstance(one, tuple) else (one,) for one in given]
    else:
        given = list(zip(given, strict=True))  # many times faster for a million
    keys = cast("tuple[Key, ...]", tuple(given))
    if not keys:
        raise ChangeRefused("No row is named. Give the keys of the rows.")
    return keys


def _change(
    operation: Operation,
    table: str,
    columns: tuple[str, ...],
    rows: Sequence[tuple[object, ...]],
    keys: tuple[Key, ...] = (),
) -> Change:
    schema, _, name = table.rpartition(".")
    values = cast("tuple[tuple[Value, ...], ...]", tuple(rows))
    return Change(operation, name, schema, name, columns, values, keys=keys)

"""A plan is applied in one transaction, whole or not at all, and once: its digest stands in the history then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from handrail.core.text import safe
from handrail.data.rows import history
from handrail.data.rows.asked import allowed, declared, few, is_declared, shaped
from handrail.data.rows.backend import Backend, Work, version
from handrail.data.rows.comparing import conflict, differing, existing
from handrail.data.rows.errors import ChangeRefused, CommitInDoubt, Footprint, StaleRows, shown
from handrail.data.rows.history import ChangeReceipt
from handrail.data.rows.plan import ABSENT, Part, RowPlan, footprint
from handrail.data.rows.planning import named
from handrail.data.rows.shape import TableShape
from handrail.data.rows.table import Table
from handrail.data.rows.undoing import undo
from handrail.data.sql.change import Operation

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.exc import SQLAlchemyError


@dataclass(frozen=True, slots=True)
class Applying:
    """What applying needs.

    Attributes:
        kind: The kind of database.
        engine: Its engine.
        tables: The declared tables.
        now_s: The time, in seconds since 1970.
        lock_s: How long to wait for others, in seconds.
        statement_s: How long one statement may take, in seconds; SQLite has no such limit.
    """

    kind: Backend
    engine: Engine
    tables: Mapping[str, Table]
    now_s: float
    lock_s: float
    statement_s: float


def apply(work: Applying, plan: RowPlan) -> ChangeReceipt:
    """Apply a plan.

    Returns:
        What was done; the recorded receipt, with `again`, when it was done before.

    Raises:
        ChangeRefused: It may not be applied, or the database refused; nothing was written.
        StaleRows: Rows are not as planned; nothing was written.
        RowConflict: The same, for an undo.
        Footprint: More or other rows were touched than planned; nothing is left of it.
        CommitInDoubt: The connection broke, and whether the change was made cannot be found out now.
    """
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 (heavy, needed only here)

    committing = False
    try:
        with work.kind.writing(work.engine, work.lock_s, work.statement_s) as connection:
            made = _within(work, connection, plan)
            if made.again:
                return made
            committing = True
            work.kind.commit(connection)
            return made
    except _Unmatched as unmatched:
        raise _stale(work, plan, unmatched) from None
    except SQLAlchemyError as error:
        return _after_error(work, plan, error, committing=committing)


class _Unmatched(Exception):  # noqa: N818 (a signal inside this file)
    """Rows of a part were not as planned."""

    def __init__(self, number: int, shape: TableShape) -> None:
        super().__init__()
        self.number = number
        self.shape = shape


def _within(work: Applying, connection: Connection, plan: RowPlan) -> ChangeReceipt:
    """Do everything but the commit."""
    kind = work.kind
    database = history.installed(kind, connection)
    kind.claim(connection, history.change_id(plan.digest))
    done = history.receipt(kind, connection, plan.digest)
    if done is not None:
        return _again(done)
    if database != plan.database:
        raise ChangeRefused("The plan was made for another database. Plan the change for this one.")
    if work.now_s >= plan.expires_s:
        raise ChangeRefused("The plan has expired. Plan the change again.")
    shapes = _checked(work, connection, plan)
    if plan.undo_of:
        _as_recorded(work, connection, plan)
    before = kind.touched(connection, plan)
    for number, (part, shape) in enumerate(zip(plan.parts, shapes, strict=True)):
        if part.cascade:
            _write(kind, connection, plan, number, shape)
    for number, (part, shape) in enumerate(zip(plan.parts, shapes, strict=True)):
        if not part.cascade:
            _write(kind, connection, plan, number, shape)
    kind.settle(connection)
    planned, found = kind.compared(plan, before, kind.touched(connection, plan))
    if dict(planned) != dict(found):
        raise Footprint(
            f"The change would touch {_counts(found)} where the plan says {_counts(planned)}: a trigger, a cascade or "
            "a rule writes more, or other rows. It was rolled back; ask the operator what writes there.",
            planned,
            found,
        )
    return history.record(
        kind, connection, plan, [shape.key for shape in shapes], [shape.stored for shape in shapes], work.now_s
    )


def _counts(found: Mapping[str, tuple[int, int, int]]) -> str:
    if "*" in found:
        grown = [f"{safe(name)} {one[0] - one[2]:+,}" for name, one in sorted(found.items()) if name != "*"]
        return ", ".join([f"{sum(found['*']):,} rows in all", *grown])
    parts = [f"{safe(name)} {one[0]:,}/{one[1]:,}/{one[2]:,}" for name, one in sorted(found.items())]
    return (", ".join(parts) or "no row") + " (inserted/updated/deleted)"


def _again(done: ChangeReceipt) -> ChangeReceipt:
    return ChangeReceipt(done.change, done.rows, done.footprint, done.applied_at, done.undo_of, again=True)


def _checked(work: Applying, connection: Connection, plan: RowPlan) -> list[TableShape]:
    """Return the tables of the parts, after checking that they are as planned and allow what is planned."""
    shapes: list[TableShape] = []
    also: dict[str, int] = {}
    total = sum(len(part.rows) for part in plan.parts)
    for part in plan.parts:
        shape = shaped(work.kind, connection, part.schema, part.table)
        if shape.fingerprint != part.shape:
            raise StaleRows(
                f"The table {safe(part.name)} is no longer as it was when the change was planned. Plan it again."
            )
        if not plan.undo_of and not part.cascade:
            table = declared(work.tables, part.schema, part.table)
            allowed(part.operation, () if part.operation is Operation.DELETE else part.columns, table, shape)
            few(total, table, shape)
            if part.versioned_by == "column" and part.bump != table.version:
                raise ChangeRefused("The version column is declared otherwise since. Plan the change again.")
        also |= _also(work.tables, part, shape, also)
        shapes.append(shape)
    if footprint(plan.parts, also) != dict(plan.footprint):
        raise ChangeRefused("What the plan says it touches is not what it writes. Plan the change again.")
    return shapes


def _as_recorded(work: Applying, connection: Connection, plan: RowPlan) -> None:
    """Check that an undo does what the history says: it may touch what its change touched, and nothing else."""
    again = undo(work.kind, connection, work.tables, plan.database, plan.undo_of, plan.expires_s, compare=False)
    if again.parts != plan.parts or again.footprint != plan.footprint:
        raise ChangeRefused("This undo is not what the history says of the change. Plan the undo again.")


def _also(tables: Mapping[str, Table], part: Part, shape: TableShape, so_far: Mapping[str, int]) -> dict[str, int]:
    if part.cascade:
        return {}
    if not is_declared(tables, part.schema, part.table):
        return {}
    table = declared(tables, part.schema, part.table)
    counts = {named(name, shape): count * len(part.rows) for name, count in table.also.items()}
    return {name: so_far.get(name, 0) + count for name, count in counts.items()}


def _write(kind: Backend, connection: Connection, plan: RowPlan, number: int, shape: TableShape) -> None:
    part = plan.parts[number]
    undone = history.change_id(plan.undo_of) if plan.undo_of else None
    size = kind.chunk(len(shape.key) + 3 + max(len(part.columns), 1))
    expression = version(kind, part, shape, "t")
    for start in range(0, len(part.rows), size):
        rows = list(enumerate(part.rows[start : start + size], start))
        absent = part.versioned_by == ABSENT and bool(rows[0][1].key)
        if absent and existing(kind, connection, shape, [row for _, row in rows]):
            raise _Unmatched(number, shape)
        work = Work(history.change_id(plan.digest), number, part, shape, rows, expression, undone)
        if kind.write(connection, work) != len(rows):
            raise _Unmatched(number, shape)


def _stale(work: Applying, plan: RowPlan, unmatched: _Unmatched) -> ChangeRefused:
    """Return what to raise once rows were not as planned: which rows they are is looked up after the rollback."""
    part = plan.parts[unmatched.number]
    with work.kind.reading(work.engine) as connection:
        keys = differing(work.kind, connection, part, unmatched.shape)
    if not keys:
        return ChangeRefused(
            f"The database did not write all planned rows of {safe(part.name)}, though they are as planned: a trigger, "
            "a rule or row security keeps some back, or kept images are missing. Nothing was written; ask the operator."
        )
    if plan.undo_of:
        return conflict(part.name, keys)
    return StaleRows(
        f"Rows of {safe(part.name)} are no longer as planned: {shown(keys)}. Nothing was written. Plan it again.",
        keys,
    )


def _after_error(work: Applying, plan: RowPlan, error: SQLAlchemyError, *, committing: bool) -> ChangeReceipt:
    """Decide what became of a change whose statement or commit failed: the digest in the history tells."""
    from sqlalchemy.exc import SQLAlchemyError as Failed  # noqa: PLC0415

    cause = safe(str(getattr(error, "orig", None) or error).strip().split("\n")[0])
    if committing:
        try:
            done = find(work, plan.digest)
        except Failed as again:
            raise CommitInDoubt(
                f"The connection broke while the change {plan.digest[:12]} was committed ({cause}), and the database "
                "does not answer. Look it up by its digest before anything else.",
                plan.digest,
            ) from again
        if done is not None:
            return done
    raise ChangeRefused(
        f"The database refused: {cause}. Nothing was written. Correct the change and plan it again."
    ) from error


def find(work: Applying, digest: str) -> ChangeReceipt | None:
    """Return what is recorded of a change, None when it certainly was not made.

    Whoever may still be committing it is waited for.

    Args:
        work: Where to look.
        digest: Digest of the plan.
    """
    with work.kind.writing(work.engine, work.lock_s, work.statement_s) as connection:
        history.installed(work.kind, connection)
        work.kind.claim(connection, history.change_id(digest))
        return history.receipt(work.kind, connection, digest)

"""A plan is applied in one transaction, whole or not at all, and once: its digest stands in the history then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from handrail.core.text import safe
from handrail.data.rows import history
from handrail.data.rows.asked import allowed, declared, few, is_declared, usable
from handrail.data.rows.backend import CHUNK, Backend, DatabaseState, Work, version
from handrail.data.rows.comparing import conflict, differing
from handrail.data.rows.errors import ChangeRefused, CommitInDoubt, DatabaseBusy, Footprint, StaleRows, shown
from handrail.data.rows.history import ChangeReceipt
from handrail.data.rows.plan import Part, RowPlan, footprint
from handrail.data.rows.planning import named
from handrail.data.rows.row import ABSENT
from handrail.data.rows.shape import TableShape
from handrail.data.rows.table import Table
from handrail.data.rows.undoing import agree_rows, agrees, stands
from handrail.data.sql.change import Operation

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.exc import SQLAlchemyError

NOT_RECORDED = "This undo is not what the history says of the change. Plan the undo again."
"""Why an undo that was made by hand, or whose images were altered since, is refused."""


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
        DatabaseBusy: The database could not even be looked at; this call wrote nothing.
        CommitInDoubt: The connection broke, and whether the change was made cannot be found out now.
    """
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 (heavy, needed only here)

    looked = committing = False
    changes = [history.change_id(digest) for digest in (plan.digest, plan.undo_of) if digest]
    try:
        with work.kind.writing(work.engine, work.lock_s, work.statement_s, *changes) as connection:
            state = _state(work, connection, plan)
            looked = True
            made = _within(work, connection, plan, state)
            if made.again:
                return made
            committing = True
            work.kind.commit(connection)
            return made
    except _Unmatched as unmatched:
        raise _stale(work, plan, unmatched) from unmatched.__cause__
    except SQLAlchemyError as error:
        if not looked:
            raise _busy(error) from error
        return _after_error(work, plan, error, committing=committing)


class _Unmatched(Exception):  # noqa: N818 (a signal inside this file)
    """Rows of a part were not as planned."""

    def __init__(self, number: int, shape: TableShape) -> None:
        super().__init__()
        self.number = number
        self.shape = shape


def _state(work: Applying, connection: Connection, plan: RowPlan) -> DatabaseState:
    """Return what stands in the database: also whether the plan was applied before."""
    tables = [(part.schema, part.table) for part in plan.parts]
    return history.state(work.kind, connection, tables, plan.digest, plan.footprint, plan.undo_of)


def _within(work: Applying, connection: Connection, plan: RowPlan, state: DatabaseState) -> ChangeReceipt:
    """Do everything but the commit."""
    kind = work.kind
    if state.change is not None:
        return history.receipt(plan.digest, state.change, again=True)
    if state.identity != plan.database:
        raise ChangeRefused("The plan was made for another database. Plan the change for this one.")
    if work.now_s >= plan.expires_s:
        raise ChangeRefused("The plan has expired. Plan the change again.")
    shapes = _checked(work, plan, state.shapes)
    if plan.undo_of:
        _as_recorded(work, plan, state, shapes)
    for cascade in (True, False):
        for number, (part, shape) in enumerate(zip(plan.parts, shapes, strict=True)):
            if part.cascade == cascade:
                _write(kind, connection, plan, number, shape)
    kind.settle(connection)
    made, touched, now = history.record(kind, connection, plan, shapes, work.now_s)
    _unchanged(plan, now)
    planned, found = kind.compared(plan, state.touched, touched)
    if dict(planned) != dict(found):
        raise Footprint(
            f"The change would touch {_counts(found)} where the plan says {_counts(planned)}: a trigger, a cascade or "
            "a rule writes more, or other rows. It was rolled back; ask the operator what writes there.",
            planned,
            found,
        )
    return made


def _unchanged(plan: RowPlan, shapes: Sequence[TableShape | None]) -> None:
    """Check that the tables are as they were planned."""
    for part, shape in zip(plan.parts, shapes, strict=True):
        if shape is None or shape.fingerprint != part.shape:
            raise StaleRows(
                f"The table {safe(part.name)} is no longer as it was when the change was planned. Plan it again."
            )


def _counts(found: Mapping[str, tuple[int, int, int]]) -> str:
    if "*" in found:
        grown = [f"{safe(name)} {one[0] - one[2]:+,}" for name, one in sorted(found.items()) if name != "*"]
        return ", ".join([f"{sum(found['*']):,} rows in all", *grown])
    parts = [f"{safe(name)} {one[0]:,}/{one[1]:,}/{one[2]:,}" for name, one in sorted(found.items())]
    return (", ".join(parts) or "no row") + " (inserted/updated/deleted)"


def _checked(work: Applying, plan: RowPlan, found: Sequence[TableShape | None]) -> list[TableShape]:
    """Return the tables of the parts, after checking that they are as planned and allow what is planned."""
    shapes: list[TableShape] = []
    also: dict[str, int] = {}
    total = plan.rows
    for part, one in zip(plan.parts, found, strict=True):
        shape = usable(one, part.table)
        if part.cascade and part.operation is not Operation.DELETE:
            raise ChangeRefused("Rows that go along are deleted, and this plan says otherwise. Plan the change again.")
        if not plan.undo_of and not part.cascade:
            table = declared(work.tables, part.schema, part.table)
            allowed(part.operation, () if part.operation is Operation.DELETE else part.columns, table, shape)
            few(total, table, shape)
            if part.versioned_by == "column" and part.bump != table.version:
                raise ChangeRefused("The version column is declared otherwise since. Plan the change again.")
        also |= _also(work.tables, part, shape, also)
        shapes.append(shape)
    _unchanged(plan, shapes)
    if footprint(plan.parts, also) != dict(plan.footprint):
        raise ChangeRefused("What the plan says it touches is not what it writes. Plan the change again.")
    return shapes


def _as_recorded(work: Applying, plan: RowPlan, state: DatabaseState, shapes: Sequence[TableShape]) -> None:
    """Check that an undo is of the tables and columns that the history says; its rows are compared as they are written.

    So it may touch what its change touched, and nothing else.
    """
    stands(plan.undo_of, state)
    if not agrees(work.tables, plan, state, shapes):
        raise ChangeRefused(NOT_RECORDED)


def _also(tables: Mapping[str, Table], part: Part, shape: TableShape, so_far: Mapping[str, int]) -> dict[str, int]:
    if part.cascade:
        return {}
    if not is_declared(tables, part.schema, part.table):
        return {}
    table = declared(tables, part.schema, part.table)
    counts = {named(name, shape.schema): count * len(part.rows) for name, count in table.also.items()}
    return {name: so_far.get(name, 0) + count for name, count in counts.items()}


def _write(kind: Backend, connection: Connection, plan: RowPlan, number: int, shape: TableShape) -> None:
    from sqlalchemy.exc import IntegrityError  # noqa: PLC0415 (heavy, needed only here)

    part = plan.parts[number]
    undone = history.change_id(plan.undo_of) if plan.undo_of else None
    expression = version(kind, part, shape, "t")
    for start, rows in part.packed.chunks(CHUNK):
        work = Work(history.change_id(plan.digest), number, part, shape, start, rows, expression, undone)
        try:
            written = kind.write(connection, work)
        except IntegrityError as error:
            if part.versioned_by == ABSENT and rows.keys:
                raise _Unmatched(number, shape) from error
            raise
        if written != rows.count:
            raise _Unmatched(number, shape)


def _stale(work: Applying, plan: RowPlan, unmatched: _Unmatched) -> ChangeRefused:
    """Return what to raise once rows were not as planned: which rows they are is looked up after the rollback."""
    part = plan.parts[unmatched.number]
    with work.kind.reading(work.engine) as connection:
        if plan.undo_of and not agree_rows(work.kind, connection, plan, unmatched.number):
            return ChangeRefused(NOT_RECORDED)
        keys = differing(work.kind, connection, part, unmatched.shape)
    if not keys and unmatched.__cause__ is not None:
        return _refused(unmatched.__cause__)
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


_LOCKED = "55P03"
"""What PostgreSQL says when a lock was not to be had in time. Source: PostgreSQL documentation, appendix A."""


def _busy(error: BaseException) -> DatabaseBusy:
    return DatabaseBusy(
        f"The database cannot be used now: it is locked by somebody else, or out of reach ({_cause(error)}). This call "
        "wrote nothing. Apply the same plan again in a moment."
    )


def _refused(error: BaseException) -> ChangeRefused:
    cause = _cause(error)
    if getattr(getattr(error, "orig", None), "sqlstate", "") == _LOCKED:
        why = (
            f"Somebody else holds rows of this change ({cause}). Nothing was written. Apply the plan again in a moment."
        )
    elif "handrail_" in cause:
        why = f"The history tables are not whole ({cause}). Nothing was written. Repair them: handrail data install"
    else:
        why = f"The database refused: {cause}. Nothing was written. Correct the change and plan it again."
    return ChangeRefused(why)


def _cause(error: BaseException) -> str:
    return safe(str(getattr(error, "orig", None) or error).strip().split("\n")[0])


def _after_error(work: Applying, plan: RowPlan, error: SQLAlchemyError, *, committing: bool) -> ChangeReceipt:
    """Decide what became of a change whose statement or commit failed: the digest in the history tells."""
    from sqlalchemy.exc import SQLAlchemyError as Failed  # noqa: PLC0415

    if committing:
        try:
            done = find(work, plan.digest)
        except Failed as again:
            raise CommitInDoubt(
                f"The connection broke while the change {plan.digest[:12]} was committed ({_cause(error)}), and the "
                "database does not answer. Look it up by its digest before anything else.",
                plan.digest,
            ) from again
        if done is not None:
            return done
    raise _refused(error) from error


def unknown(digest: str, error: BaseException) -> CommitInDoubt:
    """Return what to raise when the database could not even be asked whether a change was made."""
    return CommitInDoubt(
        f"The database could not be asked whether the change {safe(digest[:12])} was made before ({_cause(error)}). "
        "Ask again.",
        digest,
    )


def find(work: Applying, digest: str) -> ChangeReceipt | None:
    """Return what is recorded of a change, None when it certainly was not made.

    Whoever may still be committing it is waited for.

    Args:
        work: Where to look.
        digest: Digest of the plan.
    """
    with work.kind.writing(work.engine, work.lock_s, work.statement_s, history.change_id(digest)) as connection:
        found = history.state(work.kind, connection, digest=digest).change
        return None if found is None else history.receipt(digest, found)

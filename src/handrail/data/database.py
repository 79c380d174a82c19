"""A guarded database: what is asked of it is read, what is to change is planned, approved, applied once, and undoable.

Every verb is an action of the run that is open: it is decided by the policy, and journalled.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar, cast

from handrail.core.action import Action
from handrail.core.change import KIND, Touch, change_args
from handrail.core.commands import Proposal
from handrail.core.digest import Json, NotJson, digest, to_json
from handrail.core.effect import Verb
from handrail.core.outcome import Violation
from handrail.core.store import Transaction
from handrail.core.text import safe
from handrail.data.acting import Acting, Edge, Recorded
from handrail.data.declared import tables_of
from handrail.data.described import described, limits_of, never_made, no_write, rows_form, rows_of, unknown_table
from handrail.data.plans import Kept, Plans
from handrail.data.reading import DataReader, Rows
from handrail.data.rows import ChangeReceipt, ChangeRefused, CommitInDoubt, GuardedRows, RowPlan
from handrail.data.sql import Classified, StatementClass
from handrail.data.summary import picture, receipt_form, receipt_of, recorded, seen_of, table_names
from handrail.data.table import Table
from handrail.policy.compiled import CompiledPolicy
from handrail.policy.guarded import Act, DatabaseSpec

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from sqlalchemy.engine import Engine

T = TypeVar("T")

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class DatabaseParts:
    """What a guarded database is made of.

    Attributes:
        name: Its name in the policy.
        edge: Where its actions begin.
        guarded: Makes what plans and applies, under the limits of tables.
        reader: Reads.
        spec: What was declared of it when it was opened.
        plans: Its plans in the store.
        owned: The engine, where it was made here and is to be disposed of.
    """

    name: str
    edge: Edge
    guarded: Callable[[Mapping[str, Table]], GuardedRows]
    reader: DataReader
    spec: DatabaseSpec
    plans: Plans
    owned: Engine | None = None


class _Verbs:
    """The verbs as actions, ready to be run; blocking and async callers run the same."""

    def __init__(self, parts: DatabaseParts) -> None:
        self._parts = parts
        self._name = parts.name

    @property
    def name(self) -> str:
        """Its name in the policy."""
        return self._name

    def dispose(self) -> None:
        """Close the connections that were opened here; for whoever cannot await."""
        self._parts.reader.close()
        if self._parts.owned is not None:
            self._parts.owned.dispose()

    # --- what counts now ----------------------------------------------------------------------------------------------

    @property
    def _spec(self) -> DatabaseSpec:
        """What is declared now: a policy that was changed since it was opened counts at once."""
        policy = self._parts.edge.host.desk.policy
        if not isinstance(policy, CompiledPolicy):
            return self._parts.spec
        found = policy.document.places.get(self._name)
        return found if isinstance(found, DatabaseSpec) else DatabaseSpec()

    @property
    def _rows(self) -> GuardedRows:
        return self._parts.guarded(tables_of(self._spec.tables))

    def _understood(self, sql: str) -> tuple[Classified, str]:
        """Return what a statement is, and why it is not run whatever it is, mostly `""`."""
        if set(self._parts.spec.functions) - set(self._spec.functions):
            why = "The policy vouches for fewer functions than when this database was opened. Open it again."
        else:
            why = ""
        return self._parts.reader.understood(sql), why

    # --- proposals ----------------------------------------------------------------------------------------------------

    def _propose(self, act: Act, args: dict[str, Json], invalid: str = "", before: Json = None) -> Proposal:
        violations = (Violation("arguments", "", invalid),) if invalid else ()
        try:
            said = cast("dict[str, Json]", to_json(args))
        except NotJson as error:
            violations = violations or (Violation("arguments", "", str(error)),)
            said = {"arguments": safe(repr(args), max_chars=500)}
        return self._parts.edge.propose(f"{self._name}.{act}", said, violations, before)

    def _reading(self, sql: str) -> Acting[Rows]:
        answer, why = self._understood(sql)
        args: dict[str, Json] = {"sql": sql, "tables": table_names(answer.tables)}

        def do() -> tuple[Json, Rows]:
            rows = self._parts.reader.query(sql)
            rows = replace(rows, why=rows.why.removeprefix(answer.why).strip())  # what was read is asked, not answered
            if not rows.truncated:
                rows = replace(rows, why=f"All rows. {rows.why}".strip())
            return rows_form(rows), rows

        return Acting(self._propose(Act.QUERY, args, why or _no_read(answer)), do, rows_of)

    def _describing(self, table: str | None) -> Acting[list[Json]]:
        named: list[Json] = [] if table is None else [table]
        proposal = self._propose(Act.DESCRIBE, {"tables": named})

        def do() -> tuple[Json, list[Json]]:
            tables, nothing = tables_of(self._spec.tables), self._no_write(proposal.action.agent)
            form = [described(one, limits_of(tables, one), nothing) for one in self._parts.reader.describe(table)]
            return form, form

        return Acting(proposal, do, lambda form: cast("list[Json]", form))

    def _no_write(self, name: str) -> str:
        policy = self._parts.edge.host.desk.policy
        return no_write(policy.agent(name), policy.tool(f"{self._name}.{Act.APPLY}"))

    def _planning_sql(self, sql: str) -> Acting[RowPlan]:
        answer, why = self._understood(sql)
        args: dict[str, Json] = {"sql": sql, "tables": table_names(answer.tables)}
        by = {StatementClass.BY_KEY: "key", StatementClass.INSERT: "insert"}.get(answer.kind, "predicate")

        def plan() -> Kept:
            assert answer.change is not None
            return self._parts.plans.keep(self._rows.plan(answer.change), by, sql)

        return self._planning(self._propose(Act.PLAN, args, why or self._no_change(answer)), plan)

    def _no_change(self, answer: Classified) -> str:
        """Return why a statement is no change that can be planned, `""` when it is one."""
        if answer.kind is StatementClass.REFUSED:
            return answer.why
        if answer.kind is StatementClass.READ:
            return f"{answer.why} It changes nothing. Run it as a query instead."
        return "" if answer.resolved else unknown_table(answer.tables, self._parts.reader.describe())

    def _updating(self, table: str, ids: Iterable[object], values: Mapping[str, object]) -> Acting[RowPlan]:
        keys, why = _keys(ids)
        args = _asked("update", table, values, len(keys), (keys, values))
        keep = self._parts.plans.keep
        return self._planning(
            self._propose(Act.PLAN, args, why), lambda: keep(self._rows.update(table, keys, values), "key")
        )

    def _inserting(self, table: str, rows: Sequence[Mapping[str, object]]) -> Acting[RowPlan]:
        args = _asked("insert", table, rows[0] if rows else (), len(rows), rows)
        keep = self._parts.plans.keep
        return self._planning(self._propose(Act.PLAN, args), lambda: keep(self._rows.insert(table, rows), "insert"))

    def _deleting(self, table: str, ids: Iterable[object]) -> Acting[RowPlan]:
        keys, why = _keys(ids)
        args = _asked("delete", table, (), len(keys), keys)
        keep = self._parts.plans.keep
        return self._planning(self._propose(Act.PLAN, args, why), lambda: keep(self._rows.delete(table, keys), "key"))

    def _planning(self, proposal: Proposal, plan: Callable[[], Kept]) -> Acting[RowPlan]:
        def do() -> tuple[Json, RowPlan]:
            try:
                kept = plan()
            except UnicodeError as error:
                raise ChangeRefused(
                    "A key or value is no valid Unicode text (a lone surrogate), so nothing was planned. Correct it."
                ) from error
            return self._told(kept), kept.plan

        def again(form: Json) -> RowPlan:
            change = str(form.get("change")) if isinstance(form, dict) else ""
            kept = self._parts.plans.find(change)
            if kept is None:
                raise _not_kept(change)
            return kept.plan

        return Acting(proposal, do, again)

    def _told(self, kept: Kept) -> Json:
        """Return what is told of a plan: its digest, what a person will see, and what of it asks, apart from rules."""
        tool = self._parts.edge.host.desk.policy.tool(f"{self._name}.{Act.APPLY}")
        asks = () if tool is None or tool.asks is None else tool.asks(kept.args)
        return {"change": kept.plan.digest, **kept.picture, "asks": [finding.why for finding in asks]}

    # --- applying and undoing -----------------------------------------------------------------------------------------

    def _applying(self, plan: RowPlan | str) -> Acting[ChangeReceipt]:
        change = plan if isinstance(plan, str) else plan.digest
        self._propose(Act.APPLY, {"change": change})  # outside a run nothing is looked up
        try:
            kept = self._parts.plans.find(change)
        except ChangeRefused as error:
            return self._telling(Act.APPLY, change, error)
        if kept is None:
            return self._telling(Act.APPLY, change, _not_kept(change))
        return self._making(kept)

    def _making(self, kept: Kept) -> Acting[ChangeReceipt]:
        """Return the action that applies a plan, an undo or another, or tells that it was applied before."""
        plan = kept.plan
        act = Act.UNDO if plan.undo_of else Act.APPLY
        proposal = self._propose(act, kept.args, before=kept.picture)
        if self._made(plan.digest) and not self._unfinished(proposal.action):
            return self._telling(act, plan.digest, _not_kept(plan.digest))

        def do() -> tuple[Json, ChangeReceipt]:
            try:
                receipt = self._rows.apply(plan, plan.digest)
            except ChangeRefused:  # the next undo is planned anew
                self._forget(plan.undo_of)
                raise
            return receipt_form(self._name, receipt), receipt

        return Acting(proposal, do, receipt_of)

    def _made(self, change: str) -> bool:
        """Return whether a change was made, as far as can be told now; applying it finds out in any case."""
        try:
            return _DIGEST.fullmatch(change) is not None and self._rows.receipt(change) is not None
        except (ChangeRefused, CommitInDoubt):
            return False

    def _unfinished(self, action: Action) -> bool:
        """Return whether the store knows this very call, or one whose process ended before its outcome was recorded.

        Such a call is not told of beside: made again as it was, it ends as it should.
        """
        host = self._parts.edge.host
        lost = {(run, call) for run, call, *_ in host.lost_calls}

        def look(tx: Transaction) -> bool:
            if action.keep and tx.call(action.run, action.call) is not None:
                return True
            same = (call for call in tx.unsettled() if call.key == action.key)
            return any(not call.alive or (call.run, call.call) in lost for call in same)

        return host.store.read(look)

    def _telling(self, act: Act, change: str, otherwise: ChangeRefused) -> Acting[ChangeReceipt]:
        """Return the action that tells the receipt of a change made before, or why there is none: it only reads."""

        def do() -> tuple[Json, ChangeReceipt]:
            done = self._rows.receipt(change) if _DIGEST.fullmatch(change) else None
            if done is None:
                raise otherwise
            receipt = replace(done, again=True)
            return receipt_form(self._name, receipt), receipt

        args = change_args(change, [Touch(f"{KIND}/{self._name}", Verb.READ, 0)])
        return Acting(self._propose(act, args), do, receipt_of)

    def _planning_undo(self, change: str) -> Acting[RowPlan]:
        def plan() -> Kept:
            kept = self._parts.plans.keep(self._planned_undo(change), "undo")
            self._parts.plans.note_undo(kept)
            return kept

        return self._planning(_unnamed(self._propose(Act.PLAN, {"undo": change})), plan)

    def _planned_undo(self, change: str) -> RowPlan:
        """Return the plan that undoes a change.

        Raises:
            ChangeRefused: The change was never made, or cannot be undone.
        """
        if _DIGEST.fullmatch(change) is None or self._rows.receipt(change) is None:
            raise self._never_made(change)
        return self._rows.undo(change)

    def _never_made(self, change: str) -> ChangeRefused:
        try:
            kept = self._parts.plans.find(change)
        except ChangeRefused:
            kept = None
        return never_made(change, planned=kept is not None, act=Act.UNDO if kept and kept.plan.undo_of else Act.APPLY)

    def _previewing_undo(self, change: str) -> Acting[dict[str, Json]]:
        def do() -> tuple[Json, dict[str, Json]]:
            plan = self._planned_undo(change)
            seen = picture(plan, seen_of(plan))
            return seen, seen

        proposal = _unnamed(self._propose(Act.PLAN, {"undo": change}))
        return Acting(proposal, do, lambda form: cast("dict[str, Json]", form))

    def _undoing(self, change: str) -> Acting[ChangeReceipt] | None:
        """Return the action that undoes a change by the plan that a person may be looking at, None without one.

        Of what is undone already it tells the receipt.
        """
        self._propose(Act.UNDO, {"change": change})  # outside a run nothing is looked up
        by = self._undone_by(change)
        if by:
            return self._applying(by)
        kept = self._parts.plans.undo_of(change)
        return None if kept is None else self._making(kept)

    def _undone_by(self, change: str) -> str:
        """Return the digest of the undo that a change is undone by now, `""` when it stands, or nobody can tell."""
        try:
            return self._rows.undone(change) if _DIGEST.fullmatch(change) else ""
        except ChangeRefused:
            return ""

    def _forget(self, change: str) -> None:
        """Forget which plan undoes a change, once it did or cannot."""
        if change:
            self._parts.plans.forget_undo(change)


class Database(_Verbs):
    """A guarded database. Made by `Workspace.database()`; its verbs are used inside `Workspace.run()`.

    Each verb raises what any guarded call raises: `Denied`, `ReviewRequired` (make the same call again after approval),
    `ValidationFailed` for what is no valid statement, and what the database layer says: `NotDone` (`ChangeRefused` and
    its kinds `StaleRows` and `RowConflict`, `QueryError`) where nothing was done, `OutcomeUnknown` (`CommitInDoubt`)
    where nobody knows. `StoreError` says that the store cannot be used.
    """

    def query(self, sql: str) -> Rows:
        """Run one read.

        Args:
            sql: One SELECT, from anywhere. It is understood first; what runs is written anew from it.

        Returns:
            Its rows, cut off at the limits, which is said.
        """
        return self._run(self._reading(sql))

    def describe(self, table: str | None = None) -> list[Json]:
        """Return the tables as JSON objects: name, columns, primary key, and what may be changed.

        Args:
            table: One table, all of them by default.
        """
        return self._run(self._describing(table))

    def plan_sql(self, sql: str) -> RowPlan:
        """Plan what one INSERT, UPDATE or DELETE asks for; nothing is changed.

        Args:
            sql: The statement, from anywhere. A condition becomes the rows that it means now.

        Returns:
            The plan; `plan.preview` shows it.
        """
        return self._run(self._planning_sql(sql))

    def tell_sql(self, sql: str) -> dict[str, Json]:
        """Plan as `plan_sql` does, and return what is told of the plan, as a JSON object.

        Args:
            sql: The statement.

        Returns:
            `change`, the digest that `apply` takes; what a person will see: `rows`, `tables`, `breakdown`, `samples`,
            `cascades`, `warnings`, `expires`; and `asks`, what of the plan itself asks a person. Rules of the policy
            and earlier refusals may ask as well; that is found out by `apply`.
        """
        return self._run(self._planning_sql(sql).told())

    def update(self, table: str, ids: Iterable[object], set: Mapping[str, object]) -> RowPlan:
        """Plan new values for rows; nothing is changed.

        Args:
            table: The table.
            ids: Keys of the rows; a key of several columns is a tuple.
            set: The values by column.
        """
        return self._run(self._updating(table, ids, set))

    def insert(self, table: str, rows: Sequence[Mapping[str, object]]) -> RowPlan:
        """Plan new rows; nothing is changed.

        Args:
            table: The table.
            rows: The values of each row by column; all rows have the same columns.
        """
        return self._run(self._inserting(table, rows))

    def delete(self, table: str, ids: Iterable[object]) -> RowPlan:
        """Plan the removal of rows; nothing is changed.

        Args:
            table: The table.
            ids: Keys of the rows; a key of several columns is a tuple.
        """
        return self._run(self._deleting(table, ids))

    def apply(self, plan: RowPlan | str) -> ChangeReceipt:
        """Apply a plan: all of it or nothing, and once however often it is called.

        Args:
            plan: The plan, or its digest.

        Returns:
            What was done; `receipt.change` names the change for `undo`.
        """
        return self._run(self._applying(plan))

    def undo(self, change: str) -> ChangeReceipt:
        """Take a change back, unless somebody has changed one of its rows since; then nothing is undone.

        Args:
            change: Digest of the change.

        Raises:
            RowConflict: Rows were changed since; they are listed.
        """
        undoing = self._undoing(change)
        if undoing is None:
            undoing = self._applying(self._run(self._planning_undo(change)))
        receipt = self._run(undoing)
        self._forget(change)
        return receipt

    def preview_undo(self, change: str) -> dict[str, Json]:
        """Return what `undo` would do, as a person will see it; nothing is changed.

        Args:
            change: Digest of the change.

        Raises:
            RowConflict: Rows were changed since; they are listed.
        """
        return self._run(self._previewing_undo(change))

    def made(self, change: str) -> bool:
        """Return whether a change was made in this database; it needs no run.

        Raises:
            ChangeRefused: The database has no history, so nobody can tell.
            CommitInDoubt: The database does not answer.
        """
        return _DIGEST.fullmatch(change) is not None and self._rows.receipt(change) is not None

    def undone(self, change: str) -> bool:
        """Return whether a change was made in this database and is undone now; it needs no run. Raises as `made`."""
        return _DIGEST.fullmatch(change) is not None and bool(self._rows.undone(change))

    def recorded(self, change: str) -> Recorded:
        """Return when a change was made in this database and what it did, as far as can be told; it needs no run."""
        try:
            receipt = self._rows.receipt(change) if _DIGEST.fullmatch(change) else None
        except (ChangeRefused, CommitInDoubt):
            receipt = None
        return Recorded() if receipt is None else recorded(self._name, receipt)

    def close(self) -> None:
        """Close the connections that were opened here."""
        self.dispose()

    def _run(self, acting: Acting[T]) -> T:
        return acting.run(self._parts.edge)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncDatabase(_Verbs):
    """The same for an async engine; see `Database` for what each verb does.

    Reads go over connections of their own, in threads; changes over the engine.
    """

    async def query(self, sql: str) -> Rows:
        """Run one read."""
        return await self._run(await _thread(lambda: self._reading(sql)), _thread)

    async def describe(self, table: str | None = None) -> list[Json]:
        """Return the tables as JSON objects."""
        return await self._run(self._describing(table), _thread)

    async def plan_sql(self, sql: str) -> RowPlan:
        """Plan what one INSERT, UPDATE or DELETE asks for."""
        return await self._run(await _thread(lambda: self._planning_sql(sql)))

    async def update(self, table: str, ids: Iterable[object], set: Mapping[str, object]) -> RowPlan:
        """Plan new values for rows."""
        return await self._run(self._updating(table, ids, set))

    async def insert(self, table: str, rows: Sequence[Mapping[str, object]]) -> RowPlan:
        """Plan new rows."""
        return await self._run(self._inserting(table, rows))

    async def delete(self, table: str, ids: Iterable[object]) -> RowPlan:
        """Plan the removal of rows."""
        return await self._run(self._deleting(table, ids))

    async def apply(self, plan: RowPlan | str) -> ChangeReceipt:
        """Apply a plan."""
        return await self._run(await _greenlet(lambda: self._applying(plan)))

    async def undo(self, change: str) -> ChangeReceipt:
        """Take a change back."""
        undoing = await _greenlet(lambda: self._undoing(change))
        if undoing is None:
            plan = await self._run(self._planning_undo(change))
            undoing = await _greenlet(lambda: self._applying(plan))
        receipt = await self._run(undoing)
        self._forget(change)
        return receipt

    async def close(self) -> None:
        """Close the connections that were opened here."""
        self.dispose()

    async def _run(self, acting: Acting[T], spawn: Callable[[Callable[[], Json]], Awaitable[Json]] | None = None) -> T:
        return await acting.run_async(self._parts.edge, spawn or _greenlet)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.dispose()


async def _greenlet(call: Callable[[], T]) -> T:
    """Run our blocking code over an async engine: its waits become waits of the event loop."""
    from sqlalchemy.util.concurrency import greenlet_spawn  # noqa: PLC0415 (heavy, needed only here)

    return await cast("Awaitable[T]", greenlet_spawn(call))


async def _thread(call: Callable[[], T]) -> T:
    """Run code that waits by itself where the event loop does not wait for it."""
    import asyncio  # noqa: PLC0415 (loaded where it is used)

    return await asyncio.to_thread(call)


def _asked(operation: str, table: str, columns: Iterable[str], count: int, content: object) -> dict[str, Json]:
    """Return the arguments of planning by key; of the values a digest, so that others are another call."""
    names: list[Json] = [*columns]
    try:
        mark = digest(to_json(content))
    except NotJson:  # bytes and the like
        mark = digest(repr(content))
    return {"tables": [table], "operation": operation, "columns": names, "rows": count, "values": mark}


def _unnamed(proposal: Proposal) -> Proposal:
    """Return a proposal that is not the call that was named: the undo is, and planning it is another one."""
    action = proposal.action
    return proposal._replace(action=action._replace(call=action.id, keep=False))


def _keys(ids: Iterable[object]) -> tuple[list[object], str]:
    """Return the keys that are named, and why they are none, mostly `""`."""
    if isinstance(ids, str | bytes | Mapping):
        return [], "The keys of the rows are a list, also a single one: ids=[17]."
    return list(ids), ""


def _not_kept(change: str) -> ChangeRefused:
    return ChangeRefused(
        f"No plan {safe(change[:12])} is kept: it never was, or it has expired. Plan the change again."
    )


def _no_read(answer: Classified) -> str:
    """Return why a statement is not run as a query, `""` when it is one (unknown tables are the reader's to refuse)."""
    if answer.kind is StatementClass.REFUSED:
        return answer.why
    return "" if answer.kind is StatementClass.READ else f"{answer.why} A query only reads. Plan the change instead."

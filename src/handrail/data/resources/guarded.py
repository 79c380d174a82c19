"""Guarded files and HTTP resources: what is to change is planned, approved, applied once, and can be undone.

Every verb is an action of the run that is open: it is decided by the policy, and journalled.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from handrail.core.change import Touch, change_args
from handrail.core.digest import Json
from handrail.core.effect import Verb
from handrail.core.facts import Need
from handrail.core.outcome import Violation
from handrail.core.store import Transaction
from handrail.core.text import safe
from handrail.data.acting import Acting, Edge, Recorded
from handrail.data.pieces import Pieces
from handrail.data.resources.errors import ResourceRefused, error_of
from handrail.data.resources.kinds import ResourceKind, inverted, touches
from handrail.data.resources.ledger import Noted, State
from handrail.data.resources.picture import CUT_OFF, picture
from handrail.data.resources.protocol import Preview
from handrail.data.resources.receipt import Receipt, Touched
from handrail.data.resources.resource_plan import ResourcePlan, ResourcePlans
from handrail.data.resources.resource_receipt import UNDO, ResourceReceipt, of_json, of_receipt
from handrail.data.resources.results import CannotDo, NotApplied, Refused, Undone
from handrail.data.resources.traits import Precondition, UndoKind
from handrail.drivers.host import new_nonce
from handrail.policy.guarded import Act
from handrail.run import CALL

ChangeT = TypeVar("ChangeT")
T = TypeVar("T")

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class _Undo:
    """An undo that a person can decide about.

    Attributes:
        receipt: What is undone.
        picture: What a person sees.
        cut_off: Whether it was begun before, so that there is nothing to see.
    """

    receipt: Receipt
    picture: dict[str, Json]
    cut_off: bool


class Resources(Generic[ChangeT]):
    """Guarded files or JSON resources, made by `Workspace.files()` and `Workspace.http()`; used inside a run.

    Each verb raises what any guarded call raises: `Denied`, `ReviewRequired` (make the same call again after approval),
    `ValidationFailed` for what is no change or no plan, `NotDone` where nothing was done (`ResourceStale` says which
    resources somebody changed), `OutcomeUnknown` where an answer was lost. The verbs that end in `_async` are the same
    for an event loop; the work is done in a thread.

    Args:
        name: Name of the place in the policy.
        edge: Where its actions begin.
        kind: The kind of its resources.
        expires_s: How long a plan may be applied, in seconds.
    """

    def __init__(self, name: str, edge: Edge, kind: ResourceKind[ChangeT], expires_s: int) -> None:
        self._name = name
        self._edge = edge
        self._kind = kind
        self._adapter = kind.adapter
        self._expires_s = expires_s
        self._plans = ResourcePlans(Pieces(edge.host.store, name), kind)

    @property
    def name(self) -> str:
        """Its name in the policy."""
        return self._name

    @property
    def where(self) -> str:
        """The root folder or base URL that ids are relative to."""
        return self._adapter.where

    # the verbs

    def plan(self, change: ChangeT) -> ResourcePlan[ChangeT]:
        """Plan a change: its resources are looked at, and nothing is changed.

        Args:
            change: For files a `WriteFile`, `CreateFile`, `DeleteFile` or `MoveFile`; for HTTP resources a `PutJson`,
                `PatchJson`, `CreateJson` or `DeleteJson`.

        Returns:
            The plan; `plan.picture` is what a person will see of it.
        """
        return self._plan(change).run(self._edge)

    async def plan_async(self, change: ChangeT) -> ResourcePlan[ChangeT]:
        """Plan a change."""
        return await self._run(await asyncio.to_thread(self._plan, change))

    def apply(self, plan: ResourcePlan[ChangeT] | str) -> ResourceReceipt:
        """Apply a plan: once, however often it is called, and only while every resource is as it was planned for.

        Args:
            plan: The plan, or its digest.

        Returns:
            What was done; `receipt.change` names the change for `undo`.

        Raises:
            ResourceStale: Somebody changed a resource since it was planned; nothing was changed.
            ResourceInDoubt: Nobody knows yet whether it was done. Apply the same plan again.
        """
        return self._apply(plan).run(self._edge)

    async def apply_async(self, plan: ResourcePlan[ChangeT] | str) -> ResourceReceipt:
        """Apply a plan."""
        return await self._run(await asyncio.to_thread(self._apply, plan))

    def preview_undo(self, change: str) -> dict[str, Json]:
        """Return what `undo` would do, as a person will see it; nothing is changed.

        Args:
            change: Digest of the change.

        Raises:
            ResourceStale: Somebody changed a resource since.
        """
        with _unnamed():
            looking = self._look(change)
        return looking.run(self._edge).picture

    def undo(self, change: str) -> ResourceReceipt:
        """Take a change back, unless somebody has changed one of its resources since; then nothing is undone.

        Args:
            change: Digest of the change.

        Raises:
            ResourceStale: Resources were changed since; they are listed.
        """
        acting = self._undo_settled(change)
        if acting is None:
            with _unnamed():
                looking = self._look(change)
            acting = self._undoing(looking.run(self._edge))
        return acting.run(self._edge)

    async def undo_async(self, change: str) -> ResourceReceipt:
        """Take a change back."""
        acting = await asyncio.to_thread(self._undo_settled, change)
        if acting is None:
            with _unnamed():
                looking = await asyncio.to_thread(self._look, change)
            acting = await asyncio.to_thread(self._undoing, await self._run(looking))
        return await self._run(acting)

    def made(self, change: str) -> bool:
        """Return whether a change was made here, or begun; the resources are not looked at."""
        return self._recorded(change) is not None

    def undone(self, change: str) -> bool:
        """Return whether a change was made here and is undone now."""
        noted = self._recorded(change)
        return noted is not None and noted.state is State.UNDONE

    def recorded(self, change: str) -> Recorded:
        """Return what a change did here, as far as the record tells it."""
        noted = self._recorded(change)
        if noted is None:
            return Recorded()
        done = touches(self._kind, noted.receipt.operation, [one.id for one in noted.receipt.touched])
        return Recorded(0, tuple(f"{one.verb} {one.place}{f' to {one.to}' if one.to else ''}" for one in done))

    def dispose(self) -> None:
        """Do nothing: a file or a connection is open only while a verb runs."""

    async def _run(self, acting: Acting[T]) -> T:
        return await acting.run_async(self._edge, asyncio.to_thread)

    def _acting(
        self,
        act: Act,
        args: dict[str, Json],
        do: Callable[[], tuple[Json, T]],
        again: Callable[[Json], T],
        *,
        invalid: str = "",
        before: Json = None,
    ) -> Acting[T]:
        violations = (Violation("change", "", invalid),) if invalid else ()
        return Acting(self._edge.propose(f"{self._name}.{act}", args, violations, before), do, again)

    # plan

    def _plan(self, change: ChangeT) -> Acting[ResourcePlan[ChangeT]]:
        try:
            own = self._kind.checked(change)
        except CannotDo as error:
            why = str(error)
            named: dict[str, Json] = {"operation": safe(type(change).__name__, max_chars=40)}
            return self._acting(Act.PLAN, named, lambda: _never(why), self._planned_before, invalid=why)
        told = self._kind.told(own)
        ids = _ids(told)
        reads: list[Json] = [self._kind.resource(id) for id in ids]
        args: dict[str, Json] = {"reads": reads, "operation": told["operation"], "content": told.get("content")}

        def do() -> tuple[Json, ResourcePlan[ChangeT]]:
            plan = self._made(own, str(told["operation"]))
            tool = self._edge.host.desk.policy.tool(f"{self._name}.{Act.APPLY}")
            asks = () if tool is None or tool.asks is None else tool.asks(self._args_of(plan))
            return {"change": plan.digest, **plan.picture, "asks": [finding.why for finding in asks]}, plan

        return self._acting(Act.PLAN, args, do, self._planned_before)

    def _made(self, change: ChangeT, operation: str) -> ResourcePlan[ChangeT]:
        seen = self._adapter.preview(change)
        if isinstance(seen, Refused):
            raise error_of(seen)
        expires_s = int(time.time()) + self._expires_s
        shown = self._picture(operation, seen, self._kind.warnings(seen.precondition, change), expires_s)
        return self._plans.make(change, seen.versions, seen.precondition, shown, expires_s, new_nonce())

    def _picture(
        self, operation: str, seen: Preview, warnings: tuple[str, ...], expires_s: int = 0
    ) -> dict[str, Json]:  # fmt: skip
        adapter, at = self._adapter, self._kind.resource
        return picture(adapter.where, operation, seen, at, adapter.traits, warnings=warnings, expires_s=expires_s)

    def _planned_before(self, form: Json) -> ResourcePlan[ChangeT]:
        digest = form.get("change") if isinstance(form, dict) else None
        return self._found(str(digest))

    def _found(self, digest: str) -> ResourcePlan[ChangeT]:
        plan = self._plans.find(digest)
        if plan is None:
            raise ResourceRefused(
                f"No plan {safe(digest[:12])} is kept: it never was, or it has expired. Plan the change again."
            )
        return plan

    # apply

    def _args_of(self, plan: ResourcePlan[ChangeT]) -> dict[str, Json]:
        return self._change_args(plan.digest, plan.operation, plan.ids, plan.precondition)

    def _change_args(
        self, change: str, operation: str, ids: tuple[str, ...], precondition: Precondition
    ) -> dict[str, Json]:
        """Return the arguments of applying; a plan and the receipt of the same change give the same."""
        said = self._kind.said(precondition)
        return change_args(change, touches(self._kind, operation, ids), by="resource", operation=operation, **said)

    def _apply(self, plan: ResourcePlan[ChangeT] | str) -> Acting[ResourceReceipt]:
        digest = plan.digest if isinstance(plan, ResourcePlan) else plan
        try:
            noted = self._recorded(digest)
            if noted is not None and noted.state is State.UNDONE:
                raise ResourceRefused("This change was made and undone. Make a new plan to do it again.")
            if noted is not None and noted.state is State.UNDOING:
                raise ResourceRefused("The undo of this change was cut off. Undo it again, which finishes that.")
            if noted is not None and noted.state is State.APPLIED:
                return self._applied_before(noted.receipt)
            found = self._plans.find(digest)
            if found is None and noted is not None:
                return self._settling(noted.receipt)
            return self._applying(found or self._found(digest))
        except ResourceRefused as error:
            return self._refused(Act.APPLY, digest, str(error))

    def _applying(self, plan: ResourcePlan[ChangeT]) -> Acting[ResourceReceipt]:
        def do() -> tuple[Json, ResourceReceipt]:
            if plan.expires_s <= time.time():
                raise ResourceRefused(f"The plan {plan.digest[:12]} has expired. Plan the change again.")
            ended = self._adapter.apply(plan.change, plan.versions, plan.digest)
            if not isinstance(ended, Receipt):
                raise error_of(ended, begun=self._stands_in(plan.digest, State.BEGUN))
            return _told(of_receipt(ended))

        return self._acting(Act.APPLY, self._args_of(plan), do, of_json, before=plan.picture)

    def _settling(self, receipt: Receipt) -> Acting[ResourceReceipt]:
        """Return the action that tells what became of a change that was cut off and whose plan is gone."""
        ids = tuple(one.id for one in receipt.touched)
        args = self._change_args(receipt.key, receipt.operation, ids, receipt.precondition)

        def do() -> tuple[Json, ResourceReceipt]:
            became = self._adapter.decide(receipt.key)
            if isinstance(became, Receipt):
                return _told(of_receipt(became))
            if isinstance(became, Undone):
                raise ResourceRefused("This change was made and undone.")
            if isinstance(became, NotApplied) and self._adapter.traits.undo is UndoKind.EXACT:  # nothing is under way
                raise ResourceRefused("The change was cut off before it did anything. Plan it again.")
            raise error_of(became, begun=True)

        warnings = (CUT_OFF, *self._kind.warnings(receipt.precondition))
        shown = self._picture(receipt.operation, Preview((), receipt.precondition), warnings)
        return self._acting(Act.APPLY, args, do, of_json, before=shown)

    def _applied_before(self, receipt: Receipt) -> Acting[ResourceReceipt]:
        ids = tuple(one.id for one in receipt.touched)
        args = self._change_args(receipt.key, receipt.operation, ids, receipt.precondition)
        before: Json = None
        with suppress(ResourceRefused):  # a plan that somebody changed does not unmake what was done
            plan = self._plans.find(receipt.key)
            before = None if plan is None else plan.picture
        return self._told_again(Act.APPLY, args, before, of_receipt(receipt, again=True))

    def _told_again(
        self, act: Act, args: dict[str, Json], before: Json, told: ResourceReceipt
    ) -> Acting[ResourceReceipt]:
        """Return the action that tells what was done before; it changes nothing, so it reads.

        Where the very same action is known already (this call was made before, or its process died before the outcome
        was recorded), it is that action: the store then tells its outcome, or gets to know it.
        """
        known, shown = self._known(act, args)
        if known:
            return self._acting(act, args, lambda: _told(told), of_json, before=before if shown is None else shown)
        reads = [Touch(self._kind.resource(one.id), Verb.READ, 0) for one in told.resources]
        return self._acting(act, change_args(told.change, reads), lambda: _told(told), of_json)

    def _known(self, act: Act, args: dict[str, Json]) -> tuple[bool, Json]:
        """Return whether this very action was begun before, and the picture that its approval was given for."""
        action = self._acting(act, args, lambda: _never(""), of_json).proposal.action
        need = Need(action.run, action.call if action.keep else "", action.key, (action.agent,))

        def look(tx: Transaction) -> tuple[bool, Json]:
            facts = tx.facts(need)
            earlier = facts.call or facts.doubtful
            ticket = None if earlier is None or earlier.ticket is None else tx.ticket(earlier.ticket)
            return earlier is not None, None if ticket is None else ticket.view.get("before")

        return self._edge.host.store.read(look)

    def _refused(self, act: Act, change: object, why: str) -> Acting[ResourceReceipt]:
        """Return the action that says why there is nothing to do, so that the attempt stands in the journal."""
        args: dict[str, Json] = {"change": safe(change, max_chars=64), "rows": 0, "touches": []}
        return self._acting(act, args, lambda: _never(why), of_json, invalid=why)

    # undo

    def _undo_settled(self, change: str) -> Acting[ResourceReceipt] | None:
        """Return the action of an undo where there is nothing to look at; None where a change is there to be undone."""
        try:
            noted = self._standing(change)
        except ResourceRefused as error:
            return self._refused(Act.UNDO, change, str(error))
        if noted.state is not State.UNDONE:
            return None
        receipt = noted.receipt
        return self._told_again(Act.UNDO, self._undo_args(receipt), None, _undone(receipt, again=True))

    def _standing(self, change: str) -> Noted:
        noted = self._recorded(change)
        if noted is None:
            raise ResourceRefused(f"No change {safe(change[:12])} was made here. Look in the journal: handrail log")
        if noted.state is State.BEGUN:
            raise ResourceRefused("This change was cut off. Apply its plan again first: that tells what became of it.")
        return noted

    def _look(self, change: str) -> Acting[_Undo]:
        """Return the action that looks at what a change left, so that nobody is asked about an undo in conflict."""

        def again(form: Json) -> _Undo:
            del form
            return self._looked(self._standing(change).receipt)

        try:
            noted = self._standing(change)
            if noted.state is State.UNDONE:
                raise ResourceRefused("This change was undone already. There is nothing to undo.")
            receipt = noted.receipt
        except ResourceRefused as error:
            why = str(error)
            args: dict[str, Json] = {"undo": safe(change, max_chars=64)}
            return self._acting(Act.PLAN, args, lambda: _never(why), again, invalid=why)
        reads: list[Json] = [self._kind.resource(one.id) for one in receipt.touched]

        def do() -> tuple[Json, _Undo]:
            looked = self._looked(receipt)
            return {"change": change, **looked.picture}, looked

        return self._acting(Act.PLAN, {"undo": change, "reads": reads}, do, again)

    def _looked(self, receipt: Receipt) -> _Undo:
        seen = self._adapter.preview_undo(receipt)
        if not isinstance(seen, Preview):
            raise error_of(seen)
        operation, _ = inverted(receipt.operation, ())
        cut_off = not seen.pictures
        warnings = (*((CUT_OFF,) if cut_off else ()), *self._kind.warnings(seen.precondition))
        return _Undo(receipt, self._picture(operation, seen, warnings), cut_off)

    def _undo_args(self, receipt: Receipt) -> dict[str, Json]:
        """Return the arguments of an undo; they come from the receipt alone, so they are the same each time."""
        operation, ids = inverted(receipt.operation, [one.id for one in receipt.touched])
        said = self._kind.said(self._adapter.undo_precondition(receipt))
        done = touches(self._kind, operation, ids)
        return change_args(receipt.key, done, by="undo", operation=operation, undoes=receipt.key, **said)

    def _undoing(self, looked: _Undo) -> Acting[ResourceReceipt]:
        receipt = looked.receipt

        def do() -> tuple[Json, ResourceReceipt]:
            ended = self._adapter.undo(receipt)
            if not isinstance(ended, Undone):
                raise error_of(ended, begun=self._stands_in(receipt.key, State.UNDOING))
            return _told(replace(_undone(receipt), resources=ended.touched))

        args, shown = self._undo_args(receipt), None
        if looked.cut_off:  # what was seen then cannot be seen any more; the approval of then still answers
            _, shown = self._known(Act.UNDO, args)
        return self._acting(Act.UNDO, args, do, of_json, before=looked.picture if shown is None else shown)

    # the ledger

    def _recorded(self, change: object) -> Noted | None:
        if not isinstance(change, str) or not _DIGEST.fullmatch(change):
            raise ResourceRefused(
                f"{safe(change, max_chars=40)} is not the digest of a plan. Give the plan, or its digest."
            )
        noted = self._adapter.recorded(change)
        if isinstance(noted, Refused):
            raise error_of(noted)
        return noted

    def _stands_in(self, change: str, state: State) -> bool:
        """Return whether the ledger says so, or cannot be read, so that it may."""
        noted = self._adapter.recorded(change)
        return isinstance(noted, Refused) or (noted is not None and noted.state is state)


def _undone(receipt: Receipt, *, again: bool = False) -> ResourceReceipt:
    swapped = tuple(Touched(one.id, one.after, one.before) for one in receipt.touched)
    return replace(of_receipt(receipt, again=again), operation=UNDO, resources=swapped)


def _told(receipt: ResourceReceipt) -> tuple[Json, ResourceReceipt]:
    return receipt.to_json(), receipt


def _never(why: str) -> tuple[Json, T]:
    raise ResourceRefused(why)


def _ids(told: dict[str, Json]) -> tuple[str, ...]:
    ids = told["ids"]
    assert isinstance(ids, list)
    return tuple(str(id) for id in ids)


@contextmanager
def _unnamed() -> Iterator[None]:
    """Propose what is not the caller's named call, but a look before it."""
    token = CALL.set(None)
    try:
        yield
    finally:
        CALL.reset(token)

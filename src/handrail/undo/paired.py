"""Undoing by the tool that the policy pairs with a tool, as long as what the action left is still there.

No tool can compare and write in one step, so this looks right before it writes: once the intent of the undo is on disk,
with nothing in between. Nobody else can be undoing the same action meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from handrail.core.digest import Json, NotJson, digest, to_json
from handrail.core.outcome import Outcome, Reason, Status
from handrail.core.text import safe
from handrail.core.tool import EffectError, Paired, Tool
from handrail.data.acting import Edge
from handrail.drivers import blocking
from handrail.drivers.host import Body, current
from handrail.errors import OutcomeUnknown, ReviewRequired, StoreError
from handrail.policy.redact import REDACTED
from handrail.undo.fate import NotUndone, UndoFate
from handrail.undo.made import Made, Reached
from handrail.undo.standing import UndoStanding, claim, standing

ANYWAY = "To undo it all the same: --unchecked (in a program, unchecked=True)."

_OPEN = frozenset({Reason.CHECKS, Reason.IN_DOUBT, Reason.READ_BACK, Reason.RESOURCE_UNKNOWN, Reason.WOULD_BLOCK})
"""Reasons that leave open what a call did."""


@dataclass(frozen=True, slots=True)
class PairedCall:
    """A call that is made from here.

    Attributes:
        tool: Name of the tool.
        args: Its arguments.
    """

    tool: str
    args: dict[str, Json]

    @property
    def key(self) -> str:
        """The same for the same call."""
        return digest([self.tool, self.args])


Left = dict[str, tuple[str, str]]
"""By the key of a read: the digest of what it gave after an undo, and of what had been there before the undone action.

Where a server stamps what it is sent (a version, a time), an undo never brings back what an earlier action left to the
letter. It stands for it: nobody else wrote in between.
"""


@dataclass(frozen=True, slots=True)
class PairedUndo:
    """How an action is undone by a paired tool.

    Attributes:
        edge: Where actions begin.
        made: The action.
        call: What undoes it.
        read: What tells whether it is still as the action left it; None when nobody asks.
        left: Where to note what this leaves, for the undo of an earlier action on the same; None for nowhere.
    """

    edge: Edge
    made: Made
    call: PairedCall
    read: PairedCall | None
    left: Left | None = None

    def look(self) -> str:
        """Tell whether it can be undone.

        Raises:
            NotUndone: It cannot.
        """
        action = self.made.action
        doubt = self._refuse(self.edge.host.store.read(lambda tx: standing(tx, action)))
        self._body(self.call)
        self._compare(doubt)
        return "" if self.read is not None else "Nobody could tell whether it was changed since."

    def undo(self) -> str:
        """Undo it.

        Raises:
            NotUndone: It was not undone.
            ReviewRequired: A person has to decide.
            OutcomeUnknown: Whether it was undone is not known.
        """
        said = self.look()
        body = self._body(self.call)

        def checked() -> object:
            self._compare(self._claim())
            return body.call()

        proposal = self.edge.propose(self.call.tool, self.call.args)
        _settled(blocking.run(proposal, self.edge.host, Body(checked, body.check)))
        if self.left is not None and self.read is not None and self.made.before is not None:
            with suppress(NotUndone):
                self.left[self.read.key] = (self._now(self.read), digest(self.made.before))
        return said

    def _claim(self) -> str:
        """Keep everybody else from undoing the same, or find that they did. What is noted survives a power loss.

        Returns:
            Id of an undo that may have been made already, in an attempt before this one; `""` without one.
        """
        undo = current()
        assert undo is not None
        try:
            other = self.edge.host.store.transact(
                lambda tx: claim(tx, self.made, undo, compares=self.read is not None), durable=True
            )
        except StoreError as error:
            raise NotUndone(str(error), UndoFate.FAILED) from error
        return self._refuse(other) or (undo.action if undo.attempt else "")

    def _refuse(self, other: UndoStanding | None) -> str:
        """Stop when it was taken back already. Return who may have, where comparing tells."""
        if other is None:
            return ""
        if other.reached is Reached.UNCLEAR and self.read is not None:
            return other.by
        if other.reached is Reached.DONE:
            raise NotUndone("It was taken back before.", UndoFate.ALREADY)
        if other.reached is Reached.RUNNING:
            why = f"It is being taken back right now, by action {other.by}. Look again when that has ended."
        elif other.reached is Reached.UNCLEAR:
            why = f"Action {other.by} may have taken it back: see handrail log show {other.by}. Settle it by hand."
        else:
            why = f"Action {other.by} may have taken it back. Look, then run: handrail log resolve {other.by}"
        raise NotUndone(why, UndoFate.IN_DOUBT)

    def _compare(self, doubt: str) -> None:
        """Stop when it is not as the action left it.

        Args:
            doubt: Id of an undo that may have been made already, `""` without one.
        """
        if self.read is None:
            return
        now = self._now(self.read)
        if now != self.made.after and (self.left or {}).get(self.read.key) != (now, self.made.after):
            if doubt:
                raise NotUndone(
                    f"It is not as the action left it: action {doubt} may have taken it back, or somebody changed it. "
                    f"See handrail log show {doubt}, and settle it by hand.",
                    UndoFate.IN_DOUBT,
                )
            raise NotUndone("Somebody changed it since, so it was left as it is. Settle it by hand.", UndoFate.CONFLICT)

    def _now(self, read: PairedCall) -> str:
        """Return the digest of what is there now."""
        outcome = blocking.run(self.edge.propose(read.tool, read.args), self.edge.host, self._body(read))
        if outcome.status is not Status.SUCCESS:
            why = f"Nobody can tell whether it was changed since: it could not be read. {outcome.why}"
            raise NotUndone(why, UndoFate.FAILED)
        try:
            return digest(to_json(outcome.value))
        except NotJson:
            return ""

    def _body(self, call: PairedCall) -> Body:
        body = self.edge.host.bodies(call.tool, call.args)
        if body is None:
            raise NotUndone(
                f"'{safe(call.tool)}' cannot be called from here. For a tool of an MCP server, name the server's "
                "command at the end: handrail undo … -- COMMAND. For a guarded function, call hr.undo in its program.",
                UndoFate.IMPOSSIBLE,
            )
        if body.is_async:
            raise NotUndone(
                f"'{safe(call.tool)}' is async, and this undo is not. Undo it by hand, or guard a blocking function.",
                UndoFate.IMPOSSIBLE,
            )
        return Body(body.call, body.check)


def paired_undo(edge: Edge, made: Made, tool: Tool, left: Left | None = None, *, unchecked: bool) -> PairedUndo:
    """Return how an action is undone.

    Args:
        edge: Where actions begin.
        made: The action.
        tool: Its tool, which names an undo.
        left: Where undos note what they leave; None when nothing else is undone on the same.
        unchecked: Whether to undo also what nobody can tell whether it was changed since.

    Raises:
        NotUndone: There is no way back.
    """
    undo, read = tool.undo, tool.verify or tool.before
    assert undo is not None
    scope: dict[str, Json] = {"args": dict(made.args or {}), "before": made.before, "result": made.result}
    try:
        call = PairedCall(undo.call, undo.args(scope))
    except EffectError as error:
        raise NotUndone(f"What its undo needs was not kept: {error}", UndoFate.IMPOSSIBLE) from None
    if _hidden(call.args):
        raise NotUndone("Its undo needs a secret, and the journal keeps none. Undo it by hand.", UndoFate.IMPOSSIBLE)
    look, why = None, ""
    if read is None:
        why = f"Declare 'before' or 'verify' for '{safe(made.tool)}', for the next time."
    elif not made.after:
        why = "It was not read right after it."
    elif made.again is not None and digest(made.again) != made.after:
        why = "It was tried more than once, and something else was there in between."
    else:
        look, why = _reading(read, scope)
    if look is None and not unchecked:
        said = f"{made.why} " if made.why else ""
        why = f"{said}Nobody can tell whether somebody else changed it. {why} {ANYWAY}"
        raise NotUndone(why, UndoFate.IMPOSSIBLE)
    return PairedUndo(edge, made, call, look, left)


def _reading(read: Paired, scope: dict[str, Json]) -> tuple[PairedCall | None, str]:
    """Return the call that reads, or why there is none."""
    try:
        call = PairedCall(read.call, read.args(scope))
    except EffectError as error:
        return None, f"What its read needs was not kept: {error}"
    return (None, "Its read needs a secret, and the journal keeps none.") if _hidden(call.args) else (call, "")


def _settled(outcome: Outcome) -> None:
    """Raise what kept the undo from being a success."""
    error = outcome.error
    if outcome.status is Status.SUCCESS:
        return
    if isinstance(error, NotUndone) or (error is not None and not isinstance(error, Exception)):
        raise error
    if outcome.status is Status.HUMAN_REVIEW_REQUIRED and outcome.ticket is not None:
        raise ReviewRequired(outcome)
    if outcome.reason in _OPEN or isinstance(error, TimeoutError | OutcomeUnknown):
        more = "" if "handrail log resolve" in outcome.why else f" See: handrail log show {outcome.action}"
        raise OutcomeUnknown(f"{outcome.why}{more}")
    raise NotUndone(outcome.why, UndoFate.FAILED)


def _hidden(value: Json) -> bool:
    if isinstance(value, str):
        return REDACTED in value
    if isinstance(value, Mapping):
        return any(map(_hidden, value.values()))
    return isinstance(value, list) and any(map(_hidden, value))

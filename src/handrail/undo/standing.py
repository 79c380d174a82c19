"""Whether an action was taken back by its paired tool, told by the journal.

An undo notes which action it takes back before it does anything. How it ended is in the journal anyway, so nothing is
written afterwards, and a crash in between loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from handrail.core.digest import Json
from handrail.core.record import Record, RecordKind, Stored
from handrail.core.store import Query, Transaction
from handrail.drivers.host import Execution
from handrail.undo.made import PAGE, Made, Reached, reached

UNDO = "undo"
"""Reason of the event that names who takes an action back."""


class UndoStanding(NamedTuple):
    """What became of the last undo of an action.

    Attributes:
        reached: How far it came; DONE when the action is taken back now.
        by: Id of the action that took it back, or set out to.
    """

    reached: Reached
    by: str


def standing(tx: Transaction, action: str, *, apart_from: str = "") -> UndoStanding | None:
    """Return how an action was taken back; None when nothing took it back, or that was itself taken back.

    Args:
        tx: The transaction.
        action: Id of the action.
        apart_from: Id of an undo that does not count: the one that asks.
    """
    for event in _events(tx, action):
        by = _by(event)
        far = Reached.NOTHING if by == apart_from else _far(tx, event)
        if far is Reached.NOTHING:
            continue
        own = standing(tx, by, apart_from=apart_from)
        if own is None:
            return UndoStanding(far, by)
        if own.reached is not Reached.DONE:
            return own
    return None


def claim(tx: Transaction, made: Made, undo: Execution, *, compares: bool) -> UndoStanding | None:
    """Note that an action sets out to take another back, unless another one did; return that one.

    Args:
        tx: The transaction.
        made: What is to be taken back.
        undo: The action that takes it back.
        compares: Whether it goes on after an undo that ended unclear, since what that one did would show.
    """
    other = standing(tx, made.action, apart_from=undo.action)
    free = other is None or (compares and other.reached is Reached.UNCLEAR)
    if free and all(_by(event) != undo.action for event in _events(tx, made.action)):
        body: dict[str, Json] = {"by": undo.action, "run": undo.run}
        record = Record(RecordKind.EVENT, made.action, made.run, undo.agent, made.tool, _name(made.action))
        tx.append(record._replace(reason=UNDO, body=body))
    return other


def undone_in(tx: Transaction, listed: Iterable[Made]) -> set[str]:
    """Return which of some actions set out to take back another of them."""
    ids = {one.action for one in listed if one.action}
    return {by for action in ids for event in _events(tx, action) if (by := _by(event)) in ids}


def _name(action: str) -> str:
    """Return what the event stands under in the journal, where it is found quickly."""
    return f"action/{action}"


def _events(tx: Transaction, action: str) -> list[Stored]:
    """Return the undos of an action, newest first; those that retention emptied are as old as what they undid."""
    rows = tx.records(Query(resource=_name(action), kinds=(RecordKind.EVENT,), newest_first=True))
    return [row for row in rows if row.record.reason == UNDO and not row.pruned]


def _by(event: Stored) -> str:
    return str(event.record.body.get("by"))


def _far(tx: Transaction, event: Stored) -> Reached:
    """Return how far an undo came; its outcomes stand behind the event."""
    by, far = _by(event), Reached.MAYBE
    query = Query(
        run=str(event.record.body.get("run")), action=by, kinds=(RecordKind.OUTCOME,), after_seq=event.seq, limit=PAGE
    )
    for row in tx.records(query):
        far = reached(row.record)
        if far is Reached.DONE:
            return far
    if far is Reached.MAYBE and any(call.action == by and call.alive for call in tx.unsettled()):
        return Reached.RUNNING
    return far

"""What became of an action that is to be taken back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from handrail.core.digest import Json
from handrail.core.outcome import Reason
from handrail.errors import NotDone
from handrail.undo.made import Made


class UndoFate(StrEnum):
    """What became of one action."""

    UNDONE = "undone"
    READY = "ready"  # it can be undone; only ever reached beforehand
    READY_AFTER = "ready_after"  # the same, as far as can be told while a later action of the list still covers it
    HELD = "held"  # its undo waits for a person
    CONFLICT = "conflict"  # somebody changed what it left; nothing was touched
    IMPOSSIBLE = "impossible"  # there is no way back, or it cannot be reached from here
    FAILED = "failed"  # its undo was refused or failed, and changed nothing
    IN_DOUBT = "in_doubt"  # whether it is undone is not known
    ALREADY = "already"  # it was undone before
    NOTHING = "nothing"  # it turned out to have done nothing


READY = frozenset({UndoFate.READY, UndoFate.READY_AFTER})
"""What can be tried."""

LEFT = frozenset({UndoFate.HELD, UndoFate.CONFLICT, UndoFate.IMPOSSIBLE, UndoFate.FAILED, UndoFate.IN_DOUBT})
"""What somebody still has to see to."""


@dataclass(frozen=True, slots=True)
class TakenBack:
    """One action and what became of it.

    Attributes:
        made: The action.
        fate: What became of it.
        why: A sentence or two, safe to print; `""` where there is nothing to say.
        ticket: The ticket that its undo waits for, `""` without one.
        keys: For a conflict, the rows or resources that somebody changed, as text; raw.
    """

    made: Made
    fate: UndoFate
    why: str = ""
    ticket: str = ""
    keys: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        made = self.made
        return {
            "action": made.action, "tool": made.tool, "agent": made.agent, "run": made.run, "change": made.change,
            "effects": list(made.effects), "fate": self.fate.value, "why": self.why, "ticket": self.ticket,
            "keys": list(self.keys),
        }  # fmt: skip


class NotUndone(NotDone):
    """It was not undone.

    Attributes:
        fate: What became of it.
    """

    def __init__(self, message: str, fate: UndoFate) -> None:
        super().__init__(message)
        self.fate = fate
        if fate is UndoFate.CONFLICT:
            self.reason = Reason.STALE

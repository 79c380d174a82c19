"""A receipt: what a change touched, from which version to which, and what its undo needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from handrail.core.digest import Json
from handrail.data.resources.traits import Precondition

Version: TypeAlias = str
"""Opaque text that differs whenever the resource does."""

ABSENT: Version = "absent"
"""The version of what does not exist."""

UNKNOWN: Version = "unknown"
"""The version after a change that nobody could tell; no version equals it, so its undo is a conflict."""


@dataclass(frozen=True, slots=True)
class Touched:
    """One resource that a change touched.

    Attributes:
        id: The resource.
        before: Its version before the change.
        after: Its version after it.
    """

    id: str
    before: Version
    after: Version


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that a change was made, and all that its undo needs.

    Attributes:
        where: The root folder or base URL that the ids are relative to.
        operation: What was done: the change's own word.
        key: The idempotency key, which is the plan's digest.
        touched: The resources, each once.
        precondition: What kept this very change from overwriting somebody else's write.
        kept: What the adapter needs for undo; may hold the resource's old content.
    """

    where: str
    operation: str
    key: str
    touched: tuple[Touched, ...]
    precondition: Precondition
    kept: Json

    def to_json(self) -> Json:
        """Return the receipt as JSON that `from_json` reads."""
        return {
            "where": self.where,
            "operation": self.operation,
            "key": self.key,
            "touched": [[one.id, one.before, one.after] for one in self.touched],
            "precondition": self.precondition.value,
            "kept": self.kept,
        }

    @classmethod
    def from_json(cls, value: Json) -> Receipt:
        """Return the receipt that `to_json` wrote.

        Raises:
            ValueError: It is none.
        """
        match value:
            case {
                "where": str(where),
                "operation": str(operation),
                "key": str(key),
                "touched": list(touched),
                "precondition": str(precondition),
                "kept": kept,
            }:
                each = tuple(_touched(one) for one in touched)
                return cls(where, operation, key, each, Precondition(precondition), kept)
        raise ValueError("This is not a receipt.")


def _touched(value: Json) -> Touched:
    match value:
        case [str(id), str(before), str(after)]:
            return Touched(id, before, after)
    raise ValueError("This is not a receipt: a touched resource is [id, before, after].")

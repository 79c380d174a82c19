"""What a caller gets for a change that was made, or taken back; it holds no content."""

from __future__ import annotations

from dataclasses import dataclass

from handrail.core.digest import Json
from handrail.data.resources.receipt import Receipt, Touched
from handrail.data.resources.traits import Precondition


@dataclass(frozen=True, slots=True)
class ResourceReceipt:
    """Proof that a change was made, or taken back.

    Attributes:
        change: Digest of the plan, which names the change for `undo`.
        operation: What was done: `write`, `create`, `delete`, `move`, `put`, `patch`, or `undo`.
        where: The root folder or base URL that the ids are relative to.
        resources: The resources, each with its version before and after.
        precondition: What kept it from overwriting somebody else's write.
        again: Whether it had been done before, so that nothing was done now.
    """

    change: str
    operation: str
    where: str
    resources: tuple[Touched, ...]
    precondition: Precondition
    again: bool = False

    def to_json(self) -> dict[str, Json]:
        """Return it as the journal and agents see it."""
        return {
            "change": self.change,
            "operation": self.operation,
            "where": self.where,
            "resources": [{"id": one.id, "before": one.before, "after": one.after} for one in self.resources],
            "precondition": self.precondition.value,
            "again": self.again,
        }


UNDO = "undo"
"""The operation of a change that was taken back."""


def of_receipt(receipt: Receipt, *, again: bool = False) -> ResourceReceipt:
    """Return what a caller gets for the adapter's receipt of a change."""
    return ResourceReceipt(
        receipt.key, receipt.operation, receipt.where, receipt.touched, receipt.precondition, again
    )  # fmt: skip


def of_json(form: Json) -> ResourceReceipt:
    """Return the receipt of a call that was made before, as it was kept.

    Raises:
        ValueError: It is none.
    """
    match form:
        case {
            "change": str(change),
            "operation": str(operation),
            "where": str(where),
            "resources": list(resources),
            "precondition": str(precondition),
        }:
            touched = tuple(_touched(one) for one in resources)
            return ResourceReceipt(change, operation, where, touched, Precondition(precondition), again=True)
    raise ValueError("This is not a receipt.")


def _touched(form: Json) -> Touched:
    match form:
        case {"id": str(id), "before": str(before), "after": str(after)}:
            return Touched(id, before, after)
    raise ValueError("This is not a receipt.")

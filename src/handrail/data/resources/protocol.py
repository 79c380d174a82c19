"""The adapter protocol: four verbs over resources that are no rows, and the question what became of a change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

from handrail.core.digest import Json
from handrail.data.resources.ledger import Noted
from handrail.data.resources.receipt import Receipt, Version
from handrail.data.resources.results import Conflict, InDoubt, NotApplied, Refused, Stale, Undone
from handrail.data.resources.traits import Precondition, Traits

Applied: TypeAlias = Receipt | Stale | Refused | NotApplied | InDoubt
"""How an apply ended."""

Reverted: TypeAlias = Undone | Conflict | Refused | NotApplied | InDoubt
"""How an undo ended; `NotApplied` when it was cut off and the change still stands."""

Became: TypeAlias = Receipt | Undone | NotApplied | InDoubt | Refused
"""What became of a change."""

ChangeT_contra = TypeVar("ChangeT_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Picture:
    """One resource before and after a change.

    Attributes:
        id: The resource.
        version: Its version now; what `apply` is to expect.
        before: Its content now; None when absent.
        after: Its content after the change; None when absent.
    """

    id: str
    version: Version
    before: Json | bytes
    after: Json | bytes


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change would do, told without doing it.

    Attributes:
        pictures: Each resource that it touches.
        precondition: What will keep this very change from overwriting somebody else's write.
    """

    pictures: tuple[Picture, ...]
    precondition: Precondition

    @property
    def versions(self) -> dict[str, Version]:
        """The versions that `apply` is to expect."""
        return {picture.id: picture.version for picture in self.pictures}


class Adapter(Protocol[ChangeT_contra]):
    """Guarded changes of one kind of resource. No verb raises for what the world does; bugs raise."""

    @property
    def traits(self) -> Traits:
        """What the adapter promises."""

    @property
    def where(self) -> str:
        """The root folder or base URL that ids are relative to; receipts carry it."""

    def observe(self, ids: Iterable[str]) -> dict[str, Version] | Refused:
        """Return the version of each resource."""

    def preview(self, change: ChangeT_contra) -> Preview | Refused:
        """Return what `change` would do, without doing it."""

    def apply(self, change: ChangeT_contra, expected_versions: Mapping[str, Version], idempotency_key: str) -> Applied:
        """Make the change if every resource still has its expected version.

        Args:
            change: What to do.
            expected_versions: The version of exactly the resources that the change touches, from its preview.
            idempotency_key: The plan's digest. A repeat with the same key gets the first receipt, or finishes what
                was cut off.
        """

    def undo(self, receipt: Receipt) -> Reverted:
        """Take the change back if nobody has touched its resources since; repeating it is harmless."""

    def recorded(self, idempotency_key: str) -> Noted | Refused | None:
        """Return what the ledger says of a change, None when it was never begun; the resources are not looked at."""

    def preview_undo(self, receipt: Receipt) -> Preview | Conflict | Refused:
        """Return what `undo` would do, without doing it; of an undo that was cut off, nothing but the precondition."""

    def undo_precondition(self, receipt: Receipt) -> Precondition:
        """Return what will keep the undo of this change from overwriting somebody else's write."""

    def decide(self, idempotency_key: str) -> Became:
        """Tell, after a crash or a lost answer, what became of a change, by looking at its resources."""

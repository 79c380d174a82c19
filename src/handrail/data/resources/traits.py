"""What an adapter promises about its resources: declared, so that a policy and a reviewer can judge by it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Precondition(StrEnum):
    """What keeps a change from overwriting somebody else's write."""

    ATOMIC = "atomic"
    """The resource itself compares and writes in one step."""
    CHECK_THEN_ACT = "check_then_act"
    """We compare, then write; a write that falls in between is lost."""
    NONE = "none"
    """Nothing is compared."""


class DryRun(StrEnum):
    """Whether a preview can be had without an effect."""

    NONE = "none"
    SAFE = "safe"
    UNSAFE = "unsafe"


class UndoKind(StrEnum):
    """How much of a change an undo takes back."""

    EXACT = "exact"
    """Every byte that was there before."""
    COMPENSATING = "compensating"
    """The old state is written again; what the change set off elsewhere stays."""
    NONE = "none"


class Idempotency(StrEnum):
    """What keeps a repeated change from happening twice."""

    KEY = "key"
    """The idempotency key: a repeat gets the first answer."""
    NATURAL = "natural"
    """The change itself: a repeat leaves the same state."""
    NO = "no"


@dataclass(frozen=True, slots=True)
class Traits:
    """The four promises of an adapter.

    Attributes:
        precondition: What keeps a change from overwriting somebody else's write.
        dry_run: Whether a preview can be had without an effect.
        undo: How much of a change an undo takes back.
        idempotency: What keeps a repeated change from happening twice.
    """

    precondition: Precondition
    dry_run: DryRun
    undo: UndoKind
    idempotency: Idempotency

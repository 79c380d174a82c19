"""What guardrails remember of an action: a mark (when something happened last), an addition to a tally, a label."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from handrail.core.store import Transaction

LABELS_MAX = 64
"""Labels that one resource can carry."""

LABELS_FULL = "labels_full"
"""Put instead of one label too many: not everything is known of the resource, so every write to it asks."""

AFTER = "after:"
"""How the label starts that `forbids_after` and `until_cleared` put on a resource, before the rule's id."""


class Mark(NamedTuple):
    """Something happened now.

    Attributes:
        key: What happened, to whom.
        until_us: When nobody asks any more, microseconds since the epoch; 0 for never.
        forget: Whether to forget the mark instead: what it stood for is used up.
    """

    key: str
    until_us: int = 0
    forget: bool = False


class Count(NamedTuple):
    """An addition to one bucket of a tally.

    Attributes:
        key: The tally.
        bucket: Number of the bucket.
        amount: What is added.
        until_us: When the bucket no longer counts, microseconds since the epoch; 0 for never.
        kept: Whether it stays when the action turns out to have failed.
    """

    key: str
    bucket: int
    amount: int
    until_us: int = 0
    kept: bool = False


class Label(NamedTuple):
    """A label on a resource."""

    resource: str
    label: str


Note: TypeAlias = Mark | Count | Label


def write(tx: Transaction, notes: Iterable[Note]) -> tuple[Count, ...]:
    """Write notes; return the additions that are taken back should the action fail."""
    held: list[Count] = []
    for note in notes:
        if isinstance(note, Mark):
            if note.forget:
                tx.drop_mark(note.key)
            else:
                tx.put_mark(note.key, note.until_us)
        elif isinstance(note, Label):
            put_label(tx, note.resource, note.label)
        else:
            tx.add_tally(note.key, note.bucket, note.amount, note.until_us)
            if not note.kept:
                held.append(note)
    return tuple(held)


def take_back(tx: Transaction, held: Iterable[Count]) -> None:
    """Undo additions of an action that failed: it used up nothing."""
    for note in held:
        tx.add_tally(note.key, note.bucket, -note.amount, note.until_us)


def put_label(tx: Transaction, resource: str, label: str) -> None:
    """Put a label on a resource; nothing is forgotten when it is full, it says so instead."""
    carried = tx.resource(resource).labels
    fits = label in carried or len(carried) < LABELS_MAX
    tx.put_label(resource, label if fits else LABELS_FULL)

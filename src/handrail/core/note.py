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


class Moment(NamedTuple):
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
    """A label on a resource.

    Attributes:
        resource: Normalised id.
        label: The label.
        at_us: When it was put, for one that was put before the action ran; it is taken back should nothing happen.
    """

    resource: str
    label: str
    at_us: int = 0


Note: TypeAlias = Moment | Count | Label


def write(tx: Transaction, notes: Iterable[Note]) -> tuple[Count, ...]:
    """Write notes; return the additions that are taken back should the action fail."""
    held: list[Count] = []
    for note in notes:
        if isinstance(note, Moment):
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


def take_back(tx: Transaction, held: Iterable[Count | Label]) -> None:
    """Undo what was remembered of an action that did nothing: it used up nothing, and changed nothing.

    A label that somebody else has put since stays.
    """
    for note in held:
        if isinstance(note, Count):
            tx.add_tally(note.key, note.bucket, -note.amount, note.until_us)
        elif tx.resource(note.resource).labels.get(note.label) == note.at_us:
            tx.drop_labels(note.resource, (note.label,))


def put_ahead(tx: Transaction, resource: str, labels: Iterable[str]) -> tuple[Label, ...]:
    """Put labels before an action runs, that restrict whatever becomes of it; return those that were not there.

    A label that is there is put again, so that whoever put it first does not take it back while this action goes on.
    """
    carried = tx.resource(resource).labels
    put: list[Label] = []
    for label in labels:
        put_label(tx, resource, label)
        if label not in carried:
            put.append(Label(resource, label, tx.now_us))
    return tuple(put)


def put_label(tx: Transaction, resource: str, label: str) -> None:
    """Put a label on a resource; nothing is forgotten when it is full, it says so instead."""
    carried = tx.resource(resource).labels
    fits = label in carried or len(carried) < LABELS_MAX
    tx.put_label(resource, label if fits else LABELS_FULL)

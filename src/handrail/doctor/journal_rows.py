"""The newest rows of a journal, read within bounds: a check must not cost more as history grows."""

from __future__ import annotations

from handrail.core.record import RecordKind, Stored
from handrail.core.store import Query, Store

RECENT_ROWS = 100_000
"""Rows that are looked through for something rare."""

FOUND_MAX = 1_000
"""Rows that are taken of those."""


def newest(store: Store) -> Stored | None:
    """Return the newest row; None for an empty journal."""
    return store.read(lambda tx: next(iter(tx.records(Query(newest_first=True, limit=1))), None))


def events(store: Store, reason: str, since_us: int) -> list[Stored]:
    """Return events of one reason since a time, newest first, of the newest rows."""
    last = newest(store)
    if last is None:
        return []
    query = Query(
        kinds=(RecordKind.EVENT,), after_seq=max(0, last.seq - RECENT_ROWS), newest_first=True, limit=FOUND_MAX
    )
    rows = store.read(lambda tx: list(tx.records(query)))
    return [row for row in rows if row.record.reason == reason and row.at_us >= since_us]

"""Finding an action in the journal."""

from __future__ import annotations

from handrail.core.names import did_you_mean
from handrail.core.record import Stored
from handrail.core.store import Query, Store, Transaction
from handrail.core.text import safe
from handrail.errors import NotFoundError

ROWS_MAX = 1_000


def rows_of(store: Store, action: str) -> list[Stored]:
    """Return the rows of one action, oldest first. Raises `NotFoundError` with the nearest recent id."""
    return store.read(lambda tx: find_rows(tx, action))


def find_rows(tx: Transaction, action: str) -> list[Stored]:
    """Return the rows of one action, oldest first. Raises `NotFoundError` with the nearest recent id."""
    rows = list(tx.records(Query(action=action, limit=ROWS_MAX))) if action else []
    if rows:
        return rows
    recent = {row.record.action for row in tx.records(Query(newest_first=True)) if row.record.action}
    raise NotFoundError(f"There is no action '{safe(action)}'.{did_you_mean(action, recent)} List them: handrail log")

"""Why a change is not planned, not applied or not undone; a refusal says what happened and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handrail.core.digest import Json
from handrail.core.outcome import Reason
from handrail.core.text import safe
from handrail.errors import NotDone, NotNow, OutcomeUnknown

SHOWN = 10
"""Keys that a message names."""

Key = tuple[Json, ...]
"""The values of a primary key as cells, in the order of its columns."""


class ChangeRefused(NotDone):
    """The change was refused, and nothing was written. Plan it differently."""


class StaleRows(ChangeRefused):
    """Rows are no longer as planned, and nothing was written. Plan the change again.

    Attributes:
        keys: Keys of the rows that changed, vanished or appeared since; at most 100.
    """

    reason = Reason.STALE

    def __init__(self, message: str, keys: Sequence[Key] = ()) -> None:
        super().__init__(message)
        self.keys = tuple(keys)


class RowConflict(ChangeRefused):
    """Somebody changed rows since, so nothing was undone. Settle these rows by hand.

    Attributes:
        keys: Keys of the rows that somebody changed, removed or made since; at most 100.
    """

    reason = Reason.STALE

    def __init__(self, message: str, keys: Sequence[Key] = ()) -> None:
        super().__init__(message)
        self.keys = tuple(keys)


class Footprint(ChangeRefused):
    """The change touched other rows than planned, so it was rolled back.

    Attributes:
        planned: Rows inserted, updated and deleted, by table.
        found: What was touched. SQLite tells only the sum of all tables, under `*`.
    """

    def __init__(
        self, message: str, planned: Mapping[str, tuple[int, int, int]], found: Mapping[str, tuple[int, int, int]]
    ) -> None:
        super().__init__(message)
        self.planned = dict(planned)
        self.found = dict(found)


class DatabaseBusy(NotNow):
    """The database is locked, or out of reach, so this call wrote nothing. Apply the same plan again in a moment."""


class CommitInDoubt(OutcomeUnknown):
    """The connection broke, and whether the change was made is not known. Look its digest up before anything else.

    Attributes:
        digest: Digest of the plan; `GuardedRows.receipt(digest)` tells, once the database answers again.
    """

    def __init__(self, message: str, digest: str) -> None:
        super().__init__(message)
        self.digest = digest


def shown(keys: Sequence[Key]) -> str:
    """Return keys as a text that is safe to print."""
    parts = [safe("/".join(str(value) for value in key), max_chars=60) for key in keys[:SHOWN]]
    more = len(keys) - SHOWN
    return ", ".join(parts) + (f" and {more:,} more" if more > 0 else "")

"""Why a query gave no rows: the statement was refused, or the database failed."""

from __future__ import annotations

from handrail.errors import NotDone


class QueryError(NotDone):
    """The query gave no rows, and nothing was changed. Read why, and ask again."""


class QueryRefused(QueryError):  # noqa: N818 (it says what happened)
    """The statement was refused and not run. Write it differently."""


class QueryFailed(QueryError):  # noqa: N818 (it says what happened)
    """The database failed or took too long; nothing was changed. Ask for less, or again later."""

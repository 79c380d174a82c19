"""`handrail data prune`: old rows that are kept for undoing changes go, the changes stay known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from handrail.cli.data.install import Name, Url

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.engine import Connection


def prune(
    ctx: typer.Context,
    older: Annotated[
        str,
        typer.Option("--older", metavar="AGE", help="Older than this: 90d, 12h, 2w; or a date.", show_default=False),
    ],
    name: Name = "",
    url: Url = "",
    apply: Annotated[bool, typer.Option("--apply", help="Remove the old rows.")] = False,
) -> None:
    """Tell how many changes are older; with --apply, remove the rows that are kept to undo them.

    What was pruned cannot be undone any more. That it was made stays known, so no plan is applied twice. On PostgreSQL
    it takes the role that made the history tables; give it with --url.
    """
    import datetime as dt
    import time

    from handrail.cli.data.install import connected, found
    from handrail.cli.log.prune import moment_before
    from handrail.cli.options import options
    from handrail.cli.output import count, emit, line, moment, rfc3339
    from handrail.data.rows import history

    meant = found(ctx, name, url)
    before_us = moment_before(older, time.time_ns() // 1_000, "--older")
    before = dt.datetime.fromtimestamp(before_us / 1_000_000, dt.UTC)
    with connected(meant) as connection:
        changes = _older(connection, before, meant.name)
        if apply:
            changes = history.prune(connection, before)
            connection.commit()
    if options(ctx).json:
        emit({"before": rfc3339(before_us), "changes": changes, "pruned": apply})
    elif apply:
        line(f"Removed the old rows of {count(changes, 'change')} from before {moment(before_us)} UTC.")
    else:
        line(
            f"{count(changes, 'change')} from before {moment(before_us)} UTC could not be undone any more. "
            "Nothing was removed; add --apply."
        )


def _older(connection: Connection, before: dt.datetime, name: str) -> int:
    """Count the changes from before a moment that can still be undone."""
    from sqlalchemy import text

    from handrail.data.lacking import history_missing, torn
    from handrail.data.rows.history import TABLES
    from handrail.errors import ConfigurationError

    missing = history_missing(connection)
    if torn(missing):
        raise ConfigurationError(torn(missing))
    if len(missing) == len(TABLES):
        words = f"handrail data install {name}".rstrip()
        raise ConfigurationError(f"This database has no history tables, so there is nothing to prune. See: {words}")
    counted = text("SELECT count(*) FROM handrail_change WHERE pruned = 0 AND applied_at < :before")
    found = connection.execute(counted, {"before": before.isoformat(timespec="microseconds")}).scalar_one()
    return int(found)

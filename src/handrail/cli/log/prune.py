"""`handrail log prune`: retention."""

from __future__ import annotations

import re
from typing import Annotated

import typer

_UNITS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def prune(
    ctx: typer.Context,
    before: Annotated[
        str,
        typer.Option("--before", metavar="AGE", help="Older than this: 90d, 12h, 2w; or a date.", show_default=False),
    ],
) -> None:
    """Remove the contents of old rows; the rows stay, and still verify.

    Arguments, results and reasons go. Rows of actions that have not ended keep theirs.
    """
    from handrail.cli.output import count, emit, line, moment, progress, rfc3339
    from handrail.cli.people import system_user
    from handrail.cli.session import opened_store
    from handrail.core.digest import Json
    from handrail.core.record import Record, RecordKind

    with opened_store(ctx) as (store, as_json), progress("Pruning the journal"):
        before_us = moment_before(before, store.read(lambda tx: tx.now_us))
        rows = store.prune(before_us)
        body: dict[str, Json] = {"by": system_user(), "before": rfc3339(before_us), "rows": rows}
        store.transact(lambda tx: tx.append(Record(RecordKind.EVENT, reason="prune", body=body)), durable=True)
    if as_json:
        emit({"before": rfc3339(before_us), "rows": rows})
        return
    line(f"Removed the contents of {count(rows, 'row')} from before {moment(before_us)} UTC.")


def moment_before(said: str, now_us: int) -> int:
    """Return the moment that an age or a date names, microseconds since the epoch.

    Raises:
        UsageError: It is neither, or lies in the future.
    """
    import datetime as dt

    from handrail.cli.exits import UsageError
    from handrail.core.text import safe

    if found := re.fullmatch(r"(\d{1,6})([mhdw])", said.strip()):
        return max(now_us - int(found[1]) * _UNITS[found[2]] * 1_000_000, 0)
    try:
        at = dt.datetime.fromisoformat(said.strip())
        at = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
        moment_us = int(at.timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        message = f"--before '{safe(said)}' is neither an age (90d, 12h, 2w) nor a date (2026-03-01)."
        raise UsageError(message) from None
    if moment_us > now_us:
        raise UsageError(f"--before '{safe(said)}' lies in the future. Everything would be removed.")
    return max(moment_us, 0)

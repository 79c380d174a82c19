"""`handrail log prune`: retention."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from handrail.core.store import Transaction

_UNITS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def prune(
    ctx: typer.Context,
    before: Annotated[
        str,
        typer.Option("--before", metavar="AGE", help="Older than this: 90d, 12h, 2w; or a date.", show_default=False),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask where everything would go, for scripts.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the rows that are older.")] = False,
) -> None:
    """Remove the contents of old rows; the rows stay, and still verify.

    Arguments, results and reasons go. Rows of actions that have not ended keep theirs. Where everything would
    go, it asks first.
    """
    from handrail.cli.output import count, emit, line, moment, progress, rfc3339
    from handrail.cli.people import system_user
    from handrail.cli.session import opened_store
    from handrail.core.digest import Json
    from handrail.core.record import Record, RecordKind

    with opened_store(ctx) as (store, as_json):
        now_us = store.read(lambda tx: tx.now_us)
        before_us = moment_before(before, now_us)
        if dry_run:
            rows = store.read(lambda tx: older(tx, before_us))
            if as_json:
                emit({"before": rfc3339(before_us), "rows": rows, "dry_run": True})
            else:
                line(f"At most {count(rows, 'row')} from before {moment(before_us)} UTC would go. Nothing was removed.")
            return
        if before_us >= now_us - EVERYTHING_US and not yes:
            _confirm(before)
        with progress("Pruning the journal"):
            rows = store.prune(before_us)
        body: dict[str, Json] = {"by": system_user(), "before": rfc3339(before_us), "rows": rows}
        store.transact(lambda tx: tx.append(Record(RecordKind.EVENT, reason="prune", body=body)), durable=True)
    if as_json:
        emit({"before": rfc3339(before_us), "rows": rows})
        return
    line(f"Removed the contents of {count(rows, 'row')} from before {moment(before_us)} UTC.")


EVERYTHING_US = 60 * 1_000_000
"""Whoever names a moment so close to now asks for everything to go."""


def older(tx: Transaction, before_us: int) -> int:
    """Count the rows from before a moment that still have contents."""
    from handrail.core.store import Query

    found = after = 0
    while rows := list(tx.records(Query(after_seq=after, limit=1_000))):
        found += sum(row.at_us < before_us and not row.pruned for row in rows)
        after = rows[-1].seq
        if rows[-1].at_us >= before_us:
            break
    return found


def _confirm(before: str) -> None:
    """Have a person say that everything shall go. Raises `UsageError`."""
    from handrail.cli.exits import UsageError
    from handrail.core.text import safe

    what = f"--before {safe(before)} removes the contents of the whole journal"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{what}. Nothing was removed. If that is meant, add --yes; to count only, --dry-run.")
    sys.stderr.write(f"{what}, for ever. Go on? Type yes: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() != "yes":
        raise UsageError("Nothing was removed.")


def moment_before(said: str, now_us: int, option: str = "--before") -> int:
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
        message = f"{option} '{safe(said)}' is neither an age (90d, 12h, 2w) nor a date (2026-03-01)."
        raise UsageError(message) from None
    if moment_us > now_us:
        raise UsageError(f"{option} '{safe(said)}' lies in the future. Everything would be removed.")
    return max(moment_us, 0)

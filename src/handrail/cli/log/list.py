"""`handrail log`: the newest rows of the journal, or those that come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer


if TYPE_CHECKING:
    from rich.text import Text

    from handrail.core.record import Stored
    from handrail.core.store import Query, Store

POLL_S = 0.5
LIMIT_MAX = 100_000


Wanted = StrEnum("Wanted", {"BEGUN": BEGUN} | {status.name: status.value for status in Status})
"""What `--status` takes: `begun` is what people are shown for an attempt whose row has no status."""


def list_rows(
    ctx: typer.Context,
    run: Annotated[str | None, typer.Option("--run", help="Only this run.", show_default=False)] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="Only this agent.", show_default=False)] = None,
    tool: Annotated[str | None, typer.Option("--tool", help="Only this tool.", show_default=False)] = None,
    status: Annotated[
        Wanted | None, typer.Option("--status", help="Only rows with this status.", show_default=False)
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=LIMIT_MAX, help="At most so many rows, the newest.")] = 50,
) -> None:
    """Read the journal: what agents did, tried, and were refused.

    Newest last. With --json, one object a line.
    """
    from handrail.cli.exits import UsageError
    from handrail.cli.output import say
    from handrail.cli.session import opened_store
    from handrail.core.record import RecordKind
    from handrail.core.store import Query

    filters = any(value is not None for value in (run, agent, tool, status))
    if ctx.invoked_subcommand is not None:
        if filters or follow:
            raise UsageError(
                f"--run, --agent, --tool, --status and --follow do not go with 'log {ctx.invoked_subcommand}'."
            )
        return
    kinds = tuple(kind for kind in RecordKind if kind is not RecordKind.ANCHOR)
    query = Query(run, agent, tool, kinds=kinds, status=status, newest_first=True, limit=limit)
    with opened_store(ctx) as (store, as_json):
        rows = store.read(lambda tx: list(tx.records(query)))[::-1]
        print_rows(rows, as_json=as_json, heading=True)
        if not rows and not follow:
            say("No row matches." if filters else "The journal is empty.")
        if follow:
            last = rows[-1].seq if rows else 0
            for new in following(store, query, last):
                print_rows(new, as_json=as_json, heading=False)


def following(
    store: Store, query: Query, last: int, sleep: Callable[[float], None] = time.sleep
) -> Iterator[list[Stored]]:
    """Yield what comes after the row `last`, for ever."""
    from dataclasses import replace

    while True:
        later = replace(query, after_seq=last, newest_first=False, limit=1_000)
        rows = store.read(lambda tx, later=later: list(tx.records(later)))  # type: ignore[misc]
        if rows:
            last = rows[-1].seq
            yield rows
        if len(rows) < 1_000:
            sleep(POLL_S)


def print_rows(rows: list[Stored], *, as_json: bool, heading: bool) -> None:
    """Print rows, as a table or as JSON lines."""
    from handrail.cli.forms import record_form
    from handrail.cli.output import Column, cell, emit, table

    if as_json:
        for row in rows:
            emit(record_form(row))
        return
    if not rows:
        return
    columns = [Column("time (UTC)", whole=True), Column("agent"), Column("tool"), Column("effect"), Column("status")]
    columns += [Column("reason", from_chars=100), Column("kind", from_chars=140), Column("run", from_chars=160)]
    columns += [Column("action", whole=True, from_chars=100)]
    table(columns, [_row(row, cell) for row in rows], heading=heading)


def _row(row: Stored, cell: Callable[..., Text]) -> list[Text]:
    from handrail.cli.output import moment, plain
    from handrail.cli.styles import status_of, style_of

    record = row.record
    effect = effect_of(row)
    status = status_of(row)
    return [
        plain(moment(row.at_us)), cell(record.agent), cell(record.tool), cell(effect),
        cell(status, style_of(status)), cell(record.reason), plain(record.kind.value),
        cell(record.run, max_chars=40), cell(record.action, max_chars=40),
    ]  # fmt: skip


def effect_of(row: Stored) -> str:
    """Return what a row is about, in a few words; raw."""
    from handrail.review.replay import effects_of

    record = row.record
    if record.kind == "review":
        return str(record.body.get("ticket") or record.body.get("grant") or record.resource)
    if record.kind == "event":
        told = (record.body.get(name) for name in ("reviewer", "by", "why", "alert", "target"))
        return ": ".join(str(value) for value in told if value)
    return "; ".join(effects_of(record))

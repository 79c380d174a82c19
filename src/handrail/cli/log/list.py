"""`handrail log`: the newest rows of the journal, or those that come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.text import Text

    from handrail.cli.output import Layout
    from handrail.core.record import Stored
    from handrail.core.store import Query, Store

POLL_S = 0.5
LIMIT_MAX = 100_000
EFFECT_CHARS = 60
NARROW_CHARS = 100
"""A narrower terminal is not shown the year of a row and its kind; `log show` has both."""


class Wanted(StrEnum):
    """What `--status` takes: every status, and what people are shown for an attempt whose row has none."""

    BEGUN = "begun"
    SUCCESS = "success"
    RETRY = "retry"
    FAILED_VALIDATION = "failed_validation"
    HUMAN_REVIEW_REQUIRED = "human_review_required"
    DENIED = "denied"
    FAILED = "failed"
    KILLED = "killed"


def list_rows(
    ctx: typer.Context,
    run: Annotated[str | None, typer.Option("--run", help="Only this run.", show_default=False)] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="Only this agent.", show_default=False)] = None,
    tool: Annotated[str | None, typer.Option("--tool", help="Only this tool.", show_default=False)] = None,
    status: Annotated[
        Wanted | None, typer.Option("--status", help="Only rows with this status.", show_default=False)
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    limit: Annotated[int, typer.Option("--limit", help="At most so many rows, the newest.")] = 50,
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
    if not 1 <= limit <= LIMIT_MAX:
        raise UsageError(f"--limit is {limit}, and has to be a number of rows, 1 to {LIMIT_MAX:,}.")
    kinds = tuple(kind for kind in RecordKind if kind is not RecordKind.ANCHOR)
    tag = None if status is None else status.value
    if status is Wanted.BEGUN:
        kinds, tag = (RecordKind.ATTEMPT,), ""
    query = Query(run, agent, tool, kinds=kinds, status=tag, newest_first=True, limit=limit)
    with opened_store(ctx) as (store, as_json):
        rows = store.read(lambda tx: list(tx.records(query)))[::-1]
        layout = print_rows(rows, as_json=as_json, follow=follow)
        if not rows and not follow:
            say("No row matches." if filters else "The journal is empty.")
        if follow:
            last = rows[-1].seq if rows else 0
            for new in following(store, query, last):
                layout = print_rows(new, as_json=as_json, layout=layout, follow=True)


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


def print_rows(
    rows: list[Stored], *, as_json: bool, layout: Layout | None = None, follow: bool = False
) -> Layout | None:
    """Print rows, as a table or as JSON lines; return where the columns stand.

    Args:
        rows: The rows.
        as_json: Whether for machines.
        layout: Where the columns of the rows before stand; without it, headings are printed.
        follow: Whether more rows will come, which have to fit under the same headings.
    """
    from handrail.cli.forms import record_form
    from handrail.cli.output import Column, console, emit, table

    if as_json:
        for row in rows:
            emit(record_form(row))
        return None
    if not rows:
        return layout
    screen = console(wide=True)
    narrow = screen.width < NARROW_CHARS
    wide = (16, 21, 17, 16) if follow else (0, 0, 0, 0)
    columns = [Column("time (UTC)", whole=True), Column("action", whole=True, chars=23 if follow else 0)]
    columns += [Column("tool", whole=True, spill=1, chars=wide[0]), Column("status", whole=True, chars=wide[1])]
    columns += [Column("reason", whole=True, spill=2, chars=0 if narrow else wide[2])]
    columns += [Column("effect", spill=4, chars=wide[3]), Column("agent", spill=3, chars=wide[3])]
    columns += [] if narrow else [Column("kind", whole=True, spill=5, chars=8)]
    columns += [Column("run", spill=6)]
    return table(columns, [_row(row, narrow=narrow) for row in rows], heading=layout is None, layout=layout)


def _row(row: Stored, *, narrow: bool) -> list[Text]:
    from handrail.cli.output import cell, moment, plain
    from handrail.cli.styles import status_of, style_of

    record = row.record
    status = status_of(row)
    return [
        plain(moment(row.at_us)[5 if narrow else 0 :]), cell(record.action, max_chars=40), cell(record.tool),
        cell(status, style_of(status)), cell(record.reason), cell(effect_of(row), max_chars=EFFECT_CHARS),
        cell(record.agent),
        *(() if narrow else (plain(record.kind.value),)), cell(record.run, max_chars=40),
    ]  # fmt: skip


def effect_of(row: Stored) -> str:
    """Return what a row is about, in a few words; raw."""
    from handrail.review.replay import effects_of

    record = row.record
    if record.kind == "review":
        return str(record.body.get("ticket") or record.body.get("grant") or record.resource)
    if record.reason == "alert_failed":
        return f"{record.body.get('alert')} to {record.body.get('target')}"
    if record.kind == "event":
        told = (record.body.get(name) for name in ("reviewer", "by", "why", "alert", "target"))
        return ": ".join(str(value) for value in told if value)
    return "; ".join(effects_of(record))

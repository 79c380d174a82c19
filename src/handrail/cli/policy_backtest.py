"""`handrail policy backtest`: what the policy would decide about a trace, or about what the journal recorded."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import orjson
import typer

from handrail.backtest.asks import Asks
from handrail.cli.exits import Code, UsageError
from handrail.cli.options import options
from handrail.cli.output import Column, cell, count, line, plain, progress, say, table
from handrail.core.text import safe

if TYPE_CHECKING:
    from handrail.backtest.journal import Journal, Redecided
    from handrail.backtest.summary import Summary
    from handrail.core.digest import Json
    from handrail.policy import CompiledPolicy

MOVE_EVERY = 500
"""Actions after which the bar moves."""

WHY_CHARS = 160
DECISION_STYLE = {"allow": "green", "ask": "yellow", "deny": "bold red"}
DECIDED = {"allow": "allowed", "ask": "asked", "deny": "denied"}


def backtest(
    ctx: typer.Context,
    trace: Annotated[
        Path | None,
        typer.Option("--trace", metavar="FILE", help="JSON lines, one action each; - for stdin.", show_default=False),
    ] = None,
    asks: Annotated[
        Asks, typer.Option("--asks", metavar="ANSWER", help="What people answer: approved or refused.")
    ] = Asks.APPROVED,
) -> int:
    """Tell what the policy would decide about actions of the past, each with what is remembered of those before.

    With --trace, about a trace file. Without, about what the journal recorded, telling what would change. Nothing
    runs, nothing is recorded.
    """
    from handrail.cli.session import opened, policy_of

    if trace is not None:
        return _trace(policy_of(ctx), trace, asks, as_json=options(ctx).json)
    with opened(ctx) as session:
        from handrail.backtest.journal import Journal
        from handrail.backtest.trial import Trial

        journal = Journal(session.store, Trial(session.policy, asks))
        return _journal(journal, as_json=session.json)


# --- a trace ----------------------------------------------------------------------------------------------------------


def _trace(policy: CompiledPolicy, file: Path, asks: Asks, *, as_json: bool) -> int:
    from handrail.backtest.flight import Flight
    from handrail.backtest.summary import Summary
    from handrail.backtest.trace import Trace, TraceError
    from handrail.backtest.trial import Trial

    found, flight = Summary(), Flight(Trial(policy, asks))
    with _opened(file) as stream, progress("Backtest") as bar:
        trace = Trace(stream, str(file), say)
        size = file.stat().st_size if bar is not None and file.is_file() else 0
        try:
            for course in flight.run(trace):
                found.add(course)
                if as_json:
                    _write(course.to_json())
                if bar is not None and found.total % MOVE_EVERY == 0:
                    bar(trace.bytes_read, max(size, trace.bytes_read))
        except TraceError as error:
            raise UsageError(str(error)) from None
        finally:
            sys.stdout.flush()
    if flight.late:
        say(f"{count(flight.late, 'action')} had an earlier time than the one before; the clock does not go back.")
    if not as_json:
        _summary(found, asks)
    return Code.OK


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    if not file.is_file():
        raise UsageError(f"--trace: {safe(file)} is not a file.")
    try:
        stream = file.open("rb")
    except OSError as error:
        raise UsageError(f"--trace: {safe(file)} cannot be read: {safe(error.strerror)}.") from None
    with stream:
        yield stream


def _write(value: Mapping[str, Json]) -> None:
    """Print one JSON object on one line; many of them, so that each does not wait for the one before."""
    text = orjson.dumps(value)
    if not text.isascii():
        text = json.dumps(value, ensure_ascii=True).encode()  # as every command does: any terminal can show it
    sys.stdout.write(text.decode() + "\n")


def _summary(found: Summary, asks: Asks) -> None:
    """Print what the backtest came to, for people."""
    if not found.total:
        line("The trace has no action.")
        return
    counts = ", ".join(f"{found.decisions[name]:,} {DECIDED[name]}" for name in DECIDED)
    line(f"{count(found.total, 'action')}: {counts}. Whatever asked counts as {asks.value}.")
    line("Ended as: " + ", ".join(f"{number:,} {name}" for name, number in found.statuses.most_common()) + ".")
    line()
    rows = [
        [
            plain(group.decision, DECISION_STYLE[group.decision]),
            cell(group.rule or "-"),
            plain(f"{group.count:,}"),
            cell(", ".join(group.examples), max_chars=120),
            cell(group.why if group.rule else "", max_chars=WHY_CHARS),
        ]
        for group in found.ordered()
    ]
    table((Column("decision", whole=True), Column("rule"), Column("count"), Column("first"), Column("why")), rows)


# --- the journal ------------------------------------------------------------------------------------------------------


def _journal(journal: Journal, *, as_json: bool) -> int:
    total = 0
    changes: dict[tuple[str, str, str | None, str], tuple[int, Redecided]] = {}
    until = journal.last()
    with progress("Backtest") as bar:
        for change in journal:
            total += 1
            if as_json:
                _write(change.to_json())
            elif change.differs:
                course = change.course
                key = (change.was, course.decision, course.rule, course.attempt.tool)
                number, first = changes.get(key, (0, change))
                changes[key] = (number + 1, first)
            if bar is not None and total % MOVE_EVERY == 0:
                bar(journal.seq, until)
    sys.stdout.flush()
    for reason, number in journal.skipped.items():
        say(f"{count(number, 'attempt')} not replayed: {reason.value}.")
    if not as_json:
        _differences(total, list(changes.values()))
    return Code.OK


def _differences(total: int, changes: list[tuple[int, Redecided]]) -> None:
    """Print what would be decided otherwise, for people."""
    differing = sum(number for number, _ in changes)
    line(f"{count(total, 'attempt')} replayed: {total - differing:,} decided as before, {differing:,} otherwise.")
    if not changes:
        return
    line()
    rows = [
        [
            plain(first.was, DECISION_STYLE.get(first.was, "")),
            plain(first.course.decision, DECISION_STYLE[first.course.decision]),
            cell(first.course.rule or "-"),
            cell(first.course.attempt.tool),
            plain(f"{number:,}"),
            cell(f"{first.course.attempt.run}/{first.course.attempt.call}"),
            cell(first.course.why, max_chars=WHY_CHARS),
        ]
        for number, first in sorted(changes, key=lambda one: -one[0])
    ]
    columns = (Column("was", whole=True), Column("now", whole=True), Column("rule"), Column("tool"), Column("count"))
    table((*columns, Column("first"), Column("why")), rows)

"""What a scene reads from the journal of its guarded half."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from handrail.core.digest import Json
from handrail.core.outcome import Status
from handrail.core.record import Record, RecordKind
from handrail.core.store import Query, Store
from handrail.core.ticket import TicketState

ROWS_MAX = 100_000
"""Rows that are read; a scene writes some hundreds."""


@dataclass(slots=True)
class Tally:
    """How often a tool's attempts ended with a status.

    Attributes:
        status: The status tag.
        tool: Name of the tool.
        times: How often.
        why: The sentence of the first one; empty on success.
    """

    status: Status
    tool: str
    times: int = 0
    why: str = ""


def records(store: Store, run: str, *kinds: RecordKind) -> list[Record]:
    """Return the rows of a run, oldest first."""
    query = Query(run=run, kinds=kinds, limit=ROWS_MAX)
    return store.read(lambda tx: [stored.record for stored in tx.records(query)])


def tallies(store: Store, run: str) -> list[Tally]:
    """Count what the agent's attempts ended with, in the order of the statuses. Handrail's own calls are left out."""
    found: dict[tuple[str, str], Tally] = {}
    for record in records(store, run, RecordKind.ATTEMPT, RecordKind.OUTCOME):
        if record.status and not is_own(record):  # an intent has no status: its outcome follows
            key = (record.status, record.tool)
            tally = found.setdefault(key, Tally(Status(record.status), record.tool, why=why_of(record)))
            tally.times += 1
    order = list(Status)
    return sorted(found.values(), key=lambda tally: (order.index(tally.status), tally.tool))


def drifts(store: Store, run: str) -> list[Record]:
    """Return the drift events that a run raised, if the runtime raised any."""
    return [record for record in records(store, run, RecordKind.EVENT) if record.reason == "drift"]


def tickets(store: Store, *states: TicketState) -> int:
    """Count the tickets in these states; all without any."""
    return len(store.read(lambda tx: tx.tickets(states=states, limit=ROWS_MAX)))


def is_own(record: Record) -> bool:
    """Return whether a row tells of a call that Handrail itself made: a before-image, a read-back."""
    return "parent" in record.body


def why_of(record: Record) -> str:
    """Return the most particular sentence that a row tells."""
    for name in ("violations", "findings"):
        for entry in _objects(record.body.get(name)):
            return str(entry.get("why", ""))
    return str(record.body.get("why", ""))


def _objects(value: Json) -> Iterator[dict[str, Json]]:
    if isinstance(value, list):
        yield from (entry for entry in value if isinstance(entry, dict))


def call_of(record: Record) -> str:
    """Return the call that a row tells of, in one line: `ec2.set_tags(id="i-1")`."""
    args = record.body.get("args")
    told = args if isinstance(args, dict) else {}
    return f"{record.tool}({', '.join(f'{name}={json.dumps(value)}' for name, value in told.items())})"

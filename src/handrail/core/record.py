"""The journal's rows: append-only, chained, one for every attempt, outcome, review and event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from handrail.core.digest import Json


class RecordKind(StrEnum):
    """What a row tells."""

    ATTEMPT = "attempt"  # an admission: allowed (then it is the intent), held, or denied
    OUTCOME = "outcome"  # a settlement
    REVIEW = "review"  # a ticket or grant was opened, decided, spent, expired, revoked
    EVENT = "event"  # stop, start, drift, resolve, reviewer added, prune, alert failures
    ANCHOR = "anchor"  # ties this writer's chain to the others


class Record(NamedTuple):
    """One row before it is chained.

    Attributes:
        kind: What it tells.
        action: Id of the action, `""` for events without one.
        run: Run id.
        agent: Name of the agent.
        tool: Name of the tool.
        resource: Normalised id of the first resource.
        status: Status tag; `""` for an intent.
        reason: Reason code.
        body: Everything else, redacted; a JSON object.
    """

    kind: RecordKind
    action: str = ""
    run: str = ""
    agent: str = ""
    tool: str = ""
    resource: str = ""
    status: str = ""
    reason: str = ""
    body: Mapping[str, Json] = {}


@dataclass(frozen=True, slots=True)
class Stored:
    """One row as the journal keeps it.

    Attributes:
        seq: Position in the store, from 1.
        writer: Id of the chain.
        number: Position in the chain, from 1.
        at_us: The store's clock.
        record: What it tells; the body is empty once pruned.
        payload: SHA-256 of the stored body text, hexadecimal; stays when the body is pruned.
        hash: SHA-256 that chains it, hexadecimal.
        pruned: Whether the body was removed by retention or erasure.
    """

    seq: int
    writer: str
    number: int
    at_us: int
    record: Record
    payload: str
    hash: str
    pruned: bool = False

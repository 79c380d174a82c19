"""What the store remembers that a decision depends on, and what it must look up for one.

Facts commute: sets, counters, maxima. A decision reads a fixed number of rows, so it does not cost more as history
grows.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from handrail.core.backoff import RETRY_WINDOW_US
from handrail.core.tool import Access


class CallState(StrEnum):
    """Where the store last saw a call."""

    HELD = "held"  # waits for a person; decided afresh when made again
    RUNNING = "running"  # an intent is on disk; in doubt once its owner is gone
    WAITING = "waiting"  # between two attempts
    DONE = "done"  # has a terminal outcome


class Call(NamedTuple):
    """One call as the store keeps it.

    Attributes:
        run: Run id.
        call: Call id; (run, call) is unique.
        action: Id of the action.
        agent: Name of the agent.
        tool: Name of the tool.
        key: The action key.
        state: Where it stands.
        attempt: The attempt that is running or ended last, counted from 0.
        owner: Id of the writer that holds the intent.
        alive: Whether that writer still lives, as far as this machine can tell.
        ticket: Id of the ticket that this call spent, if any.
        status: Terminal status, `""` before.
        reason: Terminal reason.
        why: Terminal sentence.
        result: Kept result as JSON text; None when it was not kept.
        at_us: Last change, microseconds since the epoch, UTC.
        durable: Whether the intent is of a write.
    """

    run: str
    call: str
    action: str
    agent: str
    tool: str
    key: str
    state: CallState
    attempt: int = 0
    owner: str = ""
    alive: bool = True
    ticket: str | None = None
    status: str = ""
    reason: str = ""
    why: str = ""
    result: str | None = None
    at_us: int = 0
    durable: bool = False

    @property
    def in_doubt(self) -> bool:
        """Whether an intent stands whose owner is gone: the effect may or may not have happened."""
        return self.state is CallState.RUNNING and not self.alive


class Resource(NamedTuple):
    """What is remembered of a resource.

    Attributes:
        zone: The zone it was last seen in; None when unknown.
        labels: Labels that stick to it, each with when it was put last, microseconds since the epoch.
        denials: (verb, rule) of remembered refusals for the asking agent's lineage.
    """

    zone: str | None = None
    labels: Mapping[str, int] = MappingProxyType({})
    denials: tuple[tuple[str, str], ...] = ()


UNKNOWN_RESOURCE = Resource()

TREE_MAX = 100
"""Ids below one resource that a decision looks at; where more are remembered, it asks a person."""


class Latch(NamedTuple):
    """A stop of an agent that every process sees.

    Attributes:
        agent: Name of the agent.
        by: Who stopped it.
        why: One sentence.
        at_us: When.
    """

    agent: str
    by: str
    why: str
    at_us: int


class Need(NamedTuple):
    """What to look up for one decision.

    Attributes:
        run: Run id.
        call: Call id; `""` when it cannot have been seen before.
        key: Action key.
        lineage: The agent and its ancestors, root first.
        resources: Normalised resource ids.
        doubt: Whether to look for a write with the same action key whose owner died.
        trees: Beginnings of resource ids; what is remembered of ids that start so counts as well.
        marks: Keys of marks.
        tallies: Keys of tallies, each with the first bucket that counts.
    """

    run: str
    call: str
    key: str
    lineage: tuple[str, ...]
    resources: tuple[str, ...] = ()
    doubt: bool = True
    trees: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    tallies: tuple[tuple[str, int], ...] = ()


class Facts(NamedTuple):
    """The answer to a `Need`, at one moment.

    Attributes:
        now_us: The store's clock, microseconds since the epoch, UTC; never goes back.
        call: This (run, call), if seen before.
        doubtful: A call with the same action key whose owner died between intent and outcome, if any.
        failures: Failed attempts of this action key since its last success.
        failed_us: When it last failed.
        latches: Stops that hold for the agent or an ancestor.
        access: A demotion that lowers the agent's access, if any.
        resources: What is remembered, by resource id. Of a tree where more than `TREE_MAX` ids are remembered, more
            than `TREE_MAX` are told, though not all: nobody can look at so many.
        marks: When each mark was set last, microseconds since the epoch; keys never set are absent.
        sums: Sum of each tally over the buckets that count; keys without any are absent.
    """

    now_us: int
    call: Call | None = None
    doubtful: Call | None = None
    failures: int = 0
    failed_us: int = 0
    latches: tuple[Latch, ...] = ()
    access: Access | None = None
    resources: Mapping[str, Resource] = MappingProxyType({})
    marks: Mapping[str, int] = MappingProxyType({})
    sums: Mapping[str, int] = MappingProxyType({})

    @property
    def recent_failures(self) -> int:
        """Failures that still count: the last one is younger than the retry window."""
        return self.failures if self.failures and self.now_us - self.failed_us < RETRY_WINDOW_US else 0

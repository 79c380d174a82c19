"""The store port: one transaction at a time, typed verbs inside it.

A *step* is a pure function of a transaction: it reads facts, decides, writes, and returns. The store runs it
atomically and may run it again (a serialisation failure), so a step must have no effects but through the transaction.
Everything that a decision depends on is read, and everything it records is written, in one such step; that is what
makes limits hold across processes. `tests/conformance` is the contract, for all stores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

from handrail.core.facts import Call, Facts, Latch, Need, Resource
from handrail.core.record import Record, Stored
from handrail.core.ticket import Grant, Reviewer, Ticket, TicketState
from handrail.core.tool import Access

if TYPE_CHECKING:  # named only; the core runs no threads and opens no files
    from concurrent.futures import Future
    from pathlib import Path

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Query:
    """Which journal rows to read; every given field must match.

    Attributes:
        run: Run id.
        agent: Name of the agent.
        tool: Name of the tool.
        resource: Normalised resource id.
        action: Action id.
        kinds: Record kinds; empty for all.
        status: Status tag.
        after_seq: Only rows after this position.
        newest_first: Order.
        limit: At most this many rows.
    """

    run: str | None = None
    agent: str | None = None
    tool: str | None = None
    resource: str | None = None
    action: str | None = None
    kinds: tuple[str, ...] = ()
    status: str | None = None
    after_seq: int = 0
    newest_first: bool = False
    limit: int = 1_000


@dataclass(frozen=True, slots=True)
class Denial:
    """One remembered refusal.

    Attributes:
        resource: Normalised resource id.
        root: Root of the agent's lineage.
        verb: The effect that was refused.
        rule: Who refused: a rule id, or `review` for a person.
        at_us: When.
    """

    resource: str
    root: str
    verb: str
    rule: str
    at_us: int


class Transaction(Protocol):
    """What a step can do. Writes are visible to later reads of the same step."""

    @property
    def now_us(self) -> int:
        """The store's clock in microseconds since the epoch, UTC; never goes back."""
        ...

    @property
    def writer(self) -> str:
        """Id of this store's chain, which owns the intents it writes."""
        ...

    def facts(self, need: Need) -> Facts:
        """Return what is remembered for one decision."""
        ...

    def append(self, record: Record) -> None:
        """Append one journal row."""
        ...

    def records(self, query: Query) -> Iterator[Stored]:
        """Yield journal rows."""
        ...

    def call(self, run: str, call: str) -> Call | None:
        """Return one call."""
        ...

    def put_call(self, call: Call) -> None:
        """Write one call; `owner` and `at_us` are set by the store."""
        ...

    def disown(self, run: str, call: str, action: str, attempt: int) -> None:
        """Leave this attempt of a running call in doubt although its process lives: its outcome is not recorded."""
        ...

    def drop_call(self, run: str, call: str) -> None:
        """Forget one call that nobody can repeat."""
        ...

    def unsettled(self) -> tuple[Call, ...]:
        """Return every call whose state is running, oldest first."""
        ...

    def add_failure(self, key: str) -> int:
        """Count one more failed attempt of an action key; return how many count now (see `RETRY_WINDOW_US`)."""
        ...

    def put_failures(self, key: str, count: int) -> None:
        """Set the failed attempts of an action key; 0 forgets it."""
        ...

    def put_zone(self, resource: str, zone: str) -> None:
        """Remember the zone that a resource stands in."""
        ...

    def resource(self, resource: str) -> Resource:
        """Return the zone and the labels of a resource (not the refusals, which belong to a lineage)."""
        ...

    def put_label(self, resource: str, label: str) -> None:
        """Put a label on a resource, now; one that is there gets a later time in any case."""
        ...

    def drop_labels(self, resource: str, labels: tuple[str, ...]) -> int:
        """Take labels off a resource; return how many were there."""
        ...

    def put_mark(self, key: str, until_us: int) -> None:
        """Note that something happened now; nobody asks for it after `until_us` (0: it never ends)."""
        ...

    def drop_mark(self, key: str) -> bool:
        """Forget a mark; return whether there was one."""
        ...

    def marks(self, prefix: str) -> dict[str, int]:
        """Return every mark whose key starts with `prefix`, with when it was set; for people, not for decisions."""
        ...

    def add_tally(self, key: str, bucket: int, amount: int, until_us: int) -> None:
        """Add to one bucket of a tally; nobody asks for that bucket after `until_us` (0: it never ends).

        Args:
            key: The tally.
            bucket: Number of the bucket.
            amount: What to add, may be negative to take back what was added before.
            until_us: When the bucket no longer counts, microseconds since the epoch.
        """
        ...

    def put_denial(self, denial: Denial) -> None:
        """Remember a refusal."""
        ...

    def clear_denials(self, resource: str) -> int:
        """Forget the refusals on a resource; return how many there were."""
        ...

    def latches(self) -> tuple[Latch, ...]:
        """Return every stop."""
        ...

    def put_latch(self, latch: Latch) -> None:
        """Stop an agent."""
        ...

    def clear_latch(self, agent: str) -> bool:
        """Lift a stop; return whether there was one."""
        ...

    def put_access(self, agent: str, access: Access | None) -> None:
        """Demote an agent, or lift its demotion."""
        ...

    def ticket(self, id: str) -> Ticket | None:
        """Return one ticket."""
        ...

    def tickets(
        self,
        *,
        digest: str | None = None,
        key: str | None = None,
        states: tuple[TicketState, ...] = (),
        limit: int = 1_000,
    ) -> tuple[Ticket, ...]:
        """Return tickets, newest first; every given field must match."""
        ...

    def put_ticket(self, ticket: Ticket) -> None:
        """Write a ticket, new or changed."""
        ...

    def grants(self, agent: str | None = None, tool: str | None = None) -> tuple[Grant, ...]:
        """Return grants, newest first."""
        ...

    def put_grant(self, grant: Grant) -> None:
        """Write a grant, new or changed."""
        ...

    def reviewers(self) -> tuple[Reviewer, ...]:
        """Return every reviewer, by name."""
        ...

    def put_reviewer(self, reviewer: Reviewer) -> None:
        """Write a reviewer."""
        ...

    def shape(self, tool: str) -> str | None:
        """Return what was learned of a tool's results, as JSON text."""
        ...

    def put_shape(self, tool: str, state: str) -> None:
        """Write what was learned of a tool's results."""
        ...

    def put_piece(self, key: str, number: int, body: bytes, until_us: int) -> None:
        """Keep one piece of something too large for one row: a plan of many rows.

        Args:
            key: What it is a piece of.
            number: Which piece, counted from 0; one that is there is replaced.
            body: At most 1 MiB.
            until_us: When nobody asks any more, microseconds since the epoch; swept when another key's piece 0 is put.
        """
        ...

    def pieces(self, key: str) -> tuple[int, ...]:
        """Return the numbers of the pieces that are kept, in order."""
        ...

    def piece(self, key: str, number: int) -> bytes | None:
        """Return one piece, None when it is not kept."""
        ...

    def drop_pieces(self, key: str) -> None:
        """Forget all pieces of a key."""
        ...


Step = Callable[[Transaction], T]


@dataclass(frozen=True, slots=True)
class Verification:
    """What `Store.verify` found.

    Attributes:
        records: Rows read.
        chains: Writers seen.
        pruned: Rows whose body was removed by retention.
        faults: One sentence for each fault; empty when the journal is whole.
    """

    records: int
    chains: int
    pruned: int
    faults: tuple[str, ...]


@runtime_checkable
class Store(Protocol):
    """Where facts, tickets and the journal live."""

    @property
    def url(self) -> str:
        """The address, without secrets."""
        ...

    def transact(self, step: Step[T], *, durable: bool = False) -> T:
        """Run a step in one write transaction and return its answer once it is committed.

        Args:
            step: Pure function of the transaction.
            durable: Whether the commit must survive power loss, not only the death of the process.

        Raises:
            StoreError: The store cannot be used; nothing of the step was kept.
        """
        ...

    def submit(self, step: Step[T], *, durable: bool = False) -> Future[T]:
        """Like `transact`, for callers that must not block."""
        ...

    def read(self, step: Step[T]) -> T:
        """Run a reading step on a consistent snapshot."""
        ...

    def verify(self, progress: Callable[[int, int], None] | None = None) -> Verification:
        """Check every chain, payload digest and anchor."""
        ...

    def prune(self, before_us: int) -> int:
        """Remove the bodies of rows older than `before_us` whose action has ended; return how many.

        Marks and tallies that nobody asks for any more go as well.

        Anchors stay, and so does what the reviews of runs with a pending ticket say: verification needs them.
        """
        ...

    def backup(self, path: Path) -> None:
        """Write a consistent copy that can be opened as a store."""
        ...

    def close(self) -> None:
        """Release everything; waits for what is under way."""
        ...

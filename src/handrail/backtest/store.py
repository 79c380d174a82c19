"""A store for trials: it remembers what decisions depend on, and of everything else only what came last.

It is the store in memory without a journal. Facts stay: zones, refusals, counts. Finished calls and closed tickets are
kept for a while, because a repeated call finds them; so memory does not grow with the number of actions.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TypeVar

from handrail.core.backoff import RETRY_WINDOW_US
from handrail.core.facts import Call, CallState, Need
from handrail.core.outcome import Reason, Status
from handrail.core.record import Record, RecordKind, Stored
from handrail.core.store import Query, Step
from handrail.core.ticket import Ticket, TicketState
from handrail.stores.memory import MemoryStore, MemoryTransaction

T = TypeVar("T")

KEPT_MAX = 10_000
"""Finished calls that are remembered."""

CLOSED_MAX = 1_000
"""Tickets that are remembered after they were spent, or their time was over."""

RESULT_CHARS_MAX = 100
"""Longer results of finished calls are not kept; nobody asks for them here."""

_LOOK = Status.HUMAN_REVIEW_REQUIRED.value
_OPEN = frozenset({TicketState.PENDING, TicketState.APPROVED, TicketState.DENIED})


class TrialStore(MemoryStore):
    """A store in memory that keeps no journal.

    Args:
        clock_us: Source of time, microseconds since the epoch.
        valid_us: How long a decision about a ticket binds, in microseconds.

    Attributes:
        attempt: The attempt that was recorded last, None before.
        unknown: Whether the result that is being settled is not known: what cannot be told then is in no doubt.
    """

    def __init__(self, clock_us: Callable[[], int], valid_us: int) -> None:
        super().__init__(clock_us)
        self._valid_us = valid_us
        self.attempt: Record | None = None
        self.unknown = False
        self.finished: OrderedDict[tuple[str, str], None] = OrderedDict()
        self.doubts: dict[str, dict[tuple[str, str], Call]] = {}
        self.closed: OrderedDict[str, Ticket] = OrderedDict()
        self.by_digest: dict[str, dict[str, Ticket]] = {}
        self.by_key: dict[str, dict[str, Ticket]] = {}
        self._swept_us = 0

    def transact(self, step: Step[T], *, durable: bool = False) -> T:
        """Run a step; what fails in it is a mistake of Handrail, which ends the trial."""
        del durable
        self.last_us = max(self.last_us, self._clock_us())
        if self.last_us - self._swept_us > RETRY_WINDOW_US:
            self._sweep()
        return step(TrialTransaction(self, self.last_us))

    def _sweep(self) -> None:
        """Forget failures that count no more, and tickets whose time is over."""
        now_us = self._swept_us = self.last_us
        self.failures = {key: one for key, one in self.failures.items() if now_us - one[1] < RETRY_WINDOW_US}
        for ticket in [one for one in self.asked.values() if self._until_us(one) <= now_us]:
            self.shut(ticket)

    def _until_us(self, ticket: Ticket) -> int:
        if ticket.state is TicketState.PENDING:
            return ticket.pending_until_us
        return ticket.valid_until_us or ticket.decided_us + self._valid_us

    def shut(self, ticket: Ticket) -> None:
        """Take a ticket out of the open ones."""
        self.asked.pop(ticket.id, None)
        for index, name in ((self.by_digest, ticket.digest), (self.by_key, ticket.key)):
            found = index.get(name, {})
            found.pop(ticket.id, None)
            if not found:
                index.pop(name, None)
        self.closed[ticket.id] = ticket
        if len(self.closed) > CLOSED_MAX:
            self.closed.popitem(last=False)


class TrialTransaction(MemoryTransaction):
    """What a step can do with a trial's store."""

    __slots__ = ()
    _store: TrialStore

    def _doubtful(self, need: Need) -> Call | None:
        found = self._store.doubts.get(need.key, {})
        return next((call for place, call in found.items() if place != (need.run, need.call)), None)

    def _seen(self, call: Call) -> Call:
        return call  # every owner lives as long as the trial; what is in doubt says so itself

    def append(self, record: Record) -> None:
        """Keep the last attempt; there is no journal."""
        if record.kind is RecordKind.ATTEMPT:
            self._store.attempt = record

    def records(self, query: Query) -> Iterator[Stored]:
        """Yield nothing."""
        del query
        return iter(())

    def put_call(self, call: Call) -> None:
        """Write one call, without a long result; the oldest finished one makes room."""
        store, place = self._store, (call.run, call.call)
        if call.result is not None and len(call.result) > RESULT_CHARS_MAX:
            call = call._replace(result="null")
        store.calls[place] = call
        if call.key in store.doubts:
            self._certain(call.key, place)
        store.finished.pop(place, None)
        if call.state is CallState.RUNNING:
            return
        store.finished[place] = None
        if len(store.finished) > KEPT_MAX:
            oldest, _ = store.finished.popitem(last=False)  # a plain dict would look past all that was removed before
            del store.calls[oldest]

    def _certain(self, key: str, place: tuple[str, str]) -> None:
        found = self._store.doubts[key]
        found.pop(place, None)
        if not found:
            del self._store.doubts[key]

    def disown(self, run: str, call: str, action: str, attempt: int) -> None:
        """Leave a running call in doubt; where only the trace does not know, it has ended."""
        store = self._store
        found = store.calls.get((run, call))
        if found is None or (found.action, found.attempt) != (action, attempt) or found.state is not CallState.RUNNING:
            return
        if store.unknown:
            self.put_call(found._replace(state=CallState.DONE, status=_LOOK, reason=Reason.RESOURCE_UNKNOWN.value))
            return
        store.crashed = True
        store.calls[run, call] = store.doubts.setdefault(found.key, {})[run, call] = found._replace(alive=False)

    def ticket(self, id: str) -> Ticket | None:
        """Return one ticket."""
        return self._store.asked.get(id) or self._store.closed.get(id)

    def tickets(
        self,
        *,
        digest: str | None = None,
        key: str | None = None,
        states: tuple[TicketState, ...] = (),
        limit: int = 1_000,
    ) -> tuple[Ticket, ...]:
        """Return open tickets, newest first."""
        store = self._store
        if digest is not None:
            chosen = store.by_digest.get(digest, {})
        else:
            chosen = store.asked if key is None else store.by_key.get(key, {})
        found = [t for t in reversed(chosen.values()) if not states or t.state in states]
        return tuple(found[:limit])

    def put_ticket(self, ticket: Ticket) -> None:
        """Write a ticket; one that nothing can come of any more makes room."""
        store = self._store
        if ticket.state not in _OPEN:
            store.shut(ticket)
            return
        store.asked[ticket.id] = ticket
        store.by_digest.setdefault(ticket.digest, {})[ticket.id] = ticket
        store.by_key.setdefault(ticket.key, {})[ticket.id] = ticket

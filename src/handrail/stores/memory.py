"""The store in memory: for tests, dry runs and benches. Same port, same conformance suite; gone with the process."""

from __future__ import annotations

import secrets
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, MutableMapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from handrail.core.facts import TREE_MAX, Call, CallState, Facts, Latch, Need, Resource
from handrail.core.record import Record, RecordKind, Stored
from handrail.core.store import Denial, Query, Step, Transaction, Verification
from handrail.core.ticket import Grant, Reviewer, Ticket, TicketState
from handrail.core.tool import Access
from handrail.errors import StoreError
from handrail.stores.chain import Link, Row, Verifier, is_kept, link, pruned, row_of, stored

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


def system_clock_us() -> int:
    """Return the wall clock in microseconds since the epoch, UTC."""
    return time.time_ns() // 1_000


class MemoryStore:
    """A store that lives in this process.

    Args:
        clock_us: Source of time, microseconds since the epoch; a test passes its own.
    """

    def __init__(self, clock_us: Callable[[], int] = system_clock_us) -> None:
        self._clock_us = clock_us
        self._lock = threading.Lock()
        self._closed = False
        self.crashed = False
        self.writer = secrets.token_hex(6)
        self.last_us = 0
        self.head = Link()
        self.rows: list[Row] = []
        self.calls: dict[tuple[str, str], Call] = {}
        self.failures: dict[str, tuple[int, int]] = {}
        self.zones: dict[str, str] = {}
        self.labels: dict[str, dict[str, int]] = {}
        self.marked: dict[str, tuple[int, int]] = {}
        self.tallied: dict[str, dict[int, tuple[int, int]]] = {}
        self.denials: dict[str, dict[tuple[str, str], Denial]] = {}
        self.names: list[str] = []
        self.stops: dict[str, Latch] = {}
        self.demotions: dict[str, Access] = {}
        self.asked: dict[str, Ticket] = {}
        self.given: dict[str, Grant] = {}
        self.people: dict[str, Reviewer] = {}
        self.shapes: dict[str, str] = {}
        self.kept: dict[tuple[str, int], tuple[bytes, int]] = {}

    @property
    def url(self) -> str:
        """The address."""
        return "memory:"

    def transact(self, step: Step[T], *, durable: bool = False) -> T:
        """Run a step; an exception undoes all that it wrote."""
        del durable
        with self._lock:
            if self._closed:
                raise StoreError("The store is closed. Open Handrail again.")
            self.last_us = max(self.last_us, self._clock_us())
            tx = MemoryTransaction(self, self.last_us)
            try:
                return step(tx)
            except BaseException:
                tx.undo()
                raise

    def submit(self, step: Step[T], *, durable: bool = False) -> Future[T]:
        """Run a step at once; the future is done when this returns."""
        future: Future[T] = Future()
        try:
            future.set_result(self.transact(step, durable=durable))
        except Exception as error:  # noqa: BLE001 (it is handed to whoever asks for the result)
            future.set_exception(error)
        return future

    def read(self, step: Step[T]) -> T:
        """Run a reading step."""
        return self.transact(step)

    def verify(self, progress: Callable[[int, int], None] | None = None) -> Verification:
        """Check the chain."""
        verifier = Verifier()
        with self._lock:
            rows = list(self.rows)
        for index, row in enumerate(rows):
            verifier.feed(row)
            if progress is not None:
                progress(index + 1, len(rows))
        hashes = {(row[1], row[2]): row[14].hex() for row in rows}
        return verifier.result(lambda writer, number: hashes.get((writer, number)))

    def prune(self, before_us: int) -> int:
        """Remove old bodies."""
        return self.transact(lambda tx: self._prune(tx, before_us))

    def _prune(self, tx: Transaction, before_us: int) -> int:
        count = 0
        until_us = min(before_us, tx.now_us + 1)
        running = {call.action for call in self.calls.values() if call.state is not CallState.DONE}
        asking = {ticket.run for ticket in self.asked.values() if ticket.state is TicketState.PENDING}
        for index, row in enumerate(self.rows):
            kept = is_kept(row) or (row[4] == RecordKind.REVIEW and row[6] in asking)
            if row[3] < until_us and row[12] is not None and row[5] not in running and not kept:
                self.rows[index] = (*row[:12], None, *row[13:])
                count += 1
        self.marked = {key: held for key, held in self.marked.items() if not 0 < held[1] < tx.now_us}
        for key, buckets in tuple(self.tallied.items()):
            left = {number: held for number, held in buckets.items() if not 0 < held[1] < tx.now_us}
            self.tallied[key] = left
            if not left:
                del self.tallied[key]
        if count:
            tx.append(pruned(until_us, count))
        return count

    def backup(self, path: Path) -> None:
        """Refuse: there is nothing to open again."""
        raise StoreError(f"A store in memory cannot be copied to {path.name}. Use sqlite:///… as the store.")

    def close(self) -> None:
        """Refuse everything from now on."""
        self._closed = True

    def crash(self) -> None:
        """Go on as another process would after this one died: a new chain, and every intent in doubt."""
        self.writer = secrets.token_hex(6)
        self.head = Link()
        self.crashed = True

    def shorten(self, head: Link) -> None:
        """Take back the last row."""
        self.rows.pop()
        self.head = head


class MemoryTransaction:
    """What a step can do with a store in memory."""

    __slots__ = ("_store", "_undo", "now_us")

    def __init__(self, store: MemoryStore, now_us: int) -> None:
        self._store = store
        self._undo: list[Callable[[], object]] = []
        self.now_us = now_us

    @property
    def writer(self) -> str:
        """Id of the chain."""
        return self._store.writer

    def undo(self) -> None:
        """Take back every write of this transaction."""
        for action in reversed(self._undo):
            action()

    def _put(self, table: MutableMapping[K, V], key: K, value: V) -> None:
        if key in table:
            old = table[key]
            self._undo.append(lambda: table.__setitem__(key, old))
        else:
            self._undo.append(lambda: table.pop(key, None))
        table[key] = value

    def _drop(self, table: MutableMapping[K, V], key: K) -> bool:
        if key not in table:
            return False
        old = table.pop(key)
        self._undo.append(lambda: table.__setitem__(key, old))
        return True

    def facts(self, need: Need) -> Facts:
        """Return what is remembered for one decision."""
        store = self._store
        count, failed_us = store.failures.get(need.key, (0, 0))
        root = need.lineage[0]
        return Facts(
            self.now_us,
            self.call(need.run, need.call) if need.call else None,
            self._doubtful(need) if need.doubt and store.crashed else None,
            count,
            failed_us,
            tuple(store.stops[name] for name in need.lineage if name in store.stops) if store.stops else (),
            store.demotions.get(need.lineage[-1]) if store.demotions else None,
            self._resources(need, root) if store.zones or store.denials or store.labels else {},
            {key: store.marked[key][0] for key in need.marks if key in store.marked} if need.marks else {},
            self._sums(need.tallies) if need.tallies else {},
        )

    def _sums(self, tallies: tuple[tuple[str, int], ...]) -> dict[str, int]:
        known = ((key, since, self._store.tallied.get(key)) for key, since in tallies)
        return {
            key: sum(amount for bucket, (amount, _) in buckets.items() if bucket >= since)
            for key, since, buckets in known
            if buckets
        }

    def _doubtful(self, need: Need) -> Call | None:
        for call in self._store.calls.values():
            here = self._seen(call)
            if (
                here.in_doubt
                and here.durable
                and here.key == need.key
                and (call.run, call.call) != (need.run, need.call)
            ):
                return here
        return None

    def _seen(self, call: Call) -> Call:
        return call._replace(alive=call.owner == self.writer)

    def _resources(self, need: Need, root: str) -> dict[str, Resource]:
        """Return what is known; nothing for resources never seen."""
        store = self._store
        names = dict.fromkeys(need.resources)
        for tree in need.trees:
            start = bisect_left(store.names, tree)
            names |= dict.fromkeys(n for n in store.names[start : start + TREE_MAX + 1] if n.startswith(tree))
        known: dict[str, Resource] = {}
        for name in names:
            refusals = store.denials.get(name)
            denials = tuple((d.verb, d.rule) for d in refusals.values() if d.root == root) if refusals else ()
            zone, labels = store.zones.get(name), store.labels.get(name)
            if zone is not None or denials or labels:
                known[name] = Resource(zone, dict(labels or {}), denials)
        return known

    def _name(self, resource: str) -> None:
        """Keep the names of what is remembered in order, so that what lies below one is found at once."""
        names = self._store.names
        at = bisect_left(names, resource)
        if at == len(names) or names[at] != resource:
            names.insert(at, resource)

    def append(self, record: Record) -> None:
        """Append one journal row."""
        store = self._store
        head = store.head
        made = link(head, store.writer, self.now_us, record)
        self._undo.append(lambda: store.shorten(head))
        store.rows.append(row_of(len(store.rows) + 1, store.writer, self.now_us, record, made))
        store.head = made

    def records(self, query: Query) -> Iterator[Stored]:
        """Yield journal rows."""
        rows = list(self._store.rows)
        left = query.limit
        for row in reversed(rows) if query.newest_first else rows:
            if left <= 0:
                return
            found = stored(row)
            if _wanted(found, query):
                left -= 1
                yield found

    def call(self, run: str, call: str) -> Call | None:
        """Return one call."""
        found = self._store.calls.get((run, call))
        return None if found is None else self._seen(found)

    def put_call(self, call: Call) -> None:
        """Write one call."""
        made = call._replace(owner=self.writer, at_us=self.now_us)
        self._put(self._store.calls, (call.run, call.call), made)

    def disown(self, run: str, call: str, action: str, attempt: int) -> None:
        """Leave a running call in doubt."""
        found = self._store.calls.get((run, call))
        same = found is not None and (found.action, found.attempt) == (action, attempt)
        if found is not None and same and found.state is CallState.RUNNING:
            self._put(self._store.calls, (run, call), found._replace(owner=""))
            self._store.crashed = True

    def drop_call(self, run: str, call: str) -> None:
        """Forget one call."""
        self._drop(self._store.calls, (run, call))

    def unsettled(self) -> tuple[Call, ...]:
        """Return every running call, oldest first."""
        running = (self._seen(c) for c in self._store.calls.values() if c.state is CallState.RUNNING)
        return tuple(sorted(running, key=lambda call: call.at_us))

    def add_failure(self, key: str) -> int:
        """Count one more failure."""
        count, at_us = self._store.failures.get(key, (0, 0))
        count = Facts(self.now_us, failures=count, failed_us=at_us).recent_failures + 1
        self._put(self._store.failures, key, (count, self.now_us))
        return count

    def put_failures(self, key: str, count: int) -> None:
        """Set the failures of an action key."""
        if count:
            self._put(self._store.failures, key, (count, self.now_us))
        else:
            self._drop(self._store.failures, key)

    def put_zone(self, resource: str, zone: str) -> None:
        """Remember a zone."""
        self._name(resource)
        self._put(self._store.zones, resource, zone)

    def resource(self, resource: str) -> Resource:
        """Return the zone and the labels of a resource."""
        return Resource(self._store.zones.get(resource), dict(self._store.labels.get(resource, {})))

    def put_label(self, resource: str, label: str) -> None:
        """Put a label on a resource."""
        self._name(resource)
        carried = self._store.labels.get(resource, {})
        self._put(self._store.labels, resource, {**carried, label: max(self.now_us, carried.get(label, 0) + 1)})

    def drop_labels(self, resource: str, labels: tuple[str, ...]) -> int:
        """Take labels off a resource."""
        old = self._store.labels.get(resource, {})
        kept = {label: at_us for label, at_us in old.items() if label not in labels}
        if kept:
            self._put(self._store.labels, resource, kept)
        else:
            self._drop(self._store.labels, resource)
        return len(old) - len(kept)

    def put_mark(self, key: str, until_us: int) -> None:
        """Note that something happened now."""
        self._put(self._store.marked, key, (self.now_us, until_us))

    def drop_mark(self, key: str) -> bool:
        """Forget a mark."""
        return self._drop(self._store.marked, key)

    def marks(self, prefix: str) -> dict[str, int]:
        """Return every mark whose key starts so."""
        return {key: at_us for key, (at_us, _) in self._store.marked.items() if key.startswith(prefix)}

    def add_tally(self, key: str, bucket: int, amount: int, until_us: int) -> None:
        """Add to one bucket; buckets of the same tally that have ended go."""
        buckets = self._store.tallied.get(key, {})
        kept = {n: held for n, held in buckets.items() if not 0 < held[1] < self.now_us}
        self._put(self._store.tallied, key, {**kept, bucket: (kept.get(bucket, (0, 0))[0] + amount, until_us)})

    def put_denial(self, denial: Denial) -> None:
        """Remember a refusal."""
        self._name(denial.resource)
        old = self._store.denials.get(denial.resource, {})
        self._put(self._store.denials, denial.resource, {**old, (denial.root, denial.verb): denial})

    def clear_denials(self, resource: str) -> int:
        """Forget refusals."""
        count = len(self._store.denials.get(resource, {}))
        self._drop(self._store.denials, resource)
        return count

    def latches(self) -> tuple[Latch, ...]:
        """Return every stop."""
        return tuple(sorted(self._store.stops.values(), key=lambda latch: latch.agent))

    def put_latch(self, latch: Latch) -> None:
        """Stop an agent."""
        self._put(self._store.stops, latch.agent, latch)

    def clear_latch(self, agent: str) -> bool:
        """Lift a stop."""
        return self._drop(self._store.stops, agent)

    def put_access(self, agent: str, access: Access | None) -> None:
        """Demote an agent, or lift it."""
        if access is None:
            self._drop(self._store.demotions, agent)
        else:
            self._put(self._store.demotions, agent, access)

    def ticket(self, id: str) -> Ticket | None:
        """Return one ticket."""
        return self._store.asked.get(id)

    def tickets(
        self,
        *,
        digest: str | None = None,
        key: str | None = None,
        states: tuple[TicketState, ...] = (),
        limit: int = 1_000,
    ) -> tuple[Ticket, ...]:
        """Return tickets, newest first."""
        found = [
            t
            for t in reversed(self._store.asked.values())
            if (digest is None or t.digest == digest)
            and (key is None or t.key == key)
            and (not states or t.state in states)
        ]
        return tuple(found[:limit])

    def put_ticket(self, ticket: Ticket) -> None:
        """Write a ticket."""
        self._put(self._store.asked, ticket.id, ticket)

    def grants(self, agent: str | None = None, tool: str | None = None) -> tuple[Grant, ...]:
        """Return grants, newest first."""
        return tuple(
            g
            for g in reversed(self._store.given.values())
            if (agent is None or g.agent == agent) and (tool is None or g.tool == tool)
        )

    def put_grant(self, grant: Grant) -> None:
        """Write a grant."""
        self._put(self._store.given, grant.id, grant)

    def reviewers(self) -> tuple[Reviewer, ...]:
        """Return every reviewer, by name."""
        return tuple(sorted(self._store.people.values(), key=lambda r: r.name))

    def put_reviewer(self, reviewer: Reviewer) -> None:
        """Write a reviewer."""
        self._put(self._store.people, reviewer.name, replace(reviewer, added_us=self.now_us))

    def shape(self, tool: str) -> str | None:
        """Return what was learned."""
        return self._store.shapes.get(tool)

    def put_shape(self, tool: str, state: str) -> None:
        """Write what was learned."""
        self._put(self._store.shapes, tool, state)

    def put_piece(self, key: str, number: int, body: bytes, until_us: int) -> None:
        """Keep one piece."""
        kept = self._store.kept
        if number == 0:
            for old in [one for one, (_, end_us) in kept.items() if end_us < self.now_us]:
                self._drop(kept, old)
        self._put(kept, (key, number), (body, until_us))

    def pieces(self, key: str) -> tuple[int, ...]:
        """Return the numbers of the pieces."""
        return tuple(sorted(number for name, number in self._store.kept if name == key))

    def piece(self, key: str, number: int) -> bytes | None:
        """Return one piece."""
        found = self._store.kept.get((key, number))
        return None if found is None else found[0]

    def drop_pieces(self, key: str) -> None:
        """Forget all pieces of a key."""
        for number in self.pieces(key):
            self._drop(self._store.kept, (key, number))


def _wanted(row: Stored, query: Query) -> bool:
    record = row.record
    return (
        row.seq > query.after_seq
        and (query.run is None or record.run == query.run)
        and (query.agent is None or record.agent == query.agent)
        and (query.tool is None or record.tool == query.tool)
        and (query.resource is None or record.resource == query.resource)
        and (query.action is None or record.action == query.action)
        and (query.status is None or record.status == query.status)
        and (not query.kinds or record.kind in query.kinds)
    )

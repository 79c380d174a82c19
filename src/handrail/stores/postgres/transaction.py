"""What a step can do with a PostgreSQL store: every verb one statement, the facts of a decision one round trip.

A statement whose answer nobody needs is sent with the next question, or with COMMIT (wire.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, cast

from handrail.core.facts import TREE_MAX, Call, CallState, Facts, Latch, Need, Resource
from handrail.core.record import Record, Stored
from handrail.core.store import Denial, Query
from handrail.core.ticket import Grant, Reviewer, Ticket, TicketState
from handrail.core.tool import Access
from handrail.stores import documents
from handrail.stores.chain import ANCHOR_EVERY, ANCHORED_MAX, Link, Row, anchor, link, row_of, stored
from handrail.stores.found import FactRow, facts_of
from handrail.stores.postgres.life import PostgresLife, process
from handrail.stores.postgres.session import SQL
from handrail.stores.postgres.wire import Rows, Wire

if TYPE_CHECKING:
    from typing import LiteralString

PAGE = 2_000
"""Journal rows that are fetched at a time."""


class CommitMark(NamedTuple):
    """What a transaction left, by which a lost connection finds out whether it was committed.

    Attributes:
        writer: Id of the chain.
        number: Number of its last row, or of its last transaction without rows.
        hash: Hash of that row; empty for a transaction without rows.
        connection: Which connection of the writer counted a transaction without rows.
    """

    writer: str
    number: int
    hash: bytes = b""
    connection: int = 0


class OwnChain:
    """What this process remembers of its own chain, between transactions.

    Attributes:
        head: Its newest row; None when it has to be read again.
        begun: Whether the chain is known to have begun.
        known: Whether its writer is known to stand in the store.
        anchored: The heads of the others that our last anchor named.
        last_us: The latest time that a step saw.
        step: Transactions without journal rows so far.
    """

    def __init__(self) -> None:
        self.last_us = 0
        self.step = 0
        self.forget()

    def forget(self) -> None:
        """After a rollback the chain's head is whatever the database says."""
        self.head: Link | None = None
        self.begun = False
        self.known = False
        self.anchored: frozenset[tuple[str, int]] = frozenset()


@cache
def facts_sql(resources: bool, doubt: bool, trees: bool, marks: bool, tallies: bool) -> LiteralString:
    """Return the one statement that reads all facts of a decision; what is not needed is not in it."""
    parts = ["facts_failures", "facts_latches", "facts_demotion"]
    if doubt:
        parts.append("facts_running")
    if resources:
        parts += ["facts_zones", "facts_labels", "facts_denials"]
    if trees:
        parts += ["facts_zones_below", "facts_labels_below", "facts_denials_below"]
    if marks:
        parts.append("facts_marks")
    if tallies:
        parts.append("facts_tallies")
    return " UNION ALL ".join(SQL[name] for name in parts)


class PostgresTransaction:
    """What a step can do with a PostgreSQL store.

    Args:
        wire: The connection, in a transaction or about to begin one.
        life: Our own sign of life.
        chain: Our own chain.
        lost_us: When this connection replaced a lost one, by the server's clock; 0 if it did not.
        clock_us: Source of time for tests; None for the server's clock.

    Attributes:
        wrote: Whether anything was written.
        appended: Whether a journal row was.
        lasting: Whether the outcome of a write was, which must not be lost with the server: its process may live on,
            and an intent that reappears behind its back would look like one under way.
        running: (run, call, action, attempt) of the intents that were written.
    """

    __slots__ = (
        "_chain",
        "_clock_us",
        "_life",
        "_lost_us",
        "_now_us",
        "_wire",
        "appended",
        "lasting",
        "running",
        "wrote",
    )

    def __init__(
        self, wire: Wire, life: PostgresLife, chain: OwnChain, lost_us: int, clock_us: Callable[[], int] | None = None
    ) -> None:
        self._wire = wire
        self._life = life
        self._chain = chain
        self._lost_us = max(lost_us, life.lost_us)
        self._clock_us = clock_us
        self._now_us = 0
        self.wrote = False
        self.appended = False
        self.lasting = False
        self.running: list[tuple[str, str, str, int]] = []

    @property
    def now_us(self) -> int:
        """The server's clock; never goes back."""
        if not self._now_us:
            if self._clock_us is not None:
                self._set_clock(self._clock_us())
            else:
                self._set_clock(self._wire.ask(SQL["now"])[0][0])
        return self._now_us

    def _set_clock(self, now_us: object) -> None:
        self._now_us = self._chain.last_us = max(self._chain.last_us, cast("int", now_us))

    @property
    def writer(self) -> str:
        """Id of the chain."""
        return self._life.id

    @property
    def _ours(self) -> tuple[str, int]:
        """What tells in SQL whether an owner lives: ourselves, and when connections were last lost."""
        return self._life.id, self._lost_us

    def _ask(self, sql: LiteralString, values: tuple[object, ...] = ()) -> Rows:
        """Ask; the clock comes along if it is not known yet."""
        return self._ask_all((sql, values))[0]

    def _ask_all(self, *questions: tuple[LiteralString, object]) -> list[Rows]:
        asked = cast("tuple[tuple[LiteralString, tuple[object, ...]], ...]", questions)
        if self._now_us or self._clock_us is not None:
            return self._wire.ask_all(*asked)
        *found, clock = self._wire.ask_all(*asked, (SQL["now"], None))
        self._set_clock(clock[0][0])
        return found

    def _write(self, name: str, *values: object) -> None:
        self.wrote = True
        self._wire.later(SQL[name], values)

    def _change(self, name: str, *values: object) -> int:
        self.wrote = True
        return self._wire.change(SQL[name], values)

    def mark(self, connection: int) -> CommitMark | None:
        """Leave something by which this transaction is known, if it wrote anything at all.

        Args:
            connection: The number of the connection, counted from 1 for this writer.
        """
        chain = self._chain
        if not self.wrote:
            return None
        if self.appended and chain.head is not None:
            return CommitMark(self.writer, chain.head.number, chain.head.hash)
        if not chain.known:
            self._put_writer()
        chain.step += 1
        self._write("put_step", self.writer, connection, chain.step)
        return CommitMark(self.writer, chain.step, connection=connection)

    def _put_writer(self) -> None:
        self._write("put_writer", self.writer, *process(), self.now_us)
        self._chain.known = True

    # --- facts and the journal ----------------------------------------------------------------------------------------

    def facts(self, need: Need) -> Facts:
        """Return what is remembered for one decision."""
        sql = facts_sql(bool(need.resources), need.doubt, bool(need.trees), bool(need.marks), bool(need.tallies))
        values = {
            "key": need.key, "lineage": list(need.lineage), "agent": need.lineage[-1], "root": need.lineage[0],
            "resources": list(need.resources), "writer": self.writer, "disturbed": self._lost_us,
            "trees": list(need.trees), "most": TREE_MAX + 1, "marks": list(need.marks),
            "tallies": [key for key, _ in need.tallies], "since": [since for _, since in need.tallies],
        }  # fmt: skip
        questions: list[tuple[LiteralString, object]] = [(sql, values)]
        if need.call:
            questions.append((SQL["call"], (*self._ours, need.run, need.call)))
        rows, *calls = self._ask_all(*questions)
        call = _call(calls[0][0]) if calls and calls[0] else None
        if not rows:
            return Facts(self.now_us, call)

        def doubtful(run: str, id: str, _: str) -> Call | None:
            return None if (run, id) == (need.run, need.call) else self.call(run, id)

        return facts_of(self.now_us, cast("list[FactRow]", rows), call, doubtful)

    def append(self, record: Record) -> None:
        """Append one journal row."""
        chain = self._chain
        if not chain.begun:
            self._begin()
        assert chain.head is not None
        made = link(chain.head, self.writer, self.now_us, record)
        self._write("append", *row_of(0, self.writer, self.now_us, record, made)[1:])
        chain.head = made
        self.appended = True
        if made.number % ANCHOR_EVERY == 0:
            self._anchor()

    def _begin(self) -> None:
        """Find our chain's head, or begin the chain: say who writes it, and anchor it to the others."""
        chain = self._chain
        found = self._ask(SQL["head"], (self.writer,))
        chain.begun = True
        if found:
            number, digest = found[0]
            chain.head = Link(cast("int", number), cast("bytes", digest))
            return
        self._put_writer()
        chain.head = Link()
        self._anchor()

    def _anchor(self) -> None:
        heads = self.others()
        self._chain.anchored = frozenset(heads)
        self.append(anchor((writer, number, digest) for (writer, number), digest in heads.items()))

    def witness(self) -> None:
        """Name the heads of the other chains once more."""
        self.append(anchor((writer, number, digest) for (writer, number), digest in self.others().items()))

    def others(self) -> dict[tuple[str, int], str]:
        """Return the heads of the other chains, newest first: the hash of (writer, number)."""
        heads: dict[tuple[str, int], str] = {}
        seen = {self.writer}
        for writer, number, digest in cast("list[tuple[str, int, bytes]]", self._ask(SQL["tips"])):
            if writer not in seen:
                seen.add(writer)
                heads[writer, number] = digest.hex()
            if len(heads) >= ANCHORED_MAX:
                break
        return heads

    def wrote_before(self) -> bool:
        """Return whether our chain has a row."""
        return bool(self._ask(SQL["head"], (self.writer,)))

    def records(self, query: Query) -> Iterator[Stored]:
        """Yield journal rows, a page at a time."""
        wanted = {
            "run": query.run, "agent": query.agent, "tool": query.tool, "resource": query.resource,
            "action": query.action, "status": query.status,
        }  # fmt: skip
        conditions = [f"{column} = %({column})s" for column, value in wanted.items() if value is not None]
        values: dict[str, object] = {"kinds": list(query.kinds), "after": query.after_seq, "from": 0, **wanted}
        if query.run:
            conditions.append("run <> ''")
        if query.resource:
            conditions.append("resource <> ''")
        if query.kinds:
            conditions.append("kind = ANY(%(kinds)s)")
        order = "DESC" if query.newest_first else "ASC"
        left, start = query.limit, "seq > %(after)s"
        while left > 0:
            where = " AND ".join((start, *conditions))
            page = values["page"] = min(left, PAGE)
            sql = f"{SQL['rows']} WHERE {where} ORDER BY seq {order} LIMIT %(page)s"
            rows = cast("list[Row]", self._ask_all((sql, values))[0])
            for row in rows:
                yield stored(row)
            left -= len(rows)
            if len(rows) < page:
                return
            start = "seq > %(after)s AND seq " + ("<" if query.newest_first else ">") + " %(from)s"
            values["from"] = rows[-1][0]

    def prune(self, before_us: int, first: int, last: int) -> int:
        """Remove the bodies of ended actions in a range of the journal; return how many."""
        return self._change("prune", first, last, before_us)

    def span(self) -> tuple[int, int]:
        """Return the positions of the oldest and the newest row; (1, 0) when there is none."""
        first, last = self._ask(SQL["span"])[0]
        return cast("int", first), cast("int", last)

    def prune_facts(self, failures_us: int) -> None:
        """Forget failures from before a moment, and the marks and tallies that have ended."""
        self._write("prune_failures", failures_us)
        self._write("prune_marks", self.now_us)
        self._write("prune_tallies", self.now_us)

    # --- calls --------------------------------------------------------------------------------------------------------

    def call(self, run: str, call: str) -> Call | None:
        """Return one call."""
        rows = self._ask(SQL["call"], (*self._ours, run, call))
        return _call(rows[0]) if rows else None

    def put_call(self, call: Call) -> None:
        """Write one call."""
        self._write(
            "put_call",
            call.run, call.call, call.action, call.agent, call.tool, call.key, call.state, call.attempt, self.writer,
            call.ticket, call.status, call.reason, call.why, call.result, self.now_us, call.durable,
        )  # fmt: skip
        if call.state is CallState.RUNNING:
            self.running.append((call.run, call.call, call.action, call.attempt))
        elif call.durable:
            self.lasting = True

    def disown(self, run: str, call: str, action: str, attempt: int) -> None:
        """Leave a running call in doubt."""
        self._write("disown", run, call, action, attempt)
        self.lasting = True

    def drop_call(self, run: str, call: str) -> None:
        """Forget one call."""
        self._write("drop_call", run, call)
        self.lasting = True

    def unsettled(self) -> tuple[Call, ...]:
        """Return every running call, oldest first."""
        return tuple(_call(row) for row in self._ask(SQL["unsettled"], self._ours))

    def add_failure(self, key: str) -> int:
        """Count one more failure."""
        rows = self._ask(SQL["failures"], (key,))
        count, at_us = cast("tuple[int, int]", rows[0]) if rows else (0, 0)
        count = Facts(self.now_us, failures=count, failed_us=at_us).recent_failures + 1
        self.put_failures(key, count)
        return count

    def put_failures(self, key: str, count: int) -> None:
        """Set the failures of an action key."""
        if count:
            self._write("put_failures", key, count, self.now_us)
        else:
            self._write("drop_failures", key)

    # --- resources and agents -----------------------------------------------------------------------------------------

    def put_zone(self, resource: str, zone: str) -> None:
        """Remember a zone."""
        self._write("put_zone", resource, zone)

    def resource(self, resource: str) -> Resource:
        """Return the zone and the labels of a resource."""
        zone, labels = self._ask_all((SQL["zone"], (resource,)), (SQL["labels"], (resource,)))
        return Resource(cast("str | None", zone[0][0]) if zone else None, dict(cast("list[tuple[str, int]]", labels)))

    def put_label(self, resource: str, label: str) -> None:
        """Put a label on a resource."""
        self._write("put_label", resource, label, self.now_us)

    def drop_labels(self, resource: str, labels: tuple[str, ...]) -> int:
        """Take labels off a resource."""
        return self._change("drop_labels", resource, list(labels))

    def put_mark(self, key: str, until_us: int) -> None:
        """Note that something happened now."""
        self._write("put_mark", key, self.now_us, until_us)

    def drop_mark(self, key: str) -> bool:
        """Forget a mark."""
        return self._change("drop_mark", key) > 0

    def marks(self, prefix: str) -> dict[str, int]:
        """Return every mark whose key starts so."""
        return dict(cast("list[tuple[str, int]]", self._ask(SQL["marks"], (prefix,))))

    def add_tally(self, key: str, bucket: int, amount: int, until_us: int) -> None:
        """Add to one bucket; buckets of the same tally that have ended go."""
        self._write("drop_buckets", key, self.now_us)
        self._write("add_tally", key, bucket, amount, until_us)

    def put_denial(self, denial: Denial) -> None:
        """Remember a refusal."""
        self._write("put_denial", denial.resource, denial.root, denial.verb, denial.rule, denial.at_us)

    def clear_denials(self, resource: str) -> int:
        """Forget refusals."""
        return self._change("clear_denials", resource)

    def latches(self) -> tuple[Latch, ...]:
        """Return every stop."""
        return tuple(Latch(*row) for row in cast("list[tuple[str, str, str, int]]", self._ask(SQL["latches"])))

    def put_latch(self, latch: Latch) -> None:
        """Stop an agent."""
        self._write("put_latch", latch.agent, latch.by, latch.why, latch.at_us)

    def clear_latch(self, agent: str) -> bool:
        """Lift a stop."""
        return self._change("clear_latch", agent) > 0

    def put_access(self, agent: str, access: Access | None) -> None:
        """Demote an agent, or lift it."""
        if access is None:
            self._write("clear_access", agent)
        else:
            self._write("put_access", agent, access)

    # --- reviews ------------------------------------------------------------------------------------------------------

    def ticket(self, id: str) -> Ticket | None:
        """Return one ticket."""
        found = self._ask(SQL["ticket"], (id,))
        return documents.load_ticket(str(found[0][0])) if found else None

    def tickets(
        self,
        *,
        digest: str | None = None,
        key: str | None = None,
        states: tuple[TicketState, ...] = (),
        limit: int = 1_000,
    ) -> tuple[Ticket, ...]:
        """Return tickets, newest first."""
        conditions, values = ["TRUE"], []
        for column, value in (("digest", digest), ("key", key)):
            if value is not None:
                conditions.append(f"{column} = %s")
                values.append(value)
        if states:
            conditions.append(f"state IN ({','.join(['%s'] * len(states))})")
            values += states
        rows = self._ask(_where("tickets", conditions), (*values, limit))
        return tuple(documents.load_ticket(str(row[0])) for row in rows)

    def put_ticket(self, ticket: Ticket) -> None:
        """Write a ticket."""
        self._write(
            "put_ticket",
            ticket.id, ticket.digest, ticket.key, ticket.state, ticket.asked_us, ticket.run, documents.dump(ticket),
        )  # fmt: skip

    def grants(self, agent: str | None = None, tool: str | None = None) -> tuple[Grant, ...]:
        """Return grants, newest first."""
        conditions, values = ["TRUE"], []
        for column, value in (("agent", agent), ("tool", tool)):
            if value is not None:
                conditions.append(f"{column} = %s")
                values.append(value)
        rows = self._ask(_where("grants", conditions), tuple(values))
        return tuple(documents.load_grant(str(row[0])) for row in rows)

    def put_grant(self, grant: Grant) -> None:
        """Write a grant."""
        self._write("put_grant", grant.id, grant.agent, grant.tool, documents.dump(grant))

    def reviewers(self) -> tuple[Reviewer, ...]:
        """Return every reviewer, by name."""
        return tuple(Reviewer(*row) for row in cast("list[tuple[str, str, str, int]]", self._ask(SQL["reviewers"])))

    def put_reviewer(self, reviewer: Reviewer) -> None:
        """Write a reviewer."""
        self._write("put_reviewer", reviewer.name, reviewer.salt, reviewer.public_key, self.now_us)

    # --- learned shapes -----------------------------------------------------------------------------------------------

    def shape(self, tool: str) -> str | None:
        """Return what was learned."""
        rows = self._ask(SQL["shape"], (tool,))
        return str(rows[0][0]) if rows else None

    def put_shape(self, tool: str, state: str) -> None:
        """Write what was learned."""
        self._write("put_shape", tool, state)

    # --- pieces -------------------------------------------------------------------------------------------------------

    def put_piece(self, key: str, number: int, body: bytes, until_us: int) -> None:
        """Keep one piece."""
        if number == 0:
            self._write("prune_pieces", self.now_us)
        self._write("put_piece", key, number, until_us, body)

    def pieces(self, key: str) -> tuple[int, ...]:
        """Return the numbers of the pieces."""
        return tuple(cast("int", row[0]) for row in self._ask(SQL["pieces"], (key,)))

    def piece(self, key: str, number: int) -> bytes | None:
        """Return one piece."""
        rows = self._ask(SQL["piece"], (key, number))
        return bytes(cast("bytes", rows[0][0])) if rows else None

    def drop_pieces(self, key: str) -> None:
        """Forget all pieces of a key."""
        self._write("drop_pieces", key)


def _where(name: str, conditions: list[str]) -> LiteralString:
    return SQL[name].replace(":where", " AND ".join(conditions))


def _call(row: tuple[object, ...]) -> Call:
    (
        run,
        call,
        action,
        agent,
        tool,
        key,
        state,
        attempt,
        owner,
        ticket,
        status,
        reason,
        why,
        result,
        at,
        durable,
        alive,
    ) = row
    return Call(
        run, call, action, agent, tool, key, CallState(state), attempt, owner, alive,  # type: ignore[arg-type]
        ticket, status, reason, why, result, at, durable,  # type: ignore[arg-type]
    )  # fmt: skip

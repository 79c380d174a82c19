"""What a step can do with an SQLite store: every verb one statement; the facts of a decision one statement in all."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from handrail.core.facts import TREE_MAX, Call, CallState, Facts, Latch, Need, Resource
from handrail.core.record import Record, Stored
from handrail.core.store import Denial, Query
from handrail.core.ticket import Grant, Reviewer, Ticket, TicketState
from handrail.core.tool import Access
from handrail.errors import StoreError
from handrail.stores import documents
from handrail.stores.chain import ANCHOR_EVERY, ANCHORED_MAX, Link, anchor, link, row_of, stored
from handrail.stores.found import facts_of
from handrail.stores.life import host
from handrail.stores.sql import queries

if TYPE_CHECKING:
    from handrail.stores.sqlite import SqliteStore

SQL = queries("sqlite")

SWEEP_EVERY = 16
"""Every so many buckets, those of the same tally that have ended are removed; more never stand there for long."""


@cache
def _facts_sql(lineage: int, resources: int, doubt: bool, trees: int, marks: int, tallies: int) -> str:
    """Return the one statement that reads all facts of a decision."""
    parts = [SQL["facts_failures"], _expand("facts_latches", lineage), SQL["facts_demotion"]]
    if doubt:
        parts.append(SQL["facts_running"])
    if resources:
        parts += [_expand(name, resources) for name in ("facts_zones", "facts_labels", "facts_denials")]
    below = ("facts_zones_below", "facts_labels_below", "facts_denials_below")
    parts += [SQL[name] for _ in range(trees) for name in below]
    if marks:
        parts.append(_expand("facts_marks", marks))
    return " UNION ALL ".join((*parts, *[SQL["facts_tally"]] * tallies))


def _expand(name: str, count: int) -> str:
    return SQL[name].replace(":names", ",".join("?" * count))


class SqliteTransaction:
    """What a step can do with an SQLite store."""

    __slots__ = ("_store", "connection", "now_us")

    def __init__(self, connection: sqlite3.Connection, store: SqliteStore) -> None:
        self.connection = connection
        self._store = store
        self.now_us = store.clock_us() if hasattr(store, "_base_us") or store._given_clock else 0  # noqa: SLF001

    @property
    def writer(self) -> str:
        """Id of the chain."""
        return self._store.writer

    def last_us(self) -> int:
        """Return the time of the newest row, 0 when there is none."""
        found = self.connection.execute(SQL["last_at"]).fetchone()
        return 0 if found is None else int(found[0])

    def facts(self, need: Need) -> Facts:
        """Return what is remembered for one decision."""
        values: list[object] = [need.key, *need.lineage, need.lineage[-1]]
        if need.doubt:
            values.append(need.key)
        resources, root = need.resources, need.lineage[0]
        if resources:
            values += [*resources, *resources, *resources, root]
        for tree in need.trees:
            span = (tree, after(tree), TREE_MAX + 1)
            values += [*span, *span, root, *span]
        values += need.marks
        for tally in need.tallies:
            values += tally
        counts = len(need.lineage), len(resources), need.doubt, len(need.trees), len(need.marks), len(need.tallies)
        sql = _facts_sql(*counts)
        rows = self.connection.execute(sql, values).fetchall()
        call = self.call(need.run, need.call) if need.call else None
        if not rows:
            return Facts(self.now_us, call)

        def doubtful(run: str, id: str, owner: str) -> Call | None:
            return None if (run, id) == (need.run, need.call) or self.alive(owner) else self.call(run, id)

        return facts_of(self.now_us, rows, call, doubtful)

    def append(self, record: Record) -> None:
        """Append one journal row."""
        store = self._store
        if not store.begun:
            store.begin_life()
            self._begin()
        assert store.head is not None
        made = link(store.head, store.writer, self.now_us, record)
        self.connection.execute(SQL["append"], row_of(0, store.writer, self.now_us, record, made)[1:])
        store.head = made
        if made.number % ANCHOR_EVERY == 0:
            self._anchor()

    def _begin(self) -> None:
        """Find our chain's head, or begin the chain: say who writes it, and anchor it to the others."""
        store = self._store
        found = self.connection.execute(SQL["head"], (store.writer,)).fetchone()
        store.begun = True
        if found is not None:
            store.head = Link(int(found[0]), bytes(found[1]))
            return
        self.connection.execute(SQL["put_writer"], (store.writer, host(), os.getpid(), self.now_us))
        store.head = Link()
        self._anchor()

    def _anchor(self) -> None:
        heads = self.others()
        self._store.anchored = frozenset(heads)
        self.append(anchor((writer, number, digest) for (writer, number), digest in heads.items()))

    def witness(self) -> None:
        """Name the heads of the other chains once more."""
        if self._store.begun:
            self._anchor()
        else:
            self.append(anchor((writer, number, digest) for (writer, number), digest in self.others().items()))

    def others(self) -> dict[tuple[str, int], str]:
        """Return the heads of the other chains, newest first: the hash of (writer, number)."""
        heads: dict[tuple[str, int], str] = {}
        seen = {self._store.writer}
        for writer, number, digest in self.connection.execute(SQL["tips"]):
            if writer not in seen:
                seen.add(writer)
                heads[writer, number] = digest.hex()
            if len(heads) >= ANCHORED_MAX:
                break
        return heads

    def records(self, query: Query) -> Iterator[Stored]:
        """Yield journal rows."""
        wanted = {
            "run": query.run, "agent": query.agent, "tool": query.tool, "resource": query.resource,
            "action": query.action, "status": query.status,
        }  # fmt: skip
        conditions, values = ["seq > ?"], [query.after_seq]
        for column, value in wanted.items():
            if value is not None:
                conditions.append(f"{column} = ?")
                values.append(value)  # type: ignore[arg-type]
        if query.run:
            conditions.append("run <> ''")
        if query.resource:
            conditions.append("resource <> ''")
        if query.kinds:
            conditions.append(f"kind IN ({','.join('?' * len(query.kinds))})")
            values += query.kinds  # type: ignore[arg-type]
        order = "DESC" if query.newest_first else "ASC"
        sql = f"{SQL['rows']} WHERE {' AND '.join(conditions)} ORDER BY seq {order} LIMIT ?"
        last = query.after_seq
        try:
            for row in self.connection.execute(sql, (*values, query.limit)):
                yield stored(row)
                last = row[0]
        except sqlite3.OperationalError as error:
            if "decode" not in str(error):
                raise
            message = f"The journal's row next to row {last} cannot be read: {error}. Run: handrail log verify"
            raise StoreError(message) from error

    def call(self, run: str, call: str) -> Call | None:
        """Return one call."""
        row = self.connection.execute(SQL["call"], (run, call)).fetchone()
        return None if row is None else self._call(row)

    def _call(self, row: tuple[object, ...]) -> Call:
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
        ) = row
        return Call(
            run, call, action, agent, tool, key, CallState(state), attempt, owner,  # type: ignore[arg-type]
            state != CallState.RUNNING or self._store.alive(str(owner)),
            ticket, status, reason, why, result, at, bool(durable),  # type: ignore[arg-type]
        )  # fmt: skip

    def put_call(self, call: Call) -> None:
        """Write one call."""
        self._store.begin_life()
        self.connection.execute(
            SQL["put_call"],
            (
                call.run, call.call, call.action, call.agent, call.tool, call.key, call.state, call.attempt,
                self._store.writer, call.ticket, call.status, call.reason, call.why, call.result, self.now_us,
                call.durable,
            ),
        )  # fmt: skip

    def alive(self, owner: str) -> bool:
        """Return whether the writer of an intent lives."""
        return self._store.alive(owner)

    def disown(self, run: str, call: str, action: str, attempt: int) -> None:
        """Leave a running call in doubt."""
        self.connection.execute(SQL["disown"], (run, call, action, attempt))

    def drop_call(self, run: str, call: str) -> None:
        """Forget one call."""
        self.connection.execute(SQL["drop_call"], (run, call))

    def unsettled(self) -> tuple[Call, ...]:
        """Return every running call, oldest first."""
        return tuple(self._call(row) for row in self.connection.execute(SQL["unsettled"]).fetchall())

    def add_failure(self, key: str) -> int:
        """Count one more failure."""
        row = self.connection.execute(SQL["failures"], (key,)).fetchone() or (0, 0)
        count = Facts(self.now_us, failures=row[0], failed_us=row[1]).recent_failures + 1
        self.put_failures(key, count)
        return count

    def put_failures(self, key: str, count: int) -> None:
        """Set the failures of an action key."""
        if count:
            self.connection.execute(SQL["put_failures"], (key, count, self.now_us))
        else:
            self.connection.execute(SQL["drop_failures"], (key,))

    def put_zone(self, resource: str, zone: str) -> None:
        """Remember a zone."""
        self.connection.execute(SQL["put_zone"], (resource, zone))

    def resource(self, resource: str) -> Resource:
        """Return the zone and the labels of a resource."""
        zone = self.connection.execute(SQL["zone"], (resource,)).fetchone()
        labels = self.connection.execute(SQL["labels"], (resource,)).fetchall()
        return Resource(None if zone is None else zone[0], dict(labels))

    def put_label(self, resource: str, label: str) -> None:
        """Put a label on a resource."""
        self.connection.execute(SQL["put_label"], (resource, label, self.now_us))

    def drop_labels(self, resource: str, labels: tuple[str, ...]) -> int:
        """Take labels off a resource."""
        return sum(self.connection.execute(SQL["drop_label"], (resource, label)).rowcount for label in labels)

    def put_mark(self, key: str, until_us: int) -> None:
        """Note that something happened now."""
        self.connection.execute(SQL["put_mark"], (key, self.now_us, until_us))

    def drop_mark(self, key: str) -> bool:
        """Forget a mark."""
        return self.connection.execute(SQL["drop_mark"], (key,)).rowcount > 0

    def marks(self, prefix: str) -> dict[str, int]:
        """Return every mark whose key starts so."""
        return dict(self.connection.execute(SQL["marks"], (len(prefix), prefix)).fetchall())

    def add_tally(self, key: str, bucket: int, amount: int, until_us: int) -> None:
        """Add to one bucket; from time to time, buckets of the same tally that have ended go."""
        if until_us and bucket % SWEEP_EVERY == 0:
            self.connection.execute(SQL["drop_buckets"], (key, self.now_us))
        self.connection.execute(SQL["add_tally"], (key, bucket, amount, until_us))

    def put_denial(self, denial: Denial) -> None:
        """Remember a refusal."""
        values = (denial.resource, denial.root, denial.verb, denial.rule, denial.at_us)
        self.connection.execute(SQL["put_denial"], values)

    def clear_denials(self, resource: str) -> int:
        """Forget refusals."""
        return self.connection.execute(SQL["clear_denials"], (resource,)).rowcount

    def latches(self) -> tuple[Latch, ...]:
        """Return every stop."""
        return tuple(Latch(*row) for row in self.connection.execute(SQL["latches"]).fetchall())

    def put_latch(self, latch: Latch) -> None:
        """Stop an agent."""
        self.connection.execute(SQL["put_latch"], (latch.agent, latch.by, latch.why, latch.at_us))

    def clear_latch(self, agent: str) -> bool:
        """Lift a stop."""
        return self.connection.execute(SQL["clear_latch"], (agent,)).rowcount > 0

    def put_access(self, agent: str, access: Access | None) -> None:
        """Demote an agent, or lift it."""
        if access is None:
            self.connection.execute(SQL["clear_access"], (agent,))
        else:
            self.connection.execute(SQL["put_access"], (agent, access))

    def ticket(self, id: str) -> Ticket | None:
        """Return one ticket."""
        row = self.connection.execute(SQL["ticket"], (id,)).fetchone()
        return None if row is None else documents.load_ticket(row[0])

    def tickets(
        self,
        *,
        digest: str | None = None,
        key: str | None = None,
        states: tuple[TicketState, ...] = (),
        limit: int = 1_000,
    ) -> tuple[Ticket, ...]:
        """Return tickets, newest first."""
        conditions, values = ["1 = 1"], []
        for column, value in (("digest", digest), ("key", key)):
            if value is not None:
                conditions.append(f"{column} = ?")
                values.append(value)
        if states:
            conditions.append(f"state IN ({','.join('?' * len(states))})")
            values += states
        sql = f"{SQL['tickets']} WHERE {' AND '.join(conditions)} ORDER BY asked_us DESC, rowid DESC LIMIT ?"
        rows = self.connection.execute(sql, (*values, limit)).fetchall()
        return tuple(documents.load_ticket(row[0]) for row in rows)

    def put_ticket(self, ticket: Ticket) -> None:
        """Write a ticket."""
        values = (ticket.id, ticket.digest, ticket.key, ticket.state, ticket.asked_us, documents.dump(ticket))
        self.connection.execute(SQL["put_ticket"], values)

    def grants(self, agent: str | None = None, tool: str | None = None) -> tuple[Grant, ...]:
        """Return grants, newest first."""
        sql = f"{SQL['grants']} WHERE (?1 IS NULL OR agent = ?1) AND (?2 IS NULL OR tool = ?2) ORDER BY rowid DESC"
        rows = self.connection.execute(sql, (agent, tool)).fetchall()
        return tuple(documents.load_grant(row[0]) for row in rows)

    def put_grant(self, grant: Grant) -> None:
        """Write a grant."""
        self.connection.execute(SQL["put_grant"], (grant.id, grant.agent, grant.tool, documents.dump(grant)))

    def reviewers(self) -> tuple[Reviewer, ...]:
        """Return every reviewer, by name."""
        return tuple(Reviewer(*row) for row in self.connection.execute(SQL["reviewers"]).fetchall())

    def put_reviewer(self, reviewer: Reviewer) -> None:
        """Write a reviewer."""
        values = (reviewer.name, reviewer.salt, reviewer.public_key, self.now_us)
        self.connection.execute(SQL["put_reviewer"], values)

    def shape(self, tool: str) -> str | None:
        """Return what was learned."""
        row = self.connection.execute(SQL["shape"], (tool,)).fetchone()
        return None if row is None else row[0]

    def put_shape(self, tool: str, state: str) -> None:
        """Write what was learned."""
        self.connection.execute(SQL["put_shape"], (tool, state))

    def put_piece(self, key: str, number: int, body: bytes, until_us: int) -> None:
        """Keep one piece."""
        if number == 0:
            self.connection.execute(SQL["prune_pieces"], (self.now_us,))
        self.connection.execute(SQL["put_piece"], (key, number, until_us, body))

    def pieces(self, key: str) -> tuple[int, ...]:
        """Return the numbers of the pieces."""
        return tuple(int(row[0]) for row in self.connection.execute(SQL["pieces"], (key,)))

    def piece(self, key: str, number: int) -> bytes | None:
        """Return one piece."""
        row = self.connection.execute(SQL["piece"], (key, number)).fetchone()
        return None if row is None else bytes(row[0])

    def drop_pieces(self, key: str) -> None:
        """Forget all pieces of a key."""
        self.connection.execute(SQL["drop_pieces"], (key,))


def after(prefix: str) -> str:
    """Return the first text that is greater than every text that starts with `prefix`."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)

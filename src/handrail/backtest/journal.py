"""The recorded journal, replayed: what was decided, and what the policy of today would decide.

Attempts are read in the order of the journal, with what came of them: outcomes end what is in flight, reviewers'
decisions answer the tickets of the replay. What the journal does not hold (secrets, pruned rows) is not replayed, and
neither is what the policy did not decide (a stop, a repeated call); both are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from handrail.backtest.asks import Asks
from handrail.backtest.trace import Attempt
from handrail.backtest.trial import Course, Trial
from handrail.core.decision import Verdict
from handrail.core.digest import Json
from handrail.core.outcome import Reason, Status
from handrail.core.record import Record, RecordKind, Stored
from handrail.core.store import Query, Store
from handrail.core.ticket import TicketState
from handrail.policy.redact import REDACTED

PAGE = 1_000
"""Rows that are read at once."""

TICKETS_MAX = 10_000
"""Tickets of the journal that are remembered until they are decided."""

KINDS = (RecordKind.ATTEMPT, RecordKind.OUTCOME, RecordKind.REVIEW)


class Skipped(StrEnum):
    """Why an attempt is not replayed."""

    REDACTED = "its arguments are secret in part"
    PRUNED = "its row was pruned"
    OURS = "Handrail made it itself (before, verify)"
    ELSEWHERE = "it was refused for something that is not in the policy (a stop, a repeated call, an action in doubt)"


_ELSEWHERE = frozenset(
    {Reason.STOPPED, Reason.IN_DOUBT, Reason.IN_PROGRESS, Reason.CALL_REUSED, Reason.STORE, Reason.NO_RUN}
)


@dataclass(frozen=True, slots=True)
class Redecided:
    """One recorded attempt, decided again.

    Attributes:
        was: What was decided then: `allow`, `ask` or `deny`.
        seq: Position of the row in the store.
        course: What would be decided now.
    """

    was: str
    seq: int
    course: Course

    @property
    def differs(self) -> bool:
        """Whether the decision would be another."""
        return self.was != self.course.decision

    def to_json(self) -> dict[str, Json]:
        """Return the answer for machines."""
        return {**self.course.to_json(), "was": self.was}


@dataclass(slots=True)
class Journal:
    """A journal that is being replayed.

    Attributes:
        store: Where it stands.
        trial: What it is decided with.
        skipped: How many attempts were not replayed, and why.
        seq: Position of the row that was read last.
    """

    store: Store
    trial: Trial
    skipped: Counter[Skipped] = field(default_factory=Counter)
    seq: int = 0
    _flying: dict[tuple[str, int], Redecided] = field(default_factory=dict)
    _tickets: dict[str, str] = field(default_factory=dict)

    def last(self) -> int:
        """Return the position of the newest row, 0 where there is none."""
        newest = Query(newest_first=True, limit=1)
        rows = self.store.read(lambda tx: list(tx.records(newest)))
        return rows[0].seq if rows else 0

    def __iter__(self) -> Iterator[Redecided]:
        """Yield every attempt as soon as its end is known; the last ones at the end of the journal."""
        until = self.last()
        while self.seq < until:
            query = Query(kinds=KINDS, after_seq=self.seq, limit=PAGE)
            rows = self.store.read(lambda tx, query=query: list(tx.records(query)))  # type: ignore[misc]
            for row in rows:
                self.trial.advance(row.at_us)
                yield from self._row(row)
            self.seq = until if len(rows) < PAGE else rows[-1].seq
        yield from self._flying.values()

    def _row(self, row: Stored) -> Iterator[Redecided]:
        record = row.record
        if record.kind is RecordKind.REVIEW:
            self._review(record)
        elif record.kind is RecordKind.OUTCOME:
            change = self._flying.pop((record.action, _attempt(record)), None)
            if change is not None:
                self._end(change.course, record)
                yield change
        else:
            change = self._attempt(row)
            if change is not None and change.course.in_flight and not record.status:
                self._flying[record.action, _attempt(record)] = change
            elif change is not None:
                if change.course.in_flight:  # it was refused then and would run now: what it would return, nobody knows
                    self.trial.end(change.course)
                yield change

    def _attempt(self, row: Stored) -> Redecided | None:
        record = row.record
        attempt = self._told(row)
        if isinstance(attempt, Skipped):
            self.skipped[attempt] += 1
            return None
        held = record.status == Status.HUMAN_REVIEW_REQUIRED
        course = self.trial.begin(attempt, held=held)
        ticket = record.body.get("ticket")
        if held and course.ticket is not None and isinstance(ticket, str):
            self._tickets[ticket] = course.ticket
            if len(self._tickets) > TICKETS_MAX:
                del self._tickets[next(iter(self._tickets))]
        return Redecided(_decided(record), row.seq, course)

    def _told(self, row: Stored) -> Attempt | Skipped:
        """Return what a row tells of an attempt, or why it cannot be made again."""
        record, body = row.record, row.record.body
        args = body.get("args")
        if row.pruned:
            return Skipped.PRUNED
        if body.get("parent") is not None:
            return Skipped.OURS
        if record.reason in _ELSEWHERE or not isinstance(args, dict):
            return Skipped.ELSEWHERE
        if is_secret(args):
            return Skipped.REDACTED
        before = body.get("before")
        return Attempt(
            record.agent, record.run, str(body.get("call", record.action)), record.tool, args,
            before=None if is_secret(before) else before, at_us=row.at_us,
        )  # fmt: skip

    def _end(self, course: Course, record: Record) -> None:
        """Settle an attempt as it ended then."""
        body = record.body
        if record.status == Status.SUCCESS:
            result = body.get("result")
            known = "result" in body and not is_secret(result)
            course.attempt = course.attempt._replace(known=known, result=result if known else None)
        else:
            course.attempt = course.attempt._replace(error=str(body.get("why") or record.status))
        self.trial.end(course)

    def _review(self, record: Record) -> None:
        """Have a ticket of the replay decided as it was decided then; forget what a person cleared."""
        body = record.body
        if record.reason == "cleared":
            self.trial.store.transact(lambda tx: tx.clear_denials(record.resource))
            return
        answer = _ANSWERS.get(str(body.get("state")))
        ticket = self._tickets.get(str(body.get("ticket")))
        if answer is not None and ticket is not None:
            self.trial.decide(ticket, answer)


_ANSWERS: Mapping[str, Asks] = {TicketState.APPROVED.value: Asks.APPROVED, TicketState.DENIED.value: Asks.REFUSED}


def _attempt(record: Record) -> int:
    attempt = record.body.get("attempt")
    return attempt if isinstance(attempt, int) else 0


def _decided(record: Record) -> str:
    """Return what was decided then: what was approved had been asked, and observing only let it pass."""
    body = record.body
    if body.get("approved"):
        return Verdict.ASK.value
    return str(body.get("would") or body.get("decision") or Verdict.DENY.value)


def is_secret(value: Json) -> bool:
    """Whether a part of a value was replaced when it was written."""
    if isinstance(value, dict):
        return any(map(is_secret, value.values()))
    if isinstance(value, list):
        return any(map(is_secret, value))
    return value == REDACTED

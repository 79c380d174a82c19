"""What every store must do. `CASES` are plain functions of an open, empty store; run them on yours.

@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_conformance(case, my_store):
    case(my_store)
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from handrail.core.facts import Call, CallState, Latch, Need
from handrail.core.record import Record, RecordKind
from handrail.core.store import Denial, Query, Store, Transaction
from handrail.core.ticket import Grant, Reviewer, Ticket, TicketState
from handrail.core.tool import Access
from handrail.testing.remembering import REMEMBERING

NEED = Need("run", "call", "key", ("root", "agent"), ("lead/1", "lead/2"))


def _call(**changes: object) -> Call:
    call = Call("run", "call", "action", "agent", "tool", "key", CallState.RUNNING, durable=True)
    return call._replace(**changes)  # type: ignore[arg-type]


def _ticket(id: str = "T-1", **changes: object) -> Ticket:
    ticket = Ticket(
        id, "nonce", "digest", "key", "agent", "root", "dana", True, "run", "tool", ("production",),
        {"args": {"id": 1, "text": "\u202e\x00"}}, TicketState.PENDING, 10, 20,
    )  # fmt: skip
    return replace(ticket, **changes)  # type: ignore[arg-type]


def _grant(id: str = "G-1", **changes: object) -> Grant:
    grant = Grant(id, "agent", "tool", ("production",), {"id": "lead/*"}, 0, 5, 99, "dana", "hash")
    return replace(grant, **changes)  # type: ignore[arg-type]


def _record(**changes: object) -> Record:
    record = Record(
        RecordKind.ATTEMPT, "action", "run", "agent", "tool", "lead/1", "denied", "rule", {"args": {"n": 2**63}}
    )
    return record._replace(**changes)  # type: ignore[arg-type]


def _append(tx: Transaction, record: Record) -> None:
    tx.append(record)


def _nothing(tx: Transaction) -> None:
    del tx


def knows_nothing_at_first(store: Store) -> None:
    """An empty store answers a need with no facts."""
    facts = store.transact(lambda tx: tx.facts(NEED))
    assert (facts.call, facts.doubtful, facts.failures, facts.latches, facts.access) == (None, None, 0, (), None)
    assert not facts.resources


def answers_with_the_steps_value(store: Store) -> None:
    """A step's value is the transaction's value, blocking and submitted."""
    assert store.transact(lambda _: 7) == 7
    assert store.transact(lambda _: 7, durable=True) == 7
    assert store.submit(lambda _: 7).result(10) == 7
    assert store.submit(lambda _: 7, durable=True).result(10) == 7
    assert store.read(lambda _: 7) == 7


def sees_its_own_writes(store: Store) -> None:
    """Inside a step, a write is visible to a later read."""

    def step(tx: Transaction) -> Call | None:
        tx.put_call(_call())
        return tx.call("run", "call")

    found = store.transact(step)
    assert found is not None
    assert found.action == "action"
    assert found.alive


def undoes_a_step_that_raises(store: Store) -> None:
    """Nothing of a step that raises is kept, its journal rows included, and the chain stays whole."""

    def step(tx: Transaction) -> None:
        tx.append(_record())
        tx.put_call(_call())
        tx.put_ticket(_ticket())
        tx.add_failure("key")
        tx.put_zone("lead/1", "production")
        raise ZeroDivisionError

    store.transact(lambda tx: tx.append(_record(action="kept")))
    for submitted in (False, True):
        try:
            store.submit(step).result(10) if submitted else store.transact(step)
        except ZeroDivisionError:
            pass
        else:
            raise AssertionError("the exception was swallowed")
    store.transact(lambda tx: tx.append(_record(action="after")))
    rows = store.read(lambda tx: [r.record.action for r in tx.records(Query(kinds=("attempt",)))])
    assert rows == ["kept", "after"]
    assert store.read(lambda tx: (tx.call("run", "call"), tx.ticket("T-1"))) == (None, None)
    assert store.read(lambda tx: tx.facts(NEED)).failures == 0
    assert store.verify().faults == ()


def keeps_the_journal_in_order(store: Store) -> None:
    """Rows come back as they were appended, filtered and in both orders."""
    for index in range(5):
        record = _record(action=f"a{index}", run="even" if index % 2 == 0 else "odd")
        store.transact(partial(_append, record=record))
    store.transact(lambda tx: tx.append(Record(RecordKind.EVENT, agent="agent", reason="stopped")))

    def actions(**fields: object) -> list[str]:
        query = Query(kinds=("attempt",), **fields)  # type: ignore[arg-type]
        return store.read(lambda tx: [row.record.action for row in tx.records(query)])

    assert actions() == ["a0", "a1", "a2", "a3", "a4"]
    assert actions(run="even") == ["a0", "a2", "a4"]
    assert actions(newest_first=True, limit=2) == ["a4", "a3"]
    assert actions(resource="lead/1", limit=1) == ["a0"]
    assert actions(action="a3", status="denied", agent="agent", tool="tool") == ["a3"]
    assert actions(run="none") == []
    events = store.read(lambda tx: list(tx.records(Query(kinds=("event",)))))
    assert [row.record.reason for row in events] == ["stopped"]
    assert actions(after_seq=events[0].seq) == []


def keeps_bodies_exactly(store: Store) -> None:
    """A body comes back equal: big integers, Unicode, nesting, text that is not valid Unicode as escapes."""
    body = {"n": 2**64 - 1, "m": -(2**63), "f": 0.1, "t": "ünï\u202e\x00", "d": {"l": [None, True, []]}}
    store.transact(lambda tx: tx.append(_record(body=body)))
    store.transact(lambda tx: tx.append(_record(body={"why": "bad \ud800 text"})))
    first, second = store.read(lambda tx: list(tx.records(Query(kinds=("attempt",)))))
    assert first.record.body == body
    assert second.record.body == {"why": "bad \ud800 text"}
    assert store.verify().faults == ()


def chains_every_row(store: Store) -> None:
    """Verification passes on what was written and counts it; pruning removes bodies and keeps it verifiable."""
    for index in range(20):
        store.transact(partial(_append, record=_record(action=f"a{index}")))
    whole = store.verify()
    assert whole.faults == ()
    assert whole.records >= 20
    assert whole.chains == 1
    now = store.read(lambda tx: tx.now_us)
    assert store.prune(now + 1_000_000) >= 20
    after = store.verify()
    assert after.faults == ()
    assert after.pruned >= 20
    rows = store.read(lambda tx: list(tx.records(Query(kinds=("attempt",)))))
    assert all(row.pruned and not row.record.body for row in rows)


def tells_of_pruning(store: Store) -> None:
    """Each prune that removed something is a row, which no later prune touches; one that removed nothing is none."""
    store.transact(lambda tx: tx.append(_record()))
    far_us = store.read(lambda tx: tx.now_us) + 1_000_000
    counts = [store.prune(far_us), store.prune(far_us)]
    told = store.read(lambda tx: [r for r in tx.records(Query(kinds=("event",))) if r.record.reason == "pruned"])
    assert counts == [1, 0]
    assert [row.record.body["rows"] for row in told] == [1]
    assert not told[0].pruned
    assert store.verify().faults == ()


def prunes_nothing_that_runs(store: Store) -> None:
    """Rows of an action that has not ended keep their bodies."""

    def step(tx: Transaction) -> None:
        tx.put_call(_call())
        tx.append(_record(action="action"))
        tx.append(_record(action="ended"))

    store.transact(step)
    store.prune(store.read(lambda tx: tx.now_us) + 1_000_000)
    rows = store.read(lambda tx: {r.record.action: r.pruned for r in tx.records(Query(kinds=("attempt",)))})
    assert rows == {"action": False, "ended": True}


def counts_failures(store: Store) -> None:
    """Failures count up by key, can be forgotten, and are facts."""
    assert [store.transact(lambda tx: tx.add_failure("key")) for _ in range(3)] == [1, 2, 3]
    assert store.transact(lambda tx: tx.add_failure("other")) == 1
    assert store.read(lambda tx: tx.facts(NEED)).recent_failures == 3
    store.transact(lambda tx: tx.put_failures("key", 0))
    assert store.read(lambda tx: tx.facts(NEED)).failures == 0


def counts_failures_from_many_threads(store: Store) -> None:
    """Concurrent steps neither lose nor double a count."""
    seen: list[int] = []

    def work() -> None:
        seen.extend(store.transact(lambda tx: tx.add_failure("key")) for _ in range(25))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(1, 201))


def keeps_calls(store: Store) -> None:
    """A call is written, changed, and dropped; running ones are listed."""
    store.transact(lambda tx: tx.put_call(_call()))
    assert [c.action for c in store.read(lambda tx: tx.unsettled())] == ["action"]
    done = _call(state=CallState.DONE, status="success", result='{"a":1}', ticket="T-1", why="w", reason="r", attempt=2)
    store.transact(lambda tx: tx.put_call(done))
    found = store.read(lambda tx: tx.facts(NEED)).call
    assert found is not None
    assert found._replace(owner="", at_us=0) == done
    assert store.read(lambda tx: tx.unsettled()) == ()
    store.transact(lambda tx: tx.drop_call("run", "call"))
    assert store.read(lambda tx: tx.call("run", "call")) is None


def leaves_a_call_in_doubt_when_told(store: Store) -> None:
    """A disowned intent is in doubt although its process lives; an ended call cannot be disowned."""
    store.transact(lambda tx: tx.put_call(_call(call="other")))
    store.transact(lambda tx: tx.disown("run", "other", "action", 0))
    found = store.read(lambda tx: tx.facts(NEED)).doubtful
    assert found is not None
    assert found.in_doubt
    store.transact(lambda tx: tx.put_call(_call(call="other", attempt=1)))
    store.transact(lambda tx: tx.disown("run", "other", "action", 0))
    assert store.read(lambda tx: tx.facts(NEED)).doubtful is None, "a later attempt is another one"
    store.transact(lambda tx: tx.put_call(_call(call="other", state=CallState.DONE)))
    store.transact(lambda tx: tx.disown("run", "other", "action", 0))
    assert store.read(lambda tx: tx.facts(NEED)).doubtful is None


def keeps_what_verification_needs(store: Store) -> None:
    """Pruning leaves anchors, and what was asked while the question is open."""

    def step(tx: Transaction) -> None:
        tx.put_ticket(_ticket())
        tx.append(_record(kind=RecordKind.REVIEW, action=""))
        tx.append(_record(kind=RecordKind.ANCHOR, run="", body={"heads": []}))

    store.transact(step)
    store.prune(store.read(lambda tx: tx.now_us) + 1_000_000)
    rows = store.read(lambda tx: list(tx.records(Query(kinds=("review", "anchor")))))
    assert rows
    assert not any(row.pruned for row in rows)


def looks_calls_up_only_when_asked(store: Store) -> None:
    """A need without a call id finds no call; a live intent of another call is not in doubt."""
    store.transact(lambda tx: tx.put_call(_call(call="other")))
    facts = store.read(lambda tx: tx.facts(NEED._replace(call="")))
    assert facts.call is None
    assert facts.doubtful is None


def remembers_resources(store: Store) -> None:
    """Zones and refusals are facts of their resource; refusals only for the lineage's root."""

    def step(tx: Transaction) -> None:
        tx.put_zone("lead/1", "staging")
        tx.put_zone("lead/1", "production")
        tx.put_denial(Denial("lead/2", "root", "delete", "review", tx.now_us))
        tx.put_denial(Denial("lead/2", "stranger", "delete", "review", tx.now_us))

    store.transact(step)
    known = store.read(lambda tx: tx.facts(NEED)).resources
    assert known["lead/1"].zone == "production"
    assert known["lead/2"].denials == (("delete", "review"),)
    assert store.transact(lambda tx: tx.clear_denials("lead/2")) == 2
    assert store.transact(lambda tx: tx.clear_denials("lead/2")) == 0
    assert "lead/2" not in store.read(lambda tx: tx.facts(NEED)).resources


def stops_and_demotes_agents(store: Store) -> None:
    """Stops hold for the whole lineage; a demotion for the agent; both can be lifted."""
    latch = Latch("root", "dana", "why", 5)
    store.transact(lambda tx: tx.put_latch(latch))
    store.transact(lambda tx: tx.put_access("agent", Access.READ_ONLY))
    facts = store.read(lambda tx: tx.facts(NEED))
    assert facts.latches == (latch,)
    assert facts.access is Access.READ_ONLY
    assert store.read(lambda tx: tx.latches()) == (latch,)
    assert store.transact(lambda tx: tx.clear_latch("root"))
    assert not store.transact(lambda tx: tx.clear_latch("root"))
    store.transact(lambda tx: tx.put_access("agent", None))
    facts = store.read(lambda tx: tx.facts(NEED))
    assert (facts.latches, facts.access) == ((), None)


def keeps_tickets(store: Store) -> None:
    """Tickets are found by id, digest, key and state, newest first, and come back equal."""

    def step(tx: Transaction) -> None:
        tx.put_ticket(_ticket("T-1", asked_us=1))
        tx.put_ticket(_ticket("T-2", asked_us=2, digest="other"))
        tx.put_ticket(_ticket("T-3", asked_us=3, key="else"))

    store.transact(step)
    assert store.read(lambda tx: tx.ticket("T-1")) == _ticket("T-1", asked_us=1)
    assert store.read(lambda tx: tx.ticket("T-9")) is None

    def ids(**fields: object) -> list[str]:
        return store.read(lambda tx: [t.id for t in tx.tickets(**fields)])  # type: ignore[arg-type]

    assert ids() == ["T-3", "T-2", "T-1"]
    assert ids(digest="digest") == ["T-3", "T-1"]
    assert ids(key="key") == ["T-2", "T-1"]
    store.transact(lambda tx: tx.put_ticket(_ticket("T-1", asked_us=1, state=TicketState.APPROVED, by="dana")))
    assert ids(states=(TicketState.APPROVED,)) == ["T-1"]
    assert ids(states=(TicketState.PENDING,), limit=1) == ["T-3"]


def keeps_grants_and_reviewers(store: Store) -> None:
    """Grants and reviewers come back equal and can be changed."""

    def step(tx: Transaction) -> None:
        tx.put_grant(_grant("G-1"))
        tx.put_grant(_grant("G-2", agent="other"))
        tx.put_reviewer(Reviewer("kim", "aa", "bb"))
        tx.put_reviewer(Reviewer("dana", "aa", "bb"))

    store.transact(step)
    assert store.read(lambda tx: tx.grants("agent", "tool")) == (_grant("G-1"),)
    assert [g.id for g in store.read(lambda tx: tx.grants())] == ["G-2", "G-1"]
    store.transact(lambda tx: tx.put_grant(_grant("G-1", uses=3, revoked=True)))
    assert store.read(lambda tx: tx.grants("agent"))[0].revoked
    assert [r.name for r in store.read(lambda tx: tx.reviewers())] == ["dana", "kim"]
    store.transact(lambda tx: tx.put_reviewer(Reviewer("dana", "cc", "dd")))
    assert store.read(lambda tx: tx.reviewers())[0].salt == "cc"


def keeps_shapes(store: Store) -> None:
    """What was learned of a tool comes back as it was written."""
    assert store.read(lambda tx: tx.shape("tool")) is None
    store.transact(lambda tx: tx.put_shape("tool", '{"v":1}'))
    store.transact(lambda tx: tx.put_shape("tool", '{"v":2}'))
    assert store.read(lambda tx: tx.shape("tool")) == '{"v":2}'


def keeps_pieces(store: Store) -> None:
    """What is kept in pieces comes back byte for byte, until its time is over."""
    hour_us = 3_600_000_000
    assert store.read(lambda tx: tx.pieces("plan/a")) == ()
    assert store.read(lambda tx: tx.piece("plan/a", 0)) is None
    big = bytes(range(256)) * 4096
    for number, body in enumerate((b"head", big, b"")):
        store.transact(lambda tx, n=number, b=body: tx.put_piece("plan/a", n, b, tx.now_us + hour_us))  # type: ignore[misc]
    store.transact(lambda tx: tx.put_piece("plan/b", 0, b"other", tx.now_us - 1))
    assert store.read(lambda tx: tx.pieces("plan/a")) == (0, 1, 2)
    assert store.read(lambda tx: tx.piece("plan/a", 1)) == big
    assert store.read(lambda tx: tx.piece("plan/a", 2)) == b""
    store.transact(lambda tx: tx.put_piece("plan/a", 0, b"again", tx.now_us + hour_us))
    assert store.read(lambda tx: tx.piece("plan/a", 0)) == b"again"
    assert store.read(lambda tx: tx.pieces("plan/b")) == ()  # swept: its time was over
    store.transact(lambda tx: tx.drop_pieces("plan/a"))
    assert store.read(lambda tx: tx.pieces("plan/a")) == ()


def never_goes_back_in_time(store: Store) -> None:
    """The clock of later steps is never earlier."""
    times = [store.transact(lambda tx: tx.now_us) for _ in range(50)]
    assert times == sorted(times)
    assert times[0] > 1_600_000_000_000_000


def refuses_after_closing(store: Store) -> None:
    """A closed store refuses with a clear error."""
    from handrail.errors import StoreError  # noqa: PLC0415

    store.close()
    for use in (store.transact, store.read):
        try:
            use(_nothing)
        except StoreError as error:
            assert "closed" in str(error)  # noqa: PT017
        else:
            raise AssertionError("a closed store was used")


CASES: tuple[Callable[[Store], None], ...] = (
    knows_nothing_at_first,
    answers_with_the_steps_value,
    sees_its_own_writes,
    undoes_a_step_that_raises,
    keeps_the_journal_in_order,
    keeps_bodies_exactly,
    chains_every_row,
    tells_of_pruning,
    prunes_nothing_that_runs,
    counts_failures,
    counts_failures_from_many_threads,
    keeps_calls,
    leaves_a_call_in_doubt_when_told,
    keeps_what_verification_needs,
    looks_calls_up_only_when_asked,
    remembers_resources,
    stops_and_demotes_agents,
    keeps_tickets,
    keeps_grants_and_reviewers,
    keeps_shapes,
    keeps_pieces,
    never_goes_back_in_time,
    refuses_after_closing,
    *REMEMBERING,
)

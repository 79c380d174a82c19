"""The store of a trial: the facts of the store in memory, and no history."""

from handrail.backtest import store as store_module
from handrail.backtest.asks import Asks
from handrail.core.record import RecordKind
from handrail.core.store import Query


def test_there_is_no_journal(world):
    """The last attempt is kept, for the answer, and nothing else."""
    world.one("crm.get", id="a")
    assert world.trial.store.rows == []
    assert world.trial.store.attempt.kind is RecordKind.ATTEMPT
    assert world.trial.store.read(lambda tx: list(tx.records(Query()))) == []


def test_finished_calls_make_room(world, monkeypatch):
    """A call is answered again while it is remembered; running ones always are."""
    monkeypatch.setattr(store_module, "KEPT_MAX", 3)
    flying = world.trial.begin(world.attempt("crm.set", call="flying", id="f"))
    for number in range(9):
        world.one("crm.set", call=f"x{number}", id="a", result={"long": "x" * 500})
    assert list(world.trial.store.calls) == [("r", "flying"), ("r", "x6"), ("r", "x7"), ("r", "x8")]
    assert "made before" in world.one("crm.set", call="x8", id="a").why
    assert "made before" not in world.one("crm.set", call="x0", id="a").why
    assert all(len(call.result or "") < 500 for call in world.trial.store.calls.values())
    assert flying.in_flight


def test_spent_tickets_make_room(world, monkeypatch):
    """Open ones are found by plan and by action, spent ones by id for a while."""
    monkeypatch.setattr(store_module, "CLOSED_MAX", 2)
    for number in range(5):
        world.one("crm.set", id=f"l{number}", env="prod")
    store = world.trial.store
    assert (store.asked, store.by_digest, store.by_key) == ({}, {}, {})
    assert len(store.closed) == 2
    id, ticket = next(iter(store.closed.items()))
    assert store.read(lambda tx: tx.ticket(id)) == ticket
    assert ticket.state == "spent"


def test_tickets_are_found(world):
    """By plan, by action, by state, newest first."""
    one, two = (world.trial.begin(world.attempt("crm.set", id=id, env="prod"), held=True).ticket for id in "ab")
    store = world.trial.store
    first = store.asked[one]
    assert [t.id for t in store.read(lambda tx: tx.tickets())] == [two, one]
    assert [t.id for t in store.read(lambda tx: tx.tickets(digest=first.digest))] == [one]
    assert [t.id for t in store.read(lambda tx: tx.tickets(key=first.key))] == [one]
    assert store.read(lambda tx: tx.tickets(key=first.key, states=("denied",))) == ()


def test_what_is_over_is_swept(world_of):
    """Old failures and decided tickets do not gather, however long the trace; recent ones count on."""
    world = world_of(asks=Asks.REFUSED)
    store = world.trial.store
    world.one("crm.get", id="a", error="x", at="2026-03-01T09:00:00Z")
    world.one("crm.set", id="b", env="prod")
    assert (len(store.failures), len(store.asked)) == (1, 1)
    world.one("crm.get", id="c", error="x", at="2026-03-01T09:20:00Z")
    assert (len(store.failures), len(store.asked)) == (1, 1)
    world.one("crm.get", id="d", at="2026-03-01T09:40:00Z")
    assert (len(store.failures), len(store.asked)) == (0, 0)


def test_doubt_ends(world):
    """An action in doubt that is taken up again, being idempotent, is in doubt no more."""
    world.one("crm.new", id="3", result={})
    store = world.trial.store
    assert [list(places) for places in store.doubts.values()] == [[("r", "c1")]]
    (key,) = store.doubts
    store.transact(lambda tx: tx.disown("r", "none", "a", 0))
    call = store.calls["r", "c1"]
    assert not call.alive
    store.transact(lambda tx: tx.put_call(call))
    assert key not in store.doubts

"""Durable steps: what a crash of the server between COMMIT and the disk undoes is noticed, and run again."""

import pytest
from tests.stores.postgres.server import server

from handrail.core.facts import Call, CallState, Need
from handrail.core.record import Record, RecordKind
from handrail.core.store import Query
from handrail.errors import StoreError
from handrail.stores.postgres import PostgresStore

CALL = Call("run", "call", "action", "bot", "tool", "key", CallState.RUNNING, durable=True)
NEED = Need("other", "", "key", ("bot",))


@pytest.fixture
def lazy():
    """A server that writes nothing to disk by itself for a while."""
    server().run("ALTER SYSTEM SET wal_writer_delay = '10s'")
    server().run("SELECT pg_reload_conf()")
    yield
    server().run("ALTER SYSTEM RESET wal_writer_delay")
    server().run("SELECT pg_reload_conf()")


def crash_before_sync(store, monkeypatch):
    """Let the server crash once between COMMIT and the sync."""
    sync, crashes = store._life.sync, []

    def crashing():
        if not crashes:
            crashes.append(1)
            server().restart("immediate")
        sync()

    monkeypatch.setattr(store._life, "sync", crashing)
    return crashes


@pytest.mark.parametrize("row", [True, False], ids=["with a row", "without"])
def test_a_crash_before_the_disk(fleet, lazy, monkeypatch, row):
    """The step was committed and is gone: it runs again, and is answered only when it is on disk."""
    runs = []

    def step(tx):
        runs.append(1)
        if row:
            tx.append(Record(RecordKind.EVENT, reason="counted"))
        return tx.add_failure("key")

    fleet.transact(lambda tx: tx.append(Record(RecordKind.EVENT)), durable=True)
    crashes = crash_before_sync(fleet, monkeypatch)
    assert fleet.transact(step, durable=True) == 1
    assert len(crashes) == 1
    assert len(runs) >= 2, "a third time if the first thing to be noticed is that the writer's connection is gone"
    server().restart("immediate")
    rows = fleet.read(lambda tx: [r for r in tx.records(Query(kinds=("event",))) if r.record.reason == "counted"])
    assert (fleet.read(lambda tx: tx.facts(NEED)).failures, len(rows)) == (1, row)
    assert fleet.verify().faults == ()


def test_a_lost_connection_that_lost_nothing(fleet, monkeypatch):
    """The step is there after the crash, since it was on disk: it does not run again."""
    runs = []
    fleet.transact(lambda tx: tx.append(Record(RecordKind.EVENT)), durable=True)
    sync = fleet._life.sync

    def crash_after():
        sync()
        server().restart("immediate")
        sync()

    monkeypatch.setattr(fleet._life, "sync", crash_after)
    assert fleet.transact(lambda tx: (runs.append(1), tx.add_failure("key"))[1], durable=True) == 1
    assert len(runs) == 1


def test_others_that_commit_before_the_sync(fleet, monkeypatch):
    """A later transaction of ours does not hide that this one was committed: it does not run again."""
    runs, syncs, sync = [], [], fleet._life.sync
    fleet.transact(lambda tx: tx.add_failure("key"), durable=True)

    def disturbed():
        if not syncs:
            syncs.append(1)
            fleet.transact(lambda tx: tx.add_failure("other"))
            fleet._life._session.drop()
        sync()

    monkeypatch.setattr(fleet._life, "sync", disturbed)
    assert fleet.transact(lambda tx: (runs.append(1), tx.add_failure("key"))[1], durable=True) == 2
    assert (len(runs), fleet._life.made) == (1, 2)


def test_a_plain_step_may_be_lost_with_the_server(fleet, lazy):
    """As documented; a durable one after it would have taken it to the disk."""
    fleet.transact(lambda tx: tx.add_failure("key"), durable=True)
    fleet.transact(lambda tx: tx.add_failure("key"))
    server().restart("immediate")
    assert fleet.read(lambda tx: tx.facts(NEED)).failures == 1
    fleet.transact(lambda tx: tx.add_failure("key"))
    fleet.transact(lambda tx: tx.add_failure("other"), durable=True)
    server().restart("immediate")
    assert fleet.read(lambda tx: tx.facts(NEED)).failures == 2


@pytest.mark.parametrize(
    "settle",
    [
        lambda tx: tx.drop_call("run", "call"),
        lambda tx: tx.put_call(CALL._replace(state=CallState.DONE)),
        lambda tx: tx.put_call(CALL._replace(state=CallState.WAITING)),
        lambda tx: tx.disown("run", "call", "action", 0),
    ],
    ids=["dropped", "done", "waiting", "in doubt"],
)
def test_the_outcome_of_a_write_outlives_the_server(fleet, lazy, settle):
    """Its process lives on: an intent that reappeared would look like one under way, for ever."""
    fleet.transact(lambda tx: tx.put_call(CALL), durable=True)
    fleet.transact(settle)
    server().restart("immediate")
    assert not any(call.alive for call in fleet.read(lambda tx: tx.unsettled()))


def test_a_sync_that_fails(url, monkeypatch):
    """The caller is told that it may not last; its intent is in doubt, although this process lives."""
    store = PostgresStore(url)
    store.transact(lambda tx: None)

    def failing():
        raise StoreError("no disk")

    with monkeypatch.context() as patch:
        patch.setattr(store._life, "sync", failing)
        with pytest.raises(StoreError, match="written, but perhaps not for good: no disk"):
            store.transact(lambda tx: tx.put_call(CALL), durable=True)
    assert store.transact(lambda tx: tx.add_failure("key"), durable=True) == 1
    assert store.read(lambda tx: tx.call("run", "call")).in_doubt
    store.close()

"""Group commit, and what becomes of a step when the connection is lost at the worst moment."""

import threading
import time
from functools import partial

import psycopg
import pytest
from tests.stores.postgres.proxy import Proxy
from tests.stores.postgres.server import server

from handrail.core.facts import Call, CallState, Need
from handrail.core.record import Record, RecordKind
from handrail.core.store import Query
from handrail.errors import StoreError
from handrail.stores.postgres import PostgresStore
from handrail.stores.postgres.session import LOCK

CALL = Call("run", "call", "action", "bot", "tool", "key", CallState.RUNNING, durable=True)
NEED = Need("other", "", "key", ("bot",))


@pytest.fixture
def proxy():
    opened = Proxy(server().port)
    yield opened
    opened.close()


@pytest.fixture
def cut(proxy, database):
    """A store behind the proxy, with little patience."""
    store = PostgresStore(f"postgresql://postgres@127.0.0.1:{proxy.port}/{database}", patience_s=1.0)
    store.transact(lambda tx: None)
    yield store
    proxy.back()
    store.close()


class Count:
    """A step that counts how often it ran, and leaves one failure and maybe a row."""

    def __init__(self, *, row):
        self.runs = 0
        self.row = row

    def __call__(self, tx):
        self.runs += 1
        if self.row:
            tx.append(Record(RecordKind.EVENT, reason="counted"))
        return tx.add_failure("key")


def left(store):
    """Return the failures and rows that the step left."""
    rows = store.read(lambda tx: [r for r in tx.records(Query(kinds=("event",))) if r.record.reason == "counted"])
    return store.read(lambda tx: tx.facts(NEED)).failures, len(rows)


@pytest.mark.parametrize("row", [True, False], ids=["with a row", "without"])
@pytest.mark.parametrize("durable", [False, True])
def test_an_answer_that_is_lost(cut, proxy, fleet, row, durable):
    """COMMIT reached the server, its answer did not come back: it is looked up, and the step does not run again."""
    step = Count(row=row)
    proxy.arm(b"COMMIT\0", deliver=True)
    assert cut.transact(step, durable=durable) == 1
    assert (proxy.cuts, step.runs, left(fleet)) == (1, 1, (1, row))
    assert cut.transact(step, durable=durable) == 2
    assert cut.verify().faults == ()


@pytest.mark.parametrize("row", [True, False], ids=["with a row", "without"])
@pytest.mark.parametrize("word", [b"COMMIT\0", b"count, at_us"], ids=["at the end", "in the middle"])
def test_a_commit_that_is_lost(cut, proxy, fleet, row, word):
    """COMMIT never reached the server: nothing was written, and the step runs again."""
    step = Count(row=row)
    proxy.arm(word, deliver=False)
    assert cut.transact(step) == 1
    assert (proxy.cuts, step.runs, left(fleet)) == (1, 2, (1, row))
    assert cut.verify().faults == ()


@pytest.mark.parametrize("deliver", [True, False], ids=["committed", "not committed"])
def test_a_fate_that_cannot_be_looked_up(cut, proxy, fleet, deliver):
    """The caller is told that nobody knows; an intent is left in doubt as soon as the server can be reached again."""

    def step(tx):
        tx.append(Record(RecordKind.ATTEMPT, "action", "run", "bot", "tool"))
        tx.put_call(CALL)

    proxy.arm(b"COMMIT\0", deliver=deliver, stay_away=True)
    with pytest.raises(StoreError, match=r"^It is not known whether this was recorded"):
        cut.transact(step, durable=True)
    proxy.back()
    for _ in range(500):
        if (fleet.transact(lambda tx: tx.call("run", "call")) is not None) == deliver:
            break
        time.sleep(0.01)
    cut.transact(lambda tx: None)
    found = fleet.read(lambda tx: tx.call("run", "call"))
    assert (found is not None) == deliver
    assert found is None or found.in_doubt
    assert cut.verify().faults == ()


def test_a_server_that_is_away(cut, proxy):
    """The step waits a while, then fails with what to look at; the next call fails at once; later all is well."""
    cut.transact(lambda tx: tx.put_call(CALL))
    proxy.arm(b"count, at_us", deliver=False, stay_away=True)
    times = []
    for _ in range(2):
        begun = time.monotonic()
        with pytest.raises(StoreError, match=r"cannot be used .* so nothing runs\. Check that the server runs"):
            cut.transact(lambda tx: tx.add_failure("key"))
        times.append(time.monotonic() - begun)
    assert times[0] > 0.9
    assert times[1] < 0.8
    proxy.back()
    assert cut.transact(lambda tx: tx.add_failure("key")) == 1


def test_steps_that_arrive_together_share_a_commit(fleet):
    """While one transaction is under way the next steps gather."""
    fleet.transact(lambda tx: None)
    writer, steps, commits = fleet._writer, fleet._writer.steps, fleet._writer.commits
    with psycopg.connect(server().url(fleet._address.parameters["dbname"])) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        futures = [fleet.submit(lambda tx: tx.add_failure("key")) for _ in range(40)]
        time.sleep(0.1)
    assert sorted(future.result(10) for future in futures) == list(range(1, 41))
    assert writer.steps - steps == 40
    assert writer.commits - commits <= 20, "a busy machine makes them smaller"


def test_durable_steps_share_a_sync(fleet):
    """One wait for the disk serves many."""
    fleet.transact(lambda tx: tx.add_failure("key"), durable=True)
    syncs = fleet._writer.syncer.syncs
    assert syncs == 1
    futures = [fleet.submit(lambda tx: tx.add_failure("key"), durable=True) for _ in range(64)]
    for future in futures:
        future.result(10)
    shared = fleet._writer.syncer.syncs - syncs
    assert shared <= 40, "a busy machine shares less"
    fleet.transact(lambda tx: tx.add_failure("key"))
    assert fleet._writer.syncer.syncs - syncs == shared, "a plain step waits for no disk"


def test_one_that_raises_is_undone_alone(fleet):
    """Its neighbours in the transaction are kept, and the chain stays whole."""
    writing = threading.Event()

    def first(tx):
        writing.wait(10)
        tx.append(Record(RecordKind.EVENT, reason="counted"))

    def failing(tx):
        tx.append(Record(RecordKind.EVENT, reason="counted"))
        tx.add_failure("key")
        raise ZeroDivisionError

    futures = [fleet.submit(step) for step in (first, failing, Count(row=True), failing, Count(row=True))]
    writing.set()
    errors = [type(future.exception(10)) for future in futures]
    assert errors == [type(None), ZeroDivisionError, type(None), ZeroDivisionError, type(None)]
    assert left(fleet) == (2, 3)
    assert fleet.verify().faults == ()


def test_one_that_the_database_refuses_fails_alone(fleet):
    """A value that it cannot keep fails its own step, with one sentence; the others of the transaction run again."""
    writing, steps = threading.Event(), [Count(row=True), Count(row=True)]
    held = fleet.submit(lambda tx: writing.wait(10))
    bad = fleet.submit(lambda tx: tx.put_zone("x" * 4_000_000 + "y" * 10, "z" * 2_000_000))
    huge = fleet.submit(lambda tx: tx.add_tally("t", 2**70, 1, 0))
    good = [fleet.submit(step) for step in steps]
    writing.set()
    assert held.result(10)
    with pytest.raises(StoreError, match=r"an id is too long for an index.*under 2,500 bytes"):
        bad.result(10)
    with pytest.raises(StoreError, match=r"out of range.* so nothing runs"):
        huge.result(10)
    assert sorted(future.result(10) for future in good) == [1, 2]
    assert left(fleet) == (2, 2)


@pytest.mark.parametrize("writes", [True, False])
def test_a_step_that_hides_an_error_of_the_database(fleet, writes):
    """Its transaction is over whatever it says, so its caller is told."""

    def hiding(tx):
        if writes:
            tx.add_failure("key")
        try:
            tx._ask("SELECT 1 / 0")
        except psycopg.Error:
            return "fine"

    with pytest.raises(StoreError, match="so nothing runs"):
        fleet.transact(hiding)
    assert left(fleet) == (0, 0)
    assert fleet.transact(Count(row=True)) == 1


def test_a_deadlock_with_somebody_elses_statement(url, fleet):
    """The step that the server gave up runs again."""
    fleet.transact(lambda tx: (tx.put_zone("a", "z"), tx.put_mark("m", 0)))
    fleet._writing.open().execute("SET deadlock_timeout = '50ms'")
    runs = []
    with psycopg.connect(url) as other:
        other.execute("SET deadlock_timeout = '10s'")
        other.execute("UPDATE handrail.marks SET until_us = 1")

        def step(tx):
            runs.append(1)
            tx.put_zone("a", "y")
            if len(runs) == 1:
                tx.resource("a")
                crossing.start()
                time.sleep(0.2)
            tx.put_mark("m", 0)
            return tx.resource("a").zone

        def cross():
            other.execute("UPDATE handrail.resources SET zone = 'x'")
            other.commit()

        crossing = threading.Thread(target=cross)
        assert fleet.transact(step) == "y"
        crossing.join()
    assert len(runs) == 2


def test_a_step_within_a_step(fleet):
    """Would wait for itself, so it is refused."""
    with pytest.raises(StoreError, match="A step began another transaction"):
        fleet.transact(lambda tx: fleet.transact(lambda inner: None))


def test_an_interrupt_while_waiting(fleet, monkeypatch):
    """A step that had not begun never runs; one that had has ended when the interrupt goes on."""
    import signal

    begun, go, step = threading.Event(), threading.Event(), Count(row=False)

    def slow(tx):
        begun.set()
        go.wait(10)
        return step(tx)

    def interrupt(signum, frame):
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        blocked = fleet.submit(slow)
        begun.wait(10)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            fleet.transact(step)
        go.set()
        assert blocked.result(10) == 1
        fleet.transact(lambda tx: None)
        assert step.runs == 1
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            fleet.transact(lambda tx: (time.sleep(0.4), step(tx)))
        assert step.runs == 2
    finally:
        signal.signal(signal.SIGALRM, old)


def test_closing_finishes_what_is_queued(url):
    """Nothing that was taken is lost; newcomers are refused."""
    store = PostgresStore(url)
    futures = [store.submit(partial(lambda tx: tx.add_failure("key")), durable=n % 2 == 0) for n in range(30)]
    store.close()
    assert sorted(future.result(0) for future in futures) == list(range(1, 31))
    with pytest.raises(StoreError, match="closed"):
        store.submit(lambda tx: None)


def test_a_lock_that_is_never_free(url, fleet, database):
    """Somebody holds it: the step fails with what to look at, instead of waiting for ever."""
    store = PostgresStore(url)
    store.transact(lambda tx: None)
    store._writing.open().execute("SET lock_timeout = '200ms'")
    with psycopg.connect(url) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        with pytest.raises(StoreError, match=r"lock was not free.*pg_stat_activity"):
            store.transact(lambda tx: None)
    assert store.transact(lambda tx: tx.add_failure("key")) == 1
    store.close()

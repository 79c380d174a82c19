"""The PostgreSQL store: what it does beyond the conformance suite."""

import os
import subprocess
import sys
import threading
import time
from functools import partial

import psycopg
import pytest
from tests.stores.postgres.server import server

from handrail.core.backoff import RETRY_WINDOW_US
from handrail.core.facts import Call, CallState, Need
from handrail.core.record import Record, RecordKind
from handrail.core.store import Query, Store
from handrail.errors import StoreError
from handrail.stores import connect
from handrail.stores.postgres import PostgresStore
from handrail.stores.postgres import store as postgres
from handrail.testing import Clock

CALL = Call("run", "call", "action", "bot", "tool", "key", CallState.RUNNING, durable=True)
NEED = Need("other", "", "key", ("bot",))


def append(store, name="a"):
    store.transact(lambda tx: tx.append(Record(RecordKind.ATTEMPT, name, "run", "bot", "tool")))


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_by_its_address(url, tmp_path, driver):
    """A URL as in the policy opens it; over TCP or a socket."""
    store = connect(url.replace("postgresql", driver, 1), tmp_path)
    assert isinstance(store, PostgresStore)
    assert isinstance(store, Store)
    assert store.transact(lambda tx: tx.add_failure("key")) == 1
    store.close()


def test_over_tcp(database):
    """The address is shown without the password."""
    store = PostgresStore(server().url(database, tcp=True).replace("postgres@", "postgres:sesame@"))
    assert store.transact(lambda tx: tx.add_failure("key"), durable=True) == 1
    assert store.url == f"postgresql://postgres@127.0.0.1:{server().port}/{database}"
    store.close()


def test_stores_share_what_they_know(url, fleet):
    """Limits hold across connections: nothing is counted twice or lost."""
    other = PostgresStore(url)
    for one in (fleet, other) * 5:
        one.transact(partial(lambda tx: tx.add_failure("key")))
    assert fleet.read(lambda tx: tx.facts(NEED)).recent_failures == 10
    other.close()


def test_what_it_opens(fleet, database):
    """Reading needs one connection more than writing; a process has three at most."""

    def connections():
        sql = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND application_name = 'handrail'"
        return server().run(sql)[0][0]

    assert connections() == 1
    fleet.transact(lambda tx: tx.put_call(CALL), durable=True)
    assert connections() == 2
    fleet.read(lambda tx: tx.facts(NEED))
    fleet.transact(lambda tx: tx.put_call(CALL), durable=True)
    assert connections() == 3


def test_a_read_is_one_moment(url, fleet):
    """What others write meanwhile is not seen, and nobody waits for a reader."""
    other = PostgresStore(url)

    def step(tx):
        first = tx.facts(NEED).failures
        other.transact(lambda inner: inner.add_failure("key"))
        return first, tx.facts(NEED).failures

    assert fleet.read(step) == (0, 0)
    assert fleet.read(step) == (1, 1)
    other.close()


def test_a_reading_step_cannot_write(fleet):
    """The database refuses it."""
    with pytest.raises(StoreError, match="read-only"):
        fleet.read(lambda tx: (tx.put_zone("a", "b"), tx.facts(NEED)))
    assert fleet.read(lambda tx: tx.resource("a")).zone is None


def test_errors_do_not_spoil_the_connection(fleet):
    """Whatever was sent together with the statement that failed works the next time, prepared or not."""

    def bad(tx):
        tx.put_label("a", "b")
        tx.add_tally("t", 2**70, 1, 0)
        tx.put_mark("m", 0)
        return tx.resource("a")

    for _ in range(12):
        for use in (fleet.transact, fleet.read):
            with pytest.raises(StoreError):
                use(bad)
        fleet.transact(lambda tx: (tx.put_mark("m", 0), tx.put_label("a", "b"), tx.resource("a")))
        assert fleet.read(lambda tx: tx.resource("a")).labels
        assert fleet.read(lambda tx: tx.facts(NEED._replace(marks=("m",)))).marks


def test_a_read_that_raises(fleet):
    """Gets its own error, and the next read works."""
    with pytest.raises(ZeroDivisionError):
        fleet.read(lambda tx: (tx.facts(NEED), 1 / 0))
    assert fleet.read(lambda tx: tx.facts(NEED)).failures == 0


def test_reading_over_a_restart(fleet):
    """The step runs again on a new connection."""
    fleet.transact(lambda tx: tx.add_failure("key"), durable=True)
    restarts = []

    def step(tx):
        tx.latches()
        if not restarts:
            restarts.append(1)
            server().restart("immediate")
        return tx.facts(NEED).failures

    assert fleet.read(step) == 1


def test_a_restart_in_the_middle_of_work(url, fleet):
    """Steps of many threads go on over restarts in order: each counts once."""
    seen, stop = [], threading.Event()

    def work():
        while not stop.is_set():
            seen.append(fleet.transact(lambda tx: tx.add_failure("key"), durable=len(seen) % 2 == 0))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        time.sleep(0.2)
        server().restart("fast")
    time.sleep(0.2)
    stop.set()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(1, len(seen) + 1))


def test_pruning_goes_in_steps(fleet, monkeypatch):
    """No transaction is long; each tells what it removed, and the journal verifies at any time."""
    monkeypatch.setattr(postgres, "PRUNE_ROWS", 7)
    for number in range(20):
        append(fleet, f"a{number}")
    far_us = fleet.read(lambda tx: tx.now_us) + 1_000_000
    assert fleet.prune(far_us) == 20
    events = fleet.read(lambda tx: list(tx.records(Query(kinds=("event",)))))
    assert [row.record.body["rows"] for row in events] == [6, 7, 7]
    found = fleet.verify()
    assert (found.pruned, found.faults) == (20, ())
    assert fleet.prune(far_us) == 0


def test_pruning_forgets_old_failures(url, database):
    """Failures that count no more are removed; those that do stay."""
    clock = Clock()
    store = PostgresStore(url, clock)
    store.transact(lambda tx: tx.add_failure("old"))
    clock.forward(RETRY_WINDOW_US / 1_000_000 + 1)
    store.transact(lambda tx: tx.add_failure("new"))
    store.prune(2**62)
    assert server().run("SELECT key FROM handrail.failures", database) == [("new",)]
    store.close()


def test_a_changed_journal(fleet, database):
    """Verification finds what was changed, removed, or emptied behind our back, and counts as it goes."""
    for number in range(5):
        append(fleet, f"a{number}")
    seen = []
    assert fleet.verify(lambda done, total: seen.append((done, total))).faults == ()
    assert seen == [(0, 6)]
    server().run("UPDATE handrail.journal SET tool = 'other' WHERE seq = 3", database)
    server().run("UPDATE handrail.journal SET body = NULL WHERE seq = 4", database)
    server().run("DELETE FROM handrail.journal WHERE seq = 5", database)
    faults = " ".join(fleet.verify().faults)
    assert "number 3): it was changed" in faults
    assert "number 4): its body was removed without a prune" in faults
    assert "1 rows before it are missing" in faults


def test_closing_bears_witness_of_what_others_wrote(url, fleet, database):
    """Rows of another chain that came after our last anchor cannot be removed unseen."""
    one, other = PostgresStore(url), PostgresStore(url)
    append(one)
    append(other)
    append(other)
    one.close()
    writer = other.writer
    other.close()
    server().run(f"DELETE FROM handrail.journal WHERE writer = '{writer}' AND number > 1", database)
    assert any("is missing" in fault for fault in fleet.verify().faults)


def test_closing_adds_nothing_when_nobody_else_wrote(url, fleet):
    """A lone writer's journal does not grow by closing, nor does one that wrote no row bear witness."""
    one, other = PostgresStore(url), PostgresStore(url)
    append(one)
    one.close()
    other.transact(lambda tx: tx.put_call(CALL))
    other.close()
    assert fleet.verify().records == 2


def test_closing_twice_is_fine(url):
    """Whoever closes again finds it closed; nothing stays open."""
    store = PostgresStore(url)
    append(store)
    store.close()
    store.close()


def test_a_backup_is_made_with_pg_dump(fleet, tmp_path):
    """The error holds the command; no file is made."""
    with pytest.raises(
        StoreError, match=r"pg_dump --schema=handrail --format=custom --file=handrail\.dump postgresql://"
    ):
        fleet.backup(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_dump_can_be_restored(fleet, url, tmp_path):
    """By the command that the error names; the copy is a store, and its journal verifies."""
    append(fleet)
    fleet.transact(lambda tx: tx.add_failure("key"), durable=True)
    dump, other = tmp_path / "handrail.dump", server().url(server().new_database())
    tools = server().tools
    subprocess.run([tools / "pg_dump", "--schema=handrail", "--format=custom", f"--file={dump}", url], check=True)
    subprocess.run([tools / "pg_restore", f"--dbname={other}", dump], check=True)
    copy = PostgresStore(other)
    assert copy.verify() == fleet.verify()
    assert copy.transact(lambda tx: tx.add_failure("key")) == 2
    append(copy)
    assert copy.verify().faults == ()
    copy.close()


def test_leaving_without_closing(url, fleet):
    """A script that just ends loses nothing that was answered, and prints nothing."""
    code = "import sys; from handrail.stores.postgres import PostgresStore\nstore = PostgresStore(sys.argv[1])\n"
    code += "store.transact(lambda tx: tx.add_failure('key'), durable=True); store.read(lambda tx: tx.latches())"
    done = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, check=True, timeout=30)
    assert (done.stdout, done.stderr) == ("", "")
    assert fleet.read(lambda tx: tx.facts(NEED)).failures == 1


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_in_the_middle_of_work(fleet):
    """While threads write, children write too, each on its own chain; nothing hangs and nothing is lost."""
    stop = threading.Event()
    counts = []

    def work():
        while not stop.is_set():
            counts.append(fleet.transact(lambda tx: tx.add_failure("key")))

    thread = threading.Thread(target=work)
    thread.start()
    children = []
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                append(fleet, "child")
                fleet.close()
                code = 0
            finally:
                os._exit(code)
        children.append(pid)
        time.sleep(0.05)
    codes = [os.waitpid(pid, 0)[1] for pid in children]
    stop.set()
    thread.join()
    assert codes == [0, 0, 0]
    assert sorted(counts) == list(range(1, len(counts) + 1))
    append(fleet)
    found = fleet.verify()
    assert (found.chains, found.faults) == (4, ())


def test_nothing_is_written_in_the_open(url, database, fleet):
    """Another role of the database can neither read nor write the store, unless somebody grants it."""
    server().run("DROP ROLE IF EXISTS agent; CREATE ROLE agent LOGIN", database)
    with psycopg.connect(url.replace("postgres@", "agent@"), autocommit=True) as agent:
        for sql in ("SELECT * FROM handrail.journal", "DELETE FROM handrail.calls", "CREATE TABLE handrail.t ()"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                agent.execute(sql)
    server().run("DROP ROLE agent", database)

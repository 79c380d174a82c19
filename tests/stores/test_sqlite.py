"""The SQLite store: what it does beyond the conformance suite."""

import multiprocessing
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from functools import partial

import pytest

from handrail.core.backoff import RETRY_WINDOW_US
from handrail.core.facts import Call, CallState, Need
from handrail.core.record import Record, RecordKind
from handrail.core.store import Query
from handrail.errors import StoreError, StoreVersionError
from handrail.stores.chain import ANCHOR_EVERY
from handrail.stores.sqlite import SqliteStore
from handrail.testing import Clock

CALL = Call("run", "call", "action", "bot", "tool", "key", CallState.RUNNING, durable=True)
NEED = Need("other", "", "key", ("bot",))
DIE = """
import os, sys
from pathlib import Path
from handrail.core.facts import Call, CallState
from handrail.core.record import Record, RecordKind
from handrail.stores.sqlite import SqliteStore

def step(tx):
    tx.append(Record(RecordKind.ATTEMPT, "action", "run", "bot", "tool"))
    tx.put_call(Call("run", "call", "action", "bot", "tool", "key", CallState.RUNNING, durable=True))

SqliteStore(Path(sys.argv[1])).transact(step, durable=True)
os._exit(9)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "handrail.db"


@pytest.fixture
def store(path):
    opened = SqliteStore(path)
    yield opened
    opened.close()


def append(store, name="a"):
    store.transact(lambda tx: tx.append(Record(RecordKind.ATTEMPT, name, "run", "bot", "tool")))


def doubtful(store):
    return store.read(lambda tx: tx.facts(NEED)).doubtful


def test_files_are_private(store, path):
    """Only the owner can read the store and enter its folder."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_it_can_be_opened_again(store, path):
    """What was written stays; the second opening has a chain of its own."""
    append(store)
    again = SqliteStore(path)
    assert [r.record.action for r in again.read(lambda tx: list(tx.records(Query(kinds=("attempt",)))))] == ["a"]
    assert again.writer != store.writer
    again.close()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.write_bytes(b"not a database" * 100), "restore a backup"),
        (lambda path: path.mkdir(), "cannot be used"),
    ],
    ids=["damaged", "folder"],
)
def test_what_is_not_a_store(path, spoil, says):
    """One sentence that names the file and what to do."""
    path.parent.mkdir()
    spoil(path)
    with pytest.raises(StoreError, match=says) as caught:
        SqliteStore(path)
    assert str(path) in str(caught.value)


def test_a_newer_store(store, path):
    """A store that a newer Handrail wrote is not touched."""
    store.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreVersionError, match="version 99"):
        SqliteStore(path)


def test_reading_steps_cannot_write(store):
    """A read that writes is refused by the database itself."""
    with pytest.raises(StoreError, match="cannot be"):
        store.read(lambda tx: tx.put_zone("vm/1", "production"))
    assert not store.read(lambda tx: tx.facts(NEED._replace(resources=("vm/1",)))).resources


def test_an_intent_of_a_dead_process_is_in_doubt(store, path):
    """Another process died between intent and outcome."""
    ended = subprocess.run([sys.executable, "-c", DIE, str(path)], check=False)
    assert ended.returncode == 9
    assert doubtful(store).action == "action"
    assert [call.in_doubt for call in store.read(lambda tx: tx.unsettled())] == [True]
    assert store.verify().faults == ()


def test_an_intent_of_a_closed_store_is_in_doubt(store, path):
    """This process lives, but nobody will ever settle what a closed store began."""
    other = SqliteStore(path)
    other.transact(lambda tx: tx.append(Record(RecordKind.EVENT)))
    other.transact(lambda tx: tx.put_call(CALL))
    assert doubtful(store) is None
    other.close()
    assert doubtful(store).action == "action"


def test_an_intent_of_a_live_store_is_not(store):
    """While its owner lives, an action is running."""
    append(store)
    store.transact(lambda tx: tx.put_call(CALL))
    assert doubtful(store) is None
    store._life.abandon()
    assert store.read(lambda tx: tx.call("run", "call")).alive


def test_the_time_of_the_store_goes_on_from_its_newest_row(path):
    """A clock that was set back before the next opening does not put new rows before old ones."""
    clock = Clock(4_000_000_000_000_000)
    ahead = SqliteStore(path, clock)
    append(ahead)
    ahead.close()
    store = SqliteStore(path)
    assert store.transact(lambda tx: tx.now_us) >= 4_000_000_000_000_000
    store.close()


def test_a_given_clock_does_not_go_back(path):
    """Tests that move the clock back see the store's time stand still."""
    clock = Clock()
    store = SqliteStore(path, clock)
    before = store.transact(lambda tx: tx.now_us)
    clock.forward(-60)
    assert store.transact(lambda tx: tx.now_us) == before
    store.close()


def test_chains_are_anchored_again_and_again(store, path):
    """At its beginning and then every so many rows, a chain names the heads of the others."""
    append(store)
    other = SqliteStore(path)
    for _ in range(3):
        append(other)

    def many(tx):
        for _ in range(ANCHOR_EVERY):
            tx.append(Record(RecordKind.EVENT))

    store.transact(many)
    rows = store.read(lambda tx: list(tx.records(Query(kinds=("anchor",), limit=10_000))))
    mine = [row for row in rows if row.writer == store.writer]
    assert len(mine) == 2
    assert [head[:2] for head in mine[1].record.body["heads"]] == [[other.writer, 4]]
    assert store.verify().faults == ()
    other.close()


def test_a_failed_step_does_not_break_the_chain(store):
    """The head is read again from the file after a rollback."""
    append(store)

    def failing(tx):
        tx.append(Record(RecordKind.EVENT))
        raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            store.transact(failing)
        append(store)
    found = store.verify()
    assert (found.records, found.faults) == (5, ())


def test_a_copy_can_be_opened(store, tmp_path):
    """A backup is a store; it is private, and never written over a file."""
    append(store)
    copy = tmp_path / "copy" / "handrail.db"
    store.backup(copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    opened = SqliteStore(copy)
    assert opened.verify().records == store.verify().records
    opened.close()
    with pytest.raises(StoreError, match="already exists"):
        store.backup(copy)


def test_pruning_forgets_old_failures(path):
    """Failures that count no more are removed; those that do stay."""
    clock = Clock()
    store = SqliteStore(path, clock)
    store.transact(lambda tx: tx.add_failure("old"))
    clock.forward(RETRY_WINDOW_US / 1_000_000 + 1)
    store.transact(lambda tx: tx.add_failure("new"))
    store.prune(2**62)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT key FROM failures").fetchall() == [("new",)]
    connection.close()
    store.close()


def test_facts_are_one_statement(store):
    """What a decision reads does not grow with history."""
    need = NEED._replace(lineage=("root", "bot"), resources=("a", "b", "c"))

    def watched(tx):
        seen = []
        tx.connection.set_trace_callback(seen.append)
        tx.facts(need)
        tx.connection.set_trace_callback(None)
        return [sql for sql in seen if "SELECT" in sql]

    assert len(store.transact(watched)) == 1


def test_facts_use_indexes(store):
    """No part of that statement scans a table."""
    from handrail.stores.sqlite_transaction import _facts_sql

    plan = store.read(
        lambda tx: tx.connection.execute(
            f"EXPLAIN QUERY PLAN {_facts_sql(2, 3, True, 1, 2, 2)}", ("x",) * 31
        ).fetchall()
    )
    details = [row[3] for row in plan]
    assert details
    assert not [detail for detail in details if detail.startswith("SCAN") and "subquery" not in detail]


def fork_child(store, answer):
    append(store, "child")
    answer.put((os.getpid(), store.writer))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_a_chain_of_its_own(store):
    """Parent and child never write into one chain."""
    append(store, "parent")
    context = multiprocessing.get_context("fork")
    answer = context.Queue()
    child = context.Process(target=fork_child, args=(store, answer))
    child.start()
    pid, writer = answer.get(timeout=60)
    child.join()
    append(store, "parent")
    assert (pid, writer) != (os.getpid(), store.writer)
    found = store.verify()
    assert (found.chains, found.faults) == (2, ())


def test_closing_twice_is_fine(path):
    """Whoever closes again finds it closed."""
    store = SqliteStore(path)
    store.close()
    store.close()


def test_errors_of_submitted_steps_are_clear(store):
    """What SQLite raises becomes one StoreError, also for callers that do not block; a step's own error stays."""
    broken = store.submit(lambda tx: tx.connection.execute("SELECT * FROM nowhere"))
    assert isinstance(broken.exception(10), StoreError)
    assert isinstance(store.submit(lambda tx: 1 / 0).exception(10), ZeroDivisionError)


def test_two_stores_share_what_they_know(store, path):
    """Limits hold across connections: nothing is counted twice or lost."""
    other = SqliteStore(path)
    for one in (store, other) * 5:
        one.transact(partial(lambda tx: tx.add_failure("key")))
    assert store.read(lambda tx: tx.facts(NEED)).recent_failures == 10
    other.close()


def replaced(path):
    path.rename(path.with_name("old.db"))
    SqliteStore(path).close()


@pytest.mark.parametrize(
    "lose",
    [lambda path: shutil.rmtree(path.parent), lambda path: path.unlink(), replaced],
    ids=["folder", "file", "new"],
)
@pytest.mark.parametrize("fresh", [False, True], ids=["open connections", "new connections"])
def test_a_store_that_was_deleted_or_replaced(path, lose, fresh):
    """Nothing of a step runs, whatever connection is used; no new file is made; closing works."""
    store = SqliteStore(path)
    append(store)
    store.read(lambda tx: tx.latches())
    if fresh:
        store._committer._disconnect()
        store._reader._disconnect()
    lose(path)
    was = path.exists()
    ran = []
    for use in (store.transact, store.read, lambda step: store.submit(step).result(10)):
        with pytest.raises(
            StoreError, match=r"^The store \S+ was deleted or replaced while it was open, so nothing runs"
        ):
            use(ran.append)
    assert (ran, path.exists()) == ([], was)
    store.close()


def test_closing_bears_witness_of_what_others_wrote(path):
    """Rows of another chain that came after our last anchor cannot be removed unseen."""
    store, other = SqliteStore(path), SqliteStore(path)
    append(store)
    append(other)
    append(other)
    store.close()
    other.close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DELETE FROM journal WHERE writer = ? AND number > 1", (other.writer,))
    connection.close()
    look = SqliteStore(path)
    assert any("is missing" in fault for fault in look.verify().faults)
    look.close()


def test_closing_adds_nothing_when_nobody_else_wrote(path):
    """A lone writer's journal does not grow by closing, nor does one that wrote nothing bear witness."""
    store = SqliteStore(path)
    append(store)
    store.close()
    look = SqliteStore(path)
    look.transact(lambda tx: tx.put_call(CALL))
    look.close()
    look = SqliteStore(path)
    assert look.verify().records == 2
    look.close()


def test_text_that_is_no_text(store, path):
    """A row that SQLite cannot decode is named, and verification says which it is."""
    append(store)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE journal SET tool = cast(x'ff' AS TEXT) WHERE seq = 2")
    connection.close()
    with pytest.raises(StoreError, match=r"next to row 1 .* handrail log verify"):
        store.read(lambda tx: list(tx.records(Query())))
    assert len(store.verify().faults) == 1

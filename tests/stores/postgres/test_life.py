"""Whether the writer that holds an intent still lives, fleet-wide: told by the server's locks and real processes."""

import os
import subprocess
import sys
import time

import psycopg
import pytest
from tests.stores.postgres.server import server

from handrail.core.facts import Call, CallState, Need
from handrail.stores.postgres import PostgresStore
from handrail.stores.postgres.life import PostgresLife, key
from handrail.stores.postgres.session import parse

LIVE = """
import sys
from handrail.core.facts import Call, CallState
from handrail.stores.postgres import PostgresStore

store = PostgresStore(sys.argv[1])
call = Call("run", "call", "action", "bot", "tool", "key", CallState.RUNNING, durable=True)
store.transact(lambda tx: tx.put_call(call), durable=True)
print(store.writer, flush=True)
sys.stdin.read()
"""
CALL = Call("run", "call", "action", "bot", "tool", "key", CallState.RUNNING, durable=True)
NEED = Need("other", "", "key", ("bot",))
HOUR_US = 3_600_000_000


def doubtful(store):
    return store.read(lambda tx: tx.facts(NEED)).doubtful


def soon(condition, seconds=10.0):
    """Return whether something becomes true: a server notices the end of a process a moment later."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.01)
    return False


def alive(database, owner, disturbed_us=0):
    with psycopg.connect(server().url(database), autocommit=True) as connection:
        connection.execute("SET search_path = handrail")
        return connection.execute("SELECT alive(%s, %s)", (owner, disturbed_us)).fetchone()[0]


def end_sessions(database, id):
    """End the session that shows that a writer lives."""
    (row,) = server().run(
        f"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 "
        f"AND (classid::BIGINT << 32) + objid::BIGINT = {key(id)}",
        database,
    )
    server().run(f"SELECT pg_terminate_backend({row[0]}, 5000)")
    return row[0]


def test_a_killed_process_is_dead(url, fleet):
    """While it runs its action is running; once killed the action is in doubt, from anywhere."""
    with subprocess.Popen(
        [sys.executable, "-c", LIVE, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline()
        assert fleet.read(lambda tx: tx.call("run", "call")).alive
        assert doubtful(fleet) is None
        process.kill()
        process.wait()
        assert soon(lambda: doubtful(fleet) is not None)
        assert doubtful(fleet).action == "action"
        assert fleet.read(lambda tx: tx.unsettled())[0].in_doubt


def test_closing_ends_a_life(url, fleet):
    """What a writer began and did not settle is in doubt."""
    other = PostgresStore(url)
    other.transact(lambda tx: tx.put_call(CALL))
    assert doubtful(fleet) is None
    other.close()
    assert soon(lambda: doubtful(fleet) is not None)


@pytest.mark.parametrize("owner", ["", "x" * 12, "0" * 12, "'; --", "0" * 11, "0" * 13])
def test_no_such_writer(database, fleet, owner):
    """A disowned intent, and ids that no writer ever had."""
    assert not alive(database, owner)


def test_reading_shows_no_life(database, fleet):
    """Whoever only looks holds no lock; the first write takes it."""
    fleet.read(lambda tx: tx.facts(NEED))
    assert (fleet._life.begun, alive(database, fleet.writer)) == (False, False)
    fleet.transact(lambda tx: tx.put_call(CALL))
    assert (fleet._life.begun, alive(database, fleet.writer)) == (True, True)


def test_the_lock_is_taken_again(database, fleet):
    """When its session is ended, a writer that does nothing is seen to live again at once, under the same id."""
    fleet.transact(lambda tx: tx.put_call(CALL))
    id = fleet.writer
    old = end_sessions(database, id)
    assert soon(lambda: alive(database, id))
    assert fleet.writer == id
    assert fleet.transact(lambda tx: tx.call("run", "call")).alive
    assert end_sessions(database, id) != old, "and watched again"
    assert soon(lambda: alive(database, id))


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_a_restart_of_the_server(url, fleet, how):
    """Nobody who lives is taken for dead, not even before the lock is there again; ids stay."""
    other = PostgresStore(url)
    other.transact(lambda tx: tx.put_call(CALL), durable=True)
    id = other.writer
    server().restart(how)
    look = PostgresStore(url)
    seen = {look.read(lambda tx: tx.call("run", "call")).alive for _ in range(50)}
    assert seen == {True}
    assert soon(
        lambda: other._life._session.current is not None and other._life._locked is other._life._session.current
    )
    assert (other.writer, other.transact(lambda tx: tx.call("run", "call")).owner) == (id, id)
    look.close()
    other.close()


def test_grace(database, fleet):
    """For 30 s after a restart or a lost connection, those who were there before count as alive; nobody else does."""
    now_us = fleet.transact(lambda tx: tx.now_us)
    (started_us,) = server().run("SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::BIGINT")[0]
    put = "INSERT INTO handrail.writers VALUES ('{}', 'h', 1, {})"
    server().run(put.format("a" * 12, now_us - 10), database)
    server().run(put.format("b" * 12, started_us - HOUR_US), database)
    assert not alive(database, "a" * 12, now_us - 20), "it came after the disturbance, so it would have a lock"
    assert alive(database, "a" * 12, now_us)
    assert alive(database, "b" * 12, now_us)
    assert not alive(database, "a" * 12, now_us - 31_000_000)
    assert not alive(database, "c" * 12, now_us), "nobody knows it"


def test_a_forked_child_leaves_the_parents_lock(url, database):
    """The child is another writer on connections of its own; its end does not end the parent."""
    store = PostgresStore(url)
    store.transact(lambda tx: tx.put_call(CALL))
    store.read(lambda tx: tx.latches())
    mine = store.writer
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            other = store.writer != mine and not store._life.begun
            code = 0 if other and store.transact(lambda tx: tx.add_failure("child")) == 1 else 2
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    assert alive(database, mine)
    assert store.transact(lambda tx: tx.add_failure("child")) == 2
    assert (store.writer, store._life.made, store._writing.made) == (mine, 1, 1), "no connection was lost"
    store.close()


def test_a_lock_that_somebody_has(url, database):
    """An id that is taken is not used: another is drawn."""
    holder, life = PostgresLife(parse(url), 5), PostgresLife(parse(url), 5)
    PostgresStore(url).close()
    holder.begin()
    life.id = holder.id
    life.begin()
    assert life.id != holder.id
    assert alive(database, life.id)
    life.end()
    holder.end()

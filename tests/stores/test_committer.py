"""Group commit: every answer is true, nothing is lost or doubled, and nobody is left waiting."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from handrail.errors import StoreError
from handrail.stores import committer as module
from handrail.stores import walsync
from handrail.stores.committer import Committer, CommitterMisuseError, NotDurableError, WriteFailedError
from handrail.stores.fairlock import FairLock


class Interrupt(BaseException):
    pass


class Connection(sqlite3.Connection):
    """A connection on which a test can step in around COMMIT."""

    before_commit = after_commit = staticmethod(lambda: None)

    def execute(self, sql, *args):
        if sql == "COMMIT":
            Connection.before_commit()
        result = super().execute(sql, *args)
        if sql == "COMMIT":
            Connection.after_commit()
        return result


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


@pytest.fixture
def connect(path, monkeypatch):
    monkeypatch.setattr(Connection, "before_commit", staticmethod(lambda: None))
    monkeypatch.setattr(Connection, "after_commit", staticmethod(lambda: None))

    def connect():
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    with closing(connect()) as connection:
        connection.execute("CREATE TABLE rows (name PRIMARY KEY, parent REFERENCES rows DEFERRABLE INITIALLY DEFERRED)")
    return connect


@pytest.fixture
def committer(path, connect):
    committer = Committer(connect, FairLock(path.with_name("lock")))
    yield committer
    committer.close()


@pytest.fixture
def names(path):
    """What another connection sees."""

    def names():
        with closing(sqlite3.connect(path)) as connection:
            return [name for (name,) in connection.execute("SELECT name FROM rows ORDER BY rowid")]

    return names


@pytest.fixture
def pool():
    with ThreadPoolExecutor(80) as pool:
        yield pool


def insert(name, parent=None):
    def work(connection):
        connection.execute("INSERT INTO rows VALUES (?, ?)", (name, parent))
        return f"did {name}"

    return work


def fail(error):
    def work(connection):
        connection.execute("INSERT INTO rows VALUES ('of the failing', NULL)")
        raise error

    return work


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Hold:
    """Stops just before COMMIT until released, while others queue up behind; they become the next batch."""

    def __init__(self, committer, pool, *, durable=False):
        self.committer, self.pool, self.durable = committer, pool, durable
        self.line = committer._lines[durable]
        self.release, self.begun = threading.Event(), threading.Event()
        self.first = pool.submit(self.run)
        self.begun.wait()

    def run(self):
        def wait():
            self.begun.set()
            self.release.wait()
            Connection.before_commit = staticmethod(lambda: None)

        Connection.before_commit = staticmethod(wait)
        self.committer.run(lambda connection: None, durable=self.durable)

    def queue(self, *works):
        """Each from a thread of its own, in this order."""
        futures = []
        for work in works:
            before = len(self.line._queue)
            futures.append(self.pool.submit(self.committer.run, work, durable=self.durable))
            until(lambda before=before: len(self.line._queue) == before + 1)
        return futures

    def go(self):
        """Let the first commit."""
        self.release.set()
        self.first.result()


def test_the_result_comes_back_and_the_row_is_there(committer, names):
    """A caller alone runs inline, in its own thread, in a transaction of its own."""
    threads = []
    result = committer.run(
        lambda connection: threads.append(threading.get_ident()) or insert("a")(connection), durable=False
    )
    assert result == "did a"
    assert names() == ["a"]
    assert threads == [threading.get_ident()]
    assert (committer.works, committer.commits, committer.syncs) == (1, 1, 0)


def test_those_who_wait_share_one_commit_in_order(committer, pool, names):
    """Works that arrive while one is being committed become one transaction."""
    hold = Hold(committer, pool)
    futures = hold.queue(*[insert(str(number)) for number in range(10)])
    hold.go()
    assert [future.result() for future in futures] == [f"did {number}" for number in range(10)]
    assert names() == [str(number) for number in range(10)]
    assert committer.commits == 2
    assert committer.works == 11


def test_a_work_that_raises_hurts_nobody_else(committer, pool, names):
    """Its changes are undone alone, and its exception goes to its caller alone."""
    aborts = []
    committer.on_abort = lambda: aborts.append(1)
    hold = Hold(committer, pool)
    good, bad, late = hold.queue(insert("good"), fail(KeyError("mine")), insert("late"))
    hold.go()
    assert (good.result(), late.result()) == ("did good", "did late")
    with pytest.raises(KeyError, match="mine"):
        bad.result()
    assert names() == ["good", "late"]
    assert committer.commits == 2
    assert aborts == [1]


@pytest.mark.parametrize("durable", [False, True])
def test_a_lone_work_that_raises_leaves_nothing(committer, names, durable):
    """Its exception is raised as it is; nothing is written, no transaction stays open, nothing is synced."""
    aborts = []
    committer.on_abort = lambda: aborts.append(1)
    with pytest.raises(KeyError, match="mine"):
        committer.run(fail(KeyError("mine")), durable=durable)
    assert committer.run(lambda connection: connection.in_transaction, durable=False)
    assert names() == []
    assert aborts == [1]
    assert committer.syncs == 0


def test_the_first_of_a_batch_raises(committer, pool, names):
    """The first has no savepoint; the others come through all the same."""
    hold = Hold(committer, pool)
    bad, good = hold.queue(fail(KeyError("mine")), insert("good"))
    hold.go()
    with pytest.raises(KeyError):
        bad.result()
    assert good.result() == "did good"
    assert names() == ["good"]


def test_a_failing_commit_fails_everybody(committer, pool, names):
    """If COMMIT fails, nobody is told of success, each gets an error of its own, and nothing is there."""
    aborts = []
    committer.on_abort = lambda: aborts.append(1)
    hold = Hold(committer, pool)
    futures = hold.queue(insert("a"), insert("b", parent="nobody"), insert("c"))
    hold.go()
    errors = [future.exception() for future in futures]
    assert [type(error) for error in errors] == [WriteFailedError] * 3
    assert len({id(error) for error in errors}) == 3
    assert all(isinstance(error.__cause__, sqlite3.IntegrityError) for error in errors)
    assert isinstance(errors[0], StoreError)
    assert names() == []
    assert aborts == [1]
    assert committer.run(insert("after"), durable=False) == "did after"


FULL_DISK = """
import resource, sqlite3, sys, threading
from handrail.stores.committer import *
from handrail.stores.fairlock import FairLock
def connect():
    connection = sqlite3.connect(sys.argv[1], isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    return connection
committer = Committer(connect, FairLock(sys.argv[2]))
committer.run(insert := lambda connection: connection.execute("INSERT INTO rows VALUES (hex(randomblob(50)), NULL)") and None, durable=True)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
for durable in (True, False):
    try:
        committer.run(insert, durable=durable)
        sys.exit("reported as written")
    except WriteFailedError as error:
        assert isinstance(error.__cause__, sqlite3.OperationalError)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
committer.run(insert, durable=True)
committer.close()
"""


def test_a_full_disk_is_told_and_survived(path, connect, names):
    """Nothing is reported as written while the disk is full; afterwards all goes on."""
    assert run(FULL_DISK, path, path.with_name("lock")) == 0
    assert len(names()) == 2


@pytest.mark.parametrize(
    ("culprit", "error"),
    [
        (
            lambda connection: connection.execute("INSERT OR ROLLBACK INTO rows VALUES ('a', NULL)"),
            sqlite3.IntegrityError,
        ),
        (lambda connection: connection.execute("ROLLBACK"), WriteFailedError),
    ],
)
def test_a_work_that_loses_the_transaction(committer, pool, names, culprit, error):
    """Whoever had run before it is told that nothing was written; who comes after it is served."""
    hold = Hold(committer, pool)
    before, bad, after = hold.queue(insert("a"), culprit, insert("c"))
    hold.go()
    assert isinstance(before.exception(), WriteFailedError)
    assert isinstance(bad.exception(), error)
    assert after.result() == "did c"
    assert names() == ["c"]


def test_an_interrupt_in_the_leader(committer, pool, names):
    """Ctrl-C in the middle of a batch: undone, raised where it struck, the others told; the next go on."""
    hold = Hold(committer, pool)
    struck, follower = hold.queue(insert("struck"), fail(Interrupt()))
    behind = pool.submit(committer.run, insert("behind"), durable=False)
    until(lambda: len(hold.line._queue) == 3)
    hold.go()
    assert isinstance(struck.exception(), Interrupt)
    assert isinstance(follower.exception(), WriteFailedError)
    assert behind.result() == "did behind"
    assert names() == ["behind"]
    assert committer.run(insert("later"), durable=False) == "did later"


def test_an_interrupt_after_commit_had_returned(committer, pool, names):
    """What is committed is reported as such to those who shared the commit."""

    def strike():
        Connection.after_commit = staticmethod(lambda: None)
        raise Interrupt

    hold = Hold(committer, pool)
    struck, follower = hold.queue(insert("a"), insert("b"))
    Connection.after_commit = staticmethod(lambda: setattr(Connection, "after_commit", staticmethod(strike)))
    hold.go()
    assert isinstance(struck.exception(), Interrupt)
    assert follower.result() == "did b"
    assert names() == ["a", "b"]


def test_an_interrupt_between_commit_and_sync(committer, pool, names):
    """A durable work that is committed but not synced is not reported as durable."""

    def strike():
        Connection.after_commit = staticmethod(lambda: None)
        raise Interrupt

    hold = Hold(committer, pool, durable=True)
    struck, follower = hold.queue(insert("a"), insert("b"))
    Connection.after_commit = staticmethod(lambda: setattr(Connection, "after_commit", staticmethod(strike)))
    hold.go()
    assert isinstance(struck.exception(), Interrupt)
    assert isinstance(follower.exception(), NotDurableError)
    assert names() == ["a", "b"]


@pytest.fixture
def alarm():
    def ring(signum, frame):
        raise Interrupt

    before = signal.signal(signal.SIGALRM, ring)
    yield lambda: signal.setitimer(signal.ITIMER_REAL, 0.05)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_an_interrupted_follower_withdraws(committer, pool, names, alarm):
    """Ctrl-C while waiting: the work is not run, and the others are served."""
    hold = Hold(committer, pool)
    (before,) = hold.queue(insert("before"))
    alarm()
    with pytest.raises(Interrupt):
        committer.run(insert("withdrawn"), durable=False)
    (after,) = hold.queue(insert("after"))
    hold.go()
    assert (before.result(), after.result()) == ("did before", "did after")
    assert names() == ["before", "after"]


@pytest.mark.parametrize("moment", ["enter", "wait"])
def test_an_interrupt_just_after_receiving_the_lead_passes_it_on(committer, pool, names, monkeypatch, moment):
    """Whoever is interrupted between becoming leader and leading strands nobody."""
    original = getattr(module._Line, moment)

    def interrupted(line, entry):
        original(line, entry)
        if getattr(entry.work, "doomed", False):
            raise Interrupt

    def doomed(connection):
        raise AssertionError("it must not run")

    doomed.doomed = True
    if moment == "wait":
        hold = Hold(committer, pool)
        monkeypatch.setattr(module._Line, "wait", lambda line, entry: interrupted(line, entry) or line._leader is entry)
        (bad,) = hold.queue(doomed)
        (good,) = hold.queue(insert("good"))
        hold.go()
        assert isinstance(bad.exception(), Interrupt)
        assert good.result() == "did good"
    else:
        monkeypatch.setattr(module._Line, "enter", interrupted)
        with pytest.raises(Interrupt):
            committer.run(doomed, durable=False)
        monkeypatch.undo()
        assert committer.run(insert("good"), durable=False) == "did good"
    assert names() == ["good"]


def test_an_interrupt_while_answering_leaves_nobody_waiting(committer, pool, monkeypatch):
    """The answers are given again from the start, which harms nobody."""
    answer, calls = module._Entry.answer, []

    def interrupted(entry):
        answer(entry)
        calls.append(entry)
        if len(calls) == 3:
            raise Interrupt

    hold = Hold(committer, pool)
    futures = hold.queue(*[insert(str(number)) for number in range(5)])
    monkeypatch.setattr(module._Entry, "answer", interrupted)
    hold.go()
    outcomes = [future.exception(5) for future in futures]
    assert [type(outcome) for outcome in outcomes] == [Interrupt] + [type(None)] * 4


def test_nobody_is_answered_before_commit_returns(committer, pool, names):
    """An answer means: committed."""
    hold = Hold(committer, pool)
    futures = hold.queue(insert("a"), insert("b"))
    submitted = committer.submit(insert("c"), durable=False)
    reached, go_on = threading.Event(), threading.Event()

    def stop():
        reached.set()
        go_on.wait()

    Connection.after_commit = staticmethod(lambda: setattr(Connection, "before_commit", staticmethod(stop)))
    hold.go()
    reached.wait()
    assert not any(future.done() for future in [*futures, submitted])
    assert names() == []
    go_on.set()
    assert [future.result() for future in [*futures, submitted]] == ["did a", "did b", "did c"]


class Disk:
    """Stands in for the sync of a file, and for what may go wrong with it."""

    def __init__(self):
        self.inodes, self.gate, self.reached, self.error = [], threading.Event(), threading.Event(), None
        self.gate.set()

    def sync(self, fd):
        self.reached.set()
        self.gate.wait()
        if self.error is not None:
            raise self.error
        self.inodes.append(os.fstat(fd).st_ino)
        os.fdatasync(fd)


@pytest.fixture
def disk(monkeypatch):
    disk = Disk()
    monkeypatch.setattr(walsync, "sync_file", disk.sync)
    return disk


def test_a_durable_work_is_answered_after_the_log_was_synced(committer, pool, names, disk, path):
    """Commit, then sync of the write-ahead log, then the answer; plain works sync nothing."""
    committer.run(insert("plain"), durable=False)
    assert not disk.inodes
    disk.gate.clear()
    future = pool.submit(committer.run, insert("durable"), durable=True)
    disk.reached.wait()
    assert names() == ["plain", "durable"]
    assert not future.done()
    disk.gate.set()
    assert future.result() == "did durable"
    assert disk.inodes == [path.with_name("store.db-wal").stat().st_ino]


def test_plain_works_do_not_wait_for_a_sync(committer, pool, names, disk):
    """The write lock is free while the disk works."""
    disk.gate.clear()
    future = pool.submit(committer.run, insert("durable"), durable=True)
    disk.reached.wait()
    assert committer.run(insert("plain"), durable=False) == "did plain"
    assert not future.done()
    disk.gate.set()
    future.result()


def test_durable_works_share_syncs(committer, pool, disk):
    """Those that arrive while the disk works share one commit and one sync."""
    disk.gate.clear()
    first = pool.submit(committer.run, insert("first"), durable=True)
    disk.reached.wait()
    others = [pool.submit(committer.run, insert(str(number)), durable=True) for number in range(40)]
    until(lambda: len(committer._lines[True]._queue) == 40)
    disk.gate.set()
    for future in [first, *others]:
        future.result()
    assert (committer.works, committer.commits, committer.syncs) == (41, 2, 2)


def test_64_callers_need_at_most_one_sync_for_16_works(committer, pool, monkeypatch):
    """The bar of the design, on a disk that takes its time."""
    together = threading.Barrier(64)
    sync_file = walsync.sync_file
    monkeypatch.setattr(walsync, "sync_file", lambda fd: time.sleep(0.003) or sync_file(fd))

    def call(number):
        together.wait()
        for times in range(10):
            committer.run(insert(f"{number} {times}"), durable=True)

    for future in [pool.submit(call, number) for number in range(64)]:
        future.result()
    assert committer.works == 640
    assert 1 <= committer.syncs <= 640 / 16


def test_a_failed_sync_is_told_and_never_trusted_again(committer, pool, names, disk):
    """The kernel reports lost data once; a later sync that succeeds proves nothing."""
    hold = Hold(committer, pool, durable=True)
    futures = hold.queue(insert("a"), insert("b"))
    disk.gate.clear()
    hold.release.set()
    disk.reached.wait()  # the holder's own sync
    disk.error = OSError(5, "Input/output error")
    disk.gate.set()
    with pytest.raises(NotDurableError):
        hold.first.result()
    assert [type(future.exception()) for future in futures] == [NotDurableError] * 2
    disk.error = None
    with pytest.raises(NotDurableError, match="Input/output error"):
        committer.run(insert("c"), durable=True)
    assert committer.run(insert("d"), durable=False) == "did d"
    assert names() == ["a", "b", "c", "d"]


@pytest.mark.parametrize("call", ["run", "submit", "close"])
def test_calling_the_committer_from_within_a_work_is_an_error(committer, call, names):
    """It would wait for itself."""

    def work(connection):
        if call == "close":
            committer.close()
        else:
            getattr(committer, call)(insert("inner"), durable=False)

    with pytest.raises(CommitterMisuseError, match="from within a work"):
        committer.run(work, durable=False)
    committer.run(insert("outer"), durable=False)
    assert names() == ["outer"]


def test_close_waits_for_what_is_queued(committer, pool, names):
    """Queued works are still written; later calls are refused, and closing twice does no harm."""
    hold = Hold(committer, pool)
    queued = hold.queue(insert("queued"))
    submitted = committer.submit(insert("submitted"), durable=True)
    closing = pool.submit(committer.close)
    until(lambda: hold.line.closed)
    for call in (committer.run, committer.submit):
        with pytest.raises(CommitterMisuseError, match="closed"):
            call(insert("late"), durable=False)
    assert not closing.done()
    hold.go()
    closing.result()
    assert (queued[0].result(), submitted.result()) == ("did queued", "did submitted")
    assert sorted(names()) == ["queued", "submitted"]
    committer.close()
    assert not [
        thread for thread in threading.enumerate() if thread.name in {"handrail-writer", "handrail-durable-writer"}
    ]


def test_close_waits_for_blocking_callers_too(committer, pool, names):
    """Not only for the writer thread."""
    hold = Hold(committer, pool)
    (queued,) = hold.queue(insert("queued"))
    closing = pool.submit(committer.close)
    until(lambda: hold.line.closed)
    with pytest.raises(TimeoutError):
        closing.result(0.05)
    hold.go()
    closing.result()
    assert queued.result() == "did queued"
    assert names() == ["queued"]


def test_writers_queue_at_the_shared_lock(committer, pool, path, names):
    """Whoever else holds the lock, in whichever process, is waited for."""
    other = FairLock(path.with_name("lock"))
    with other:
        future = pool.submit(committer.run, insert("a"), durable=False)
        with pytest.raises(TimeoutError):
            future.result(0.05)
        assert names() == []
    assert future.result() == "did a"
    other.close()


def test_submit_answers_a_future_without_blocking(committer, pool, names):
    """Results and exceptions come through the future, in order, from a daemon thread."""
    hold = Hold(committer, pool)
    futures = [committer.submit(insert(str(number)), durable=False) for number in range(5)]
    bad = committer.submit(fail(KeyError("mine")), durable=False)
    cancelled = committer.submit(insert("cancelled"), durable=False)
    assert cancelled.cancel()
    assert not any(future.done() for future in futures)
    hold.go()
    assert [future.result() for future in futures] == [f"did {number}" for number in range(5)]
    assert isinstance(bad.exception(), KeyError)
    assert names() == ["0", "1", "2", "3", "4"]
    assert [thread.daemon for thread in threading.enumerate() if thread.name == "handrail-writer"] == [True]


def test_the_writer_thread_outlives_whatever_a_work_raises(committer, names):
    """Even a SystemExit in a work ends only that work."""
    with pytest.raises(WriteFailedError):
        committer.submit(fail(SystemExit(1)), durable=False).result()
    assert committer.submit(insert("next"), durable=False).result() == "did next"
    assert names() == ["next"]


async def test_submit_serves_an_event_loop(committer, names):
    """Sixty-four tasks waiting together share commits."""
    calls = [asyncio.wrap_future(committer.submit(insert(str(number)), durable=True)) for number in range(64)]
    assert await asyncio.gather(*calls) == [f"did {number}" for number in range(64)]
    assert len(names()) == 64
    assert committer.syncs <= 4


def test_batches_are_bounded(committer, pool, monkeypatch):
    """However many wait, a transaction takes so many works and so long, since other processes wait for it."""
    monkeypatch.setattr(module, "BATCH_WORKS_MAX", 10)
    hold = Hold(committer, pool)
    futures = hold.queue(*[insert(str(number)) for number in range(35)])
    hold.go()
    [future.result() for future in futures]
    assert committer.commits == 1 + 4
    monkeypatch.setattr(module, "BATCH_S_MAX", 0.0)
    hold = Hold(committer, pool)
    futures = hold.queue(*[insert(f"slow {number}") for number in range(3)])
    hold.go()
    [future.result() for future in futures]
    assert committer.commits == 1 + 4 + 1 + 3


def test_a_program_that_does_not_queue_is_outwaited(committer, connect, names):
    """A database tool in a terminal holds SQLite's own lock for longer than the busy timeout."""
    with closing(connect()) as foreign:
        foreign.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.4, lambda: foreign.execute("ROLLBACK"))
        timer.start()
        assert committer.run(insert("a"), durable=False) == "did a"
        timer.join()
    assert names() == ["a"]


def test_patience_has_an_end(path, connect, names):
    """In the end the caller is told who is in the way, and not 'database is locked'."""
    with closing(connect()) as foreign, FairLock(path.with_name("lock")):
        pass
    committer = Committer(connect, FairLock(path.with_name("lock")), patience_s=0)
    with closing(connect()) as foreign:
        foreign.execute("BEGIN IMMEDIATE")
        with pytest.raises(WriteFailedError, match="without queueing") as caught:
            committer.run(insert("a"), durable=False)
        assert "locked" not in str(caught.value)
        foreign.execute("ROLLBACK")
    assert committer.run(insert("b"), durable=False) == "did b"
    assert names() == ["b"]
    committer.close()


def test_a_cursor_left_open_is_named(path, connect, committer, names):
    """A work that returns an unfinished cursor pins an old snapshot; that is said, and healed."""
    committer.run(insert("a"), durable=False)
    committer.run(insert("b"), durable=False)
    cursor = committer.run(lambda connection: connection.execute("SELECT name FROM rows"), durable=False)
    assert cursor.fetchone() == ("a",)
    other = Committer(connect, FairLock(path.with_name("lock")))
    other.run(insert("c"), durable=False)
    other.close()
    with pytest.raises(WriteFailedError, match="left a cursor open"):
        committer.run(insert("d"), durable=False)
    assert committer.run(insert("e"), durable=True) == "did e"
    assert names() == ["a", "b", "c", "e"]


def test_unfit_connections_are_refused(path, connect):
    """Python's own transaction control, and anything but WAL, would break the promises."""
    lock = FairLock(path.with_name("lock"))

    def legacy():
        return sqlite3.connect(path, check_same_thread=False)

    def memory():
        return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)

    for unfit, why in ((legacy, "isolation_level=None"), (memory, "WAL mode, not memory")):
        committer = Committer(unfit, lock)
        with pytest.raises(WriteFailedError, match=why):
            committer.run(insert("a"), durable=False)
        committer.close()


def test_a_connection_that_cannot_be_opened_is_told_and_tried_again(path, connect, names):
    """Everybody who waits hears of it; nobody hangs; the next call tries again."""
    broken = [True]

    def sometimes():
        if broken:
            raise sqlite3.OperationalError("unable to open database file")
        return connect()

    committer = Committer(sometimes, FairLock(path.with_name("lock")))
    for _ in range(2):
        with pytest.raises(WriteFailedError, match="unable to open"):
            committer.run(insert("a"), durable=False)
    with pytest.raises(WriteFailedError, match="unable to open"):
        committer.submit(insert("a"), durable=True).result()
    broken.clear()
    assert committer.run(insert("b"), durable=False) == "did b"
    assert names() == ["b"]
    committer.close()


# --- processes ---


def start(script, *args):
    command = [sys.executable, "-c", script, *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(script, *args):
    process = start(script, *args)
    out, err = process.communicate(timeout=30)
    assert not err, err
    assert not out, out
    return process.returncode


HEAD = """
import gc, os, sqlite3, sys, threading, time, warnings
from handrail.errors import StoreError
from handrail.stores.committer import Committer, CommitterMisuseError
from handrail.stores.fairlock import FairLock
warnings.simplefilter("ignore")
def connect():
    connection = sqlite3.connect(sys.argv[1], isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    return connection
committer = Committer(connect, FairLock(sys.argv[2]))
def insert(name):
    return lambda connection: connection.execute("INSERT INTO rows VALUES (?, NULL)", (name,)) and None
"""

FORK = """
def wait(*children):
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
begun = threading.Event()
def slow(connection):
    insert("parent")(connection)
    begun.set()
    time.sleep(0.2)
committer.run(insert("before"), durable=True)
thread = threading.Thread(target=committer.run, args=(slow,), kwargs={"durable": False})
thread.start()
begun.wait()
submitted = committer.submit(insert("parent's queue"), durable=False)
child = os.fork()
if child == 0:
    committer.run(insert("child"), durable=True)
    committer.submit(insert("child later"), durable=False).result()
    committer.close()
    sys.exit(0)                                              # a full exit: objects are freed
quitter = os.fork()
if quitter == 0:
    sys.exit(0)                                              # never used what it inherited
reader = os.fork()
if reader == 0:
    connection = connect()
    assert connection.execute("SELECT count(*) FROM rows").fetchone()[0] >= 2
    connection.close()
    sys.exit(0)
thread.join()
submitted.result()
for number in range(50):
    committer.run(insert(f"more {number}"), durable=False)   # while the children come and go
wait(child, quitter, reader)
committer.run(insert("after"), durable=True)
committer.close()
"""


def test_a_fork_in_the_middle_of_a_transaction(path, connect, names):
    """The transaction is finished first; then parent and child go on writing, each on its own connection."""
    assert run(HEAD + FORK, path, path.with_name("lock")) == 0
    more = [f"more {number}" for number in range(50)]
    assert sorted(names()) == sorted(["after", "before", "child", "child later", "parent", "parent's queue", *more])
    with closing(connect()) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


FORK_WITHIN = """
def fork(connection):
    connection.execute("PRAGMA cache_size = 1")              # rows go to the log before they are committed
    connection.execute("CREATE TABLE bulk (body)")
    connection.executemany("INSERT INTO bulk VALUES (?)", [("x" * 1000,)] * 500)
    insert("parent")(connection)
    pid = os.fork()
    if pid:
        assert os.waitpid(pid, 0)[1] == 0
        assert connection.execute("SELECT count(*), sum(length(body)) FROM bulk").fetchone() == (500, 500_000)
        insert("parent again")(connection)
def error_of(work):
    try:
        committer.run(work, durable=False)
    except CommitterMisuseError as error:
        return str(error)
committer.run(insert("before"), durable=False)
why = error_of(fork)
if why:                                                      # in the child
    assert "a work forked" in why
    assert "forked in the middle of a work" in error_of(insert("child"))
    committer.close()
    gc.collect()                                             # frees what can be freed, the connection not
    sys.exit(0)
committer.run(insert("after"), durable=False)
committer.close()
"""


def test_a_work_that_forks(path, connect, names):
    """In the child the work ends with an error and touches nothing; in the parent it is committed once."""
    assert run(HEAD + FORK_WITHIN, path, path.with_name("lock")) == 0
    assert names() == ["before", "parent", "parent again", "after"]
    with closing(connect()) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


FORK_IMPATIENT = """
import handrail.stores.committer as module
module.FORK_PATIENCE_S = 0.1
begun, go_on = threading.Event(), threading.Event()
def slow(connection):
    begun.set()
    go_on.wait()
    insert("parent")(connection)
thread = threading.Thread(target=committer.run, args=(slow,), kwargs={"durable": False})
thread.start()
begun.wait()
pid = os.fork()                                              # the work waits for this very thread
if pid == 0:
    try:
        committer.run(insert("child"), durable=False)
    except StoreError as error:
        assert "forked in the middle of a work" in str(error)
        sys.exit(0)
    sys.exit("the child wrote")
assert os.waitpid(pid, 0)[1] == 0
go_on.set()
thread.join()
committer.run(insert("after"), durable=False)
committer.close()
"""


def test_a_fork_does_not_wait_for_ever(path, connect, names):
    """If the work does not end, the fork goes on, and the child is told why it cannot write."""
    assert run(HEAD + FORK_IMPATIENT, path, path.with_name("lock")) == 0
    assert names() == ["parent", "after"]


MANY = """
import json
me, times = sys.argv[3], int(sys.argv[4])
def go(thread):
    told = open(f"{sys.argv[2]}.{me}.{thread}", "w", buffering=1)
    for number in range(times):
        name = f"{me} {thread} {number}"
        durable = (number + thread) % 5 == 0
        if thread == 3:
            committer.submit(insert(name), durable=durable).result()
        else:
            committer.run(insert(name), durable=durable)
        told.write(name + "\\n")
threads = [threading.Thread(target=go, args=(thread,)) for thread in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
committer.close()
"""


def told(path, processes):
    files = [path.with_name(f"lock.{me}.{thread}") for me in processes for thread in range(4)]
    return [line for file in files if file.exists() for line in file.read_text().splitlines()]


def test_eight_processes_of_four_threads_lose_and_double_nothing(path, connect, names):
    """Every row that was reported is there once; nobody hears of a locked database."""
    with closing(connect()) as connection:
        connection.executescript("DROP TABLE rows; CREATE TABLE rows (name, parent)")
    processes = [start(HEAD + MANY, path, path.with_name("lock"), me, 100) for me in range(8)]
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (0, "", "")
    expected = sorted(f"{me} {thread} {number}" for me in range(8) for thread in range(4) for number in range(100))
    assert sorted(names()) == expected
    assert sorted(told(path, range(8))) == expected
    by_thread = {}
    for name in names():
        me, thread, number = name.split()
        by_thread.setdefault((me, thread), []).append(int(number))
    assert all(numbers == list(range(100)) for numbers in by_thread.values())


def test_kill_9_in_the_middle_loses_nothing_that_was_reported(path, connect, names):
    """Processes are killed while they write; the others go on; what was reported is there, once."""
    with closing(connect()) as connection:
        connection.executescript("DROP TABLE rows; CREATE TABLE rows (name, parent)")
    doomed = [start(HEAD + MANY, path, path.with_name("lock"), me, 1_000_000) for me in range(3)]
    steady = start(HEAD + MANY, path, path.with_name("lock"), 3, 400)
    for process, me in zip(doomed, range(3), strict=True):
        until(lambda me=me: len(told(path, [me])) > 50)
        process.kill()
        process.communicate()
    out, err = steady.communicate(timeout=30)
    assert (steady.returncode, out, err) == (0, "", "")
    rows = names()
    assert len(rows) == len(set(rows))
    whole = {line for line in told(path, range(4)) if line.count(" ") == 2}
    assert len(whole - set(rows)) <= 0
    assert len(set(rows) - whole) <= 3 * 4, "a killed thread had at most one work under way"
    with closing(connect()) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

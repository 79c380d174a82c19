"""Ctrl-C at any moment of a write: nothing stays locked, for this process or for others."""

import random
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from functools import partial
from linecache import getline

import pytest

from handrail.stores import committer, fairlock, surely
from handrail.stores.committer import Committer, CommitterMisuseError
from handrail.stores.fairlock import FairLock

FILES = {module.__file__ for module in (committer, fairlock, surely)}
WRITE = """
import sqlite3, sys
from pathlib import Path
from handrail.stores.fairlock import FairLock

path = Path(sys.argv[1])
with FairLock(path.with_name("lock")):
    connection = sqlite3.connect(path, timeout=1, isolation_level=None)
    connection.execute("INSERT INTO rows VALUES ('of another process')")
"""


class Interrupt(BaseException):
    pass


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


@pytest.fixture
def writer(path):
    def connect():
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        return connection

    with closing(connect()) as connection:
        connection.execute("CREATE TABLE rows (name)")
    made = Committer(connect, FairLock(path.with_name("lock")), patience_s=1)
    yield made
    made.close()


def insert(name):
    return lambda connection: connection.execute("INSERT INTO rows VALUES (?)", (name,)) and name


def count(path, name):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT count(*) FROM rows WHERE name = ?", (name,)).fetchone()[0]


def others_can_write(path):
    """Another process gets the lock, and SQLite's, within a few seconds."""
    subprocess.run([sys.executable, "-c", WRITE, str(path)], check=True, timeout=20)


def lock_is_free(path):
    """The same, told without a process: a second open file is another owner for the kernel."""
    done = threading.Event()

    def take():
        lock = FairLock(path.with_name("lock"))
        with lock, closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
            done.set()
        lock.close()

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    thread.join(5)
    return done.is_set()


def interrupted_at(line, work):
    """Run `work` with an interrupt at its n-th line within the modules under test. Returns whether it came so far.

    The lines of `with mutex` are left out: a tracer can step in before the mutex is released, a signal handler cannot.
    """
    seen = 0

    def trace(frame, event, arg):
        nonlocal seen
        if frame.f_code.co_filename not in FILES:
            return None
        if event == "line" and "with self._mutex" not in getline(frame.f_code.co_filename, frame.f_lineno):
            seen += 1
            if seen == line:
                raise Interrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except Interrupt:
        return True
    finally:
        sys.settrace(before)
    return seen >= line


@pytest.mark.parametrize("durable", [False, True])
def test_an_interrupt_at_every_line(writer, path, durable):
    """Whichever line it hits, everybody can write afterwards, and no row is written twice."""
    writer.run(insert("first"), durable=durable)
    line = 1
    while interrupted_at(line, partial(writer.run, insert(f"row {line}"), durable=durable)):
        assert not writer._lock.held(), line
        assert not writer._connection.in_transaction, line
        assert lock_is_free(path), line
        assert writer.run(insert(f"after {line}"), durable=durable) == f"after {line}"
        assert count(path, f"row {line}") <= 1
        line += 1
    assert line > 50
    others_can_write(path)


def test_an_interrupt_at_every_line_with_others_waiting(writer, path):
    """Those who wait behind the interrupted are served, or told; none waits for ever."""
    writer.run(insert("first"), durable=False)
    line, came = 1, True
    while came:
        stop = threading.Event()

        def follow(stop=stop):
            while not stop.is_set():
                try:
                    writer.run(insert("follower"), durable=False)
                except committer.WriteFailedError:
                    pass

        threads = [threading.Thread(target=follow, daemon=True) for _ in range(2)]
        for thread in threads:
            thread.start()
        came = interrupted_at(line, partial(writer.run, insert(f"row {line}"), durable=False))
        stop.set()
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive(), line
        line += 3
    assert lock_is_free(path)


def test_a_storm_of_signals(writer, path, monkeypatch):
    """Hundreds of real signals at random moments; afterwards this process and others write."""

    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)  # one may hit a finalizer

    def ring(signum, frame):
        while frame is not None:
            if frame.f_code is Committer.run.__code__:  # not while the test itself counts
                raise Interrupt
            frame = frame.f_back

    before = signal.signal(signal.SIGALRM, ring)
    chance = random.Random(7)
    interrupts = 0
    try:
        for index in range(2_000):
            signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-6, 1.5e-4), 4e-4)
            try:
                writer.run(insert(f"row {index}"), durable=False)
            except Interrupt:
                interrupts += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupts > 20
    assert writer.run(insert("afterwards"), durable=False) == "afterwards"
    others_can_write(path)
    assert count(path, "of another process") == 1


@pytest.mark.parametrize("use", ["run", "submit", "close"])
def test_a_lock_that_an_interrupt_left_is_given_back(writer, path, use):
    """The second net: a thread that writes nothing and holds the lock rolls back, releases, and goes on."""
    writer.run(insert("first"), durable=False)
    writer._lock.acquire()
    writer._connection.execute("BEGIN IMMEDIATE")
    writer._connection.execute("INSERT INTO rows VALUES ('left')")
    if use == "run":
        writer.run(insert("second"), durable=False)
    elif use == "submit":
        writer.submit(insert("second"), durable=False).result(10)
    else:
        writer.close()
    assert count(path, "left") == 0
    assert count(path, "second") == (use != "close")
    others_can_write(path)


def test_a_signal_handler_that_writes_in_the_middle_of_a_write(writer, path):
    """It interrupted the writer itself: refused, and the write under way is unharmed."""
    told = []

    def ring(signum, frame):
        with pytest.raises(CommitterMisuseError, match="from within a work") as caught:
            writer.run(insert("of the handler"), durable=False)
        told.append(caught.value)

    def work(connection):
        connection.execute("INSERT INTO rows VALUES ('outer')")
        signal.raise_signal(signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, ring)
    try:
        writer.run(work, durable=False)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert len(told) == 1
    assert (count(path, "outer"), count(path, "of the handler")) == (1, 0)

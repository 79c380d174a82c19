"""The write lock: one at a time, in order of arrival, whatever dies or forks."""

import fcntl
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from handrail.stores import fairlock
from handrail.stores.fairlock import FairLock

WAITER = """
import sys
from handrail.stores.fairlock import FairLock
lock = FairLock(sys.argv[1])
with lock:
    with open(sys.argv[2], "a") as log:
        log.write(sys.argv[3])
    if len(sys.argv) > 4:
        print("held", flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def lock(tmp_path):
    lock = FairLock(tmp_path / "lock")
    yield lock
    lock.close()


def python(script, *args):
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def end(process):
    process.stdin.close()
    process.stdout.close()
    return process.wait(10)


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def tickets(lock):
    return struct.unpack("Q", lock.path.read_bytes())[0]


def waiter(lock, log, name):
    """A process that is in the queue when this returns."""
    before = tickets(lock)
    process = python(WAITER, lock.path, log, name)
    until(lambda: tickets(lock) == before + 1)
    time.sleep(0.02)  # from drawing the ticket to waiting on it
    return process


def test_processes_are_served_in_order_and_who_comes_back_queues_behind_them(lock, tmp_path):
    """First come, first served; the one who releases does not barge in front of those it has kept waiting."""
    log = tmp_path / "log"
    lock.acquire()
    processes = [waiter(lock, log, name) for name in "abcde"]
    lock.release()
    with lock, log.open("a") as file:
        file.write("Z")
    assert [end(process) for process in processes] == [0] * 5
    assert log.read_text() == "abcdeZ"


def test_threads_are_served_in_order(lock):
    """Threads of one process wait in the same queue."""
    served = []

    def wait(name):
        with lock:
            served.append(name)

    lock.acquire()
    threads = []
    for name in range(5):
        threads.append(threading.Thread(target=wait, args=(name,)))
        threads[-1].start()
        until(lambda: len(lock._queue._waiting) == len(threads))
    lock.release()
    with lock:
        served.append("again")
    for thread in threads:
        thread.join()
    assert served == [0, 1, 2, 3, 4, "again"]


def test_a_killed_holder_frees_the_lock(lock, tmp_path):
    """The kernel releases what a process killed with -9 held."""
    holder = python(WAITER, lock.path, tmp_path / "log", "a", "stay")
    assert holder.stdout.readline() == b"held\n"
    heir = waiter(lock, tmp_path / "log", "b")
    assert (tmp_path / "log").read_text() == "a"
    holder.kill()
    assert end(heir) == 0
    assert end(holder) == -signal.SIGKILL
    with lock:
        assert (tmp_path / "log").read_text() == "ab"


def test_a_killed_waiter_lets_nobody_pass(lock, tmp_path):
    """Who waits behind a process that is killed while waiting still waits for all who are ahead."""
    log = tmp_path / "log"
    log.touch()
    lock.acquire()
    first, second, third = [waiter(lock, log, name) for name in "abc"]
    second.kill()
    second.wait()
    time.sleep(0.1)
    assert log.read_text() == ""
    lock.release()
    assert [end(first), end(third), end(second)] == [0, 0, -signal.SIGKILL]
    assert log.read_text() == "ac"


@pytest.mark.skipif(sys.platform != "linux", reason="byte locks are used on Linux")
def test_tickets_are_drawn_one_at_a_time(lock, tmp_path):
    """Two who drew the same ticket would both be served."""
    draws = fairlock._TicketLock(os.open(lock.path, os.O_RDWR))
    fcntl.fcntl(draws._fd, fcntl.F_OFD_SETLKW, fairlock._DRAW)
    with lock:
        process = python(WAITER, lock.path, tmp_path / "log", "a")
        time.sleep(0.3)
        assert tickets(lock) == 0
        fcntl.fcntl(draws._fd, fcntl.F_OFD_SETLK, fairlock._DRAWN)
        until(lambda: tickets(lock) == 1)
    assert end(process) == 0
    draws.close()


COUNT = """
import sys, threading
from pathlib import Path
from handrail.stores import fairlock
if sys.argv[3] == "plain":
    fairlock._has_byte_locks = lambda fd: False
lock, path = fairlock.FairLock(sys.argv[1]), Path(sys.argv[2])
def count():
    for _ in range(150):
        with lock:
            path.write_text(str(int(path.read_text()) + 1))
threads = [threading.Thread(target=count) for _ in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


@pytest.mark.parametrize("kind", ["ticket", "plain"])
def test_one_at_a_time(kind, lock, tmp_path):
    """Twelve threads of four processes never hold it together, where the kernel has byte locks and where not."""
    path = tmp_path / "count"
    path.write_text("0")
    processes = [python(COUNT, lock.path, path, kind) for _ in range(4)]
    assert [end(process) for process in processes] == [0] * 4
    assert path.read_text() == str(4 * 3 * 150)


def test_without_byte_locks_a_plain_lock_serves(tmp_path, monkeypatch):
    """Sandboxes without locks of open files get a plain flock, which also excludes."""
    monkeypatch.setattr(fairlock, "_has_byte_locks", lambda fd: False)
    one, other = FairLock(tmp_path / "lock"), FairLock(tmp_path / "lock")
    assert isinstance(one._kernel, fairlock._PlainLock)
    got = threading.Event()

    def wait():
        with other:
            got.set()

    with one:
        thread = threading.Thread(target=wait)
        thread.start()
        assert not got.wait(0.05)
    thread.join()
    assert got.is_set()
    one.close()
    other.close()


def test_taking_it_twice_is_an_error_and_not_a_deadlock(lock):
    """Neither acquire nor with waits for its own thread; the lock stays held."""
    with lock:
        with pytest.raises(RuntimeError, match="holds the write lock already"):
            lock.acquire()
        with pytest.raises(RuntimeError, match="holds the write lock already"), lock:
            pass
        with pytest.raises(RuntimeError, match="holds the write lock already"):
            lock.close()
        assert lock.held()
    assert not lock.held()


def test_only_the_holder_releases(lock):
    """Releasing what one does not hold is an error."""
    with pytest.raises(RuntimeError, match="by the thread that took it"):
        lock.release()
    errors = []

    def release():
        try:
            lock.release()
        except RuntimeError as error:
            errors.append(error)

    with lock:
        thread = threading.Thread(target=release)
        thread.start()
        thread.join()
        assert len(errors) == 1
        assert lock.held()


class Interrupt(BaseException):
    pass


@pytest.fixture
def alarm():
    """Call it, and the main thread is interrupted soon afterwards."""

    def ring(signum, frame):
        raise Interrupt

    before = signal.signal(signal.SIGALRM, ring)
    yield lambda: signal.setitimer(signal.ITIMER_REAL, 0.05)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_an_interrupt_while_waiting_for_a_process(lock, tmp_path, alarm):
    """Ctrl-C ends the wait; nothing is held afterwards, and the queue goes on."""
    holder = python(WAITER, lock.path, tmp_path / "log", "a", "stay")
    assert holder.stdout.readline() == b"held\n"
    alarm()
    with pytest.raises(Interrupt):
        lock.acquire()
    assert not lock.held()
    behind = waiter(lock, tmp_path / "log", "b")
    assert end(holder) == 0
    assert end(behind) == 0
    with lock:
        assert (tmp_path / "log").read_text() == "ab"


def test_an_interrupt_while_waiting_for_a_thread(lock, alarm):
    """The same inside one process."""
    release, held = threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            release.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    alarm()
    with pytest.raises(Interrupt):
        lock.acquire()
    assert not lock._queue._waiting
    release.set()
    thread.join()
    with lock:
        assert lock.held()


def test_an_interrupt_just_after_the_handover_passes_it_on(lock, monkeypatch):
    """Interrupted between getting the lock and knowing it, a thread gives it back."""
    enter = fairlock._ThreadQueue.enter

    def interrupted(queue):
        enter(queue)
        raise Interrupt

    monkeypatch.setattr(fairlock._ThreadQueue, "enter", interrupted)
    with pytest.raises(Interrupt):
        lock.acquire()
    monkeypatch.undo()
    with lock:
        assert lock.held()


def test_it_can_be_used_again_after_close(lock):
    """Closing gives the file back; the next use opens it."""
    lock.close()
    with lock:
        assert lock.held()


FORK = """
import os, sys, threading, time, warnings
from handrail.stores.fairlock import FairLock
warnings.simplefilter("ignore")
lock = FairLock(sys.argv[1])
held, go_on = threading.Event(), threading.Event()
def hold():
    with lock:
        held.set()
        go_on.wait()
thread = threading.Thread(target=hold)
thread.start()
held.wait()
r, w = os.pipe()
child = os.fork()
if child == 0:
    assert not lock.held()
    with lock:                   # waits for the parent's thread, not for a copy of its state
        os.write(w, b"c")
    os._exit(0)
quitter = os.fork()
if quitter == 0:
    os._exit(0)                  # must not release what the parent holds
os.waitpid(quitter, 0)
time.sleep(0.1)
os.set_blocking(r, False)
try:
    os.read(r, 1)
    sys.exit("the child got the lock while the parent held it")
except BlockingIOError:
    pass
go_on.set()
thread.join()
assert os.waitpid(child, 0)[1] == 0
assert os.read(r, 1) == b"c"
with lock:
    pass
lock.close()
"""


def test_a_forked_child_neither_owns_nor_breaks_the_lock(lock):
    """A child forked while a thread holds the lock waits its turn, and does not release it by ending."""
    process = python(FORK, lock.path)
    assert end(process) == 0


def test_the_lock_file_is_private(tmp_path):
    """Who may open the file can hold up every writer."""
    lock = FairLock(tmp_path / "lock")
    assert lock.path.stat().st_mode & 0o077 == 0
    lock.close()


def test_a_missing_folder_is_an_error_and_leaves_the_queue_usable(tmp_path):
    """An error while opening is raised, and does not leave the thread as holder."""
    folder = tmp_path / "folder"
    folder.mkdir()
    lock = FairLock(folder / "lock")
    lock.close()
    Path(folder / "lock").unlink()
    folder.rmdir()
    with pytest.raises(OSError):
        lock.acquire()
    assert not lock.held()
    folder.mkdir()
    with lock:
        assert lock.held()
    lock.close()

"""Whether the writer that holds an intent still lives, told by kernel locks and real processes."""

import errno
import fcntl
import os
import stat
import subprocess
import sys

import pytest

from handrail.core.facts import Call, CallState, Need
from handrail.core.record import Record, RecordKind
from handrail.errors import StoreError
from handrail.stores import life as module
from handrail.stores.life import Life
from handrail.stores.sqlite import SqliteStore

LIVE = """
import socket, sys
socket.gethostname = lambda: sys.argv[2]
from pathlib import Path
from handrail.core.facts import Call, CallState
from handrail.core.record import Record, RecordKind
from handrail.stores.sqlite import SqliteStore

def step(tx):
    tx.append(Record(RecordKind.ATTEMPT, "action", "run", "bot", "tool"))
    tx.put_call(Call("run", "call", "action", "bot", "tool", "key", CallState.RUNNING, durable=True))

store = SqliteStore(Path(sys.argv[1]))
store.transact(step, durable=True)
print(store.writer, flush=True)
sys.stdin.read()
"""
CALL = Call("run", "call", "action", "bot", "tool", "key", CallState.RUNNING, durable=True)
NEED = Need("other", "", "key", ("bot",))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "h.db.writers"


@pytest.fixture
def begun(folder):
    life = Life(folder)
    life.begin()
    yield life
    life.end()


def doubtful(store):
    return store.read(lambda tx: tx.facts(NEED)).doubtful


@pytest.mark.parametrize("host", ["here", "a-container-that-is-gone"])
def test_a_killed_process_is_dead_whatever_its_host_was_called(tmp_path, host):
    """While it runs its action is running; once killed the action is in doubt, from any host."""
    path = tmp_path / "h.db"
    command = [sys.executable, "-c", LIVE, str(path), host]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        writer = process.stdout.readline().strip()
        store = SqliteStore(path)
        assert store.alive(writer)
        assert doubtful(store) is None
        process.kill()
        process.wait()
        assert doubtful(store).action == "action"
        store.close()


def test_a_file_of_its_own(begun, folder):
    """Private, and named like the writer; beginning twice makes no second one."""
    begun.begin()
    assert [path.name for path in folder.iterdir()] == [begun.id]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / begun.id).stat().st_mode) == 0o600
    assert not os.get_inheritable(begun._fd)


def test_who_lives(begun, folder):
    """Oneself always, begun or not; others while they hold their file; nobody without one."""
    other = Life(folder)
    assert other.alive(begun.id)
    assert begun.alive(begun.id)
    assert other.alive(other.id)
    assert not begun.alive(other.id)
    other.begin()
    assert begun.alive(other.id)
    other.abandon()
    assert (folder / other.id).exists()
    assert not begun.alive(other.id)


@pytest.mark.parametrize("owner", ["", "../h.db", ".", "x" * 12, "0" * 12])
def test_no_such_writer(begun, owner):
    """A disowned intent, and ids that no writer ever had."""
    assert not begun.alive(owner)


def test_two_who_ask_at_once(begun, folder):
    """Do not take each other for the writer."""
    dead = Life(folder)
    dead.begin()
    dead.abandon()
    with (folder / dead.id).open() as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        assert not begun.alive(dead.id)


def test_ending(begun, folder):
    """Nothing stays."""
    begun.end()
    assert list(folder.iterdir()) == []
    begun.end()


def test_sweeping(begun, folder):
    """Removes what dead writers left, and nothing else."""
    dead = Life(folder)
    dead.sweep()
    dead.begin()
    dead.abandon()
    (folder / "notes.txt").touch()
    Life(folder).sweep()
    assert {path.name for path in folder.iterdir()} == {begun.id, "notes.txt"}


def test_sweeping_where_nobody_wrote(folder):
    """There is no folder yet, and none is made."""
    Life(folder).sweep()
    assert not folder.exists()


def test_a_sweep_in_the_middle_of_beginning(folder, monkeypatch):
    """A file that is removed before it is locked is given up, with its id: no path is ever used twice."""
    life, ids = Life(folder), []
    lock = module._lock

    def swept_first(fd, how, path):
        if how == fcntl.LOCK_EX and not ids:
            ids.append(life.id)
            Life(folder).sweep()
        lock(fd, how, path)

    monkeypatch.setattr(module, "_lock", swept_first)
    life.begin()
    assert ids != [life.id]
    assert [path.name for path in folder.iterdir()] == [life.id]
    assert Life(folder).alive(life.id)
    life.end()


def test_an_interrupt_in_the_middle_of_beginning(folder, monkeypatch):
    """Leaves no file, and the next attempt works."""
    life = Life(folder)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_lock", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            life.begin()
    assert (life.begun, list(folder.iterdir())) == (False, [])
    life.begin()
    life.end()


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.ENOLCK])
def test_a_file_system_without_locks(tmp_path, monkeypatch, number):
    """It is told, and nothing is written: whether an action is in doubt could not be known."""

    def refuse(fd, how):
        raise OSError(number, os.strerror(number))

    store = SqliteStore(tmp_path / "h.db")
    monkeypatch.setattr(module.fcntl, "flock", refuse)
    with pytest.raises(StoreError, match="has no file locks"):
        store.transact(lambda tx: tx.append(Record(RecordKind.EVENT)))
    monkeypatch.undo()
    assert store.verify().records == 0
    store.close()


def test_reading_makes_no_file(tmp_path):
    """Whoever only looks leaves nothing; the first intent makes the file."""
    store, folder = SqliteStore(tmp_path / "h.db"), tmp_path / "h.db.writers"
    store.read(lambda tx: tx.facts(NEED))
    assert not folder.exists()
    store.transact(lambda tx: tx.put_call(CALL))
    assert [path.name for path in folder.iterdir()] == [store.writer]
    store.close()
    assert list(folder.iterdir()) == []


def test_a_forked_child_leaves_the_parents_lock(tmp_path):
    """The child is another writer; its end does not end the parent, nor its life the parent's death."""
    store = SqliteStore(tmp_path / "h.db")
    store.transact(lambda tx: tx.put_call(CALL))
    mine = store.writer
    pid = os.fork()
    if pid == 0:
        other = store.writer != mine and store.alive(mine) and not store._life.begun
        os._exit(0 if other else 1)
    assert os.waitpid(pid, 0)[1] == 0
    look = SqliteStore(tmp_path / "h.db")
    assert look.alive(mine)
    assert (store.writer, doubtful(look)) == (mine, None)
    look.close()
    store.close()

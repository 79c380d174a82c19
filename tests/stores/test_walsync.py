"""Syncs shared between processes: a commit counts as durable only after a sync that began after it."""

import os
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from handrail.stores import walsync
from handrail.stores.walsync import WalSync


@pytest.fixture
def wal(tmp_path):
    path = tmp_path / "store.db-wal"
    path.write_bytes(b"frames")
    return path


@pytest.fixture
def make(tmp_path):
    made = []

    def make():
        made.append(WalSync(tmp_path / "sync"))
        return made[-1]

    yield make
    for sync in made:
        sync.close()


@pytest.fixture
def syncs(monkeypatch):
    """Every sync, and a gate that holds it up."""
    gate, begun, done = threading.Event(), threading.Semaphore(0), []
    gate.set()

    def sync_file(fd):
        begun.release()
        gate.wait()
        done.append(fd)

    monkeypatch.setattr(walsync, "sync_file", sync_file)
    return gate, begun, done


def test_one_sync_covers_every_commit_before_it(make, wal, syncs):
    """Two openings of one database, like two processes: the second finds its commit covered."""
    one, other = make(), make()
    first, second = one.note(), other.note()
    assert (first, second) == (1, 2)
    one.flush(first, wal)
    other.flush(second, wal)
    assert (one.syncs, other.syncs) == (1, 0)


def test_a_commit_made_during_a_sync_is_not_covered_by_it(make, wal, syncs):
    """The disk may have passed by already: only a sync that begins afterwards counts."""
    gate, begun, _done = syncs
    one, other = make(), make()
    gate.clear()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(one.flush, one.note(), wal)
        begun.acquire()
        second = pool.submit(other.flush, other.note(), wal)
        gate.set()
        first.result()
        second.result()
    assert (one.syncs, other.syncs) == (1, 1)


def test_nonsense_in_the_counters_never_counts_as_synced(make, wal, syncs, tmp_path):
    """After a power loss the file may say that commits are synced that were never made."""
    (tmp_path / "sync").write_bytes(struct.pack("QQ", 5, 1_000_000))
    sync = make()
    number = sync.note()
    assert number > 1_000_000
    sync.flush(number, wal)
    assert sync.syncs == 1


def test_a_failed_sync_counts_for_nobody(make, wal, syncs, monkeypatch):
    """Others sync themselves, and this process never claims durability again."""
    one, other = make(), make()
    number = one.note()

    def broken(fd):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(walsync, "sync_file", broken)
        with pytest.raises(OSError, match="Input/output"):
            one.flush(number, wal)
    with pytest.raises(OSError, match="Input/output"):
        one.flush(one.note(), wal)
    other.flush(number, wal)
    assert other.syncs == 1


def test_a_log_that_is_gone_needs_no_sync(make, wal, syncs):
    """SQLite removes it with the last connection, after syncing everything into the database."""
    sync = make()
    wal.unlink()
    sync.flush(sync.note(), wal)
    assert not syncs[2]


def test_somebody_alone_waits_for_nobody(make, wal, monkeypatch):
    """Only where other processes commit too does a sync wait a moment for them to come along."""
    naps = []
    monkeypatch.setattr(walsync, "sleep", naps.append)
    one, other = make(), make()
    for _ in range(5):
        one.flush(one.note(), wal)
    assert not naps
    other.note()
    one.flush(one.note(), wal)
    assert naps


def test_the_log_is_opened_anew_after_close(make, wal, monkeypatch):
    """A connection that was closed and opened may have a new log under the old name."""
    inodes = []
    monkeypatch.setattr(walsync, "sync_file", lambda fd: inodes.append(os.fstat(fd).st_ino))
    sync = make()
    sync.flush(sync.note(), wal)
    sync.close()
    wal.rename(wal.with_name("old"))
    wal.write_bytes(b"")
    sync.flush(sync.note(), wal)
    assert inodes == [wal.with_name("old").stat().st_ino, wal.stat().st_ino]


def test_the_real_sync_takes_a_file(wal):
    """Whatever the system calls it."""
    with wal.open("r+b") as file:
        walsync.sync_file(file.fileno())


def test_a_forked_child_opens_its_own_files(make, wal, syncs):
    """Closing the inherited ones leaves the parent's lock alone; counting goes on."""
    sync = make()
    sync.flush(sync.note(), wal)
    sync.after_fork_in_child()
    assert sync._files is None
    assert sync.note() == 2

"""Make commits survive power loss with few fsyncs, shared by all processes that write to the database.

In WAL mode `PRAGMA synchronous=FULL` is `NORMAL` plus a sync of the WAL file after each commit (SQLite's
documentation of the pragma), and that sync happens under the write lock: everyone waits for the disk.
Here the commit is made `NORMAL`, the write lock is released, and the WAL file is synced afterwards. One
sync covers every commit that was in the file when it began, whichever process made it, so the processes
count their durable commits in a small shared file, and whoever finds its commit covered goes home.

A checkpoint that comes between commit and sync does no harm: it syncs the WAL itself before it copies, and
the database before the WAL is used anew.
"""

import fcntl
import mmap
import os
import sys
from pathlib import Path
from threading import Lock
from time import perf_counter, sleep

from handrail.stores import forks

_COMMITTED, _SYNCED = 0, 1
_GATHER_S = 0.0001


class WalSync:
    """Durable commits to one database, counted and synced together.

    Args:
        path: the shared counters, beside the database; created if absent. Their content is worth nothing
            after a restart of the machine, and is not trusted.
        mode: permissions of a created file.
    """

    def __init__(self, path: str | Path, *, mode: int = 0o600) -> None:
        self.path = Path(path)
        self.syncs = 0
        self._sync_s = 0.0
        self._last_number = 0
        self._mode = mode
        self._turn = Lock()
        self._files: _Files | None = None
        self._broken: OSError | None = None
        forks.watch(self)

    def note(self) -> int:
        """Count a commit that has just been made; call it under the write lock.

        Returns:
            The commit's number, for `flush`. It is above every number that counts as synced, even when
            what the file holds is nonsense.
        """
        marks = self._opened().marks
        marks[_COMMITTED] = number = max(marks[_COMMITTED], marks[_SYNCED]) + 1
        return number

    def flush(self, number: int, wal: Path) -> None:
        """Return when commit `number` is on disk; call it without the write lock.

        Raises:
            OSError: it may not be. The kernel reports a failed write once and then forgets, so that a
                later sync would succeed without meaning anything: from here on this process gets the same
                error always.
        """
        with self._turn:
            if self._broken is not None:
                raise OSError(*self._broken.args) from self._broken
            files = self._opened()
            fcntl.flock(files.fd, fcntl.LOCK_EX)
            try:
                if files.marks[_SYNCED] < number:
                    self._sync(files, wal, number)
            finally:
                fcntl.flock(files.fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the files, before or after the connection is closed: the next use opens them again."""
        with self._turn:
            if self._files is not None:
                self._files.close()
                self._files = None

    def after_fork_in_child(self) -> None:
        """Close the parent's files, which leaves its lock alone."""
        self._turn = Lock()
        self.close()

    def _sync(self, files: "_Files", wal: Path, number: int) -> None:
        self._gather(files, number)
        covered = files.marks[_COMMITTED]  # read before the sync begins: later ones may not be in it
        began = perf_counter()
        try:
            sync_file(files.wal(wal))
        except FileNotFoundError:
            return  # SQLite removed it with the last connection, having synced all of it into the database
        except OSError as error:
            self._broken = error
            raise
        self._sync_s = perf_counter() - began
        self.syncs += 1
        files.marks[_SYNCED] = covered

    def _gather(self, files: "_Files", number: int) -> None:
        """Let other processes that are just committing come along, for no longer than the last sync took.

        Only where others have made durable commits since our last one: somebody alone waits for nobody.
        """
        alone = number - self._last_number <= 1
        self._last_number = number
        stop = perf_counter() + self._sync_s
        seen = -1
        while not alone and seen != files.marks[_COMMITTED] and perf_counter() < stop:
            seen = files.marks[_COMMITTED]
            sleep(_GATHER_S)

    def _opened(self) -> "_Files":
        if self._files is None:
            self._files = _Files(self.path, self._mode)
        return self._files


class _Files:
    """The shared counters, mapped, and the WAL file."""

    def __init__(self, path: Path, mode: int) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
        if os.fstat(self.fd).st_size < 16:
            os.ftruncate(self.fd, 16)
        self._map = mmap.mmap(self.fd, 16)
        self.marks = memoryview(self._map).cast("Q")
        self._wal = -1

    def wal(self, path: Path) -> int:
        """Open the WAL once: it stays the same file as long as our connection is open."""
        if self._wal < 0:
            self._wal = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        return self._wal

    def close(self) -> None:
        self.marks.release()
        self._map.close()
        os.close(self.fd)
        if self._wal >= 0:
            os.close(self._wal)


def sync_file(fd: int) -> None:
    """Put a file's content on the disk itself, not only in the drive's cache where the system tells them apart."""
    if sys.platform == "darwin":
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(fd)

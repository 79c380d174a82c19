"""A lock between processes, and between their threads, that serves in order of arrival.

SQLite lets one connection write at a time; the others poll, sleeping up to 100 ms between looks, so that
under load some of them wait for seconds while a lucky one writes again and again. Whoever wants to write
therefore queues here first, and meets SQLite's own lock only when it is free.

The queue is made of kernel locks on bytes of one file, so that a killed process leaves it at once and
nothing needs cleaning up::

    byte     0 1 2 ...        ticket-1      ticket                2^62
             `-- still in use by those ahead --'  `- mine while I    `- held for an instant, to draw
                                                     wait and hold      the next ticket

- The first eight bytes of the file, mapped into memory, hold the last ticket drawn.
- Holding means: every byte up to and including one's own is free of everybody else.
- A newcomer who finds every byte up to the last ticket free locks them all in one call, and holds.
- Otherwise it draws a ticket, locks that byte, and waits for the byte before it: one waiter a byte, so that
  a release wakes exactly the next in line. Whoever releases and comes back draws a ticket behind them.
- If the one ahead is killed while it waits, its byte is free too early. The wait for *all* bytes ahead,
  which follows, puts that right.

Known warts: the order is kept within one machine and one lock file; and a process that is stopped (SIGSTOP)
while it holds the lock stops the others. The lock orders writers, it does not protect data: if the file is
removed under them, SQLite's own lock still lets one writer in at a time.

Why this one, with figures: docs/sqlite-writers.md.
"""

import errno
import fcntl
import mmap
import os
import struct
import sys
from collections import deque
from pathlib import Path
from threading import Lock, get_ident
from types import TracebackType
from typing import Protocol, Self

from handrail.stores import forks
from handrail.stores.surely import surely

_DRAWING = 1 << 62  # far above any ticket


class _KernelLock(Protocol):
    """What one process holds of the lock; its threads take turns on it."""

    def take(self) -> None: ...
    def drop(self) -> None: ...
    def close(self) -> None: ...


class FairLock:
    """A lock that processes and threads get in the order in which they asked.

    It is not re-entrant, is released by the thread that took it, and is released by the kernel when its
    process dies. A forked child opens the file anew on its first use.

    Args:
        path: the lock file, on a local file system; created if absent, never removed. Everyone who
            writes to one database must name the same file: derive it from the resolved path.
        mode: permissions of a created file. Who may open it can hold up every writer.
    """

    def __init__(self, path: str | Path, *, mode: int = 0o600) -> None:
        self.path = Path(path)
        self.mode = mode
        self._queue = _ThreadQueue()
        self._kernel: _KernelLock | None = _open(self.path, mode)
        forks.watch(self)

    def acquire(self) -> None:
        """Wait for one's turn; returns holding the lock.

        Raises:
            RuntimeError: this thread holds it already, and would wait for itself.
            OSError: the lock file cannot be opened or locked.
        """
        self._refuse_twice()
        try:
            self._queue.enter()
            if self._kernel is None:
                self._kernel = _open(self.path, self.mode)
            self._kernel.take()
        except BaseException:
            self.withdraw()
            raise

    def release(self) -> None:
        """Let the next in line have it."""
        if not self.held():
            raise RuntimeError("the write lock is released by the thread that took it")
        surely(self._let_go)

    def _let_go(self) -> None:
        if not self.held():
            return  # an earlier attempt was interrupted behind its last step
        try:
            if self._kernel is not None:
                self._kernel.drop()
        except OSError:
            self._queue.leave()
            raise
        self._queue.leave()

    def withdraw(self) -> None:
        """Neither hold nor wait any longer, wherever an `acquire` or `release` of this thread was interrupted."""
        surely(self._step_back)

    def pause(self, timeout_s: float) -> bool:
        """Keep the threads of this process from taking it, without taking it from other processes.

        Returns:
            Whether that was possible in time.
        """
        self._refuse_twice()
        try:
            return self._queue.enter(timeout_s) or self._queue.left_waiting()
        except BaseException:
            self.withdraw()
            raise

    def resume(self) -> None:
        """End a pause."""
        self._queue.leave()

    def held(self) -> bool:
        """Whether this thread holds the lock."""
        return self._queue.holder == get_ident()

    def close(self) -> None:
        """Close the file; a further `acquire` opens it again."""
        self._refuse_twice()
        try:
            self._queue.enter()
            if self._kernel is not None:
                self._kernel.close()
                self._kernel = None
        finally:
            self.withdraw()

    def after_fork_in_child(self) -> None:
        """Close the parent's file, which leaves its lock alone, and begin with nobody waiting."""
        self._queue = _ThreadQueue()
        if self._kernel is not None:
            self._kernel.close()
            self._kernel = None

    def _refuse_twice(self) -> None:
        if self.held():
            raise RuntimeError("this thread holds the write lock already, and would wait for itself")

    def _step_back(self) -> None:
        """Undo an `acquire` that was interrupted anywhere between its first and its last step."""
        if self._queue.left_waiting():
            self.release()

    def __enter__(self) -> Self:
        self._refuse_twice()
        try:
            self.acquire()
        except BaseException:  # an interrupt may come between acquire's return and ours
            self.withdraw()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.release()
        except BaseException:
            self.withdraw()
            raise


class _ThreadQueue:
    """The threads of one process in order of arrival: who leaves hands over to the first that waits.

    Python's own Lock lets the one who released it take it again before a waiter has woken. The holder is
    written by whoever hands over, so that an interrupted waiter can tell whether it is holder already.
    """

    def __init__(self) -> None:
        self.holder = 0  # a thread's ident; 0: free
        self._mutex = Lock()
        self._waiting: deque[tuple[int, Lock]] = deque()

    def enter(self, timeout_s: float = -1) -> bool:
        with self._mutex:
            if not self.holder:
                self.holder = get_ident()
                return True
            turn = Lock()
            turn.acquire()
            self._waiting.append((get_ident(), turn))
        return turn.acquire(timeout=timeout_s)

    def leave(self) -> None:
        with self._mutex:
            surely(self._hand_over)

    def _hand_over(self) -> None:
        """Make the first who waits holder, then wake it; can be begun again after an interrupt anywhere."""
        if self.holder == get_ident():
            self.holder = self._waiting[0][0] if self._waiting else 0
        if self._waiting and self._waiting[0][0] == self.holder:
            turn = self._waiting[0][1]
            if turn.locked():
                turn.release()
            self._waiting.popleft()

    def left_waiting(self) -> bool:
        """Stop waiting.

        Returns:
            Whether this thread is the holder, and has to leave.
        """
        me = get_ident()
        with self._mutex:
            self._waiting = deque(entry for entry in self._waiting if entry[0] != me)
            return self.holder == me


def _open(path: Path, mode: int) -> _KernelLock:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        if sys.platform == "linux" and _has_byte_locks(fd):
            return _TicketLock(fd)
        return _PlainLock(fd)
    except BaseException:
        os.close(fd)
        raise


class _PlainLock:
    """`flock`, where the kernel has no byte locks that belong to an open file: in order mostly, not always."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def take(self) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def drop(self) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._fd)


if sys.platform == "linux":
    _BUSY = (errno.EAGAIN, errno.EACCES)
    _FLOCK = struct.Struct("hhqqi4x")  # struct flock: type, whence, start, length, pid
    _DROP_ALL = _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, 0, 0, 0)
    _DRAW = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, _DRAWING, 1, 0)
    _DRAWN = _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, _DRAWING, 1, 0)

    def _has_byte_locks(fd: int) -> bool:
        """Some sandboxes that pose as Linux know no locks of an open file."""
        try:
            fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _DRAW)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOSYS):
                return False
            raise
        return True

    class _TicketLock:
        """The queue of the module's docstring, for one open file."""

        def __init__(self, fd: int) -> None:
            if os.fstat(fd).st_size < 8:
                os.ftruncate(fd, 8)
            self._fd = fd
            self._map = mmap.mmap(fd, 8)
            self._last = memoryview(self._map).cast("Q")  # one aligned word: never read half-written

        def take(self) -> None:
            ours = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, self._last[0] + 1, 0)
            try:
                fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, ours)
            except OSError as error:
                if error.errno not in _BUSY:
                    raise
                self._queue_up()

        def drop(self) -> None:
            fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _DROP_ALL)

        def close(self) -> None:
            self._last.release()
            self._map.close()
            os.close(self._fd)

        def _queue_up(self) -> None:
            fcntl.fcntl(self._fd, fcntl.F_OFD_SETLKW, _DRAW)
            ticket = self._last[0] + 1
            self._wait(fcntl.F_WRLCK, ticket, 1)
            self._last[0] = ticket
            fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _DRAWN)
            self._wait(fcntl.F_RDLCK, ticket - 1, 1)
            self._wait(fcntl.F_RDLCK, 0, ticket)

        def _wait(self, kind: int, start: int, length: int) -> None:
            lock = _FLOCK.pack(kind, os.SEEK_SET, start, length, 0)
            fcntl.fcntl(self._fd, fcntl.F_OFD_SETLKW, lock)

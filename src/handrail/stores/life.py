"""Who holds an intent, and whether that writer still lives.

Each writer holds a kernel lock on a file of its own for as long as it lives: `<store>.writers/<id>`. The kernel drops
the lock with the process, whatever its host was called and whoever has its pid now; so a file that can be locked, or
is missing, is a dead writer's.

- Whoever asks takes a *shared* lock for an instant, so that two who ask never take each other for the writer.
- An id is used once: a file that a sweep removed before its writer had locked it is given up, with its id. A path
  thus never names a second file, and no sweep can remove a living writer's.
- A forked child closes its copy of the descriptor, which leaves the lock with the parent, and begins an id of its own.

Known wart: a process forked without Python's knowledge keeps its parent's writer alive until it ends.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import socket
from contextlib import suppress
from pathlib import Path

from handrail.errors import StoreError

_NO_LOCKS = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS)
_ID = re.compile(r"[0-9a-f]{12}")


class Life:
    """One writer's sign of life, and a look at those of others.

    Args:
        folder: Where the files are; made when the first writer begins.

    Attributes:
        folder: Where the files are.
        id: The writer. Final once `begin` was called.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._fd = -1
        self.id = secrets.token_hex(6)

    @property
    def begun(self) -> bool:
        """Whether others can see that this writer lives."""
        return self._fd >= 0

    def begin(self) -> None:
        """Let others see that this writer lives; before the first row or intent is written under its id.

        Raises:
            StoreError: The file system has no locks.
            OSError: The file cannot be made.
        """
        self.folder.mkdir(mode=0o700, exist_ok=True)
        while self._fd < 0:
            path = self._path(self.id)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                _lock(fd, fcntl.LOCK_EX, path)
                if _is(path, fd):
                    self._fd, fd = fd, -1
                else:  # a sweep was faster
                    self.id = secrets.token_hex(6)
            except BaseException:
                if self._fd < 0:
                    self.id = secrets.token_hex(6)
                    with suppress(OSError):
                        path.unlink()
                raise
            finally:
                if fd >= 0:
                    os.close(fd)

    def alive(self, id: str) -> bool:
        """Return whether a writer lives. This one always does."""
        if id == self.id:
            return True
        if _ID.fullmatch(id) is None:
            return False
        return _held(self._path(id), remove=False)

    def sweep(self) -> None:
        """Remove what dead writers left."""
        try:
            names = [path.name for path in self.folder.iterdir()]
        except FileNotFoundError:
            return
        for name in names:
            if name != self.id and _ID.fullmatch(name):
                with suppress(PermissionError):  # somebody else's: theirs to remove
                    _held(self._path(name), remove=True)

    def end(self) -> None:
        """Be dead from now on: what this writer began and did not settle is in doubt."""
        if self._fd >= 0:
            with suppress(OSError):  # whoever opens the store next removes it
                self._path(self.id).unlink(missing_ok=True)
            self.abandon()

    def abandon(self) -> None:
        """Let go as the kernel does when the process is killed, or as a forked child lets go of its parent's."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _path(self, id: str) -> Path:
        return self.folder / id


def host() -> str:
    """Return this machine's name, for people who look."""
    return socket.gethostname()


def _held(path: Path, *, remove: bool) -> bool:
    """Return whether a writer holds its file; `remove` removes a file that nobody holds."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        _lock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB, path)
        if remove:
            path.unlink(missing_ok=True)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _is(path: Path, fd: int) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(fd))


def _lock(fd: int, how: int, path: Path) -> None:
    try:
        fcntl.flock(fd, how)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        message = (
            f"The file system of {path.parent} has no file locks (flock: {error.strerror}), by which processes see "
            "whether another still lives, so nothing runs. Put the store on a local disk."
        )
        raise StoreError(message) from error

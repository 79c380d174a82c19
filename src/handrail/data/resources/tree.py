"""Reaching a file under a root folder one step at a time, so that no name and no symbolic link leads outside."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from handrail.core.text import safe
from handrail.data.resources.receipt import ABSENT, Version
from handrail.data.resources.results import CannotDo

OURS = ".handrail-"
"""How the names of our temporary files begin; no id may."""

_LINK = (errno.ELOOP, errno.ENOTDIR)


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A regular file as it was read.

    Attributes:
        content: All of it.
        mode: Permission bits.
        owner: User and group id.
        links: How many names it has.
        inode: Device and number, which tell whether two names are one file.
    """

    content: bytes
    mode: int
    owner: tuple[int, int]
    links: int
    inode: tuple[int, int]

    @property
    def version(self) -> Version:
        """The content's digest and size."""
        return version_of(self.content)


def version_of(content: bytes) -> Version:
    """Return the version of a file with this content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}:{len(content)}"


def found_version(found: ReadFile | None) -> Version:
    """Return the version of what was found, or `absent`."""
    return ABSENT if found is None else found.version


def parts_of(id: str) -> tuple[str, ...]:
    """Return the names that lead from the root to a file.

    Args:
        id: A relative path with `/`, in its only spelling: no `.`, no `..`, no empty name.

    Raises:
        CannotDo: It is spelt otherwise, or is a name of ours.
    """
    parts = tuple(id.split("/"))
    try:
        id.encode()
    except UnicodeEncodeError:
        raise CannotDo(f"The path {safe(id)} is not valid Unicode text; name the file otherwise.") from None
    if any(part in ("", ".", "..") for part in parts) or "\0" in id:
        raise CannotDo(f"The path {safe(id)} must lead down from the root folder: names and '/', no '.', no '..'.")
    if any(part.startswith(OURS) for part in parts):
        raise CannotDo(f"The path {safe(id)} is kept for Handrail's temporary files; choose another name.")
    return parts


@contextmanager
def parent(root: Path, id: str) -> Iterator[tuple[int, str]]:
    """Open the folder that a file is in; yield its descriptor and the file's name.

    Every folder is opened from the one above it and must be a real folder, not a link.

    Raises:
        CannotDo: The path leaves the root, goes through a link, or a folder is missing.
    """
    *folders, name = parts_of(id)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(root, flags)
    except OSError as error:
        raise CannotDo(f"The root folder cannot be opened ({error.strerror}); check the configuration.") from error
    try:
        for folder in folders:
            try:
                below = os.open(folder, flags, dir_fd=fd)
            except OSError as error:
                raise _no_way(id, folder, error) from error
            os.close(fd)
            fd = below
        yield fd, name
    finally:
        os.close(fd)


def read(folder_fd: int, name: str, id: str, bytes_max: int) -> ReadFile | None:
    """Return a regular file, or None when there is nothing of that name.

    Raises:
        CannotDo: It is a link, a folder or a device, is larger than `bytes_max`, or changes while it is read.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        fd = os.open(name, flags, dir_fd=folder_fd)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _no_way(id, name, error) from error
    try:
        first = os.fstat(fd)
        if not stat.S_ISREG(first.st_mode):
            raise CannotDo(f"{safe(id)} is not a regular file; only regular files can be changed here.")
        with os.fdopen(fd, "rb", closefd=False) as file:
            content = file.read(bytes_max + 1)
        last = os.fstat(fd)
    except OSError as error:
        raise CannotDo(f"{safe(id)} cannot be read ({error.strerror}); check the disk.") from error
    finally:
        os.close(fd)
    if len(content) > bytes_max:
        raise CannotDo(f"{safe(id)} is larger than {bytes_max:,} bytes, the limit; change it by other means.")
    if (first.st_size, first.st_mtime_ns) != (last.st_size, last.st_mtime_ns) or len(content) != last.st_size:
        raise CannotDo(f"{safe(id)} is being written by somebody else right now; try again later.")
    mode, owner = stat.S_IMODE(last.st_mode), (last.st_uid, last.st_gid)
    return ReadFile(content, mode, owner, last.st_nlink, (last.st_dev, last.st_ino))


def _no_way(id: str, name: str, error: OSError) -> CannotDo:
    if isinstance(error, FileNotFoundError):
        return CannotDo(f"The folder {safe(name)} of {safe(id)} does not exist; create it first.")
    if error.errno in _LINK:
        return CannotDo(f"{safe(name)} in {safe(id)} is a link or no folder; name the file by its real path.")
    return CannotDo(f"{safe(id)} cannot be opened ({error.strerror}); check its permissions and its name.")

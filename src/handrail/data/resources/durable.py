"""Writing a file so that it is there whole after a power loss, or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def new_file(
    name: str, content: bytes, *, folder_fd: int, mode: int = 0o600, owner: tuple[int, int] | None = None
) -> None:
    """Write a file that must not exist yet, and sync it; its name is durable once the folder is synced.

    Args:
        name: One name inside the folder.
        content: All of it.
        folder_fd: The open folder.
        mode: Permission bits, whatever the umask.
        owner: User and group id; None leaves it to the system.

    Raises:
        OSError: It exists, or cannot be written; then nothing is left behind.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(name, flags, 0o600, dir_fd=folder_fd)
    try:
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(fd, left) :]
            if owner is not None:
                os.fchown(fd, *owner)  # before the mode: changing the owner clears set-id bits
            os.fchmod(fd, mode)
            os.fsync(fd)
        finally:
            os.close(fd)
    except BaseException:
        with suppress(OSError):
            os.unlink(name, dir_fd=folder_fd)
        raise


def replace_file(path: Path, content: bytes) -> None:
    """Write or replace one of our own files, readable by our user only, in a folder that exists.

    Raises:
        OSError: It cannot be written; the old content stands.
    """
    folder_fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        temporary = f"{path.name}.new"
        with suppress(FileNotFoundError):  # of a process that died here; callers hold a lock
            os.unlink(temporary, dir_fd=folder_fd)
        new_file(temporary, content, folder_fd=folder_fd)
        os.replace(temporary, path.name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
        os.fsync(folder_fd)
    finally:
        os.close(folder_fd)

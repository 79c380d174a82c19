"""Whether a SQLite file is still the one that was opened: connections go on with the one that is gone."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from handrail.core.text import safe


class OpenedFile(NamedTuple):
    """A file as it was when it was opened.

    Attributes:
        path: Where it is.
        identity: Its device and inode, None when it could not be looked at.
    """

    path: Path
    identity: tuple[int, int] | None

    @classmethod
    def of(cls, path: Path) -> OpenedFile:
        """Return a file as it is now."""
        return cls(path, _identity(path))

    def gone(self) -> str:
        """Return what to say when it is another file by now, or none; `""` while it is the same."""
        now = _identity(self.path)
        if now is not None and now == self.identity:
            return ""
        what = "removed" if now is None else "replaced"
        return (
            f"The database file {safe(self.path)} was {what} since it was opened, so nothing is read or changed. Put "
            "the file that is meant in its place, then start the server or program again."
        )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino

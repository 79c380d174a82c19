"""The two kinds of SQL that are understood, and how each of them compares names."""

from __future__ import annotations

from enum import StrEnum

_FOLDED = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


class Dialect(StrEnum):
    """A kind of SQL."""

    POSTGRES = "postgres"
    SQLITE = "sqlite"

    def folded(self, written: str, *, quoted: bool) -> str:
        """Return what a written name is compared by.

        Args:
            written: The name, without quotes.
            quoted: Whether it stood in quotes.

        Returns:
            PostgreSQL folds what is not quoted to lower case and compares exactly; SQLite never tells the case apart.
            Only the letters of ASCII are folded, by both.
        """
        if quoted and self is Dialect.POSTGRES:
            return written
        return written.translate(_FOLDED)

    def stored(self, name: str) -> str:
        """Return what a name that the database itself gave is compared by."""
        return self.folded(name, quoted=True)

"""The rows of a query: taken one by one until a limit is reached, and the limit is said."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from handrail.core.digest import Json
from handrail.data.reading.limits import ReadLimits
from handrail.data.reading.value import has_bytes, plain


@dataclass(frozen=True, slots=True)
class Rows:
    """The answer to a query.

    Attributes:
        columns: Names of the columns, in their order; two may have the same name.
        rows: A tuple of JSON values for each row.
        truncated: Whether there are more rows than these.
        why: What was read; where a limit cut the rows off, which, and how to go on. Safe to print.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Json, ...], ...]
    truncated: bool
    why: str


@dataclass(slots=True)
class Taken:
    """Rows as they come, as many as the limits allow.

    Attributes:
        limits: The limits.
        columns: Names of the columns.
        rows: The rows so far.
        bytes: The size of the rows so far, as JSON text.
        cut: Which limit was reached, one sentence; `""` as long as there is none.
    """

    limits: ReadLimits
    columns: tuple[str, ...] = ()
    rows: list[tuple[Json, ...]] = field(default_factory=list)
    bytes: int = 0
    cut: str = ""
    _has_bytes: bool = False

    def name(self, columns: Iterable[object]) -> None:
        """Take the names of the columns."""
        self.columns = tuple(str(plain(str(column))) for column in columns)

    def take(self, raw: Sequence[object]) -> bool:
        """Take one more row of a driver; return whether the next one is wanted."""
        if len(self.rows) == self.limits.rows_max:
            self.cut = (
                f"Only the first {self.limits.rows_max:,} rows are given, for there are more. "
                "Narrow it down with WHERE, count with count(*), or page by a key: WHERE id > … ORDER BY id."
            )
            return False
        row = tuple(plain(value) for value in raw)
        size = len(json.dumps(row, ensure_ascii=False).encode())
        if self.bytes + size > self.limits.bytes_max:
            self.cut = self._too_large()
            return False
        self.bytes += size
        self.rows.append(row)
        self._has_bytes = self._has_bytes or any(map(has_bytes, row))
        return True

    def wanted(self) -> int:
        """Return how many rows to fetch at once: few when they are large, so that memory suffices."""
        room = self.limits.rows_max + 1 - len(self.rows)
        if not self.rows:
            return 1
        mean = max(1, self.bytes // len(self.rows))
        fitting = (self.limits.bytes_max - self.bytes) // mean + 1
        return max(1, min(room, fitting, 4 * len(self.rows)))

    def answer(self, why: str) -> Rows:
        """Return what was taken.

        Args:
            why: What was read, one sentence.
        """
        said = [why, self.cut]
        if self._has_bytes:
            said.append("Bytes are given as base64 text after 'base64:'.")
        return Rows(self.columns, tuple(self.rows), bool(self.cut), " ".join(filter(None, said)))

    def _too_large(self) -> str:
        limit = f"{self.limits.bytes_max:,} bytes"
        if not self.rows:
            return f"No row is given, for the first one alone is larger than {limit}. Select fewer or shorter columns."
        return (
            f"Only the first {len(self.rows):,} rows are given, for more are larger than {limit}. "
            "Select fewer columns or rows."
        )

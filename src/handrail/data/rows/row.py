"""The rows of a plan, held as the lines of canonical JSON that its digest is made of: a million take some 50 MB."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, repeat
from typing import NamedTuple, TypeAlias, overload

import orjson

from handrail.core.digest import Json
from handrail.data.rows.errors import ChangeRefused, Key

ABSENT = "absent"
"""The version of a row that is not there: an INSERT is bound to it."""

LINE = 1000
"""Rows in one line."""

Plain: TypeAlias = "tuple[Key, Json, tuple[Json, ...]]"
"""Key, version and values of a row."""

Column: TypeAlias = "Json"
"""The cells of a column as a list, or the one cell that all of them are."""

ALIKE: frozenset[type] = frozenset({str, int, type(None)})
"""Types of the cells that have no form of their own."""


class Row(NamedTuple):
    """A row of a plan.

    Attributes:
        key: Its primary key as cells; `()` when the database gives the key.
        version: The version that it has to have, as a cell; `absent` when it must not be there.
        values: What is written, as cells in the order of the part's columns. For an undo, the fingerprint of the kept
            image that is restored.
    """

    key: Key
    version: Json
    values: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows by column: faster to read, to bind and to write than row by row.

    Attributes:
        count: How many rows there are.
        keys: The columns of their keys.
        version: Their versions.
        values: The columns of their values.
    """

    count: int
    keys: Sequence[Column]
    version: Column
    values: Sequence[Column]

    @classmethod
    def of(cls, rows: Sequence[Plain | Row]) -> Columns:
        """Return rows by column.

        Raises:
            ChangeRefused: They have keys or values of different lengths.
        """
        try:
            keys = [alike(list(cells)) for cells in zip(*(row[0] for row in rows), strict=True)]
            values = [alike(list(cells)) for cells in zip(*(row[2] for row in rows), strict=True)]
        except ValueError:
            raise ChangeRefused("The rows of the plan have different columns. Plan the change again.") from None
        return cls(len(rows), keys, alike([row[1] for row in rows]), values)

    @classmethod
    def read(cls, line: bytes) -> Columns:
        """Return the rows of a line.

        Raises:
            ValueError: It is none.
        """
        count, keys, version, values = orjson.loads(line)
        if type(count) is not int or not isinstance(keys, list) or not isinstance(values, list):
            raise ValueError(line)
        return cls(count, keys, version, values)

    def line(self) -> bytes:
        """Return the rows as canonical JSON.

        Raises:
            ChangeRefused: A value has no JSON form, as text that is not valid Unicode.
        """
        form = [self.count, list(map(_alike, self.keys)), _alike(self.version), list(map(_alike, self.values))]
        try:
            return orjson.dumps(form)
        except TypeError:
            raise ChangeRefused("A value of a row has no JSON form. Give text that is valid Unicode.") from None

    def rows(self) -> Iterator[Row]:
        """Return the rows one by one."""
        keys = zip(*map(self.cells, self.keys), strict=True) if self.keys else repeat((), self.count)
        values = zip(*map(self.cells, self.values), strict=True) if self.values else repeat((), self.count)
        return map(Row, keys, self.cells(self.version), values)

    def cells(self, column: Column) -> list[Json]:
        """Return the cells of a column."""
        return column if isinstance(column, list) else [column] * self.count

    def part(self, start: int, stop: int) -> Columns:
        """Return some of the rows."""

        def cut(column: Column) -> Column:
            return column[start:stop] if isinstance(column, list) else column

        count = len(range(self.count)[start:stop])
        return Columns(count, list(map(cut, self.keys)), cut(self.version), list(map(cut, self.values)))

    @classmethod
    def joined(cls, pieces: Sequence[Columns]) -> Columns:
        """Return the rows of several pieces, at least one."""
        if len(pieces) == 1:
            return pieces[0]

        def join(columns: Sequence[Column]) -> Column:
            first = columns[0]
            if not isinstance(first, list) and columns.count(first) == len(columns) and type(first) in ALIKE:
                return first
            return list(chain.from_iterable(piece.cells(one) for piece, one in zip(pieces, columns, strict=True)))

        keys = [join(columns) for columns in zip(*(piece.keys for piece in pieces), strict=True)]
        values = [join(columns) for columns in zip(*(piece.values for piece in pieces), strict=True)]
        return cls(sum(piece.count for piece in pieces), keys, join([piece.version for piece in pieces]), values)


def alike(cells: list[Json]) -> Column:
    """Return the one cell that all cells of a column are, if they are the same text or number, or NULL."""
    first = cells[0]
    if type(first) in ALIKE and cells.count(first) == len(cells) and len(set(map(type, cells))) == 1:
        return first
    return cells


def repeated(cell: Json, count: int) -> Column:
    """Return a column whose cells are all the same."""
    return cell if type(cell) in ALIKE else [cell] * count


def _alike(column: Column) -> Column:
    return alike(column) if isinstance(column, list) and column else column


class PackedRows(Sequence[Row]):
    """Rows that are read like a tuple of them, and held as text.

    Each line is the canonical JSON of 1,000 rows, the last one of as many as are left: their number, the columns of
    their keys, the column of their versions, the columns of their values. A column is a list, or one cell where all are
    the same. Cells are texts, whole numbers of 64 bits, null, and objects with one key, for which what orjson writes is
    canonical.
    """

    __slots__ = ("_count", "_digest", "_lines")

    def __init__(self, lines: Sequence[bytes], count: int) -> None:
        self._lines = tuple(lines)
        self._count = count
        self._digest = ""

    @classmethod
    def of(cls, rows: Iterable[Plain | Row]) -> PackedRows:
        """Return rows packed.

        Args:
            rows: Key, version and values of each row.

        Raises:
            ChangeRefused: A value has no JSON form, or rows have different columns.
        """
        left: Iterator[Plain | Row] = iter(rows)
        return cls.of_columns(map(Columns.of, iter(lambda: list(islice(left, LINE)), [])))

    @classmethod
    def of_columns(cls, pieces: Iterable[Columns]) -> PackedRows:
        """Return rows packed that come in pieces of any size.

        Raises:
            ChangeRefused: A value has no JSON form.
        """
        lines: list[bytes] = []
        count, rest = 0, None
        for piece in pieces:
            count += piece.count
            found = piece if rest is None else Columns.joined((rest, piece))
            whole = found.count - found.count % LINE
            lines += [found.part(start, start + LINE).line() for start in range(0, whole, LINE)]
            rest = found.part(whole, found.count) if whole < found.count else None
        if rest is not None:
            lines.append(rest.line())
        return cls(lines, count)

    @classmethod
    def read(cls, count: int, lines: Iterator[bytes]) -> PackedRows:
        """Return rows from as many lines as they take.

        Args:
            count: How many rows there are.
            lines: Lines from anywhere, without their ends.

        Raises:
            ValueError: The lines are not the canonical ones of so many rows.
        """
        taken: list[bytes] = []
        for start in range(0, count, LINE):
            line = next(lines, b"")
            found = Columns.read(line)
            wanted = min(LINE, count - start)
            lists = [column for column in (*found.keys, found.version, *found.values) if isinstance(column, list)]
            if found.count != wanted or any(len(cells) != wanted for cells in lists) or found.line() != line:
                raise ValueError(count)
            taken.append(line)
        return cls(taken, max(count, 0))

    @property
    def digest(self) -> str:
        """SHA-256 over the lines, each with a line feed."""
        if not self._digest:
            hashed = hashlib.sha256()
            for line in self._lines:
                hashed.update(line)
                hashed.update(b"\n")
            self._digest = hashed.hexdigest()
        return self._digest

    @property
    def lines(self) -> Sequence[bytes]:
        """The lines, without their ends."""
        return self._lines

    def chunks(self, size: int) -> Iterator[tuple[int, Columns]]:
        """Return the rows in pieces, each with the number of its first row.

        Args:
            size: Rows in a piece, a multiple of those in a line.
        """
        assert size % LINE == 0, size
        for start in range(0, self._count, size):
            lines = self._lines[start // LINE : (start + size) // LINE]
            yield start, Columns.joined([Columns.read(line) for line in lines])

    def first(self, count: int) -> tuple[Row, ...]:
        """Return the first rows, at most as many as a line has."""
        if not self._lines:
            return ()
        return tuple(Columns.read(self._lines[0]).part(0, count).rows())

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Row]:
        return chain.from_iterable(Columns.read(line).rows() for line in self._lines)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Row, ...]: ...
    def __getitem__(self, index: int | slice) -> Row | tuple[Row, ...]:
        places = range(self._count)[index]
        if isinstance(places, int):
            return next(islice(Columns.read(self._lines[places // LINE]).rows(), places % LINE, None))
        if not places:
            return ()
        first, last = min(places) // LINE, max(places) // LINE
        found = [row for line in self._lines[first : last + 1] for row in Columns.read(line).rows()]
        return tuple(found[place - first * LINE] for place in places)

    def __eq__(self, other: object) -> bool:
        return self._lines == other._lines if isinstance(other, PackedRows) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._lines)

    def __repr__(self) -> str:
        return f"<{self._count:,} rows>"


def packed(rows: Sequence[Row]) -> PackedRows:
    """Return rows packed, as they are when they already are."""
    return rows if isinstance(rows, PackedRows) else PackedRows.of(rows)

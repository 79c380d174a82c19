"""A plan: exactly these rows, in exactly these versions, become exactly this; canonical JSON with a SHA-256 over it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from handrail.core.digest import Json, canonical, digest
from handrail.data.rows.errors import ChangeRefused, Key
from handrail.data.rows.row import ABSENT, PackedRows, Row, packed
from handrail.data.sql.change import Operation

FORMAT = 2
"""The form of a plan's JSON."""

PIECE_BYTES = 256 * 1024
"""Size from which on a piece of a written plan is given out, in bytes."""

Touched = tuple[int, int, int]
"""Rows inserted, updated, deleted."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a plan does to one table.

    Attributes:
        schema: Schema of the table; `""` on SQLite.
        table: Its name.
        operation: What happens to the rows.
        rows: The rows, in the order in which they are written; any sequence is packed.
        shape: Fingerprint of the table as it was when the change was planned.
        columns: The columns that are written; for a DELETE those whose values are kept.
        versioned_by: What the versions are: `column`, `xmin`, `content` or `absent`.
        bump: The declared version column, which an UPDATE increments; `""` when there is none.
        content: The columns that a content fingerprint covers.
        cascade: Whether the database itself removes these rows; they are only kept.
        source: For an undo, the part of the undone change whose images are restored or removed.
    """

    schema: str
    table: str
    operation: Operation
    rows: Sequence[Row]
    shape: str
    columns: tuple[str, ...] = ()
    versioned_by: str = ABSENT
    bump: str = ""
    content: tuple[str, ...] = ()
    cascade: bool = False
    source: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", packed(self.rows))

    @property
    def packed(self) -> PackedRows:
        """The rows as they are held."""
        assert isinstance(self.rows, PackedRows)
        return self.rows

    @property
    def name(self) -> str:
        """The table with its schema."""
        return f"{self.schema}.{self.table}" if self.schema else self.table

    def head(self) -> dict[str, Json]:
        """Return everything but the rows, as JSON."""
        return {
            "schema": self.schema,
            "table": self.table,
            "operation": self.operation.value,
            "count": len(self.rows),
            "shape": self.shape,
            "columns": list(self.columns),
            "versioned_by": self.versioned_by,
            "bump": self.bump,
            "content": list(self.content),
            "cascade": self.cascade,
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class Sample:
    """A row before and after, as cells by column; None where there is no row."""

    key: Key
    before: Mapping[str, Json] | None
    after: Mapping[str, Json] | None


@dataclass(frozen=True, slots=True)
class PlanPreview:
    """What a person should see of a plan.

    Attributes:
        rows: Rows that are changed, without those that cascades take.
        breakdown: For each column in the WHERE the most frequent values of the rows that it found, with their counts.
        samples: The first rows, before and after.
        cascades: Rows that cascades take, by table.
        warnings: Whole sentences.
    """

    rows: int
    breakdown: Mapping[str, tuple[tuple[Json, int], ...]] = field(default_factory=dict)
    samples: tuple[Sample, ...] = ()
    cascades: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class RowPlan:
    """A planned change.

    Attributes:
        database: Identity of the database that it holds for.
        parts: What happens to which table, in order.
        footprint: Rows that will be inserted, updated and deleted, by table, cascades and declared triggers included.
        limits: The limits that it was planned under.
        expires_s: When it expires, in seconds since 1970.
        nonce: A random text: rows may come back to what they were, and then the same change is a new one.
        undo_of: Digest of the change that it undoes; `""` for any other.
        preview: What a person should see. Not part of the digest: it follows from the rest and the database.
    """

    database: str
    parts: tuple[Part, ...]
    footprint: Mapping[str, Touched]
    limits: Mapping[str, int]
    expires_s: int
    nonce: str
    undo_of: str = ""
    preview: PlanPreview | None = field(default=None, compare=False)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON, where each part has the digest of its rows in place of them."""
        head = self._head()
        head["parts"] = [{**part.head(), "rows": part.packed.digest} for part in self.parts]
        return digest(head)

    @property
    def rows(self) -> int:
        """Rows that are changed, those that cascades take included."""
        return sum(len(part.rows) for part in self.parts)

    def write(self) -> Iterator[bytes]:
        """Return the JSON text of the plan with its digest in pieces, most of 256 KiB; `from_lines` takes them back.

        A line for the head, and a line for each 1,000 rows. A piece ends where a line ends.
        """
        gathered: list[bytes] = []
        size = 0
        for line in self._lines():
            gathered += (line, b"\n")
            size += len(line) + 1
            if size >= PIECE_BYTES:
                yield b"".join(gathered)
                gathered, size = [], 0
        if gathered:
            yield b"".join(gathered)

    def to_text(self) -> str:
        """Return the plan as text."""
        return b"".join(self.write()).decode()

    @classmethod
    def from_text(cls, text: str) -> RowPlan:
        """Return the plan that `to_text` wrote.

        Args:
            text: The text, from anywhere.

        Raises:
            ChangeRefused: It is no plan, or a byte of it was changed.
        """
        return cls.from_lines((text,))

    @classmethod
    def from_lines(cls, lines: Iterable[bytes | str]) -> RowPlan:
        """Return the plan that `write` wrote, without putting its text together.

        Args:
            lines: The text in pieces of any size, line feeds included, from anywhere.

        Raises:
            ChangeRefused: It is no plan, or a byte of it was changed.
        """
        try:
            found = _split(lines)
            first = next(found, b"")
            head = json.loads(first)
            parts = tuple(_part(form, found) for form in head["parts"])
            plan = cls(
                str(head["database"]),
                parts,
                {name: (counts[0], counts[1], counts[2]) for name, counts in head["footprint"].items()},
                dict(head["limits"]),
                int(head["expires_s"]),
                str(head["nonce"]),
                str(head["undo_of"]),
            )
            whole = next(found, None) is None and head["format"] == FORMAT and plan.digest == head["digest"]
            whole = whole and next(plan._lines()) == first
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
            whole = False
        if not whole:
            raise ChangeRefused(
                "This is not a plan as it was made: something in it was changed. Plan the change again."
            )
        return plan

    def seen(self, preview: PlanPreview) -> RowPlan:
        """Return the plan with a preview."""
        return replace(self, preview=preview)

    def _lines(self) -> Iterator[bytes]:
        yield canonical({**self._head(), "digest": self.digest, "parts": [part.head() for part in self.parts]})
        for part in self.parts:
            yield from part.packed.lines

    def _head(self) -> dict[str, Json]:
        return {
            "format": FORMAT,
            "database": self.database,
            "footprint": {name: list(counts) for name, counts in self.footprint.items()},
            "limits": dict(self.limits),
            "expires_s": self.expires_s,
            "nonce": self.nonce,
            "undo_of": self.undo_of,
        }


def footprint(parts: Sequence[Part], also: Mapping[str, int]) -> dict[str, Touched]:
    """Return the rows that the parts touch, by table.

    Args:
        parts: The parts of a plan.
        also: Rows that triggers insert, by table.
    """
    counts: dict[str, list[int]] = {}
    order = (Operation.INSERT, Operation.UPDATE, Operation.DELETE)
    for part in parts:
        if part.rows:
            counts.setdefault(part.name, [0, 0, 0])[order.index(part.operation)] += len(part.rows)
    for name, count in also.items():
        if count:
            counts.setdefault(name, [0, 0, 0])[0] += count
    return {name: (found[0], found[1], found[2]) for name, found in sorted(counts.items())}


def _split(pieces: Iterable[bytes | str]) -> Iterator[bytes]:
    """Return the lines in pieces, without their ends.

    Raises:
        ValueError: The last one has no end.
    """
    rest: list[bytes] = []
    for piece in pieces:
        first, *more = (piece.encode() if isinstance(piece, str) else piece).split(b"\n")
        rest.append(first)
        for line in more:
            yield b"".join(rest)
            rest = [line]
    if any(rest):
        raise ValueError(rest)


def _part(form: Mapping[str, object], lines: Iterator[bytes]) -> Part:
    rows = PackedRows.read(int(str(form["count"])), lines)
    source = form["source"]
    return Part(
        str(form["schema"]),
        str(form["table"]),
        Operation(str(form["operation"])),
        rows,
        str(form["shape"]),
        _names(form["columns"]),
        str(form["versioned_by"]),
        str(form["bump"]),
        _names(form["content"]),
        form["cascade"] is True,
        None if source is None else int(str(source)),
    )


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(str(name) for name in value)

"""The journal's hash chain, one per writer.

`hash = SHA-256(previous hash, header, SHA-256(body))`. The header holds every column, so no field can be changed; the
body counts through its digest alone, so that retention and erasure can remove it and the chain still verifies. One
chain for all would serialise a fleet on commit; instead each writer begins with an *anchor*, and repeats it now and
then: the heads of the other chains as it saw them. Whoever removes the end of a chain, or a whole one, breaks the
anchors of the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

import orjson

from handrail.core.digest import Json
from handrail.core.record import Record, RecordKind, Stored
from handrail.core.store import Verification
from handrail.errors import StoreError

ANCHOR_EVERY = 1_000
"""Rows of a chain between two anchors."""

ANCHORED_MAX = 64
"""Other chains that one anchor names."""

GENESIS = bytes(32)
_sha256 = hashlib.sha256


def encode(body: object) -> bytes:
    """Return the stored text of a body; text that is not valid Unicode is kept as escapes, never dropped."""
    try:
        return orjson.dumps(body)
    except TypeError:
        return json.dumps(body, ensure_ascii=True, separators=(",", ":")).encode()


class Link(NamedTuple):
    """One chained row: what a store writes, and the head that the next one follows.

    Attributes:
        number: Position in the chain, from 1; 0 before the first row.
        hash: Hash of the row; zeros before the first.
        body: Stored text of the body.
        payload: SHA-256 of `body`.
    """

    number: int = 0
    hash: bytes = GENESIS
    body: bytes = b""
    payload: bytes = b""


def link(head: Link, writer: str, at_us: int, record: Record) -> Link:
    """Chain one record behind `head`."""
    body = encode(record.body)
    payload = _sha256(body).digest()
    number = head.number + 1
    return Link(number, _hash(head.hash, writer, number, at_us, record, payload), body, payload)


def _hash(previous: bytes, writer: str, number: int, at_us: int, record: Record, payload: bytes) -> bytes:
    header = encode(
        [
            writer, number, at_us, record.kind, record.action, record.run, record.agent, record.tool,
            record.resource, record.status, record.reason,
        ]
    )  # fmt: skip
    return _sha256(previous + payload + header).digest()


def anchor(heads: Iterable[tuple[str, int, str]]) -> Record:
    """Return the record that ties a chain to the others: (writer, number, hash) of each."""
    named: list[Json] = [[writer, number, digest] for writer, number, digest in heads]
    return Record(RecordKind.ANCHOR, body={"heads": named[:ANCHORED_MAX]})


PRUNED = "pruned"
"""Reason of the event that tells of a removal of old bodies; such rows keep their own."""


def pruned(before_us: int, rows: int) -> Record:
    """Return the record of a retention run: so many rows from before this moment lost their body."""
    return Record(RecordKind.EVENT, reason=PRUNED, body={"before_us": before_us, "rows": rows})


Row: TypeAlias = "tuple[int, str, int, int, str, str, str, str, str, str, str, str, bytes | None, bytes, bytes]"
"""A journal row as stores keep it: seq, writer, number, at_us, kind, action, run, agent, tool, resource, status,
reason, body, payload, hash."""


def row_of(seq: int, writer: str, at_us: int, record: Record, made: Link) -> Row:
    """Return the row of a chained record."""
    return (
        seq, writer, made.number, at_us, record.kind, record.action, record.run, record.agent, record.tool,
        record.resource, record.status, record.reason, made.body, made.payload, made.hash,
    )  # fmt: skip


def is_kept(row: Row) -> bool:
    """Return whether retention leaves a row's body alone, since verification needs it."""
    return row[4] == RecordKind.ANCHOR or (row[4] == RecordKind.EVENT and row[11] == PRUNED)


_CANNOT = "Row {} of the journal cannot be read. Run: handrail log verify"


def stored(row: Row, *, with_body: bool = True) -> Stored:
    """Return a row as readers see it. Raises `StoreError` when it is not one."""
    seq, writer, number, at_us, kind, action, run, agent, tool, resource, status, reason, body, payload, digest = row
    if with_body and _unreadable(row):
        raise StoreError(_CANNOT.format(seq))
    try:
        found = decode(body) if body is not None and with_body else {}
        record = Record(RecordKind(kind), action, run, agent, tool, resource, status, reason, found)
        return Stored(seq, writer, number, at_us, record, payload.hex(), digest.hex(), body is None)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise StoreError(_CANNOT.format(seq)) from None


def decode(body: bytes) -> dict[str, Json]:
    """Return a stored body; escapes of text that is not valid Unicode come back as they were.

    Raises:
        ValueError: It is no JSON object.
    """
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = json.loads(body)
    if not isinstance(found, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 (it is the text that is wrong)
    return found


_COLUMNS = (
    ("seq", int), ("writer", str), ("number", int), ("at_us", int), ("kind", str), ("action", str), ("run", str),
    ("agent", str), ("tool", str), ("resource", str), ("status", str), ("reason", str), ("body", (bytes, type(None))),
    ("payload", bytes), ("hash", bytes),
)  # fmt: skip


def _unreadable(raw: Row) -> str:
    """Return which column cannot be what a store wrote, `""` when all can."""
    for value, (name, kind) in zip(raw, _COLUMNS, strict=True):
        if not isinstance(value, kind):  # type: ignore[arg-type]
            return f"its {name} is of another type"
    if raw[4] not in _KINDS:
        return "its kind is unknown"
    if len(raw[13]) != len(GENESIS) or len(raw[14]) != len(GENESIS):
        return "its hashes have another length"
    return ""


_KINDS = frozenset(RecordKind)


class Verifier:
    """Checks a journal row by row, in the order of `seq`."""

    def __init__(self) -> None:
        self._heads: dict[str, Link] = {}
        self._anchored: dict[tuple[str, int], dict[str, int]] = {}
        self._emptied: list[tuple[int, int, str, int]] = []
        self._faults: list[str] = []
        self._records = 0
        self._pruned = 0

    def feed(self, raw: Row) -> None:
        """Check one row."""
        self._records += 1
        if what := _unreadable(raw):
            self._faults.append(f"row {raw[0]}: it cannot be read: {what}.")
            if isinstance(raw[1], str) and isinstance(raw[2], int):  # the rows behind it are no worse for it
                self._heads[raw[1]] = Link(raw[2], raw[14] if isinstance(raw[14], bytes) else GENESIS)
            return
        row, body = stored(raw, with_body=False), raw[12]
        head = self._heads.get(row.writer, Link())
        where = _where(row.seq, row.writer, row.number)
        if row.number != head.number + 1:
            self._faults.append(f"{where}: {row.number - head.number - 1} rows before it are missing.")
        payload = raw[13]
        if body is None:
            self._empty(raw, row)
        elif hashlib.sha256(body).digest() != payload:
            self._faults.append(f"{where}: its body was changed.")
        else:
            self._read(row, body)
        expected = _hash(head.hash, row.writer, row.number, row.at_us, row.record, payload)
        if expected != raw[14] and row.number == head.number + 1:
            self._faults.append(f"{where}: it was changed or does not follow the row before it.")
        self._heads[row.writer] = Link(row.number, raw[14])

    def _empty(self, raw: Row, row: Stored) -> None:
        self._pruned += 1
        if is_kept(raw):
            where = _where(row.seq, row.writer, row.number)
            self._faults.append(f"{where}: its body was removed, which retention never does.")
        else:
            self._emptied.append((row.at_us, row.seq, row.writer, row.number))

    def _read(self, row: Stored, body: bytes) -> None:
        try:
            found = decode(body)
        except (ValueError, RecursionError):
            self._faults.append(f"{_where(row.seq, row.writer, row.number)}: its body is no JSON object.")
            return
        if row.record.kind is RecordKind.ANCHOR:
            self._note(row, found)
        elif row.record.kind is RecordKind.EVENT and row.record.reason == PRUNED:
            before_us = found.get("before_us")
            if isinstance(before_us, int):
                self._emptied = [entry for entry in self._emptied if entry[0] >= before_us]

    def _note(self, row: Stored, body: dict[str, Json]) -> None:
        heads = body.get("heads")
        for head in heads if isinstance(heads, list) else [None]:
            match head:
                case [str(writer), int(number), str(digest)] if 0 < number < 2**63:
                    self._anchored.setdefault((writer, number), {}).setdefault(digest, row.seq)
                case _:
                    self._faults.append(f"row {row.seq}: its anchor cannot be read.")
                    return

    def result(self, lookup: Callable[[str, int], str | None]) -> Verification:
        """Check the anchors and return everything found.

        Args:
            lookup: Returns the hash of (writer, number), None when there is no such row.
        """
        for _, seq, writer, number in self._emptied:
            self._faults.append(f"{_where(seq, writer, number)}: its body was removed without a prune.")
        for (writer, number), seen in self._anchored.items():
            found = lookup(writer, number)
            for digest, seq in seen.items():
                if found is None:
                    self._faults.append(f"row {seq} saw chain {writer} at number {number}, which is missing.")
                elif found != digest:
                    self._faults.append(f"row {seq} saw chain {writer} at number {number} with another hash.")
        return Verification(self._records, len(self._heads), self._pruned, tuple(self._faults))


def _where(seq: int, writer: str, number: int) -> str:
    return f"row {seq} (chain {writer}, number {number})"

"""Is the journal what was written?"""

from __future__ import annotations

from handrail.core.record import Stored
from handrail.core.store import Query
from handrail.core.text import safe
from handrail.doctor.exam import Exam
from handrail.doctor.finding import Finding, count, error, ok
from handrail.doctor.journal_rows import newest
from handrail.stores.chain import Link, link

QUICK_ROWS = 5_000
"""Rows that are verified without `--full`."""


def check(exam: Exam) -> Finding:
    """Verify the newest rows, or all of them."""
    last = newest(exam.store)
    if last is None:
        return ok("The journal is empty.")
    if exam.full or last.seq <= QUICK_ROWS:
        verified = exam.store.verify(exam.progress)
        faults, read = verified.faults, verified.records
        whole = "rows of the journal are"
    else:
        rows = exam.store.read(lambda tx: list(tx.records(Query(after_seq=last.seq - QUICK_ROWS, limit=QUICK_ROWS))))
        faults, read = tuple(_faults(rows)), len(rows)
        whole = "newest rows of the journal are"
    if faults:
        items = tuple(safe(fault, max_chars=300) for fault in faults)
        message = f"The journal was changed behind Handrail's back ({count(len(faults), 'fault')}):"
        return error(
            message, "Keep a copy of the store, find out who can write it, then run: handrail log verify", items
        )
    more = "" if whole.startswith("rows") else " For the rest: handrail doctor --full"
    return ok(f"The {read:,} {whole} as they were written.{more}")


def _faults(rows: list[Stored]) -> list[str]:
    """Check that rows follow each other, taking the first of each chain as it is."""
    found: list[str] = []
    heads: dict[str, Link] = {}
    for row in rows:
        head = heads.get(row.writer)
        made = link(head or Link(), row.writer, row.at_us, row.record)
        where = f"row {row.seq} (chain {row.writer}, number {row.number})"
        if head is not None and row.number != head.number + 1:
            found.append(f"{where}: {row.number - head.number - 1} rows before it are missing.")
        elif not row.pruned and made.payload.hex() != row.payload:
            found.append(f"{where}: its body was changed.")
        elif not row.pruned and head is not None and made.hash.hex() != row.hash:
            found.append(f"{where}: it was changed or does not follow the row before it.")
        heads[row.writer] = Link(row.number, bytes.fromhex(row.hash))
    return found

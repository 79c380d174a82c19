"""Do the declared tools really pass through Handrail?"""

from __future__ import annotations

from handrail.core.record import RecordKind
from handrail.core.store import Query
from handrail.core.text import safe
from handrail.doctor.exam import Exam
from handrail.doctor.finding import Finding, ok, warning
from handrail.doctor.journal_rows import newest

ATTEMPTS_MAX = 20_000
"""Newest rows of the journal that are looked through."""


def check(exam: Exam) -> Finding:
    """Name the declared tools that no recent attempt used."""
    declared = exam.policy.tools
    if not declared:
        return ok("No tool is declared, so there is nothing to look for.")
    last = newest(exam.store)
    after = 0 if last is None else max(0, last.seq - ATTEMPTS_MAX)
    query = Query(kinds=(RecordKind.ATTEMPT,), after_seq=after, limit=ATTEMPTS_MAX)
    seen = exam.store.read(lambda tx: {row.record.tool for row in tx.records(query)})
    unseen = [name for name in declared if name not in seen]
    if not unseen:
        return ok(f"Every declared tool ({len(declared)}) was seen to pass through.")
    where = f" in the newest {ATTEMPTS_MAX:,} rows" if after else ""
    who = (
        "No declared tool was"
        if len(unseen) == len(declared)
        else f"{len(unseen)} of {len(declared)} declared tools were never"
    )
    return warning(
        f"{who} seen to pass through{where}:",
        "Guard each with @hr.tool and call it inside hr.run, or put handrail mcp serve before its MCP server; "
        "what the agent reaches another way is not guarded.",
        tuple(safe(name) for name in unseen),
    )

"""Do the declared tools really pass through Handrail?"""

from __future__ import annotations

from handrail.core.record import RecordKind
from handrail.core.store import Query
from handrail.core.text import safe
from handrail.doctor.exam import Exam
from handrail.doctor.finding import Finding, names, ok, warning
from handrail.doctor.journal_rows import newest
from handrail.policy.guarded import DatabaseSpec

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
        " ".join(_todos(exam, unseen)) + " What the agent reaches another way is not guarded.",
        tuple(safe(name) for name in unseen),
    )


def _todos(exam: Exam, unseen: list[str]) -> list[str]:
    """Return how those tools come to pass through: functions and MCP tools, databases, files and HTTP resources."""
    own = [name for name in unseen if not exam.policy.tools[name].place]
    places = sorted({exam.policy.tools[name].place for name in unseen} - {""})
    databases = [name for name in places if isinstance(exam.policy.document.places.get(name), DatabaseSpec)]
    said = []
    if own:
        tools = "each" if len(own) == len(unseen) else "each tool of 'tools'"
        said.append(
            f"Guard {tools} with @hr.tool and call it inside hr.run, or put handrail mcp serve before its MCP server."
        )
    if databases:
        said.append(
            f"Let agents use the databases ({names(databases)}) by handrail data serve NAME --agent AGENT, or by "
            "hr.database."
        )
    if len(databases) < len(places):
        rest = [name for name in places if name not in databases]
        said.append(f"Let agents use the files and resources ({names(rest)}) by hr.files and hr.http.")
    return said

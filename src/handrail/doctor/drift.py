"""Do results still look as they did?"""

from __future__ import annotations

from collections import Counter

from handrail.core.text import safe
from handrail.doctor.exam import DAY_US, Exam
from handrail.doctor.finding import Finding, count, ok, warning
from handrail.doctor.journal_rows import events

DAYS = 7
REASON = "drift"


def check(exam: Exam) -> Finding:
    """Count the drift of the last days by tool."""
    rows = events(exam.store, REASON, exam.now_us - DAYS * DAY_US)
    if not rows:
        return ok(f"No tool's results drifted in the last {DAYS} days.")
    found = Counter(row.record.tool for row in rows)
    lastly = {row.record.tool: row.record.body.get("sentence", "") for row in reversed(rows)}
    items = tuple(
        f"{safe(tool)}: {count(times, 'time')}. {safe(lastly[tool], max_chars=200)}".rstrip()
        for tool, times in found.most_common()
    )
    message = f"The results of {count(len(found), 'tool')} no longer look as they did (last {DAYS} days):"
    return warning(message, "Look at what changed before agents act on it: handrail log --tool TOOL", items)

"""Did a process die in the middle of a write?"""

from __future__ import annotations

from handrail.core.text import safe
from handrail.doctor.exam import Exam
from handrail.doctor.finding import Finding, ago, count, error, ok


def check(exam: Exam) -> Finding:
    """Name the writes that began, and of which nobody knows whether they took effect."""
    calls = [call for call in exam.store.read(lambda tx: tx.unsettled()) if call.in_doubt and call.durable]
    if not calls:
        return ok("No action is in doubt.")
    items = tuple(
        f"handrail log resolve {safe(call.action)}  ({safe(call.tool)} by {safe(call.agent)}, "
        f"{ago(exam.now_us - call.at_us)} ago)"
        for call in calls
    )
    message = f"{count(len(calls), 'action')} began, and the process died before the outcome was known:"
    return error(message, "Look at what each of them did, then resolve it with its command.", items)

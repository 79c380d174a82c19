"""Is an agent stopped?"""

from __future__ import annotations

from handrail.core.text import safe
from handrail.doctor.exam import Exam
from handrail.doctor.finding import Finding, ago, count, ok, warning


def check(exam: Exam) -> Finding:
    """Name the agents that are stopped, by whom and why."""
    stops = exam.store.read(lambda tx: tx.latches())
    if not stops:
        return ok("No agent is stopped.")
    items = tuple(
        f"{safe(stop.agent)}, by {safe(stop.by)}, {ago(exam.now_us - stop.at_us)} ago: {safe(stop.why, max_chars=200)}"
        for stop in stops
    )
    return warning(f"{count(len(stops), 'agent')} stopped:", "Let one go on with: handrail start AGENT", items)

"""Does anybody hear about it?"""

from __future__ import annotations

from collections import Counter

from handrail.core.text import safe
from handrail.doctor.exam import DAY_US, Exam
from handrail.doctor.finding import Finding, count, ok, warning
from handrail.doctor.journal_rows import events

DAYS = 7
REASON = "alert_failed"


def check(exam: Exam) -> Finding:
    """Look for targets, and for alerts that did not arrive."""
    policy = exam.policy
    targets = len(policy.alerts) + policy.desktop_alerts
    if not targets:
        return warning(
            "Alerts go nowhere: nobody is told that an action waits, or that an agent was stopped.",
            "Add to the policy: alerts: [https://…], or desktop_alerts: true; see docs/alerts.md",
        )
    lost = events(exam.store, REASON, exam.now_us - DAYS * DAY_US)
    if not lost:
        return ok(f"Alerts go to {count(targets, 'target')}; none was lost in the last {DAYS} days.")
    why = Counter((_text(row.record.body.get("target")), _text(row.record.body.get("why"))) for row in lost)
    items = tuple(f"{target}: {reason} ({count(times, 'time')})" for (target, reason), times in why.most_common())
    message = f"{count(len(lost), 'alert')} did not arrive in the last {DAYS} days:"
    return warning(message, "Correct 'alerts:' in the policy, then try it: handrail alert test", items)


def _text(value: object) -> str:
    return safe(value, max_chars=200)

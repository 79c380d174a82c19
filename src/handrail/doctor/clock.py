"""Did the machine's clock go back?"""

from __future__ import annotations

from handrail.doctor.exam import Exam
from handrail.doctor.finding import Finding, ago, ok, warning
from handrail.doctor.journal_rows import newest

AHEAD_US_MAX = 60 * 1_000_000
"""How far the newest row may lie ahead of the machine's clock."""


def check(exam: Exam) -> Finding:
    """Compare the newest row with the clock."""
    last = newest(exam.store)
    ahead_us = 0 if last is None else last.at_us - exam.now_us
    if ahead_us <= AHEAD_US_MAX:
        return ok("The machine's clock is not behind the journal's newest row.")
    return warning(
        f"The journal's newest row is {ago(ahead_us)} in the future: the machine's clock went back, or another's was "
        "wrong. The store's time does not go back, so tickets and budgets follow the later one.",
        "Set the clock (timedatectl set-ntp true).",
    )

"""May the person behind an agent approve what it does?"""

from __future__ import annotations

from handrail.doctor.exam import Exam
from handrail.doctor.finding import Finding, ok, warning


def check(exam: Exam) -> Finding:
    """Look at `four_eyes`."""
    if exam.policy.four_eyes:
        return ok("An agent's owner cannot approve its actions.")
    return warning(
        "four_eyes is false: the person behind an agent may approve what it does.",
        "With two people or more, set 'four_eyes: true' and name each agent's 'owner'.",
    )

"""Can the people who should decide, decide?"""

from __future__ import annotations

from handrail.core.text import safe
from handrail.doctor.exam import Exam
from handrail.doctor.finding import Finding, count, ok, warning


def check(exam: Exam) -> Finding:
    """Name the reviewers of the policy who have no secret yet."""
    named = exam.policy.reviewers
    if not named:
        return warning(
            "The policy names no reviewers, so whatever asks a person stays held.",
            "Add to the policy: reviewers: [you@example.com]",
        )
    enrolled = {person.name for person in exam.store.read(lambda tx: tx.reviewers())}
    missing = [name for name in named if name not in enrolled]
    if not missing:
        return ok(f"{count(len(named), 'reviewer')} can decide.")
    who = "No reviewer" if len(missing) == len(named) else f"{len(named) - len(missing)} of {len(named)} reviewers"
    items = tuple(f"handrail reviewer add {safe(name)}" for name in missing)
    return warning(f"{who} can decide; these have no secret yet:", "Let each set theirs at a terminal.", items)

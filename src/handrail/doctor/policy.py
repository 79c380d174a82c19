"""Does the policy load, and is it a good one?"""

from __future__ import annotations

from pathlib import Path

from handrail.core.text import safe
from handrail.doctor.exam import Exam
from handrail.doctor.finding import Finding, Level, count, error, ok, warning
from handrail.errors import ConfigurationError, PolicyError

NAME = "policy"


def unusable(problem: ConfigurationError, file: Path | None) -> Finding:
    """Return the finding for a policy that is missing or does not load."""
    if file is None or not isinstance(problem, PolicyError):
        message = "There is no policy here: no handrail.yaml in this folder or above. Nothing runs without one."
        if file is not None or "no handrail.yaml" not in str(problem):
            message = safe(problem, max_chars=500)
        todo = (
            "Write a handrail.yaml (see docs/policy.md), go to your project's folder, or name the file: --policy FILE"
        )
        return Finding(Level.ERROR, message, todo, check=NAME)
    items = tuple(
        f"{safe(file.name)}:{one.line}:{one.column}: {one.message}" if one.line else one.message
        for one in problem.problems
    )
    message = f"{safe(file)} does not load ({count(len(items), 'problem')}), so nothing runs."
    return Finding(Level.ERROR, message, "Correct it, then run: handrail policy check", items, NAME)


def check(exam: Exam) -> Finding:
    """Summarise what `handrail policy check` says."""
    from handrail.policy.check import Level as Advised  # noqa: PLC0415 (loaded when a policy is examined)
    from handrail.policy.check import check as advise  # noqa: PLC0415

    policy = exam.policy
    what = (
        f"{count(len(policy.tools), 'tool')}, {count(len(policy.rules), 'rule')}, {count(len(policy.agents), 'agent')}"
    )
    message = f"{safe(exam.file)} loads: {what}, mode {policy.mode}."
    found = advise(policy)
    if not found:
        return ok(message)
    items = tuple(f"{one.level} in line {one.line}: {one.message}" if one.line else one.message for one in found)
    errors = sum(one.level is Advised.ERROR for one in found)
    message += f" Its check has {count(errors, 'error')} and {count(len(found) - errors, 'warning')}."
    level = error if errors else warning
    return level(message, "Go through them: handrail policy check", items)

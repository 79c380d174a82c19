"""The policy's own rules, evaluated on effects (promise 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

from handrail.core.decision import Finding
from handrail.core.policy import Case


@dataclass(frozen=True, slots=True)
class Rules:
    """Asks and denies as `rules:` in handrail.yaml say. A rule that errs denies."""

    name: str = "rules"

    def judge(self, case: Case) -> tuple[Finding, ...]:
        """Object wherever a rule's condition holds."""
        if case.tool is None or not case.effects:
            return ()
        return case.policy.judge(case)

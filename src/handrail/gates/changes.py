"""Changes of guarded data ask by what they touch: rows that a condition named, more rows than are free."""

from __future__ import annotations

from dataclasses import dataclass

from handrail.core.change import GATE
from handrail.core.decision import Finding
from handrail.core.policy import Case


@dataclass(frozen=True, slots=True)
class GuardedChanges:
    """Asks what the declaration of a guarded table or resource asks; other tools have nothing to say here."""

    name: str = GATE

    def judge(self, case: Case) -> tuple[Finding, ...]:
        """Object to what the declaration does not relax."""
        tool = case.tool
        return () if tool is None or tool.asks is None or case.invalid else tool.asks(case.action.args)

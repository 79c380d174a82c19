"""What is not declared is denied: agents, tools, and arguments whose effects cannot be told (promise 3.4)."""

from __future__ import annotations

from dataclasses import dataclass

from handrail.core.decision import Finding, Verdict
from handrail.core.outcome import Reason
from handrail.core.policy import Case


@dataclass(frozen=True, slots=True)
class Allowlist:
    """Denies undeclared agents and tools. Not remembered: a tool that does not exist harms no resource."""

    name: str = "allowlist"

    def judge(self, case: Case) -> tuple[Finding, ...]:
        """Object to whatever the policy does not name."""
        if case.agent is not None and case.tool is not None and not case.unknown:
            return ()
        found = []
        if case.agent is None:
            found.append(self._deny("agent", case.policy.undeclared("agent", case.action.agent)))
        if case.tool is None:
            found.append(self._deny("tool", case.policy.undeclared("tool", case.action.tool)))
        elif case.unknown and not case.invalid:  # of arguments that are not valid, that is the first thing to say
            why = f"What '{case.action.tool}' would do cannot be told from its arguments: {case.unknown}"
            found.append(self._deny("effects", why))
        return tuple(found)

    def _deny(self, rule: str, why: str) -> Finding:
        return Finding(self.name, rule, Verdict.DENY, why, reason=Reason.NOT_DECLARED)

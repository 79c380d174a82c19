"""The access ladder: read_only by default, then write_noncritical, then write (promise 6.1)."""

from __future__ import annotations

from dataclasses import dataclass

from handrail.core.decision import Finding, Verdict
from handrail.core.outcome import Reason
from handrail.core.policy import Case
from handrail.core.tool import Access


@dataclass(frozen=True, slots=True)
class AccessLevel:
    """Denies writes above the agent's level: the lower of what a person gave and what a demotion left."""

    name: str = "access"

    def judge(self, case: Case) -> tuple[Finding, ...]:
        """Object to the first effect that needs more."""
        agent, tool = case.agent, case.tool
        if agent is None or tool is None:
            return ()
        access, demoted = agent.access, case.facts.access
        if demoted is not None and demoted.level < access.level:
            access = demoted
        if access is Access.WRITE:
            return ()
        needed = Access.WRITE if tool.critical else Access.WRITE_NONCRITICAL
        for effect in case.effects:
            if effect.writes and access.level < needed.level:
                lowered = f" (lowered from {agent.access})" if access is demoted else ""
                why = (
                    f"'{case.action.tool}' would {effect.verb} {effect.resource or 'something'}, which needs access "
                    f"{needed}; agent '{agent.name}' has {access}{lowered}. "
                    "Only a person can give more, in handrail.yaml."
                )
                values = (("access", access.value), ("verb", effect.verb.value), ("resource", effect.resource))
                return (Finding(self.name, "level", Verdict.DENY, why, values, sticky=False, reason=Reason.ACCESS),)
        return ()

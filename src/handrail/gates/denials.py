"""Refusals stick to the resource: another tool, run or spelling of the request still asks (promise 3.1)."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from handrail.core.decision import Finding, Verdict
from handrail.core.outcome import Reason
from handrail.core.policy import Case


@dataclass(frozen=True, slots=True)
class DenialMemory:
    """Asks for any write to a resource on which a rule or a person refused this agent's lineage before."""

    name: str = "denial_memory"

    def judge(self, case: Case) -> tuple[Finding, ...]:
        """Object once for each remembered resource."""
        known = case.facts.resources
        if not known:
            return ()
        found = []
        for effect in case.effects:
            for name in (effect.resource, effect.to):
                if name is None or not effect.writes or name not in known or not known[name].denials:
                    continue
                verb, rule = known[name].denials[0]
                who = "a person" if rule == "review" else f"rule '{rule}'"
                why = (
                    f"{who[0].upper()}{who[1:]} refused to {verb} {name} before, so any write to it needs a person. "
                    f"A person forgets it with: handrail review clear {shlex.quote(name)}"
                )
                values = (("resource", name), ("refused", verb), ("rule", rule))
                found.append(Finding(self.name, "denied_before", Verdict.ASK, why, values, reason=Reason.DENIAL_MEMORY))
        return tuple(found)

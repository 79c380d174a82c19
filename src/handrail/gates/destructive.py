"""What overwrites or removes asks, unless the policy relaxes it for that tool (promise 4.1)."""

from __future__ import annotations

from dataclasses import dataclass

from handrail.core.decision import Finding, Verdict
from handrail.core.effect import DESTRUCTIVE
from handrail.core.outcome import Reason
from handrail.core.policy import Case
from handrail.core.tool import AskMode


@dataclass(frozen=True, slots=True)
class Destructive:
    """Asks for update, delete and move; `ask: never` relaxes; `ask: always` asks for all, `undo: none` for writes."""

    name: str = "destructive"

    def judge(self, case: Case) -> tuple[Finding, ...]:
        """Object to the first effect that asks."""
        tool = case.tool
        if tool is None or tool.ask is AskMode.NEVER:
            return ()
        if tool.ask is AskMode.ALWAYS:
            why = f"The policy asks a person for every '{tool.name}' (ask: always)."
            return (Finding(self.name, "always", Verdict.ASK, why, reason=Reason.DESTRUCTIVE),)
        if tool.final and any(effect.writes for effect in case.effects):
            why = f"Nothing takes back what '{tool.name}' does (undo: none), so a person decides each time."
            return (Finding(self.name, "final", Verdict.ASK, why, reason=Reason.DESTRUCTIVE),)
        for effect in case.effects:
            if effect.verb in DESTRUCTIVE:
                what = effect.resource or "something that its declaration does not name"
                why = f"'{tool.name}' would {effect.verb} {what}, and what is destructive needs a person."
                values = (("verb", effect.verb.value), ("resource", effect.resource))
                return (Finding(self.name, "destructive", Verdict.ASK, why, values, reason=Reason.DESTRUCTIVE),)
        return ()

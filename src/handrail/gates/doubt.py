"""An action whose process died between intent and outcome is never run again silently (promise 1.3)."""

from __future__ import annotations

from dataclasses import dataclass

from handrail.core.decision import Finding, Verdict
from handrail.core.outcome import Reason
from handrail.core.policy import Case


@dataclass(frozen=True, slots=True)
class Doubt:
    """Denies while the same action is in doubt, unless the tool is idempotent and gets the same key again."""

    name: str = "doubt"

    def judge(self, case: Case) -> tuple[Finding, ...]:
        """Object to an action that may have happened already."""
        earlier = case.facts.doubtful
        if earlier is None and case.facts.call is not None and case.facts.call.in_doubt:
            earlier = case.facts.call
        if earlier is None or (case.tool is not None and case.tool.repeatable):
            return ()
        why = (
            f"'{earlier.tool}' with these arguments was begun in run '{earlier.run}' and its process ended before the "
            f"outcome was known: it may have happened. A person looks, then runs: handrail log resolve {earlier.action}"
        )
        values = (("action", earlier.action), ("run", earlier.run))
        return (Finding(self.name, "in_doubt", Verdict.DENY, why, values, reason=Reason.IN_DOUBT),)

"""At most 3 retries per action, whatever stack of clients retries above or below; then a person (promise 2.1)."""

from __future__ import annotations

from dataclasses import dataclass

from handrail.core.admission import RETRIES_RULE
from handrail.core.backoff import RETRIES_MAX
from handrail.core.decision import Finding, Verdict
from handrail.core.outcome import Reason
from handrail.core.policy import Case


@dataclass(frozen=True, slots=True)
class Retries:
    """Asks once the retries of the same action are used up; approving gives one further attempt."""

    name: str = "retries"

    def judge(self, case: Case) -> tuple[Finding, ...]:
        """Object when the action failed more than `RETRIES_MAX` times in a row."""
        failures = case.facts.failures
        if failures <= RETRIES_MAX or case.facts.recent_failures <= RETRIES_MAX:
            return ()
        why = (
            f"'{case.action.tool}' with these arguments failed {failures} times in a row; "
            f"{RETRIES_MAX} retries are the limit."
        )
        values = (("failures", failures),)
        return (Finding(self.name, RETRIES_RULE, Verdict.ASK, why, values, reason=Reason.RETRIES_EXHAUSTED),)

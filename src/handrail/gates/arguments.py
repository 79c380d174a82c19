"""Arguments that break their contract never reach a tool (promise 1.1)."""

from __future__ import annotations

from dataclasses import dataclass

from handrail.core.decision import Finding, Verdict
from handrail.core.outcome import Reason, Violation
from handrail.core.policy import Case


@dataclass(frozen=True, slots=True)
class Arguments:
    """Denies what the edge found wrong with the arguments. Holds in observe mode too."""

    name: str = "arguments"

    def judge(self, case: Case) -> tuple[Finding, ...]:
        """Object once for each violation."""
        if not case.invalid:
            return ()
        return tuple(
            Finding(
                self.name,
                violation.path or violation.check,
                Verdict.DENY,
                f"The arguments of '{case.action.tool}' are not valid: {_sentence(violation)}",
                reason=Reason.ARGUMENTS,
            )
            for violation in case.invalid
        )


def _sentence(violation: Violation) -> str:
    return f"{violation.path} {violation.why}" if violation.path else violation.why

"""The gates of a trial: those of every action, apart from rules on a before-image that a trace does not hold."""

from __future__ import annotations

from dataclasses import dataclass

from handrail.core.decision import Finding
from handrail.core.policy import Case, Gate
from handrail.gates import Rules, default_gates


@dataclass(frozen=True, slots=True)
class RulesWithoutImage:
    """The policy's rules; where the before-image is not known, those that look at it wait instead of erring."""

    name: str = "rules"

    def judge(self, case: Case) -> tuple[Finding, ...]:
        """Object wherever a rule's condition holds."""
        tool = case.tool
        if case.before is None and tool is not None and not (tool.before is None and tool.asks is None):
            case = case._replace(planned=False)
        return Rules().judge(case)


def trial_gates() -> tuple[Gate, ...]:
    """Return the gates that an action of a trial passes, in the order of their findings."""
    return tuple(RulesWithoutImage() if isinstance(gate, Rules) else gate for gate in default_gates())

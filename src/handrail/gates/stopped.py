"""Stopped agents do nothing: a latch in the store that every process sees (promise 2.3, `handrail stop`)."""

from __future__ import annotations

from dataclasses import dataclass

from handrail.core.decision import Finding, Verdict
from handrail.core.outcome import Reason
from handrail.core.policy import Case


@dataclass(frozen=True, slots=True)
class Stopped:
    """Denies while the agent, or an ancestor of it, is stopped. Holds in observe mode too."""

    name: str = "stopped"

    def judge(self, case: Case) -> tuple[Finding, ...]:
        """Object once for each stop."""
        if not case.facts.latches:
            return ()
        return tuple(
            Finding(
                self.name,
                "stop",
                Verdict.DENY,
                f"Agent '{latch.agent}' was stopped by {latch.by}: {latch.why} A person lifts it with: "
                f"handrail start {latch.agent}",
                (("agent", latch.agent), ("by", latch.by)),
                reason=Reason.STOPPED,
            )
            for latch in case.facts.latches
        )

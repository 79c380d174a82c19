"""A person takes back what agents did: in a run of the person's own, where every change needs the person's signature.

The guardrails of agents do not stand in the way here: a stop, a limit or a rule that denies is no reason to leave a
harm where it is. What stays: only what the policy declares can be called, arguments are checked, an action in doubt is
not repeated, and each undo is bound by digest, signed by a declared reviewer, journalled, and strict. Also in observe
mode, and also by the reviewer who owns the agent: four eyes look at what agents want, and here a person wants it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from handrail.alerts.alert import Alert
from handrail.core.decision import Finding, Verdict
from handrail.core.outcome import Reason
from handrail.core.policy import Case, Mode, Policy
from handrail.core.tool import Access, Agent
from handrail.errors import ConfigurationError
from handrail.gates import AccessLevel, Allowlist, Arguments, Doubt
from handrail.policy.compiled import CompiledPolicy

if TYPE_CHECKING:
    from handrail.core.policy import Gate
    from handrail.drivers.host import Host

AGENT = "handrail:undo"
"""Who undoes, in the journal; the ticket says which reviewer signed."""


@dataclass(frozen=True, slots=True)
class Signed:
    """Asks for whatever is not a read."""

    name: str = "undo"

    def judge(self, case: Case) -> tuple[Finding, ...]:
        """Object to every change."""
        if case.effects and not any(effect.writes for effect in case.effects):
            return ()
        why = "An undo changes something, so a reviewer signs it."
        return (Finding(self.name, "signed", Verdict.ASK, why, reason=Reason.DESTRUCTIVE),)


@dataclass(frozen=True, slots=True)
class Looking:
    """Denies where another gate asks: whoever only looks opens no ticket.

    Attributes:
        gate: The other gate.
    """

    gate: Gate

    @property
    def name(self) -> str:
        """The name of the other gate."""
        return self.gate.name

    def judge(self, case: Case) -> tuple[Finding, ...]:
        """Object to what the other gate objects to."""
        found = self.gate.judge(case)
        return tuple(replace(one, verdict=Verdict.DENY) if one.verdict is Verdict.ASK else one for one in found)


GATES: tuple[Gate, ...] = (Allowlist(), Arguments(), AccessLevel(), Doubt(), Signed())
"""What an undo by a person passes. Retries are not counted: a person who looks again does no harm."""

LOOKS: tuple[Gate, ...] = tuple(Looking(gate) for gate in GATES)
"""What a look passes: nothing of it asks."""


@contextmanager
def deciding(host: Host, *, looking: bool = False) -> Iterator[Policy]:
    """Let this host decide as a person's undo needs it; yields the policy.

    Args:
        host: The host. What it decided with before is put back at the end.
        looking: Whether nothing is undone, so that no ticket is opened.

    Raises:
        ConfigurationError: The policy declares an agent of that name.
    """
    before, notify = host.desk, host.notify
    if before.policy.agent(AGENT) is not None:
        raise ConfigurationError(f"The policy declares an agent '{AGENT}', which is the name of who undoes. Rename it.")
    policy = before.policy.with_agent(Agent(AGENT, Access.WRITE, None, (AGENT,)))
    if isinstance(policy, CompiledPolicy):
        policy = replace(policy, document=replace(policy.document, mode=Mode.ENFORCE))
    host.desk = replace(before, policy=policy, gates=LOOKS if looking else GATES)
    host.notify = _nobody  # the person whom a ticket would wait for is here
    try:
        yield policy
    finally:
        host.desk, host.notify = before, notify


def _nobody(alert: Alert) -> None:
    del alert

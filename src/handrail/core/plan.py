"""Exactly what will happen: the thing that a person approves, bound by its digest.

The digest covers agent, tool, final arguments, effects, the version of what is there now, and the compiled policy. It
holds no run and no call id, so that an approval survives a reconnect; a ticket adds its own nonce.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from handrail.core.digest import Json, digest
from handrail.core.effect import Effect


@dataclass(frozen=True, slots=True)
class Plan:
    """One plan.

    Attributes:
        agent: Name of the agent.
        tool: Name of the tool.
        args: Final arguments, not redacted.
        effects: What it does, with zones and labels as remembered.
        before: The before-image, None when the tool has no paired read.
        policy: Hash of the compiled policy.
    """

    agent: str
    tool: str
    args: Mapping[str, Json]
    effects: tuple[Effect, ...]
    before: Json
    policy: str

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON of the plan, as 64 hexadecimal digits."""
        return digest(
            {
                "agent": self.agent,
                "tool": self.tool,
                "args": dict(self.args),
                "effects": [effect.to_json() for effect in self.effects],
                "versions": None if self.before is None else digest(self.before),
                "policy": self.policy,
            }
        )

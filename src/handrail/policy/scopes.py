"""For whom a pattern is kept, and what two actions must share: the keys of marks and tallies.

Restrictions spread along the agent's lineage and to every spelling of a text; evidence counts only for the agent that
made it, and only for exactly the same text.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from handrail.core.action import Action, action_key
from handrail.core.digest import canonical
from handrail.core.effect import Effect
from handrail.core.names import fold
from handrail.core.tool import Agent, EffectError
from handrail.policy.paths import MISSING, Path

SEPARATOR = "\x1f"
PART_MAX = 200
"""Characters of a part that stands in a key as it is; longer ones stand there as their hash."""

Part = str | Path


@dataclass(frozen=True, slots=True)
class Scope:
    """What makes two actions belong together.

    Attributes:
        parts: Words of `pattern_spec.SCOPES`, `action`, or paths.
        evidence: Whether keys are of evidence.
    """

    parts: tuple[Part, ...]
    evidence: bool = False

    def keys(self, head: str, action: Action, agent: Agent | None, effect: Effect) -> tuple[str, ...]:
        """Return the keys of one effect; several when it names several resources that matter.

        Args:
            head: How the keys start.
            action: The action.
            agent: Its agent, None when undeclared.
            effect: One of its effects.
        """
        keys: tuple[str, ...] = (head,)
        for part in self.parts:
            found = self._part(part, action, agent, effect)
            if len(keys) == len(found) == 1:
                keys = (f"{keys[0]}{SEPARATOR}{_short(found[0])}",)
            else:
                keys = tuple([f"{key}{SEPARATOR}{_short(text)}" for key in keys for text in found])
        return keys

    def _part(self, part: Part, action: Action, agent: Agent | None, effect: Effect) -> tuple[str, ...]:
        root = action.agent if agent is None else agent.root
        if isinstance(part, Path):
            return (self._value(part, action),)
        if part == "run":
            return (f"{action.run}{SEPARATOR}{action.agent}" if self.evidence else action.run,)
        if part == "agent":
            return (action.agent if self.evidence else root,)
        if part == "resource":
            return self._resources(effect)
        if part == "action":
            return (action.key if root == action.agent else action_key(root, action.tool, action.args),)
        return (action.tool if part == "tool" else "",)

    def _resources(self, effect: Effect) -> tuple[str, ...]:
        named = effect.resource if effect.bound else ""
        return (named,) if self.evidence or not effect.to else (named, effect.to)

    def _value(self, path: Path, action: Action) -> str:
        try:
            value = path.get({"args": dict(action.args)})
        except EffectError:
            return "missing"
        if value is MISSING or isinstance(value, type(MISSING)):
            return "missing"
        if self.evidence:
            return f"={canonical(value).decode()}"
        return f"={fold(value if isinstance(value, str) else canonical(value).decode())}"


def _short(text: str) -> str:
    if len(text) <= PART_MAX and SEPARATOR not in text:
        return text
    return "#" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def head(kind: str, rule: str, detail: str = "") -> str:
    """Return how the keys of one rule's pattern start; `detail` is what would make old state mean something else."""
    return SEPARATOR.join((kind, _short(rule), detail))

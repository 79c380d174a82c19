"""Sub-agents of a trace: an agent that the trace gives a parent is decided as if the policy declared that parent.

What the policy declares counts; a parent that it does not know is not taken over, nor is one that would close a circle.
Sharing a parent's memory, rules and stops can only restrict.
"""

from __future__ import annotations

from dataclasses import replace

from handrail.core.names import did_you_mean
from handrail.core.text import safe
from handrail.errors import PolicyError
from handrail.policy.compiled import CompiledPolicy
from handrail.policy.load import compiled
from handrail.policy.problems import Problems


def adopt(policy: CompiledPolicy, agent: str, parent: str) -> tuple[CompiledPolicy, str]:
    """Return the policy with `agent` working for `parent`, and why it does not where it stays as it was.

    Args:
        policy: The policy.
        agent: Name of the agent; of an undeclared one nothing is taken over, it is denied anyway.
        parent: Name of the agent that it works for.
    """
    child, above = policy.agents.get(agent), policy.agents.get(parent)
    if child is None or parent in child.lineage:
        return policy, ""
    says = f"The trace says that '{safe(agent)}' works for '{safe(parent)}'"
    if above is None:
        hint = did_you_mean(parent, sorted(policy.agents))
        return policy, f"{says}, whom the policy does not declare, so nothing is shared with it.{hint}"
    if len(child.lineage) > 1:
        return policy, f"{says}; the policy says '{safe(child.lineage[-2])}', which counts."
    document = policy.document
    agents = {**document.agents, agent: replace(document.agents[agent], parent=parent)}
    try:
        adopted = compiled(replace(document, agents=agents), policy.source, Problems(policy.source))
    except PolicyError:
        return policy, f"{says}, which works for it by the policy; that counts."
    return replace(adopted, hash=policy.hash), ""

"""Why an action would be decided so: the decision, and what each rule made of it. Nothing runs, nothing is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from handrail.core import admission
from handrail.core.action import Action, action_key
from handrail.core.case import case_of, propose
from handrail.core.commands import Admit
from handrail.core.decision import Decision
from handrail.core.digest import Json
from handrail.core.effect import Effect
from handrail.core.facts import Facts
from handrail.core.outcome import Violation
from handrail.core.policy import Case, Gate
from handrail.policy import cel
from handrail.policy.cel import ConditionError
from handrail.policy.checks import shown
from handrail.policy.compiled import CompiledPolicy
from handrail.policy.rules import Rule, rules_of, visible
from handrail.policy.values import variables


@dataclass(frozen=True, slots=True)
class Considered:
    """What one rule made of one effect.

    Attributes:
        rule: Id of the rule.
        line: Where it stands in the file.
        then: What it does when it holds: `ask` or `deny`.
        effect: Number of the effect, counted from 0; None for a rule that was not looked at.
        holds: Whether its condition holds; None when it was not looked at, or erred.
        why: The values that it looked at, or why it was not looked at, or how it erred.
    """

    rule: str
    line: int
    then: str
    effect: int | None
    holds: bool | None
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer to "why would this be decided so?".

    Attributes:
        decision: What the gates say.
        effects: What the action would do; empty when that cannot be told.
        unknown: Why the effects cannot be told, `""` when they can.
        invalid: What the arguments break.
        considered: Every rule, in the order of the file.
        policy: Hash of the policy.
    """

    decision: Decision
    effects: tuple[Effect, ...]
    unknown: str
    invalid: tuple[Violation, ...]
    considered: tuple[Considered, ...]
    policy: str


def explain(
    policy: CompiledPolicy,
    agent: str,
    tool: str,
    args: Mapping[str, Json],
    gates: Sequence[Gate],
    *,
    facts: Facts | None = None,
    before: Json = None,
) -> Explanation:
    """Decide about an action without doing or recording anything.

    Args:
        policy: The policy.
        agent: Name of the agent.
        tool: Name of the tool.
        args: Final arguments, plain JSON.
        gates: The gates to ask, in order.
        facts: What the store remembers; None for a store that remembers nothing.
        before: The before-image; without one, what has one (a tool with a paired read, a change of guarded data) is
            decided as before its plan is known.
    """
    action = Action("explain", agent, "explain", "explain", tool, args, action_key(agent, tool, args))
    proposed = propose(policy, action)
    declared = proposed.tool
    contract = policy.contracts.get(tool)
    invalid = () if contract is None else contract(dict(args))
    planned = declared is None or (declared.before is None and declared.asks is None) or before is not None
    command = Admit(action, planned=planned, before=before, invalid=invalid)
    case = case_of(policy, command, proposed, Facts(now_us=0) if facts is None else facts)
    decision = admission.decide(gates, case)
    considered = tuple(one for rule in policy.rules for one in _consider(rule, case))
    return Explanation(decision, case.effects, case.unknown, invalid, considered, policy.hash)


def _consider(rule: Rule, case: Case) -> list[Considered]:
    def one(effect: int | None, *, holds: bool | None, why: str) -> Considered:
        return Considered(rule.id, rule.line, rule.then.value, effect, holds, why)

    if case.action.tool not in rule.tools:
        return [one(None, holds=None, why="It speaks of other tools.")]
    if rule.agents is not None and case.agent is not None and case.agent.name not in rule.agents:
        return [one(None, holds=None, why="It speaks of other agents.")]
    if not case.effects:
        return [one(None, holds=None, why="Its effects cannot be told.")]
    if "before" in rule.names and case.before is None and not case.planned:
        return [one(None, holds=None, why="It waits for the before-image.")]
    if rule.pattern is not None:
        return _pattern(rule, case)
    if rule.when is None:
        return [one(index, holds=True, why="It has no condition.") for index in range(len(case.effects))]
    found: list[Considered] = []
    for index, effect in enumerate(case.effects):
        values = variables(case, effect, rule.when.needs)
        seen = visible(case, values)
        facts = ", ".join(shown(path, seen) for path in rule.when.paths)
        try:
            holds = rule.when.test(cel.context(rule.when.needs, values))
        except ConditionError as error:
            found.append(one(index, holds=None, why=f"It errs, which denies: {error}."))
            continue
        found.append(one(index, holds=holds, why=f"{facts}." if facts else ""))
    return found


def _pattern(rule: Rule, case: Case) -> list[Considered]:
    """Return what a rule with a pattern made of the action as a whole."""
    matched = rules_of(case.action.tool, (rule,))
    assert matched is not None
    effects = matched.matching(case).get(rule.id)
    if effects is None:
        return [Considered(rule.id, rule.line, rule.then.value, 0, False, "Its condition speaks of other effects.")]
    tripped = rule.objection(case, effects)
    why = "It is kept." if tripped is None else f"{tripped.why}."
    return [Considered(rule.id, rule.line, rule.then.value, 0, tripped is not None, why)]

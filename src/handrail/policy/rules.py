"""Rules: which effects a person has to look at, and which are refused. Rules only restrict.

For each tool the rules that speak of it are known beforehand, with all that their conditions need, so that one effect
costs one conversion, however many rules look at it. A condition that errs denies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from handrail.core.decision import Finding, Verdict
from handrail.core.digest import Json
from handrail.core.effect import Effect
from handrail.core.outcome import Reason
from handrail.core.policy import Case
from handrail.core.text import safe
from handrail.policy import cel
from handrail.policy.cel import Condition
from handrail.policy.checks import absent, look, shown
from handrail.policy.model import Then
from handrail.policy.problems import quoted

GATE = "rules"
"""The name of the gate that these findings carry."""

_SHOWN = 4
"""Values that a generated sentence names."""

_LONG = 200
"""Characters of a text that is kept in a finding's values as it is."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled rule.

    Attributes:
        id: Its id.
        then: What it does.
        tools: Names of the tools that it speaks of.
        agents: Names of the agents that it speaks of; None for all. Who works for one of them is meant as well.
        when: Its condition, None for always.
        why: The policy's own sentence, `""` to generate one.
        line: Where it stands in the file.
        execute: The condition's bare evaluation, for the hot path.
    """

    id: str
    then: Then
    tools: frozenset[str]
    agents: frozenset[str] | None
    when: Condition | None
    why: str
    line: int = 0
    execute: Any = field(default=None, repr=False)

    @property
    def names(self) -> frozenset[str]:
        """The variables that its condition needs."""
        return frozenset() if self.when is None else self.when.names

    @property
    def verdict(self) -> Verdict:
        """What it says when it applies."""
        return Verdict.ASK if self.then is Then.ASK else Verdict.DENY


@dataclass(frozen=True, slots=True)
class ToolRules:
    """The rules that speak of one tool.

    Attributes:
        rules: The rules, in the order of the file.
        needs: What their conditions need together.
        plain: Whether they speak of every agent, and none of the before-image.
    """

    rules: tuple[Rule, ...]
    needs: Mapping[str, frozenset[str] | None]
    plain: bool

    def judge(self, case: Case) -> tuple[Finding, ...]:
        """Return one finding for each rule that objects to an effect of the case."""
        rules = self.rules if self.plain else self._meant(case)
        if not rules:
            return ()
        found: dict[str, Finding] = {}
        for index, effect in enumerate(case.effects):
            if index == 1:  # what speaks of no effect was decided with the first
                rules = tuple(rule for rule in rules if "effect" in rule.names)
            _judge(case, effect, rules, self.needs, found)
        return tuple([found[rule.id] for rule in self.rules if rule.id in found]) if found else ()

    def _meant(self, case: Case) -> tuple[Rule, ...]:
        """Return the rules that speak of this agent, and can be decided yet."""
        name, everyone = case.action.agent, case.agent is None
        early = case.before is None and not case.planned
        return tuple(
            rule
            for rule in self.rules
            if (rule.agents is None or name in rule.agents or everyone) and not (early and "before" in rule.names)
        )


def _judge(
    case: Case,
    effect: Effect,
    rules: tuple[Rule, ...],
    needs: Mapping[str, frozenset[str] | None],
    found: dict[str, Finding],
) -> None:
    """Note what the rules say of one effect. The loop is the hot path of every decision."""
    values = variables(case, effect, needs)
    context = cel.context(needs, values)
    for rule in rules:
        if rule.when is not None:
            try:
                answer = rule.execute(context)
            except BaseException as error:  # noqa: BLE001 (a panic of the native evaluator is a BaseException)
                _keep(found, _erred(rule, cel.explained(rule.when, error)))
                continue
            if answer is False:
                continue
            if answer is not True:
                _keep(found, _erred(rule, cel.no_answer(rule.when)))
                continue
        _keep(found, _matched(rule, case, values))


def variables(case: Case, effect: Effect, needs: Mapping[str, frozenset[str] | None]) -> dict[str, Any]:
    """Return the values of the variables that conditions need, for one effect of a case."""
    values: dict[str, Any] = {}
    for name, members in needs.items():
        if name == "effect":
            values[name] = _effect_value(effect, members)
        elif name == "args":
            args = case.action.args
            values[name] = args if type(args) is dict else dict(args)
        elif name == "tool":
            values[name] = {"name": case.action.tool}
        elif name == "run":
            values[name] = {"id": case.action.run}
        elif name == "agent":
            values[name] = _agent_value(case)
        elif case.before is not None:
            values[name] = case.before
    return values


def _effect_value(effect: Effect, members: frozenset[str] | None) -> dict[str, Json]:
    if members is None:
        return effect.to_json()
    value: dict[str, Json] = {}
    for member in members:
        if member == "verb":
            value[member] = effect.verb.value
        elif member == "labels":
            value[member] = list(effect.labels)
        else:
            value[member] = getattr(effect, member)
    return value


def _agent_value(case: Case) -> dict[str, Json]:
    agent = case.agent
    if agent is None:
        return {"name": case.action.agent, "access": None, "owner": None, "parent": case.action.parent}
    parent = agent.lineage[-2] if len(agent.lineage) > 1 else None
    return {"name": agent.name, "access": agent.access.value, "owner": agent.owner, "parent": parent}


def _keep(found: dict[str, Finding], finding: Finding) -> None:
    """Keep the most restrictive finding of a rule; of two denials the one that is remembered."""
    old = found.get(finding.rule)
    if old is None or (finding.verdict.severity, finding.sticky) > (old.verdict.severity, old.sticky):
        found[finding.rule] = finding


def _matched(rule: Rule, case: Case, values: Mapping[str, Any]) -> Finding:
    verdict = rule.verdict
    seen = visible(case, values)
    paths = () if rule.when is None else rule.when.paths
    why = rule.why or _sentence(rule, paths, seen)
    kept = tuple(
        (".".join(path), _short(value)) for path in paths if not absent(value := look(path, seen))
    )  # fmt: skip
    return Finding(GATE, rule.id, verdict, why, kept, sticky=verdict is Verdict.DENY, reason=Reason.RULE)


def _sentence(rule: Rule, paths: Sequence[tuple[str, ...]], seen: Mapping[str, Any]) -> str:
    does = "asks a person" if rule.then is Then.ASK else "denies this"
    if not paths:
        return f"Rule {quoted(rule.id)} {does}, whatever the arguments."
    facts = ", ".join(shown(path, seen) for path in paths[:_SHOWN])
    return f"Rule {quoted(rule.id)} {does}: {facts}."


def _erred(rule: Rule, error: str) -> Finding:
    why = (
        f"Rule {quoted(rule.id)} could not be decided, so nothing runs: {error}. "
        "Send what the rule asks about, or have the rule test it with has(…)."
    )
    return Finding(GATE, rule.id, Verdict.DENY, why, reason=Reason.RULE)


def visible(case: Case, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the values with secrets replaced."""
    if case.tool is None or not case.tool.secrets:
        return values
    return {**values, **case.tool.redact({name: values[name] for name in ("args", "before") if name in values})}


def _short(value: object) -> Json:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value if len(value) <= _LONG else safe(value, max_chars=_LONG)
    return safe(str(value), max_chars=_LONG)


def rules_of(tool: str, rules: Sequence[Rule]) -> ToolRules | None:
    """Return the rules that speak of a tool; None when there are none."""
    own = tuple(rule for rule in rules if tool in rule.tools)
    if not own:
        return None
    needs = cel.merge(rule.when for rule in own if rule.when is not None)
    return ToolRules(own, needs, all(rule.agents is None for rule in own) and "before" not in needs)

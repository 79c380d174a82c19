"""Rules: which effects a person has to look at, and which are refused. Rules only restrict.

For each tool the rules that speak of it are known beforehand, with all that their conditions need, so that one effect
costs one conversion, however many rules look at it. A condition that errs denies. Where a rule has a pattern, its
condition says which effects it speaks of, and the pattern whether it objects.
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
from handrail.policy.pattern_spec import PatternKind
from handrail.policy.patterns import Objection, Pattern
from handrail.policy.problems import quoted
from handrail.policy.values import variables

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
        pattern: What must have happened before, or must not; None for a rule that looks at the action alone.
        execute: The condition's bare evaluation, for the hot path.
    """

    id: str
    then: Then
    tools: frozenset[str]
    agents: frozenset[str] | None
    when: Condition | None
    why: str
    line: int = 0
    pattern: Pattern | None = None
    execute: Any = field(default=None, repr=False)

    @property
    def names(self) -> frozenset[str]:
        """The variables that its condition needs."""
        return frozenset() if self.when is None else self.when.names

    @property
    def verdict(self) -> Verdict:
        """What it says when it applies."""
        return Verdict.ASK if self.then is Then.ASK else Verdict.DENY

    def objection(self, case: Case, effects: Sequence[Effect]) -> Objection | None:
        """Return why its pattern objects to an action whose `effects` it speaks of; None when it does not."""
        return None if self.pattern is None else self.pattern.judge(case, self.counted(case, effects))

    def counted(self, case: Case, effects: Sequence[Effect]) -> tuple[Effect, ...]:
        """Return those effects as the pattern counts them: each once, however many zones it touches."""
        if len(case.effects) == len(case.stated):
            return tuple(effects)
        views = {effect._replace(zone=None) for effect in effects}
        return tuple(effect for effect in case.stated if effect._replace(zone=None) in views)


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
        matched: dict[str, list[Effect]] = {}
        for index, effect in enumerate(case.effects):
            if index == 1:  # what speaks of no effect was decided with the first
                rules = tuple(rule for rule in rules if "effect" in rule.names or rule.pattern is not None)
            _judge(case, effect, rules, self.needs, found, matched)
        if matched:
            for rule in rules:
                if rule.id in matched:
                    tripped = rule.objection(case, matched[rule.id])
                    if tripped is not None:
                        _keep(found, _objected(rule, tripped))
        return tuple([found[rule.id] for rule in self.rules if rule.id in found]) if found else ()

    def matching(self, case: Case) -> dict[str, list[Effect]]:
        """Return the effects that each rule with a pattern speaks of, by the rule's id."""
        matched: dict[str, list[Effect]] = {}
        rules = tuple(rule for rule in self._meant(case) if rule.pattern is not None)
        for effect in case.effects if rules else ():
            _judge(case, effect, rules, self.needs, {}, matched)
        return matched

    def _meant(self, case: Case) -> tuple[Rule, ...]:
        """Return the rules that speak of this agent, and can be decided yet."""
        name, everyone = case.action.agent, case.agent is None
        early = case.before is None and not case.planned
        settled = case.again or case.action.parent is not None  # a retry counts already, our own calls never do
        return tuple(
            rule
            for rule in self.rules
            if (rule.agents is None or name in rule.agents or everyone)
            and not (early and "before" in rule.names)
            and not (settled and rule.pattern is not None)
        )


def _judge(
    case: Case,
    effect: Effect,
    rules: tuple[Rule, ...],
    needs: Mapping[str, frozenset[str] | None],
    found: dict[str, Finding],
    matched: dict[str, list[Effect]],
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
        if rule.pattern is not None:
            matched.setdefault(rule.id, []).append(effect)
        else:
            _keep(found, _matched(rule, case, values))


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


def _objected(rule: Rule, tripped: Objection) -> Finding:
    """Return what a pattern's objection comes to. Only what looks at no limit, and no evidence, is remembered."""
    assert rule.pattern is not None
    does = "asks a person" if rule.then is Then.ASK else "denies this"
    why = rule.why or f"Rule {quoted(rule.id)} {does}: {tripped.why}."
    sticky = rule.verdict is Verdict.DENY and rule.pattern.kind is PatternKind.FORBIDS_AFTER
    return Finding(GATE, rule.id, rule.verdict, why, tripped.values, sticky=sticky, reason=rule.pattern.reason)


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
    plain = all(rule.agents is None and rule.pattern is None for rule in own) and "before" not in needs
    return ToolRules(own, needs, plain)

"""Lint of a policy that loads: does it guard what it should, and can each of its parts ever matter?

The minimum viable set (promise 6.3) for every agent that may write: a dry run, an approval, a log, a daily budget.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from handrail.core.effect import DESTRUCTIVE, Verb
from handrail.core.names import fold
from handrail.core.policy import Mode
from handrail.core.tool import Access, AskMode
from handrail.policy.compiled import CompiledPolicy
from handrail.policy.model import Then, ToolSpec
from handrail.policy.problems import Mark, quoted
from handrail.policy.rules import Rule


class Level(StrEnum):
    """How bad it is: an error fails `policy check`."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to change.

    Attributes:
        level: How bad it is.
        line: Line in the file, counted from 1; 0 for the file as a whole.
        column: Column in the line, counted from 1; 0 for the file as a whole.
        message: What is the matter and what to do, safe to print.
    """

    level: Level
    line: int
    column: int
    message: str


def check(policy: CompiledPolicy) -> list[Advice]:
    """Return what should change, errors first, in the order of the file. An empty list is a clean policy."""
    found = [*_whole(policy), *_names(policy), *_agents(policy), *_tools(policy), *_rules(policy)]
    return sorted(found, key=lambda one: (one.level is not Level.ERROR, one.line, one.column, one.message))


def _error(at: Mark, message: str) -> Advice:
    return Advice(Level.ERROR, at.line, at.column, message)


def _warning(at: Mark, message: str) -> Advice:
    return Advice(Level.WARNING, at.line, at.column, message)


def _writers(policy: CompiledPolicy) -> list[str]:
    return [name for name, agent in policy.agents.items() if agent.access is not Access.READ_ONLY]


def _asks(policy: CompiledPolicy) -> bool:
    """Whether anything can ask a person."""
    rules = any(rule.then is Then.ASK for rule in policy.rules)
    return rules or any(
        spec.ask is AskMode.ALWAYS or (spec.ask is AskMode.DEFAULT and _destructive(spec))
        for spec in policy.document.tools.values()
    )


def _destructive(spec: ToolSpec) -> bool:
    return any(effect.verb in DESTRUCTIVE for effect in spec.effects)


def _whole(policy: CompiledPolicy) -> list[Advice]:
    read = policy.document
    found: list[Advice] = []
    if not read.agents:
        found.append(_warning(read.where("agents"), "No agent is declared, so nobody may do anything. Add 'agents'."))
    if not read.tools:
        found.append(_warning(read.where("tools"), "No tool is declared, so nothing may run. Add 'tools'."))
    if not read.reviewers and (_writers(policy) or _asks(policy)):
        message = "Approval: something asks a person, and nobody may answer. Add 'reviewers'."
        found.append(_error(read.where("reviewers"), message))
    if read.store == "memory:" and _writers(policy):
        message = "Log: 'store: memory:' forgets everything at the end of the process. Name a file or a database."
        found.append(_error(read.where("store"), message))
    if not read.four_eyes:
        message = "'four_eyes: false' lets the person behind an agent approve its actions. Set it to true in a team."
        found.append(_warning(read.where("four_eyes"), message))
    if read.mode is Mode.OBSERVE:
        message = "'mode: observe' only records; nothing is asked or denied. Set it to enforce when you are ready."
        found.append(_warning(read.where("mode"), message))
    return found


def _folded(names: Iterable[str]) -> set[str]:
    return {fold(name) for name in names}


def _names(policy: CompiledPolicy) -> list[Advice]:
    """Return where four eyes hang on a spelling: a reviewer named as an agent, an owner named almost as a reviewer."""
    reviewers = {fold(name): name for name in policy.reviewers}
    found: list[Advice] = []
    for name, spec in policy.document.agents.items():
        same = reviewers.get(fold(name))
        if same is not None:
            message = f"Reviewer {quoted(same)} and agent {quoted(name)} have one name, as if it approved itself."
            found.append(_error(spec.at, f"{message} Rename one."))
        owner = spec.owner or ""
        person = reviewers.get(fold(owner), owner)
        if person != owner:
            message = f"The owner {quoted(owner)} of agent {quoted(name)} is spelled {quoted(person)}"
            found.append(
                _error(spec.at, f"{message} under 'reviewers'. Write both the same, so that four eyes know the person.")
            )
    return found


def _agents(policy: CompiledPolicy) -> list[Advice]:
    found: list[Advice] = []
    for name in _writers(policy):
        agent, spec = policy.agents[name], policy.document.agents[name]
        shown = f"Agent {quoted(name)}"
        if all(policy.tokens_per_day(one) is None for one in agent.lineage):
            message = f"Budget: {shown[0].lower() + shown[1:]} may write and has no 'tokens_per_day'. Give it one."
            found.append(_error(spec.at, message))
        if policy.four_eyes and agent.owner is None:
            message = f"{shown} has no 'owner', so four eyes bar nobody. Name the person behind it."
            found.append(_warning(spec.at, message))
        if policy.four_eyes and policy.reviewers and _folded(policy.reviewers) == _folded([agent.owner or ""]):
            message = f"{shown} is owned by the only reviewer, whom four eyes bar. Add a second reviewer."
            found.append(_error(spec.at, message))
        parents = [policy.agents[one] for one in agent.lineage[:-1] if one in policy.agents]
        if any(parent.access.level < agent.access.level for parent in parents):
            message = f"{shown} may do more than the agent that it works for, which could then act through it."
            found.append(_warning(spec.at, f"{message} Lower its 'access'."))
    return found


def _tools(policy: CompiledPolicy) -> list[Advice]:
    found: list[Advice] = []
    if not _writers(policy):
        return found
    for name, spec in policy.document.tools.items():
        shown = f"Tool {quoted(name)}"
        ruled = any(name in rule.tools for rule in policy.rules) or spec.ask is AskMode.ALWAYS
        if not spec.effects:
            message = f"{shown} does not say what it does, so it counts as 'execute'. Add 'do' and 'resource'."
            found.append(_warning(spec.at, message))
        elif any(effect.verb is Verb.EXECUTE for effect in spec.effects) and not ruled:
            message = f"{shown} executes something, and no rule speaks of it. Add a rule, or 'ask: always'."
            found.append(_warning(spec.at, message))
        if spec.ask is AskMode.NEVER and _destructive(spec) and spec.before is None:
            message = (
                f"Dry run: {shown[0].lower() + shown[1:]} overwrites or removes, asks nobody, and shows nothing first."
            )
            found.append(_warning(spec.at, f"{message} Add 'before', or remove 'ask: never'."))
    return found


def _rules(policy: CompiledPolicy) -> list[Advice]:
    found: list[Advice] = []
    for rule, spec in zip(policy.rules, policy.document.rules, strict=True):
        shown = f"Rule {quoted(rule.id)}"
        if not rule.tools:
            found.append(
                _error(spec.at, f"{shown} can never apply: its 'for' fits no tool. Correct it or remove the rule.")
            )
        if rule.agents is not None and not rule.agents:
            message = f"{shown} can never apply: its 'agents' fit no agent. Correct it or remove the rule."
            found.append(_error(spec.at, message))
        blind = _blind(policy, rule)
        if blind:
            some = ", ".join(quoted(name) for name in blind[:3]) + (", …" if len(blind) > 3 else "")
            message = f"{shown} looks at 'before', and {some} have no before-image: their calls are denied."
            found.append(_warning(spec.at, f"{message} Declare 'before' for them, or narrow 'for'."))
    return found


def _blind(policy: CompiledPolicy, rule: Rule) -> list[str]:
    if "before" not in rule.names:
        return []
    return sorted(name for name in rule.tools if policy.tools[name].before is None)

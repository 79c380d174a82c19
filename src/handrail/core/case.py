"""From an action to the one view that every gate judges: its effects, what must be looked up, and what is known then.

A resource stands in the folders above it and holds what lies below it, where its kind has folders. What is remembered
of any of them counts: the zone, the refusals and the labels that restrict. Only that a run created something is told by
the resource itself or by what it stands in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from handrail.core.action import Action
from handrail.core.commands import Admit
from handrail.core.effect import Effect, Verb
from handrail.core.facts import TREE_MAX, Facts, Need, Resource
from handrail.core.policy import Case, Clock, Policy
from handrail.core.tool import Agent, EffectError, Tool

CREATED_BY = "created_by_run:"
"""How the label starts that names the run, and the lineage, which created a resource (see `creator`)."""

EXISTED = "existed"
"""On resources that were there before any run created them, so that creating them once more makes them nobody's."""

WILDCARDS = frozenset("*?[{")
"""Characters that make a name mean several; nobody creates, and so owns, such a thing."""

PERHAPS_IN = "perhaps_in:"
"""How a label starts that names a zone which a resource may have entered: it is not known whether it did."""


def creator(run: str, agent: Agent | None, name: str) -> str:
    """Return the label of what an agent's run creates: another lineage that names its run alike is another creator.

    Args:
        run: Id of the run.
        agent: The agent, None when undeclared.
        name: The agent's name.
    """
    return f"{CREATED_BY}{run}@{name if agent is None else agent.root}"


class Proposed(NamedTuple):
    """What an action would do, as far as its arguments tell; independent of any fact.

    Attributes:
        tool: The tool's declaration, None when undeclared.
        effects: The effects; empty when they cannot be told.
        unknown: Why they cannot be told, `""` when they can.
        writes: Whether the action may change anything; what is not known may.
    """

    tool: Tool | None
    effects: tuple[Effect, ...] = ()
    unknown: str = ""
    writes: bool = True


def propose(policy: Policy, action: Action) -> Proposed:
    """Return what an action would do."""
    tool = policy.tool(action.tool)
    if tool is None:
        return Proposed(None)
    try:
        effects = tool.effects.of(action.args)
    except EffectError as error:
        return Proposed(tool, (), str(error))
    for effect in effects:
        if effect.verb is not Verb.READ:
            return Proposed(tool, effects)
    return Proposed(tool, effects, "", not effects)


def need_of(
    policy: Policy, action: Action, proposed: Proposed, now_us: Clock, *, repeated: bool
) -> Need:  # fmt: skip
    """Return what must be looked up to decide about an action.

    Args:
        policy: The policy.
        action: The action.
        proposed: What it would do.
        now_us: The store's clock, microseconds since the epoch; asked only where it matters.
        repeated: Whether this call can have been seen before.
    """
    agent = policy.agent(action.agent)
    lineage = agent.lineage if agent is not None and agent.lineage else (action.agent,)
    resources = tuple(_named(proposed.effects))
    trees: tuple[str, ...] = ()
    for name in resources:
        if name.startswith(policy.trees):
            above, below = policy.around(name)
            resources += above
            if proposed.writes:
                trees += (below,)
    for name in _unnamed(policy, proposed.effects):
        resources += policy.around(name)[0]
    call = action.call if repeated else ""
    need = Need(action.run, call, action.key, lineage, resources, proposed.writes, trees)
    if proposed.tool is None or not proposed.tool.watched:
        return need
    lookup = policy.lookup(action, agent, proposed.effects, now_us)
    return need if lookup is None else need._replace(marks=lookup.marks, tallies=lookup.tallies)


def _named(effects: Iterable[Effect]) -> list[str]:
    names: list[str] = []
    for effect in effects:
        if effect.bound and effect.resource:
            names.append(effect.resource)
        if effect.to:
            names.append(effect.to)
    return names


def _unnamed(policy: Policy, effects: Iterable[Effect]) -> list[str]:
    """Return what is to be made in a folder, and is named once it is there: what is remembered of the folder counts."""
    return [effect.resource for effect in effects if not effect.bound and effect.resource.startswith(policy.trees)]


class Known(NamedTuple):
    """What is remembered of one resource and of what is around it.

    Attributes:
        name: Its normalised id.
        itself: What is remembered of the resource itself, then of what it stands in, nearest first.
        below: What is remembered of what it holds.
        crowded: Whether more is remembered below it than can be looked at.
    """

    name: str
    itself: tuple[tuple[str, Resource], ...] = ()
    below: tuple[tuple[str, Resource], ...] = ()
    crowded: bool = False

    @property
    def around(self) -> tuple[tuple[str, Resource], ...]:
        """Everything, the resource itself first."""
        return self.itself + self.below

    @property
    def zone(self) -> str | None:
        """The zone that it stands in: its own, else that of the nearest folder."""
        return next((resource.zone for _, resource in self.itself if resource.zone is not None), None)

    @property
    def created_by(self) -> frozenset[str]:
        """Labels of who created it, or else the nearest folder; of nobody when it holds what others made, or was there.

        This relaxes, so it is evidence: it ends where anything speaks against it.
        """
        for _, found in self.itself:
            labels = frozenset(label for label in found.labels if label.startswith(CREATED_BY))
            if EXISTED in found.labels or any(self._others(resource, labels) for _, resource in self.below):
                return frozenset()
            if labels:
                return labels
        return frozenset()

    @staticmethod
    def _others(resource: Resource, labels: frozenset[str]) -> bool:
        """Return whether something below was there before, or was made by somebody else."""
        made = {label for label in resource.labels if label.startswith(CREATED_BY)}
        return EXISTED in resource.labels or (bool(labels) and not made <= labels)

    @property
    def labels(self) -> frozenset[str]:
        """The labels that restrict: its own, and those of everything around it."""
        labels: set[str] = set()
        for one, found in self.itself:
            if found.labels:
                labels.update(found.labels)
                if one != self.name:
                    labels.discard(EXISTED)  # that a folder was there says nothing of what is new in it
        own = self.itself[0] if self.itself else None
        if own is not None and own[0] == self.name and EXISTED in own[1].labels:
            labels.add(EXISTED)
        for _, found in self.below:
            labels.update(found.labels)
        return frozenset([label for label in labels if not label.startswith(CREATED_BY)])


def known_of(policy: Policy, facts: Facts, effects: tuple[Effect, ...]) -> dict[str, Known]:
    """Return what is known of every resource that effects name; resources of which nothing is known are left out."""
    known: dict[str, Known] = {}
    for name in _named(effects) if facts.resources else ():
        found = known_of_name(policy, facts, name)
        if found.itself or found.below:
            known[name] = found
    for name in _unnamed(policy, effects) if facts.resources else ():
        above = tuple((one, facts.resources[one]) for one in policy.around(name)[0] if one in facts.resources)
        if above:
            known[name] = Known(name, above)
    return known


def known_of_name(policy: Policy, facts: Facts, name: str) -> Known:
    """Return what is known of one resource and of what is around it."""
    above, tree = policy.around(name)
    itself = tuple((one, facts.resources[one]) for one in (name, *above) if one in facts.resources)
    below: tuple[tuple[str, Resource], ...] = ()
    if tree:
        below = tuple((one, found) for one, found in facts.resources.items() if one.startswith(tree))
    return Known(name, itself, below, len(below) > TREE_MAX)


def remembered(effect: Effect, known: Mapping[str, Known]) -> Effect:
    """Fill in the zone and the labels that are remembered: of a copy's or move's target, else of the resource."""
    own = known.get(effect.resource)
    if not effect.to:
        if own is None:
            return effect
        return effect._replace(zone=effect.zone or own.zone, labels=tuple(sorted(own.labels | own.created_by)))
    target = known.get(effect.to)
    if own is None and target is None:
        return effect
    zone = effect.zone or (target.zone if target else None) or (own.zone if own else None)
    labels = frozenset[str]().union(*(one.labels for one in (own, target) if one is not None))
    if own is not None and target is not None:  # who overwrites what he did not create did not create it
        labels |= own.created_by & target.created_by
    return effect._replace(zone=zone, labels=tuple(sorted(labels)))


def in_every_zone(effect: Effect, known: Mapping[str, Known]) -> tuple[Effect, ...]:
    """Return the effect as it is judged: once for the zone it enters and for each zone that it touches.

    What stands in production is in production whatever a call says, and so is the target that a copy overwrites, and
    the folder that holds it.
    """
    zones = [effect.zone, *[label.removeprefix(PERHAPS_IN) for label in effect.labels if label.startswith(PERHAPS_IN)]]
    for name in (effect.resource, effect.to):
        found = known.get(name) if name else None
        if found is not None:
            zones.append(found.zone)
            zones += [resource.zone for _, resource in found.below]
    others = dict.fromkeys(zone for zone in zones[1:] if zone is not None and zone != effect.zone)
    return (effect, *[effect._replace(zone=zone) for zone in others]) if others else (effect,)


def case_of(
    policy: Policy, command: Admit, proposed: Proposed, facts: Facts, *, attempt: int | None = None
) -> Case:  # fmt: skip
    """Return what the gates judge.

    Args:
        policy: The policy.
        command: What is to be decided.
        proposed: What its action would do.
        facts: What the store remembers.
        attempt: Which attempt this is over all flows of the call; that of the command by default.
    """
    action: Action = command.action
    agent: Agent | None = policy.agent(action.agent)
    effects = proposed.effects
    seen = effects
    known: dict[str, Known] = {}
    if facts.resources:
        known = known_of(policy, facts, effects)
        effects = tuple(remembered(effect, known) for effect in effects)
        seen = tuple(view for effect in effects for view in in_every_zone(effect, known))
    return Case(
        action,
        agent,
        proposed.tool,
        seen,
        facts,
        policy,
        command.attempt if attempt is None else attempt,
        command.invalid,
        proposed.unknown,
        command.before,
        command.planned,
        effects,
        known,
        command.attempt > 0,
        command.holds,
    )

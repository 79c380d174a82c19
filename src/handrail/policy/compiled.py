"""The compiled policy: immutable, and all that the core asks of a policy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from handrail.core.action import Action
from handrail.core.decision import Finding
from handrail.core.digest import Json
from handrail.core.effect import Effect
from handrail.core.names import did_you_mean
from handrail.core.note import Note
from handrail.core.outcome import Violation
from handrail.core.policy import Case, End, Lookup, Mode
from handrail.core.tool import Agent, Tool
from handrail.errors import ConfigurationError
from handrail.policy import paths
from handrail.policy.document import Node
from handrail.policy.folders import Folders
from handrail.policy.globs import matching
from handrail.policy.guarded import NAME, Spec, place_tools
from handrail.policy.memory import Memory, memory
from handrail.policy.model import Document, RedactSpec, RuleSpec
from handrail.policy.normal import Normalise
from handrail.policy.patterns import Pattern
from handrail.policy.problems import quoted
from handrail.policy.redact import redact
from handrail.policy.rules import Rule, ToolRules, rules_of
from handrail.policy.zones import Zones


@dataclass(frozen=True, slots=True, eq=False)
class CompiledPolicy:
    """What was compiled from one `handrail.yaml`; implements `core.policy.Policy`.

    Attributes:
        source: The file's name.
        document: What the file says, with places.
        hash: Digest of what the file means; part of every plan.
        agents: Declared agents by name.
        tools: Declared tools by name.
        rules: Compiled rules in the order of the file.
        zones: Declared zones.
        normalise: Brings a resource id into its one form.
        contracts: For a tool with an argument schema, what arguments break.
        folders: Which kinds of resources have folders.
        memory: What its patterns look at and remember.
        watches_creation: Whether any rule asks who created a resource.
        trees: How ids of kinds with folders start.
    """

    source: str
    document: Document
    hash: str
    agents: Mapping[str, Agent]
    tools: Mapping[str, Tool]
    rules: tuple[Rule, ...]
    zones: Zones
    normalise: Normalise
    contracts: Mapping[str, Callable[[Json], tuple[Violation, ...]]]
    _judges: Mapping[str, ToolRules]
    folders: Folders
    memory: Memory
    watches_creation: bool
    trees: tuple[str, ...]

    @property
    def mode(self) -> Mode:
        """Whether decisions hold."""
        return self.document.mode

    @property
    def store(self) -> str:
        """Address of the store."""
        return self.document.store

    @property
    def four_eyes(self) -> bool:
        """Whether an agent's owner is barred from deciding its tickets."""
        return self.document.four_eyes

    @property
    def reviewers(self) -> tuple[str, ...]:
        """Who may decide."""
        return self.document.reviewers

    @property
    def alerts(self) -> tuple[str, ...]:
        """Web addresses that alarms go to."""
        return self.document.alerts

    @property
    def desktop_alerts(self) -> bool:
        """Whether alarms also appear on the desktop."""
        return self.document.desktop_alerts

    @property
    def pending_us(self) -> int:
        """How long a ticket can be decided, in microseconds."""
        return self.document.pending_us

    @property
    def valid_us(self) -> int:
        """How long an approval can be used, in microseconds."""
        return self.document.valid_us

    def agent(self, name: str) -> Agent | None:
        """Return a declared agent."""
        return self.agents.get(name)

    def tool(self, name: str) -> Tool | None:
        """Return a declared tool."""
        return self.tools.get(name)

    def with_agent(self, agent: Agent) -> CompiledPolicy:
        """Return the policy with one more agent: Handrail itself, acting for a person."""
        return replace(self, agents={**self.agents, agent.name: agent})

    def declaring(self, place: str, spec: Spec) -> CompiledPolicy:
        """Return the policy with a place that a program declares; its rules speak of the place's tools as of others.

        Rules, patterns and secrets that name tools by a pattern (`shop.*`), or mean all of them, mean these as well.
        The hash stays that of the file, which is what reviewers decide by: a plan itself binds what it does.

        Args:
            place: Name of the place.
            spec: What may be done there.

        Raises:
            ConfigurationError: The name is none, or taken by another place or tool.
        """
        if not NAME.fullmatch(place):
            raise ConfigurationError(f"{quoted(place)} names no place: use a-z, 0-9, '_', '-', a letter first.")
        zone = None if spec.zone is None else self.zones.of(spec.zone)
        made = place_tools(place, replace(spec, zone=zone), self.normalise, "the program")
        for name in made:
            if name in self.tools:
                raise ConfigurationError(
                    f"The policy declares {quoted(name)} already. Leave the tables out of the program, or rename one."
                )
        tools = {**self.tools, **_hidden(self.document.redact, made)}
        rules = tuple(
            replace(rule, tools=rule.tools | _meant(said.tools, made), pattern=_extended(rule.pattern, said, made))
            for rule, said in zip(self.rules, self.document.rules, strict=True)
        )
        judges = {name: own for name in tools if (own := rules_of(name, rules)) is not None}
        remembering = memory(tools, rules, judges)
        document = replace(self.document, places={**self.document.places, place: spec})
        return replace(
            self,
            document=document,
            tools=MappingProxyType(
                {name: replace(tool, watched=name in remembering.tools) for name, tool in tools.items()}
            ),
            rules=rules,
            _judges=MappingProxyType(judges),
            memory=remembering,
        )

    def tokens_per_day(self, agent: str) -> int | None:
        """Return an agent's daily budget, None when it has none."""
        spec = self.document.agents.get(agent)
        return None if spec is None else spec.tokens_per_day

    def check_arguments(self, tool: str, args: Mapping[str, Json]) -> tuple[Violation, ...]:
        """Return how arguments break the tool's declared schema."""
        check = self.contracts.get(tool)
        return () if check is None else check(dict(args))

    def judge(self, case: Case) -> tuple[Finding, ...]:
        """Return what the rules object to. A rule that errs denies."""
        rules = self._judges.get(case.action.tool)
        return () if rules is None else rules.judge(case)

    def around(self, resource: str) -> tuple[tuple[str, ...], str]:
        """Return the folders that a resource stands in, and how the ids of what it holds start."""
        return self.folders.around(resource)

    def lookup(
        self, action: Action, agent: Agent | None, effects: tuple[Effect, ...], now_us: Callable[[], int]
    ) -> Lookup | None:
        """Return what patterns have to know."""
        return self.memory.lookup(action, agent, effects, now_us)

    def started(self, case: Case) -> tuple[Note, ...]:
        """Return what patterns remember of an action that is let run."""
        return self.memory.started(case)

    def denied(self, case: Case) -> tuple[Note, ...]:
        """Return what patterns remember of an action that is refused."""
        return self.memory.denied(case)

    def ended(self, end: End) -> tuple[Note, ...]:
        """Return what patterns remember of an action that has ended."""
        return self.memory.ended(end)

    def undeclared(self, kind: str, name: str) -> str:
        """Return the sentence for an undeclared `tool` or `agent`, with the nearest known name."""
        known = self.tools if kind == "tool" else self.agents
        hint = did_you_mean(name, sorted(known))
        declare = f" Have it declared under '{kind}s' in the policy." if not hint else ""
        return f"The {kind} {quoted(name)} is not declared in the policy, so nothing runs.{hint}{declare}"


def _meant(said: tuple[Node, ...] | None, names: Mapping[str, object]) -> frozenset[str]:
    """Return which of some names a rule speaks of."""
    if said is None:
        return frozenset(names)
    return frozenset(name for node in said for name in matching(str(node.value), names))


def _extended(pattern: Pattern | None, said: RuleSpec, made: Mapping[str, object]) -> Pattern | None:
    """Return a pattern that looks back at new tools as well, where what it says means them."""
    event = None if said.pattern is None else said.pattern.event
    if pattern is None or pattern.event is None or event is None or pattern.event.tools is None:
        return pattern
    return replace(pattern, event=replace(pattern.event, tools=pattern.event.tools | _meant(event.tools, made)))


def _hidden(secrets: Iterable[RedactSpec], made: Mapping[str, Tool]) -> dict[str, Tool]:
    """Return new tools with what is secret in them hidden."""
    found: dict[str, Tool] = {}
    for name, tool in made.items():
        own = [spec for spec in secrets if name in _meant(spec.tools, made)]
        compiled = [paths.path(str(spec.path.value), ("args", "before", "result"), every=True) for spec in own]
        found[name] = replace(tool, redact=redact(compiled), secrets=True) if compiled else tool
    return found

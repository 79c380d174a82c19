"""The compiled policy: immutable, and all that the core asks of a policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from handrail.core.action import Action
from handrail.core.decision import Finding
from handrail.core.digest import Json
from handrail.core.effect import Effect
from handrail.core.names import did_you_mean
from handrail.core.note import Note
from handrail.core.outcome import Violation
from handrail.core.policy import Case, End, Lookup, Mode
from handrail.core.tool import Agent, Tool
from handrail.policy.folders import Folders
from handrail.policy.memory import Memory
from handrail.policy.model import Document
from handrail.policy.normal import Normalise
from handrail.policy.problems import quoted
from handrail.policy.rules import Rule, ToolRules
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

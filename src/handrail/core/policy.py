"""The compiled policy as the core sees it, and the one view that every gate judges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from handrail.core.action import Action
from handrail.core.decision import Finding
from handrail.core.digest import Json
from handrail.core.effect import Effect
from handrail.core.facts import Facts
from handrail.core.note import Count, Label, Note
from handrail.core.outcome import Status, Violation
from handrail.core.tool import Agent, Tool

if TYPE_CHECKING:
    from handrail.core.case import Known


Clock = Callable[[], int]
"""Tells the time in microseconds since the epoch; asked only where it matters."""


class Mode(StrEnum):
    """Whether decisions hold."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


class Policy(Protocol):
    """What was compiled from `handrail.yaml`."""

    @property
    def hash(self) -> str:
        """Digest of the compiled policy; part of every plan."""
        ...

    @property
    def mode(self) -> Mode:
        """Whether decisions hold."""
        ...

    @property
    def four_eyes(self) -> bool:
        """Whether an agent's owner is barred from deciding its tickets."""
        ...

    @property
    def reviewers(self) -> tuple[str, ...]:
        """Who may decide."""
        ...

    @property
    def pending_us(self) -> int:
        """How long a ticket can be decided, in microseconds."""
        ...

    @property
    def valid_us(self) -> int:
        """How long an approval can be used, in microseconds."""
        ...

    def agent(self, name: str) -> Agent | None:
        """Return a declared agent."""
        ...

    def tool(self, name: str) -> Tool | None:
        """Return a declared tool."""
        ...

    def with_agent(self, agent: Agent) -> Policy:
        """Return the policy with one more agent: Handrail itself, acting for a person."""
        ...

    def check_arguments(self, tool: str, args: Mapping[str, Json]) -> tuple[Violation, ...]:
        """Return how arguments break the tool's declared schema; empty when they do not, or none is declared."""
        ...

    def judge(self, case: Case) -> tuple[Finding, ...]:
        """Return what the rules object to. A rule that errs denies."""
        ...

    @property
    def watches_creation(self) -> bool:
        """Whether any rule asks who created a resource."""
        ...

    @property
    def trees(self) -> tuple[str, ...]:
        """How ids of kinds with folders start."""
        ...

    def around(self, resource: str) -> tuple[tuple[str, ...], str]:
        """Return the folders that a resource stands in, nearest first, and how the ids of what it holds start.

        Both are empty for resources of a kind without folders.
        """
        ...

    def lookup(
        self, action: Action, agent: Agent | None, effects: tuple[Effect, ...], now_us: Callable[[], int]
    ) -> Lookup | None:
        """Return what the patterns that speak of this action have to know; None when there are none."""
        ...

    def started(self, case: Case) -> tuple[Note, ...]:
        """Return what patterns remember of an action that is let run: in flight counts against limits."""
        ...

    def denied(self, case: Case) -> tuple[Note, ...]:
        """Return what patterns remember of an action that is refused."""
        ...

    def ended(self, end: End) -> tuple[Note, ...]:
        """Return what patterns remember of an action that has ended: only a success is evidence."""
        ...

    def undeclared(self, kind: str, name: str) -> str:
        """Return the sentence for an undeclared `tool` or `agent`, with the nearest known name."""
        ...


class Lookup(NamedTuple):
    """What patterns have to know for one decision; see `Need`."""

    marks: tuple[str, ...] = ()
    tallies: tuple[tuple[str, int], ...] = ()


class End(NamedTuple):
    """How an action ended, as patterns see it.

    Attributes:
        action: The action.
        agent: Its agent, None when undeclared.
        tool: The tool's declaration, None when undeclared.
        effects: Its effects, bound to what the result tells.
        status: How it ended.
        result: Its result, None when there is none.
        now_us: When, microseconds since the epoch.
    """

    action: Action
    agent: Agent | None
    tool: Tool | None
    effects: tuple[Effect, ...]
    status: Status
    result: Json
    now_us: int


class Case(NamedTuple):
    """One action as the gates see it: read-only, the same for all.

    Attributes:
        action: What is proposed.
        agent: Who proposes it, None when undeclared.
        tool: The tool's declaration, None when undeclared.
        effects: What it would do, with remembered zones filled in.
        facts: What the store remembers.
        policy: The compiled policy.
        attempt: Which attempt this is, counted from 0.
        invalid: What the arguments break.
        unknown: Why the effects cannot be told, `""` when they can.
        before: The before-image, once the plan is known.
        planned: False at the first decision, True when the plan is known.
        stated: The effects once each, as they are settled; `effects` has one view for each zone that is touched.
        known: What is remembered of each resource that they name, and of what is around it.
        again: Whether this is a further attempt of an action that already counts.
        holds: What was remembered of that action before it ran.
    """

    action: Action
    agent: Agent | None
    tool: Tool | None
    effects: tuple[Effect, ...]
    facts: Facts
    policy: Policy
    attempt: int = 0
    invalid: tuple[Violation, ...] = ()
    unknown: str = ""
    before: Json = None
    planned: bool = True
    stated: tuple[Effect, ...] = ()
    known: Mapping[str, Known] = MappingProxyType({})
    again: bool = False
    holds: tuple[Count | Label, ...] = ()


class Gate(Protocol):
    """One guardrail: a name and one pure function."""

    @property
    def name(self) -> str:
        """The gate's name, as decisions and docs spell it."""
        ...

    def judge(self, case: Case) -> tuple[Finding, ...]:
        """Return what it objects to; empty when nothing. Raising denies."""
        ...

"""The compiled policy as the core sees it, and the one view that every gate judges."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol

from handrail.core.action import Action
from handrail.core.decision import Finding
from handrail.core.digest import Json
from handrail.core.effect import Effect
from handrail.core.facts import Facts
from handrail.core.outcome import Violation
from handrail.core.tool import Agent, Tool


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

    def check_arguments(self, tool: str, args: Mapping[str, Json]) -> tuple[Violation, ...]:
        """Return how arguments break the tool's declared schema; empty when they do not, or none is declared."""
        ...

    def judge(self, case: Case) -> tuple[Finding, ...]:
        """Return what the rules object to. A rule that errs denies."""
        ...

    def undeclared(self, kind: str, name: str) -> str:
        """Return the sentence for an undeclared `tool` or `agent`, with the nearest known name."""
        ...


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


class Gate(Protocol):
    """One guardrail: a name and one pure function."""

    @property
    def name(self) -> str:
        """The gate's name, as decisions and docs spell it."""
        ...

    def judge(self, case: Case) -> tuple[Finding, ...]:
        """Return what it objects to; empty when nothing. Raising denies."""
        ...

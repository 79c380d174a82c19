"""What the policy declares of tools and agents, as the core sees it: compiled, immutable, free of any file format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from handrail.core.backoff import Backoff
from handrail.core.decision import Finding
from handrail.core.digest import Json
from handrail.core.effect import Effect
from handrail.core.outcome import Violation


class Access(StrEnum):
    """The access ladder (promise 6.1), lowest first."""

    READ_ONLY = "read_only"
    WRITE_NONCRITICAL = "write_noncritical"
    WRITE = "write"

    @property
    def level(self) -> int:
        """0, 1 or 2."""
        return _LEVEL[self]


_LEVEL = {Access.READ_ONLY: 0, Access.WRITE_NONCRITICAL: 1, Access.WRITE: 2}


class AskMode(StrEnum):
    """When a tool asks by itself, apart from rules."""

    DEFAULT = "default"  # destructive effects ask
    NEVER = "never"  # explicitly relaxed; rules may still ask
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Agent:
    """One declared agent.

    Attributes:
        name: Its name.
        access: What a person gave it.
        owner: The person behind it; barred from deciding its tickets under four eyes.
        lineage: Names from the root ancestor to the agent itself; facts are remembered for the root.
    """

    name: str
    access: Access = Access.READ_ONLY
    owner: str | None = None
    lineage: tuple[str, ...] = ()

    @property
    def root(self) -> str:
        """The ancestor whose memory this agent shares; itself when it has no parent."""
        return self.lineage[0] if self.lineage else self.name


class EffectError(ValueError):
    """The effects of an action cannot be told from its arguments (or its result); the message says why."""


class Effects(Protocol):
    """Turns arguments into effects, and binds what only the result tells."""

    def of(self, args: Mapping[str, Json]) -> tuple[Effect, ...]:
        """Return the effects of a call with `args`. Raises `EffectError`."""
        ...

    def bind(self, effects: tuple[Effect, ...], args: Mapping[str, Json], result: Json) -> tuple[Effect, ...]:
        """Return `effects` with every unbound resource read from `result`. Raises `EffectError`."""
        ...


@dataclass(frozen=True, slots=True)
class Paired:
    """A call that Handrail makes itself, beside an action: a before-image, an undo, a read-back.

    Attributes:
        call: Name of the tool to call.
        args: Builds its arguments from `{"args", "before", "result"}`. Raises `EffectError` for a missing path.
        expect: For a read-back: what `{"args", "before", "result", "seen"}` breaks; empty when it is as expected.
    """

    call: str
    args: Callable[[Mapping[str, Json]], dict[str, Json]]
    expect: Callable[[Mapping[str, Json]], tuple[Violation, ...]] | None = None


def _nothing_hidden(value: Mapping[str, Json]) -> Mapping[str, Json]:
    return value


@dataclass(frozen=True, slots=True)
class Tool:
    """One declared tool.

    Attributes:
        name: Its name.
        effects: What it does to the world.
        repeatable: Whether a failed call may be sent again by Handrail: it only reads, or is declared idempotent.
        ask: When it asks by itself.
        critical: False only where the policy says so; critical tools need access `write`.
        before: A paired read that gives the before-image, so that the plan shows and binds it.
        undo: The paired call that takes the action back; None when there is none.
        final: Whether the policy says that nothing takes it back (`undo: none`): then it always asks.
        verify: A paired read that proves the action happened.
        backoff: Waiting between retries.
        checks: The policy's own checks on a result: `(args, result, now_us)` to what they break.
        redact: Replaces secret paths in `{"args", "before", "result"}`; returns its argument where nothing is secret.
        secrets: Whether `redact` can replace anything.
        source: Where the declaration stands, for messages.
        views: What conditions can ask about beside the arguments, worked out from them: never raises.
        watched: Whether any pattern speaks of its calls, or looks back at them.
        asks: What its declaration asks a person about, told from the arguments; None when it says nothing.
        place: The guarded data that it is a tool of, which Handrail alone runs it for; `""` for other tools.
    """

    name: str
    effects: Effects
    repeatable: bool = False
    ask: AskMode = AskMode.DEFAULT
    critical: bool = True
    before: Paired | None = None
    undo: Paired | None = None
    verify: Paired | None = None
    backoff: Backoff = field(default_factory=Backoff)
    checks: Callable[[Mapping[str, Json], Json, int], tuple[Violation, ...]] | None = None
    redact: Callable[[Mapping[str, Json]], Mapping[str, Json]] = _nothing_hidden
    secrets: bool = False
    source: str = ""
    views: Mapping[str, Callable[[Mapping[str, Json]], Json]] = field(default_factory=lambda: MappingProxyType({}))
    watched: bool = True
    final: bool = False
    asks: Callable[[Mapping[str, Json]], tuple[Finding, ...]] | None = None
    place: str = ""

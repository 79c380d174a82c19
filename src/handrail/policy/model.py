"""What `handrail.yaml` says, read but not yet compiled: plain values with their places, every default filled in."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from handrail.core.backoff import Backoff
from handrail.core.digest import Json, digest
from handrail.core.effect import Verb
from handrail.core.policy import Mode
from handrail.core.tool import Access, AskMode
from handrail.policy.document import Node
from handrail.policy.guarded import Spec
from handrail.policy.pattern_spec import PatternSpec
from handrail.policy.problems import NOWHERE, Mark


class Then(StrEnum):
    """What a rule does. There is no allow: rules only restrict."""

    ASK = "ask"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """One agent as declared.

    Attributes:
        at: Where it stands.
        parent_at: Where its parent is named.
        access: What a person gave it.
        owner: The person behind it.
        parent: Name of the agent it works for.
        tokens_per_day: Its daily budget, None when there is none.
    """

    at: Mark
    parent_at: Mark = NOWHERE
    access: Access = Access.READ_ONLY
    owner: str | None = None
    parent: str | None = None
    tokens_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class KindSpec:
    """What is special about one kind of resource; None where the default holds.

    Attributes:
        insensitive: Whether its names have no case.
        folders: Whether its names have folders.
    """

    insensitive: bool | None = None
    folders: bool | None = None


@dataclass(frozen=True, slots=True)
class EffectSpec:
    """One effect as declared; texts keep their nodes, so that problems inside them have a place."""

    at: Mark
    verb: Verb
    when: Node | None = None
    resource: Node | None = None
    to: Node | None = None
    zone: Node | None = None
    amount: Node | None = None
    labels: tuple[Node, ...] = ()
    each: Node | None = None


@dataclass(frozen=True, slots=True)
class PairedSpec:
    """One of Handrail's own calls as declared. `args` is None when the before-image itself is the arguments."""

    at: Mark
    call: Node
    args: Mapping[str, Node] | None
    expect: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """One check on a result as declared: `holds` (a condition), `fresh` (a path), or `complete` (paths)."""

    at: Mark
    kind: str
    nodes: tuple[Node, ...]
    within_us: int = 0


@dataclass(frozen=True, slots=True)
class SchemaSpec:
    """A JSON Schema, with the contents of its file."""

    at: Mark
    schema: Json


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """One tool as declared; see `core.tool.Tool` for what its fields mean."""

    at: Mark
    effects: tuple[EffectSpec, ...] = ()
    idempotent: bool | None = None
    critical: bool = True
    ask: AskMode = AskMode.DEFAULT
    before: PairedSpec | None = None
    undo: PairedSpec | None = None
    final: bool = False
    verify: PairedSpec | None = None
    result: SchemaSpec | None = None
    args: SchemaSpec | None = None
    checks: tuple[CheckSpec, ...] = ()
    retry: Backoff = field(default_factory=Backoff)
    description: str = ""
    shell: Node | None = None
    sql: Node | None = None

    @property
    def reads(self) -> bool:
        """Whether it only reads."""
        return bool(self.effects) and all(effect.verb is Verb.READ for effect in self.effects)


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """One rule as declared. `tools` and `agents` are None for all."""

    at: Mark
    id: str
    then: Then
    tools: tuple[Node, ...] | None = None
    agents: tuple[Node, ...] | None = None
    when: Node | None = None
    why: str = ""
    pattern: PatternSpec | None = None


@dataclass(frozen=True, slots=True)
class RedactSpec:
    """One secret path as declared, for all tools or those that match `tools`."""

    at: Mark
    path: Node
    tools: tuple[Node, ...] | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """The whole file.

    Attributes:
        mode: Whether decisions hold.
        store: Address of the store.
        four_eyes: Whether an agent's owner may not decide its tickets.
        reviewers: Who may decide.
        alerts: Web addresses that alarms go to.
        desktop_alerts: Whether alarms also appear on the desktop.
        zones: The texts that stand for each zone, in lower case.
        kinds: What is special about kinds of resources.
        pending_us: How long a ticket can be decided, in microseconds.
        valid_us: How long an approval can be used, in microseconds.
        agents: Agents by name.
        tools: Tools by name.
        rules: Rules in the order of the file.
        redact: Secret paths.
        places: Guarded data by name.
    """

    mode: Mode = Mode.ENFORCE
    store: str = "sqlite:///.handrail/handrail.db"
    four_eyes: bool = True
    reviewers: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    desktop_alerts: bool = False
    zones: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kinds: Mapping[str, KindSpec] = field(default_factory=dict)
    pending_us: int = 1_800_000_000
    valid_us: int = 1_800_000_000
    agents: Mapping[str, AgentSpec] = field(default_factory=dict)
    tools: Mapping[str, ToolSpec] = field(default_factory=dict)
    rules: tuple[RuleSpec, ...] = ()
    redact: tuple[RedactSpec, ...] = ()
    places: Mapping[str, Spec] = field(default_factory=dict)
    at: Mapping[str, Mark] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """SHA-256 over what the file means: comments, the order of keys and spelled-out defaults do not change it."""
        return digest(_meaning(self))

    def where(self, key: str) -> Mark:
        """Return where a top-level key stands."""
        return self.at.get(key, NOWHERE)


_PLACES = frozenset({"at", "parent_at"})


def _meaning(value: object) -> Json:
    """Return a declaration without places, as JSON."""
    if isinstance(value, Node):
        return value.plain()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = type(value).__name__
        said = {f.name: _meaning(getattr(value, f.name)) for f in dataclasses.fields(value) if f.name not in _PLACES}
        return {"kind": kind, **said} if isinstance(value, Spec) else said
    if isinstance(value, Mapping):
        return {str(key): _meaning(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_meaning(item) for item in value]
    if isinstance(value, StrEnum):
        return value.value
    assert value is None or isinstance(value, bool | int | float | str)
    return value

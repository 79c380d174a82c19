"""The patterns of a rule as the file declares them: read and typed, not yet compiled."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from handrail.core.effect import Verb
from handrail.core.names import did_you_mean
from handrail.policy.document import Node
from handrail.policy.fields import Fields
from handrail.policy.problems import Mark, Problems, quoted

LIMIT_MAX = 2**53
"""The largest limit of a sum, and the largest amount that counts towards one."""

COUNT_MAX = 1_000_000_000
"""The largest limit of a count."""


class PatternKind(StrEnum):
    """The six patterns: what happened before decides about what may happen now."""

    REQUIRES = "requires"
    FORBIDS_AFTER = "forbids_after"
    AT_MOST = "at_most"
    REPEAT = "repeat"
    COOLDOWN = "cooldown"
    UNTIL_CLEARED = "until_cleared"


class EventStatus(StrEnum):
    """What became of an action that a pattern looks back at."""

    STARTED = "started"  # it was let run, whatever came of it
    SUCCESS = "success"
    FAILED = "failed"
    DENIED = "denied"


SCOPES = ("agent", "run", "resource", "tool", "fleet")
"""What a pattern can be counted for, apart from a path such as `args.customer`."""


@dataclass(frozen=True, slots=True)
class EventSpec:
    """Which actions a pattern looks back at. None of a field means any."""

    at: Mark
    tools: tuple[Node, ...] | None = None
    verbs: tuple[Verb, ...] | None = None
    when: Node | None = None
    status: EventStatus = EventStatus.STARTED


@dataclass(frozen=True, slots=True)
class PatternSpec:
    """One pattern as declared.

    Attributes:
        at: Where it stands.
        kind: Which of the six.
        event: Which actions it looks back at; None for the rule's own.
        per: For whom it is kept, each its own.
        same: What both actions must share.
        within_us: How far it looks back, in microseconds; None without end.
        limit: How many, or how much.
        amount: The path that is summed; None to count.
        once: Whether evidence serves a single action.
    """

    at: Mark
    kind: PatternKind
    event: EventSpec | None = None
    per: tuple[Node, ...] = ()
    same: tuple[Node, ...] = ()
    within_us: int | None = None
    limit: int = 0
    amount: Node | None = None
    once: bool = False


_EVENT = ("tool", "do", "when", "status")
_KEYS = {
    PatternKind.REQUIRES: (*_EVENT, "same", "per", "within", "once"),
    PatternKind.FORBIDS_AFTER: (*_EVENT, "same", "per", "within"),
    PatternKind.AT_MOST: ("count", "sum", "limit", "of", "per", "within"),
    PatternKind.REPEAT: ("times", "same", "per", "within"),
    PatternKind.COOLDOWN: ("wait", "per"),
    PatternKind.UNTIL_CLEARED: (*_EVENT, "same", "per"),
}
_EXAMPLE = {
    PatternKind.REQUIRES: "{tool: crm.get_lead, same: resource}",
    PatternKind.FORBIDS_AFTER: "{tool: secrets.read, per: run}",
    PatternKind.AT_MOST: "{count: 10, per: agent, within: 24h}",
    PatternKind.REPEAT: "{times: 3, within: 10m}",
    PatternKind.COOLDOWN: "{wait: 10m, per: resource}",
    PatternKind.UNTIL_CLEARED: "{do: delete, status: failed}",
}
LASTING = (PatternKind.FORBIDS_AFTER, PatternKind.UNTIL_CLEARED)
"""Patterns that a resource can remember by itself, with `same: resource`."""


def read_pattern(fields: Fields, what: str, problems: Problems) -> PatternSpec | None:
    """Return the pattern of a rule; None when it has none, or after noting what is wrong with it."""
    given = [kind for kind in PatternKind if kind in fields]
    for kind in given[1:]:
        message = f"{what} has {quoted(given[0])} and {quoted(kind)}. Write a rule for each."
        problems.add(fields.key_at(kind), message)
    return _Pattern(given[0], fields, what, problems).read() if given else None


class _Pattern:
    """Reads one pattern."""

    def __init__(self, kind: PatternKind, rule: Fields, what: str, problems: Problems) -> None:
        self._kind, self._problems = kind, problems
        self._what = f"{quoted(kind)} of {what}"
        node = rule.node(kind)
        assert node is not None
        self._node = node
        if kind is PatternKind.COOLDOWN and isinstance(node.value, str):
            self._node = Node(node.at, {"wait": node}, {"wait": node.at})
        self._fields = Fields(self._node, self._what, _KEYS[kind], problems)

    def read(self) -> PatternSpec | None:
        """Return what it says."""
        if not isinstance(self._node.value, dict) or not self._node.value:
            self._wrong("is empty")
            return None
        kind, fields = self._kind, self._fields
        event = self._event(fields, self._what) if "tool" in _KEYS[kind] else self._of()
        within = fields.duration_us("within", 0) or None
        limit, amount = self._limit()
        if kind is PatternKind.COOLDOWN:
            within = fields.duration_us("wait", 0) or None
            if "wait" not in fields:
                self._wrong("does not say how long to wait")
        if kind is PatternKind.REQUIRES and event is not None and event.status is EventStatus.STARTED:
            event = EventSpec(event.at, event.tools, event.verbs, event.when, EventStatus.SUCCESS)
        same = self._scopes("same")
        if kind in LASTING and any(node.value == "resource" for node in same) and "per" in fields:
            message = f"In {self._what} the resource itself remembers, whoever comes next. Remove 'per'."
            self._problems.add(fields.key_at("per"), message)
        once = fields.flag("once", default=False)
        return PatternSpec(self._node.at, kind, event, self._per(), same, within, limit, amount, once)

    def _wrong(self, why: str) -> None:
        self._problems.add(self._node.at, f"{self._what} {why}. Write for example {_EXAMPLE[self._kind]}.")

    def _event(self, fields: Fields, what: str) -> EventSpec | None:
        if not any(key in fields for key in _EVENT):
            self._wrong("does not say which actions it looks back at")
            return None
        verbs = None
        if "do" in fields:
            verbs = tuple(verb for node in fields.texts("do", one=True) or () if (verb := self._verb(node, what)))
        when = fields.node("when")
        if when is not None and isinstance(when.value, bool):
            when = Node(when.at, "true" if when.value else "false", {})
        elif when is not None:
            when = fields.text("when")
        return EventSpec(
            fields.at,
            fields.texts("tool", one=True),
            verbs,
            when,
            fields.choice("status", EventStatus, EventStatus.STARTED),
        )

    def _verb(self, node: Node, what: str) -> Verb | None:
        words = [verb.value for verb in Verb]
        if node.value in words:
            return Verb(str(node.value))
        hint = did_you_mean(str(node.value), words)
        self._problems.add(node.at, f"'do' of {what} must be one of {', '.join(words)}.{hint}")
        return None

    def _of(self) -> EventSpec | None:
        node = self._fields.node("of")
        if node is None:
            return None
        if isinstance(node.value, str) and node.value in [status.value for status in EventStatus]:
            return EventSpec(node.at, status=EventStatus(node.value))
        inner = f"'of' in {self._what}"
        return self._event(Fields(node, inner, _EVENT, self._problems), inner)

    def _limit(self) -> tuple[int, Node | None]:
        fields = self._fields
        if self._kind is PatternKind.REPEAT:
            times = fields.whole("times", least=1)
            if "times" not in fields:
                self._wrong("does not say how many times")
            return self._bounded("times", times, COUNT_MAX), None
        if self._kind is not PatternKind.AT_MOST:
            return 0, None
        if ("count" in fields and "sum" in fields) or not any(key in fields for key in ("count", "sum", "limit")):
            self._wrong("counts or sums, one of both")
        if "count" in fields and "limit" in fields:
            self._problems.add(fields.key_at("limit"), f"{self._what} counts: 'count' is its limit. Remove this.")
        if "sum" not in fields:
            key = "count" if "count" in fields else "limit"
            return self._bounded(key, fields.whole(key), COUNT_MAX), None
        if "limit" not in fields:
            self._wrong("has no 'limit'")
        return self._bounded("limit", fields.whole("limit"), LIMIT_MAX), fields.text("sum")

    def _bounded(self, key: str, value: int | None, most: int) -> int:
        if value is not None and value > most:
            self._problems.add(self._fields.key_at(key), f"{quoted(key)} of {self._what} is at most {most:,}.")
        return value or 0

    def _per(self) -> tuple[Node, ...]:
        found = self._scopes("per")
        if found:
            return found
        whom = "run" if self._kind is PatternKind.REQUIRES else "agent"
        return (Node(self._node.at, whom, {}),)

    def _scopes(self, key: str) -> tuple[Node, ...]:
        nodes = self._fields.texts(key, one=True) if key in _KEYS[self._kind] else None
        for node in nodes or ():
            text = str(node.value)
            if text not in SCOPES and not text.startswith("args."):
                hint = did_you_mean(text, SCOPES) or f" It is one of {', '.join(SCOPES)}, or a path: args.customer."
                self._problems.add(node.at, f"{quoted(key)} of {self._what} cannot be {quoted(text)}.{hint}")
        return tuple(node for node in nodes or () if str(node.value) in SCOPES or str(node.value).startswith("args."))


def said_of(spec: PatternSpec) -> str:
    """Return for whom and how long a pattern is kept, as part of a sentence."""
    per = " and ".join(str(node.value) for node in spec.per if node.value != "fleet")
    scope = f" by this {per}" if per in {"agent", "run"} else f" for this {per}" if per else ""
    return f"{scope}{f' within {_span(spec.within_us)}' if spec.within_us else ''}"


def named(spec: EventSpec) -> str:
    """Return how a sentence names the actions that a pattern looks back at."""
    tools = " or ".join(str(node.value) for node in spec.tools or ())
    verbs = " or ".join(verb.value for verb in spec.verbs or ())
    if tools:
        return f"{tools} ({verbs})" if verbs else tools
    return f"'{verbs}'" if verbs else "an action"


def _span(us: int) -> str:
    seconds = us // 1_000_000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"

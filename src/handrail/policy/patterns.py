"""The six patterns, compiled: what happened before decides about what may happen now, in constant time.

None of them looks at history. Each keeps a mark (when something happened last), a tally (sums in buckets of time) or a
label on the resource, written in the transaction that admits or settles an action; a decision reads them by key.

- `requires`: A succeeded before B. A mark, set when A is settled.
- `forbids_after`: B after A, in flight or done. A mark, set when A is let run; with `same: resource` a label, which
  copies and moves take along.
- `at_most`: a count or sum in a sliding window. A tally, added to when an action is let run, taken back should it
  certainly have done nothing. The oldest bucket counts whole, so a window errs by at most 1/60 of itself, towards no.
- `repeat`: the same action again and again. A tally by action key, never taken back.
- `cooldown`: not too soon after the last one. A mark.
- `until_cleared`: after A, until a person forgets it. As `forbids_after`, without an end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from handrail.core.action import Action
from handrail.core.change import table_of
from handrail.core.digest import Json
from handrail.core.effect import Effect, Verb
from handrail.core.note import AFTER, Count, Label, Moment, Note
from handrail.core.outcome import Reason
from handrail.core.policy import Case, End
from handrail.core.tool import Agent, EffectError
from handrail.policy import cel
from handrail.policy.cel import Condition
from handrail.policy.paths import MISSING, Path
from handrail.policy.pattern_spec import LIMIT_MAX, EventStatus, PatternKind
from handrail.policy.scopes import Scope, head
from handrail.policy.values import variables

BUCKETS = 60
"""Buckets in a window."""


class Objection(NamedTuple):
    """Why a pattern objects.

    Attributes:
        why: What is the matter, as the end of a sentence.
        values: (name, value) of what it looked at.
    """

    why: str
    values: tuple[tuple[str, Json], ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """The actions that a pattern looks back at.

    Attributes:
        tools: Names of the tools; None for any, undeclared ones included.
        verbs: What they do; None for anything.
        when: Its condition, None for always.
        status: What became of them.
        text: How a sentence names them.
    """

    tools: frozenset[str] | None
    verbs: frozenset[Verb] | None
    when: Condition | None
    status: EventStatus
    text: str

    def speaks_of(self, tool: str) -> bool:
        """Return whether calls of a tool can be such actions."""
        return self.tools is None or tool in self.tools

    def of(self, subject: Case | End, effects: Iterable[Effect], *, evidence: bool = False) -> tuple[Effect, ...]:
        """Return the effects that make an action such an action.

        A condition that cannot be decided counts, unless the event is evidence.
        """
        return tuple(effect for effect in effects if self._is(subject, effect, evidence))

    def _is(self, subject: Case | End, effect: Effect, evidence: bool) -> bool:
        if self.verbs is not None and effect.verb not in self.verbs:
            return False
        if self.when is None:
            return True
        try:
            return self.when.test(cel.context(self.when.needs, variables(subject, effect, self.when.needs)))
        except cel.ConditionError:
            return not evidence


@dataclass(frozen=True, slots=True)
class Pattern:
    """One compiled pattern of one rule.

    Attributes:
        kind: Which of the six.
        rule: Id of the rule.
        scope: What makes two actions belong together.
        event: Which actions it looks back at; None for the rule's own.
        within_us: How far it looks back; 0 without end.
        limit: How many, or how much.
        amount: What is summed, `effect` for the effect's amount; None to count.
        once: Whether evidence serves a single action.
        sticks: Whether it is kept as a label on the resource.
        said: For whom and how long, for sentences.
        tallies: Whether it keeps tallies; the others keep marks or labels.
        head: How its keys start.
    """

    kind: PatternKind
    rule: str
    scope: Scope
    event: Event | None
    within_us: int = 0
    limit: int = 0
    amount: Path | str | None = None
    once: bool = False
    sticks: bool = False
    said: str = ""
    tallies: bool = field(init=False)
    head: str = field(init=False)

    def __post_init__(self) -> None:
        """Work out what every decision asks for."""
        tallies = self.kind in (PatternKind.AT_MOST, PatternKind.REPEAT)
        object.__setattr__(self, "tallies", tallies)
        object.__setattr__(self, "head", head(self.kind.value, self.rule, str(self.within_us) if tallies else ""))

    @property
    def reason(self) -> Reason:
        """Why a refusal of this pattern was given."""
        return _REASON[self.kind]

    @property
    def label(self) -> str:
        """The label that it puts on resources."""
        return f"{AFTER}{self.rule}"

    @property
    def _width_us(self) -> int:
        return max(self.within_us // BUCKETS, 1)

    # --- what it has to know -----------------------------------------------------------------------------------------

    def keys(self, action: Action, agent: Agent | None, effects: Sequence[Effect]) -> tuple[str, ...]:
        """Return the keys of its marks or tallies for some effects of an action."""
        if self.sticks:
            return ()
        if len(effects) == 1:
            return self.scope.keys(self.head, action, agent, effects[0])
        found = (key for effect in effects for key in self.scope.keys(self.head, action, agent, effect))
        return tuple(dict.fromkeys(found))

    def wanted(self, action: Action, agent: Agent | None, effects: Sequence[Effect]) -> tuple[tuple[str, ...], ...]:
        """Return the keys of evidence for some effects of an action, and with each what serves instead of it.

        A query reads tables, not rows: whoever read the table has looked at its rows.
        """
        found: dict[tuple[str, ...], None] = {}
        for effect in effects:
            named = self.scope.keys(self.head, action, agent, effect)
            table = table_of(effect.resource) if "resource" in self.scope.parts else None
            if table is not None:
                whole = self.scope.keys(self.head, action, agent, effect._replace(resource=table, bound=True))
                named = (*named, *whole) if effect.bound else whole
            found[named] = None
        return tuple(found)

    def looked_up(self, action: Action, agent: Agent | None, effects: Sequence[Effect]) -> tuple[str, ...]:
        """Return every key that a decision asks for."""
        if self.kind is not PatternKind.REQUIRES:
            return self.keys(action, agent, effects)
        return tuple(dict.fromkeys(key for keys in self.wanted(action, agent, effects) for key in keys))

    def since(self, now_us: int) -> int:
        """Return the first bucket that counts."""
        return (now_us - self.within_us) // self._width_us if self.within_us else 0

    # --- what it says -------------------------------------------------------------------------------------------------

    def judge(self, case: Case, effects: tuple[Effect, ...]) -> Objection | None:
        """Return why it objects to an action whose `effects` the rule speaks of; None when it does not."""
        if self.tallies:
            return self._over(case, effects)
        if self.sticks:
            return self._labelled(case, effects)
        if self.kind is PatternKind.REQUIRES:
            wanted = self.wanted(case.action, case.agent, effects)
            missing = not all(self._found(case, keys) for keys in wanted) or any(map(self._nameless, effects))
            return self._lacking(effects) if missing else None
        found = self._found(case, self.keys(case.action, case.agent, effects))
        if not found:
            return None
        ago = _duration(case.facts.now_us - max(found))
        if self.kind is PatternKind.COOLDOWN:
            left = _duration(self.within_us - (case.facts.now_us - max(found)))
            return Objection(f"the last one was {ago} ago{self.said}; wait {left} more", (("waited", ago),))
        return Objection(f"{self._past()} {ago} ago{self.said}{self._lift()}", (("ago", ago),))

    def _found(self, case: Case, keys: Iterable[str]) -> list[int]:
        """Return when each mark was set that is still recent."""
        return [at_us for key in keys if (at_us := case.facts.marks.get(key)) and self._recent(case, at_us)]

    def _nameless(self, effect: Effect) -> bool:
        named = effect.resource if effect.bound else table_of(effect.resource)
        return "resource" in self.scope.parts and not named

    def _recent(self, case: Case, at_us: int) -> bool:
        return not self.within_us or case.facts.now_us - at_us < self.within_us

    def _past(self) -> str:
        return f"{self.event.text if self.event else 'this'} {_BECAME[self.event.status if self.event else None]}"

    def _lift(self) -> str:
        if self.kind is not PatternKind.UNTIL_CLEARED:
            return ""
        return f"; a person lifts it with: handrail review clear --rule {self.rule}"

    def _lacking(self, effects: tuple[Effect, ...]) -> Objection:
        named = next((effect.resource for effect in effects if effect.resource), "")
        named = table_of(named) or named
        on = f" on {named}" if named and "resource" in self.scope.parts else ""
        what = self.event.text if self.event else "it"
        return Objection(f"{what} has to succeed{on} first{self.said}. Do that, then make this call again", ())

    def _labelled(self, case: Case, effects: tuple[Effect, ...]) -> Objection | None:
        for effect in effects:
            for name in (effect.resource, effect.to):
                known = case.known.get(name) if name else None
                for one, resource in known.around if known else ():
                    at_us = resource.labels.get(self.label)
                    if at_us is not None and self._recent(case, at_us):
                        ago = _duration(case.facts.now_us - at_us)
                        return Objection(f"{self._past()} on {one} {ago} ago{self._lift()}", (("resource", one),))
        return None

    def _over(self, case: Case, effects: tuple[Effect, ...]) -> Objection | None:
        if self.event is None:
            own = self._own(case, effects)
        else:
            own = dict.fromkeys(self.keys(case.action, case.agent, effects), 0)
        for key, amount in own.items():
            if amount is None:
                return Objection(f"its amount cannot be told, and no more than {self.limit:,} may add up{self.said}")
            before = case.facts.sums.get(key, 0)
            over = before + amount > self.limit if self.event is None else before >= self.limit
            if over:
                values = (("before", before), ("adds", amount), ("limit", self.limit))
                return Objection(self._sum(before, amount), values)
        return None

    def _sum(self, before: int, amount: int) -> str:
        if self.kind is PatternKind.REPEAT:
            return f"the same action ran {before:,} times already{self.said}, and {self.limit:,} is the limit"
        if self.event is not None:
            return f"{before:,} times {self._past()}{self.said}, and {self.limit:,} is the limit"
        if self.amount is None:
            return f"it would be number {before + amount:,}{self.said}, and {self.limit:,} is the limit"
        return f"{before:,} and now {amount:,} add up to more than {self.limit:,}{self.said}"

    # --- what it remembers --------------------------------------------------------------------------------------------

    def own(self, case: Case, effects: tuple[Effect, ...]) -> Iterator[Note]:
        """Yield what to remember of an action that the rule speaks of, and that is let run."""
        now_us = case.facts.now_us
        if self.kind is PatternKind.COOLDOWN:
            for key in self.keys(case.action, case.agent, effects):
                yield Moment(key, now_us + self.within_us)
        elif self.kind is PatternKind.REQUIRES and self.once:
            for key in self.looked_up(case.action, case.agent, effects):
                yield Moment(key, forget=True)
        elif self.tallies and self.event is None:
            for key, amount in self._own(case, effects).items():
                if amount:
                    yield self._count(key, amount, now_us)

    def _count(self, key: str, amount: int, now_us: int) -> Count:
        kept = self.kind is PatternKind.REPEAT or self.event is not None
        if not self.within_us:
            return Count(key, 0, amount, 0, kept)
        bucket = now_us // self._width_us
        return Count(key, bucket, amount, (bucket + 1) * self._width_us + self.within_us, kept)

    def noted(self, subject: Case | End, effects: tuple[Effect, ...], now_us: int) -> Iterator[Note]:
        """Yield what to remember of an action that it looks back at."""
        if self.sticks:
            names = dict.fromkeys(
                name for effect in effects for name in (effect.resource, effect.to) if name and effect.bound
            )
            for name in names:
                yield Label(name, self.label)
            return
        for key in self.keys(subject.action, subject.agent, effects):
            if self.tallies:
                yield self._count(key, 1, now_us)
            else:
                yield Moment(key, now_us + self.within_us if self.within_us else 0)

    def _own(self, case: Case, effects: tuple[Effect, ...]) -> dict[str, int | None]:
        """Return what this action adds to each tally; None where that cannot be told."""
        if self.amount is None:
            return dict.fromkeys(self.keys(case.action, case.agent, effects), 1)
        sums: dict[str, int | None] = {}
        if isinstance(self.amount, Path):  # of the arguments: once for the action, however many effects it has
            amount = _whole(_value(self.amount, case.action))
            return dict.fromkeys(self.keys(case.action, case.agent, effects), amount)
        for effect in effects:
            amount = _whole(effect.amount)
            for key in self.keys(case.action, case.agent, (effect,)):
                before = sums.get(key, 0)
                sums[key] = None if before is None or amount is None else before + amount
        return sums


def _value(path: Path, action: Action) -> object:
    try:
        value = path.get({"args": dict(action.args)})
    except EffectError:
        return None
    return None if value is MISSING else value


def _whole(value: object) -> int | None:
    """Return an amount that can be added up: whole, and not negative, which would give room to others."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return min(value, LIMIT_MAX + 1)
    return None


_REASON = {
    PatternKind.REQUIRES: Reason.PRECONDITION,
    PatternKind.FORBIDS_AFTER: Reason.RULE,
    PatternKind.AT_MOST: Reason.LIMIT,
    PatternKind.REPEAT: Reason.LIMIT,
    PatternKind.COOLDOWN: Reason.LIMIT,
    PatternKind.UNTIL_CLEARED: Reason.NOT_CLEARED,
}

_BECAME: Mapping[EventStatus | None, str] = {
    EventStatus.STARTED: "ran",
    EventStatus.SUCCESS: "succeeded",
    EventStatus.FAILED: "failed",
    EventStatus.DENIED: "was refused",
    None: "ran",
}


def _duration(us: int) -> str:
    seconds = max(us // 1_000_000, 0)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"

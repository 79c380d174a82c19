"""Which patterns judge a tool's calls, and which remember them: by tool, so that other tools pay nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from handrail.core.action import Action
from handrail.core.effect import Effect, Verb
from handrail.core.note import Note
from handrail.core.outcome import Status
from handrail.core.policy import Case, End, Lookup
from handrail.core.tool import Agent
from handrail.policy.pattern_spec import EventStatus, PatternKind
from handrail.policy.patterns import Pattern
from handrail.policy.rules import Rule, ToolRules

_ENDED = {
    Status.SUCCESS: EventStatus.SUCCESS,
    Status.FAILED: EventStatus.FAILED,
    Status.FAILED_VALIDATION: EventStatus.FAILED,
    Status.RETRY: EventStatus.FAILED,
}
_ANYTHING = (Effect(Verb.EXECUTE),)


@dataclass(frozen=True, slots=True)
class ToolMemory:
    """The patterns of one tool.

    Attributes:
        judging: Patterns of rules that speak of it.
        rules: Those rules by id, None when there are none.
        looking: Patterns that look back at its calls, by what must have become of them.
    """

    judging: tuple[Pattern, ...]
    rules: ToolRules | None
    looking: Mapping[EventStatus, tuple[Pattern, ...]]


@dataclass(frozen=True, slots=True)
class Memory:
    """The patterns of a policy.

    Attributes:
        tools: Those of each declared tool; tools that no pattern knows are left out.
        stray: Those that look back at calls of tools which are not declared.
    """

    tools: Mapping[str, ToolMemory]
    stray: ToolMemory | None

    def _of(self, tool: str, declared: bool) -> ToolMemory | None:
        return self.tools.get(tool) if declared else self.stray

    def lookup(
        self, action: Action, agent: Agent | None, effects: tuple[Effect, ...], now_us: Callable[[], int]
    ) -> Lookup | None:
        """Return what has to be known to decide; None when no pattern speaks of the action."""
        own = self.tools.get(action.tool)
        if own is None or not own.judging or action.parent is not None:
            return None
        marks: dict[str, None] = {}
        tallies: dict[str, int] = {}
        for pattern in own.judging:
            keys = pattern.looked_up(action, agent, effects)
            if pattern.tallies:
                tallies |= dict.fromkeys(keys, pattern.since(now_us()) if pattern.within_us else 0)
            else:
                marks |= dict.fromkeys(keys)
        return Lookup(tuple(marks), tuple(tallies.items()))

    def started(self, case: Case) -> tuple[Note, ...]:
        """Return what to remember of an action that is let run."""
        own = self.tools.get(case.action.tool)
        if own is None or case.action.parent is not None:
            return ()
        notes: list[Note] = []
        if own.rules is not None:
            matched = own.rules.matching(case)
            for rule in own.rules.rules:
                if rule.pattern is not None and rule.id in matched:
                    notes += rule.pattern.own(case, rule.counted(case, matched[rule.id]))
        return (*notes, *self._noted(own, EventStatus.STARTED, case, case.effects, case.facts.now_us))

    def denied(self, case: Case) -> tuple[Note, ...]:
        """Return what to remember of an action that is refused."""
        own = self._of(case.action.tool, case.tool is not None)
        if own is None or case.action.parent is not None:
            return ()
        effects = case.effects or _ANYTHING
        return tuple(self._noted(own, EventStatus.DENIED, case, effects, case.facts.now_us))

    def ended(self, end: End) -> tuple[Note, ...]:
        """Return what to remember of an action that has ended."""
        own = self._of(end.action.tool, True)
        status = _ENDED.get(end.status)
        if own is None or end.action.parent is not None or status is None:
            return ()
        notes = list(self._noted(own, status, end, end.effects, end.now_us))
        if status is EventStatus.SUCCESS:  # resources that only the result tells were not known when it started
            late = (one for one in own.looking.get(EventStatus.STARTED, ()) if one.sticks)
            notes += _notes(late, end, end.effects, end.now_us)
        return tuple(notes)

    def _noted(
        self, own: ToolMemory, status: EventStatus, subject: Case | End, effects: tuple[Effect, ...], now_us: int
    ) -> Iterable[Note]:
        return _notes(own.looking.get(status, ()), subject, effects, now_us)


def _notes(
    patterns: Iterable[Pattern], subject: Case | End, effects: tuple[Effect, ...], now_us: int
) -> Iterable[Note]:  # fmt: skip
    for pattern in patterns:
        assert pattern.event is not None
        evidence = pattern.kind is PatternKind.REQUIRES
        meant = pattern.event.of(subject, effects, evidence=evidence)
        if meant:
            yield from pattern.noted(subject, meant, now_us)


def memory(tools: Iterable[str], rules: Sequence[Rule], judges: Mapping[str, ToolRules]) -> Memory:
    """Return the patterns of a policy, by tool."""
    known: dict[str, ToolMemory] = {}
    for tool in tools:
        own = judges.get(tool)
        judging = tuple(rule.pattern for rule in own.rules if rule.pattern is not None) if own is not None else ()
        looking = _looking(rules, tool)
        if judging or looking:
            known[tool] = ToolMemory(judging, own if judging else None, looking)
    stray = _looking(rules, None)
    return Memory(known, ToolMemory((), None, stray) if stray else None)


def _looking(rules: Sequence[Rule], tool: str | None) -> dict[EventStatus, tuple[Pattern, ...]]:
    found: dict[EventStatus, tuple[Pattern, ...]] = {}
    for rule in rules:
        event = None if rule.pattern is None else rule.pattern.event
        if event is not None and (event.tools is None if tool is None else event.speaks_of(tool)):
            assert rule.pattern is not None
            found[event.status] = (*found.get(event.status, ()), rule.pattern)
    return found

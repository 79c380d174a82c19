"""What a backtest came to, in counts: by decision and rule, with the first examples, whatever the number of actions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from handrail.backtest.trial import Course

EXAMPLES_MAX = 3
"""Actions that are named for each rule."""


@dataclass(slots=True)
class Group:
    """All actions that one rule, or nothing, decided in one way.

    Attributes:
        decision: `allow`, `ask` or `deny`.
        rule: Id of the rule, or the gate's name; None when allowed.
        count: How many.
        examples: The first of them, as `run/call tool`; raw.
        why: Why the first was decided so.
    """

    decision: str
    rule: str | None
    count: int = 0
    examples: list[str] = field(default_factory=list)
    why: str = ""


@dataclass(slots=True)
class Summary:
    """Counts of a backtest.

    Attributes:
        total: All actions.
        decisions: How many of each decision.
        statuses: How many of each status.
        groups: By decision and rule, as they came.
    """

    total: int = 0
    decisions: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    groups: dict[tuple[str, str | None], Group] = field(default_factory=dict)

    def add(self, course: Course) -> None:
        """Count one."""
        self.total += 1
        self.decisions[course.decision] += 1
        self.statuses[course.status] += 1
        key = (course.decision, course.rule)
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = Group(*key, why=course.why)
        group.count += 1
        if len(group.examples) < EXAMPLES_MAX:
            attempt = course.attempt
            group.examples.append(f"{attempt.run}/{attempt.call} {attempt.tool}")

    def ordered(self) -> list[Group]:
        """Return the groups: denials first, then questions, then what is allowed; the largest first."""
        rank = {"deny": 0, "ask": 1, "allow": 2}
        return sorted(self.groups.values(), key=lambda one: (rank[one.decision], -one.count, one.rule or ""))

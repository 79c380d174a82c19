"""Learned result shapes, kept beside the outcomes that taught them (promise 1.4).

Each process learns in memory. With the first result of a tool, and then with every `SAVE_EVERY`-th, what it learned
is merged with what others stored meanwhile, in the settlement's own transaction; counts add, so the order does not
matter. If that transaction fails or runs again, nothing is counted twice: what was stored last is remembered and
subtracted.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from handrail.contracts.shapes import DriftEvent, Shape
from handrail.core.commands import Settle, Settled
from handrail.core.digest import Json
from handrail.core.policy import Policy
from handrail.core.settlement import NOTHING_LEARNED, Learned, settle
from handrail.core.store import Step, Store, Transaction

SAVE_EVERY = 20
"""Results of a tool between two saves."""


class _Lesson:
    """What this process knows of one tool's results."""

    __slots__ = ("known", "lock", "mine", "unsaved")

    def __init__(self, tool: str) -> None:
        self.lock = threading.Lock()
        self.mine = Shape(tool)
        self.known = Shape(tool)
        self.unsaved = SAVE_EVERY - 1  # the first result looks at what others learned

    def observe(self, result: Json) -> tuple[tuple[DriftEvent, ...], bool]:
        """Learn from one result; return what drifted, and whether to save."""
        with self.lock:
            events = self.mine.observe(result)
            self.unsaved += 1
            return events, bool(events) or self.unsaved >= SAVE_EVERY

    def save(self, tx: Transaction) -> str:
        """Merge with the store; return the state to write."""
        with self.lock:
            text = tx.shape(self.mine.tool)
            if text is not None:
                self.mine.absorb(_readable(self.mine.tool, text), self.known)
            state = self.mine.to_json()
            self.known = Shape.from_json(state)
            self.unsaved = 0
            return state


def _readable(tool: str, text: str) -> Shape:
    """Return the stored shape; one that cannot be read is learned anew."""
    try:
        return Shape.from_json(text)
    except ValueError:
        return Shape(tool)


@dataclass(slots=True)
class Learner:
    """What this process learns of its tools' results."""

    _lessons: dict[str, _Lesson] = field(default_factory=dict)

    def settlement(self, command: Settle, policy: Policy) -> Step[Settled]:
        """Return the settlement's step, which also stores what the result taught.

        Only first attempts count: the retries of one bad answer are not more answers.
        """
        lesson, learned = None, NOTHING_LEARNED
        if command.returned and not command.opaque and command.go.attempt == 0:
            lesson, learned = self._observe(command, policy)
        if lesson is None:
            return lambda tx: settle(tx, command, policy, learned)
        return lambda tx: settle(tx, command, policy, Learned(lesson.save(tx), learned.events))

    def _observe(self, command: Settle, policy: Policy) -> tuple[_Lesson | None, Learned]:
        name = command.go.action.tool
        lesson = self._lessons.get(name)
        if lesson is None:
            lesson = self._lessons.setdefault(name, _Lesson(name))
        tool = policy.tool(name)
        result = command.result
        if tool is not None and tool.secrets:
            result = tool.redact({"result": result})["result"]
        events, due = lesson.observe(result)
        learned = Learned(events=tuple(map(_body, events))) if events else NOTHING_LEARNED
        return lesson if due else None, learned

    def flush(self, store: Store) -> None:
        """Store what is not stored yet."""
        for name, lesson in self._lessons.items():
            if lesson.unsaved:
                store.transact(lambda tx, name=name, lesson=lesson: tx.put_shape(name, lesson.save(tx)))  # type: ignore[misc]


def _body(event: DriftEvent) -> dict[str, Json]:
    return {
        "field": event.field, "drift": event.kind.value, "what": event.what, "baseline": event.baseline,
        "observed": event.observed, "learned": event.learned, "seen": event.seen, "generation": event.generation,
        "sentence": event.sentence,
    }  # fmt: skip

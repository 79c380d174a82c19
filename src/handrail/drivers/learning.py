"""Learned result shapes, kept beside the outcomes that taught them (promise 1.4).

Each process learns in memory. With the first result of a tool, and then every few results, what it learned
is merged with what others stored meanwhile, in the settlement's own transaction; counts add, so the order does not
matter. If that transaction fails or runs again, nothing is counted twice: what was stored last is remembered and
subtracted.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field
from functools import partial

from handrail.contracts.shapes import DriftEvent, Shape
from handrail.core.commands import Settle, Settled
from handrail.core.digest import Json
from handrail.core.policy import Policy
from handrail.core.settlement import Learned, settle
from handrail.core.store import Step, Store, Transaction

SAVE_EVERY = 5
"""Results of a tool after which it is saved, so that many processes together notice as early as one that sees all."""

SAVE_PAUSE_S = 1.0
"""Seconds between two saves of a tool, however many results there are."""


class _Lesson:
    """What this process knows of one tool's results."""

    __slots__ = ("known", "lock", "mine", "saved_s", "unsaved")

    def __init__(self, tool: str) -> None:
        self.lock = threading.Lock()
        self.mine = Shape(tool)
        self.known = Shape(tool)
        self.unsaved = SAVE_EVERY - 1  # the first result looks at what others learned
        self.saved_s = -math.inf

    def observe(self, result: Json) -> tuple[tuple[DriftEvent, ...], bool]:
        """Learn from one result; return what drifted, and whether to save."""
        with self.lock:
            events = self.mine.observe(result)
            self.unsaved += 1
            late = self.unsaved >= SAVE_EVERY and time.monotonic() - self.saved_s >= SAVE_PAUSE_S
            return events, late or bool(events)

    def save(self, tx: Transaction, events: tuple[DriftEvent, ...] = ()) -> Learned:
        """Merge with the store; return the state to write, and those events that no other process has raised."""
        with self.lock:
            text = tx.shape(self.mine.tool)
            if text is not None:
                stored = _readable(self.mine.tool, text)
                events = tuple(event for event in events if not stored.knows(event))
                self.mine.absorb(stored, self.known)
            state = self.mine.to_json()
            self.known = Shape.from_json(state)
            self.unsaved, self.saved_s = 0, time.monotonic()
            return Learned(state, tuple(map(_body, events)))


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
        if not command.returned or command.opaque or command.go.attempt:
            return lambda tx: settle(tx, command, policy)
        lesson = self._lesson(command.go.action.tool)
        events, due = lesson.observe(_redacted(command, policy))
        if not due:
            return lambda tx: settle(tx, command, policy)
        return lambda tx: settle(tx, command, policy, lesson.save(tx, events))

    def _lesson(self, tool: str) -> _Lesson:
        found = self._lessons.get(tool)
        return self._lessons.setdefault(tool, _Lesson(tool)) if found is None else found

    def flush(self, store: Store) -> None:
        """Store what is not stored yet."""
        for lesson in self._lessons.values():
            if lesson.unsaved:
                store.transact(partial(_flush, lesson))


def _redacted(command: Settle, policy: Policy) -> Json:
    """Return the result without its secrets: keys are stored."""
    tool = policy.tool(command.go.action.tool)
    if tool is None or not tool.secrets:
        return command.result
    return tool.redact({"result": command.result})["result"]


def _flush(lesson: _Lesson, tx: Transaction) -> None:
    state = lesson.save(tx).state
    assert state is not None
    tx.put_shape(lesson.mine.tool, state)


def _body(event: DriftEvent) -> dict[str, Json]:
    return {
        "field": event.field, "drift": event.kind.value, "what": event.what, "baseline": event.baseline,
        "observed": event.observed, "learned": event.learned, "seen": event.seen, "generation": event.generation,
        "sentence": event.sentence,
    }  # fmt: skip

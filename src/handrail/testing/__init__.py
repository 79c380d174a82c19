"""For your own tests: a clock that you move, a flow that you answer by hand, and the store's contract.

    store = MemoryStore(clock_us=Clock())
    play = Playbook(life(proposal))
    assert isinstance(play.command, Admit)
    play.answer(Go(action, ()))

`handrail.testing.conformance` holds what every store must do, as plain functions: run it on yours.
"""

from __future__ import annotations

from typing import TypeVar

from handrail.core.commands import Answer, Command
from handrail.core.flow import Life
from handrail.core.outcome import Outcome
from handrail.stores.memory import MemoryStore

T = TypeVar("T")

__all__ = ["Clock", "MemoryStore", "Playbook"]


class Clock:
    """A clock that moves only when told.

    Args:
        now_us: Where it starts, microseconds since the epoch.
    """

    def __init__(self, now_us: int = 1_800_000_000_000_000) -> None:
        self.now_us = now_us

    def __call__(self) -> int:
        """Return the time, microseconds since the epoch."""
        return self.now_us

    def forward(self, seconds: float) -> None:
        """Move the clock; negative seconds make it jump back."""
        self.now_us += int(seconds * 1_000_000)


class Playbook:
    """A flow whose commands a test answers by hand, without mocks.

    Attributes:
        command: The command that waits for an answer; None once the flow has ended.
        outcome: How it ended; None before.
    """

    def __init__(self, flow: Life) -> None:
        self._flow = flow
        self.command: Command | None = next(flow)
        self.outcome: Outcome | None = None

    def expect(self, kind: type[T]) -> T:
        """Return the waiting command, which must be of this kind."""
        assert isinstance(self.command, kind), f"expected {kind.__name__}, the flow asks {self.command}"
        return self.command

    def answer(self, answer: Answer) -> Playbook:
        """Answer the waiting command."""
        try:
            self.command = self._flow.send(answer)
        except StopIteration as stop:
            self.command = None
            self.outcome = stop.value
        return self

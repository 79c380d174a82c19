"""A run: one piece of work of one agent. Guarded calls happen inside one, or are refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Self

RUN: ContextVar[Run | None] = ContextVar("handrail_run", default=None)
CALL: ContextVar[str | None] = ContextVar("handrail_call", default=None)


class Run:
    """One run. Use it as a context manager, in blocking and in async code alike.

    Attributes:
        id: Id of the run; name it yourself to find it again after a crash.
        agent: Name of the agent, as declared in handrail.yaml.
        wait_s: Seconds that a held call waits for a person before it raises.
        workspace: What it belongs to; its guarded functions accept only their own runs.
    """

    def __init__(self, workspace: object, id: str, agent: str, wait_s: float) -> None:
        self.workspace = workspace
        self.id = id
        self.agent = agent
        self.wait_s = wait_s
        self._tokens: list[Token[Run | None]] = []

    def __enter__(self) -> Self:
        """Begin: guarded calls in this context belong to this run."""
        self._tokens.append(RUN.set(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        RUN.reset(self._tokens.pop())

    @contextmanager
    def call(self, id: str) -> Iterator[None]:
        """Name the next guarded calls: the same (run, call id) is the same call and runs once, also after a crash.

        Args:
            id: Unique inside the run, for one call. The same id with other arguments is refused.
        """
        token = CALL.set(id)
        try:
            yield
        finally:
            CALL.reset(token)

"""A run: one piece of work of one agent. Guarded calls happen inside one, or are refused."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Self

from handrail.errors import ConfigurationError

_GENERATOR = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR

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
        self.wait_s = float(wait_s)
        self._tokens: list[Token[Run | None]] = []

    @property
    def open(self) -> bool:
        """Whether it has begun and not ended; a task that outlives its run may do nothing more in it."""
        return bool(self._tokens)

    def __enter__(self) -> Self:
        """Begin: guarded calls in this context belong to this run.

        Raises:
            ConfigurationError: It is begun inside a generator, where another run could come between under its name.
        """
        frame = inspect.currentframe()
        caller = frame.f_back if frame is not None else None
        if caller is not None and caller.f_code.co_flags & _GENERATOR:
            raise ConfigurationError(
                "A run cannot begin inside a generator: while it pauses, other code would act in the run's name. "
                "Begin it where the generator is used."
            )
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

        Raises:
            ConfigurationError: The id is empty.
        """
        if not id:
            raise ConfigurationError("A call id must not be empty: it is what makes two calls the same.")
        token = CALL.set(id)
        try:
            yield
        finally:
            CALL.reset(token)

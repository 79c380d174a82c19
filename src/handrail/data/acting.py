"""What somebody does at a place becomes an action: proposed, decided, journalled, settled, like any tool's call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from handrail.core.commands import Proposal
from handrail.core.digest import Json
from handrail.core.outcome import Violation
from handrail.drivers import blocking
from handrail.drivers.edge import value_of
from handrail.drivers.host import Body, Host

T = TypeVar("T")


class Recorded(NamedTuple):
    """What a place itself has recorded of a change, whoever made it.

    Attributes:
        at_us: When it was made; 0 where the place does not keep that.
        effects: What it did, `verb resource` each; raw.
    """

    at_us: int = 0
    effects: tuple[str, ...] = ()


class Propose(Protocol):
    """Turns a tool's name and final arguments into a proposal of the run that is open here."""

    def __call__(
        self, tool: str, args: dict[str, Json], invalid: tuple[Violation, ...] = (), before: Json = None
    ) -> Proposal:
        """Return the proposal.

        Raises:
            Denied: It is made outside a run.
        """
        ...


@dataclass(frozen=True, slots=True)
class Edge:
    """Where actions of a place begin: the host that performs them, and the run that they belong to.

    Attributes:
        host: Performs commands.
        propose: Makes proposals.
    """

    host: Host
    propose: Propose


@dataclass(frozen=True, slots=True)
class Acting(Generic[T]):
    """One action, ready to be run.

    Attributes:
        proposal: What is proposed.
        do: Does it; returns its result as JSON, and the value that the caller gets.
        again: Returns the value from the kept result of the same call made before.
    """

    proposal: Proposal
    do: Callable[[], tuple[Json, T]]
    again: Callable[[Json], T]

    def run(self, edge: Edge) -> T:
        """Run it; return its value or raise, as any guarded call does."""
        done = _Done(self.do)
        result = value_of(blocking.run(self.proposal, edge.host, Body(done)))
        return self._value(result, done)

    def told(self) -> Acting[dict[str, Json]]:
        """Return the same action, whose value is its result as it is journalled, a JSON object."""

        def do() -> tuple[Json, dict[str, Json]]:
            form, _ = self.do()
            return form, _object(form)

        return Acting(self.proposal, do, _object)

    async def run_async(self, edge: Edge, spawn: Callable[[Callable[[], Json]], Awaitable[object]]) -> T:
        """Run it on an event loop.

        Args:
            edge: Where it begins.
            spawn: Runs a blocking function so that the loop goes on.
        """
        from handrail.drivers import asynchronous  # noqa: PLC0415 (asyncio loads where it is used)

        done = _Done(self.do)
        body = Body(lambda: spawn(done), is_async=True)
        result = value_of(await asynchronous.run(self.proposal, edge.host, body))
        return self._value(result, done)

    def _value(self, result: object, done: _Done[T]) -> T:
        return done.values[-1] if done.values else self.again(result)  # type: ignore[arg-type]  # JSON, as it was kept


def _object(form: Json) -> dict[str, Json]:
    return form if isinstance(form, dict) else {}


class _Done(Generic[T]):
    """Does an action, and keeps the value of each attempt beside the result that is journalled."""

    def __init__(self, do: Callable[[], tuple[Json, T]]) -> None:
        self._do = do
        self.values: list[T] = []

    def __call__(self) -> Json:
        result, value = self._do()
        self.values.append(value)
        return result

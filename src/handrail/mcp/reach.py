"""Calling the tools of an MCP server without a client: for an undo, which a person makes at a terminal.

The server is started once, on an event loop in a thread of its own, and ended when the block ends. The tools are those
that the proxy would show: declared in the policy, and as they were pinned.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

from handrail.core.digest import Json, to_json
from handrail.core.outcome import Violation
from handrail.core.text import safe
from handrail.drivers.host import Body
from handrail.errors import ConfigurationError, NotDone, OutcomeUnknown
from handrail.mcp import ask, methods
from handrail.mcp.answers import AnswerKind, ServerAnswer, ServerError, kind_of_answer, value_of
from handrail.mcp.catalogue import Catalogue, Offered
from handrail.mcp.lock import Lock
from handrail.mcp.message import Malformed, Message, read

T = TypeVar("T")

PATIENCE_S = 60.0
"""Seconds that a server has for one call."""

END_S = 20.0
"""Seconds after which a server that does not end is left behind; `ask` ends it well before."""


class ReachedTools:
    """The tools of a running server, which can be called.

    Args:
        talk: The conversation with it.
        envelope: What each request carries.
        catalogue: What it lists.
        loop: The event loop that it is talked with on.
    """

    def __init__(
        self, talk: ask.Talk, envelope: ask.Message, catalogue: Catalogue, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._talk = talk
        self._envelope = envelope
        self._catalogue = catalogue
        self._loop = loop
        self._prefix = f"{catalogue.server}." if catalogue.server else ""
        self._lost = ""

    def body(self, name: str, args: Mapping[str, Json]) -> Body | None:
        """Return a body that calls a tool; None for one that this server cannot have.

        Args:
            name: Name of the tool in the policy.
            args: Its arguments.
        """
        if not name.startswith(self._prefix):
            return None
        return _Calling(self, name.removeprefix(self._prefix), dict(args)).body()

    def offered(self, name: str) -> Offered:
        """Return a tool that may be called. Raises `NotDone`."""
        found = self._catalogue.find(name)
        if why := self._lost or self._catalogue.why_not(name):
            known = (
                "" if self._prefix or found is not None else " If the policy names the server, say so: --server NAME"
            )
            raise NotDone(f"{why}{known}")
        assert found is not None
        return found

    def request(self, name: str, args: dict[str, Json]) -> ServerAnswer:
        """Call a tool.

        Raises:
            OutcomeUnknown: There is no answer, so nobody knows what it did; nothing further is asked of this server.
        """
        try:
            return self._wait(self._request({**self._envelope, "name": name, "arguments": args}))
        except TimeoutError:
            self._lost = f"The server did not answer an earlier call within {PATIENCE_S:g} s, so it is not asked again."
            why = f"The server did not answer within {PATIENCE_S:g} s."
        except (ask.NoAnswer, Malformed) as error:
            self._lost = f"The server is lost since an earlier call. {error}"
            why = f"The server gave no answer that can be read. {error}"
        raise OutcomeUnknown(f"{why} Look at what it did.")

    async def _request(self, params: ask.Message) -> ServerAnswer:
        async with asyncio.timeout(PATIENCE_S):
            line = json.dumps(await self._talk.request(methods.CALL, params)).encode()
        message = read(line)
        assert isinstance(message, Message)
        return ServerAnswer(line, message)

    def _wait(self, coroutine: Coroutine[object, object, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


class _Calling:
    """One call of a tool."""

    def __init__(self, tools: ReachedTools, name: str, args: dict[str, Json]) -> None:
        self._tools = tools
        self._name = name
        self._args = args
        self._broken: tuple[Violation, ...] = ()

    def body(self) -> Body:
        """Return its body."""
        return Body(self._call, lambda _: self._broken)

    def _call(self) -> Json:
        offered = self._tools.offered(self._name)
        broken = offered.check_arguments({**offered.defaults, **self._args})
        if broken:
            raise NotDone(f"The arguments are not valid: {f'{broken[0].path} {broken[0].why}'.strip()}")
        answer = self._tools.request(self._name, self._args)
        kind, said = kind_of_answer(answer)
        if kind is AnswerKind.TASK:
            raise OutcomeUnknown("The server began a task, and nobody waits here for what it comes to. Look later.")
        if kind is not AnswerKind.DONE:
            raise ServerError(said or "The server asked something back, which nobody can answer here.")
        self._broken = offered.check_result(answer.result)
        return value_of(methods.CALL, answer.result)


@contextmanager
def reached(command: ask.Command, server: str, lock: Lock) -> Iterator[ReachedTools]:
    """Start a server and let its tools be called.

    Args:
        command: How it is started.
        server: Its name in the policy, `""` without one.
        lock: What its tools were pinned as.

    Raises:
        ConfigurationError: It cannot be started, or asked for its tools.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="handrail-mcp", daemon=True)
    thread.start()
    ready: Future[ReachedTools] = Future()
    ended = threading.Event()

    async def live() -> None:
        try:
            async with ask.started(command) as talk:
                async with asyncio.timeout(ask.TIMEOUT_S):
                    tools = await _listed(talk, Catalogue(server, lock), loop)
                ready.set_result(tools)
                await loop.create_future()  # until it is cancelled
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            raise
        finally:
            ended.set()

    living = asyncio.run_coroutine_threadsafe(live(), loop)
    try:
        try:
            tools = ready.result()
        except TimeoutError:
            why = f"It did not tell its tools within {ask.TIMEOUT_S:g} s. Start it by hand to see what it waits for."
            raise ConfigurationError(f"The MCP server cannot be used. {why}") from None
        except (ask.NoAnswer, ValueError) as error:
            raise ConfigurationError(f"The MCP server cannot be used. {safe(error, max_chars=500)}") from None
        yield tools
    finally:
        living.cancel()
        ended.wait(END_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _listed(talk: ask.Talk, catalogue: Catalogue, loop: asyncio.AbstractEventLoop) -> ReachedTools:
    offers, envelope = await ask.greeted(talk)
    listed = await ask.pages(talk, envelope) if offers.get("tools") is not None else []
    for definition in listed:
        catalogue.learn(to_json(definition))
    catalogue.complete = True
    return ReachedTools(talk, envelope, catalogue, loop)

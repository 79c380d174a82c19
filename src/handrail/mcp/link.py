"""The way to the server: requests and what they wait for, each with an id that is in flight once."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeAlias

from handrail.core.digest import Json
from handrail.mcp.answers import ServerAnswer, ServerLost
from handrail.mcp.message import Id, Object, write

IN_FLIGHT_MAX = 1_024
"""Requests that may wait for the server at once."""

FORGOTTEN_MAX = 10_000
"""Ids that are remembered whose answers nobody waits for any more."""

PAGES_MAX = 100
"""Pages of a list that we ask for."""

OWN_PATIENCE_S = 60.0
"""Seconds that the server has for a request of our own."""

OnAnswer: TypeAlias = Callable[[ServerAnswer], None]
OnLost: TypeAlias = Callable[[Exception], None]


class ServerLink:
    """Requests to the server, by id.

    Args:
        send: Writes a line to the server.
    """

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._waiting: dict[Id, tuple[OnAnswer, OnLost]] = {}
        self._forgotten: OrderedDict[Id, None] = OrderedDict()
        self._own = f"handrail-{os.urandom(6).hex()}-"
        self._count = 0
        self._lost = ""
        self.envelope: dict[str, Json] = {}

    @property
    def lost(self) -> str:
        """Why nothing can be sent any more, `""` while it can."""
        return self._lost

    def __contains__(self, id: Id) -> bool:
        """Whether an answer to this id may still come: a late one must not be taken for another request's."""
        return id in self._waiting or id in self._forgotten

    def __len__(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def ask(self, id: Id, line: bytes, on_answer: OnAnswer, on_lost: OnLost) -> None:
        """Send a request; exactly one of the two is called later, unless it is forgotten."""
        if self._lost:
            on_lost(ConnectionError(self._lost))
            return
        self._waiting[id] = (on_answer, on_lost)
        self._send(line)

    async def request(self, id: Id, line: bytes) -> ServerAnswer:
        """Send a request and wait for its answer.

        Raises:
            ConnectionError: The server is gone; it was not sent.
            ServerLost: The server stopped answering.
        """
        future: asyncio.Future[ServerAnswer] = asyncio.get_running_loop().create_future()
        self.ask(id, line, lambda answer: _resolve(future, answer), lambda error: _fail(future, error))
        try:
            return await future
        finally:
            if not future.done() or future.cancelled():
                self.forget(id)

    async def own(self, method: str, params: Object) -> ServerAnswer:
        """Make a request of our own, whose id no client has.

        Raises:
            ConnectionError: As `request`.
            ServerLost: As `request`, or no answer came in time.
        """
        self._count += 1
        id = f"{self._own}{self._count}"
        if self.envelope:
            params = {**params, "_meta": dict(self.envelope)}
        line = write({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        try:
            return await asyncio.wait_for(self.request(id, line), OWN_PATIENCE_S)
        except ServerLost:
            raise
        except TimeoutError:
            raise ServerLost(f"The server did not answer {method} within {OWN_PATIENCE_S:.0f} s.") from None

    async def pages(self, method: str, key: str) -> list[Json]:
        """Ask for a whole list, page by page.

        Raises:
            ConnectionError: As `request`.
            ServerLost: As `own`.
            ValueError: The server refused, or answered with no list, or with one without end.
        """
        found: list[Json] = []
        params: Object = {}
        for _ in range(PAGES_MAX):
            answer = await self.own(method, params)
            page = answer.result.get(key)
            if not isinstance(page, list) or answer.message.faults:
                raise ValueError(f"The server did not answer {method} with a list.")
            found += page
            cursor = answer.result.get("nextCursor")
            if cursor is None:
                return found
            params = {"cursor": cursor}
        raise ValueError(f"The server's answer to {method} has more than {PAGES_MAX} pages.")

    def forget(self, id: Id) -> None:
        """Wait for an answer no longer; one that comes yet is dropped."""
        if self._waiting.pop(id, None) is not None:
            self._forgotten[id] = None
            if len(self._forgotten) > FORGOTTEN_MAX:
                self._forgotten.popitem(last=False)

    def answered(self, answer: ServerAnswer) -> bool:
        """Hand an answer to whoever waits for it; return whether somebody does, or did."""
        id = answer.message.id
        if id is not None and id in self._forgotten:
            del self._forgotten[id]
            return True
        waiting = None if id is None else self._waiting.pop(id, None)
        if waiting is None:
            return False
        waiting[0](answer)
        return True

    def fail_all(self, why: str, *, for_good: bool) -> None:
        """Tell everybody who waits that no answer comes.

        Args:
            why: One sentence.
            for_good: Whether nothing can be sent any more either.
        """
        if for_good:
            self._lost = why
        waiting, self._waiting = self._waiting, {}
        for _, on_lost in waiting.values():
            on_lost(ServerLost(why))


def _resolve(future: asyncio.Future[ServerAnswer], answer: ServerAnswer) -> None:
    if not future.done():
        future.set_result(answer)


def _fail(future: asyncio.Future[ServerAnswer], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)

"""The proxy as a process: its client on stdin and stdout, its server as a child, and an orderly end of both."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from handrail.errors import ConfigurationError
from handrail.mcp.catalogue import Catalogue
from handrail.mcp.child import Child
from handrail.mcp.inline import inline
from handrail.mcp.lines import LINE_MAX, LineSink, LineSource
from handrail.mcp.lock import LOCK_NAME, Lock, lock_beside
from handrail.mcp.proxy import Proxy
from handrail.reload import PolicyWatch, Watch

if TYPE_CHECKING:
    from handrail.workspace import Workspace

DRAIN_S = 1.0
"""Seconds that calls under way have to end by themselves once the client is gone."""

SETTLE_S = 10.0
"""Seconds that the store has to record how calls ended."""


@dataclass(frozen=True, slots=True)
class Served:
    """What is served, and to whom.

    Attributes:
        command: The server's program and arguments.
        agent: Name of the agent.
        run: Id of the run.
        server: The server's name in the policy, `""` without one.
        policy: The policy file.
        wait_s: Seconds that a held call waits for a person.
        line_max: Bytes that a line may have.
    """

    command: Sequence[str]
    agent: str
    run: str
    server: str
    policy: Path
    wait_s: float = 0.0
    line_max: int = LINE_MAX


def serve(workspace: Workspace, served: Served, say: Callable[[str], None]) -> bool:
    """Serve one connection on this process's stdin and stdout, until either side ends.

    Args:
        workspace: The open policy with its store.
        served: What is served.
        say: Tells the operator a sentence on stderr.

    Returns:
        Whether the client ended it; False when the server did.

    Raises:
        ConfigurationError: The server cannot be started, or the lock cannot be read.
    """
    taken, given = take_stdio()
    return asyncio.run(_Connection(workspace, served, say).run(taken, given))


def take_stdio() -> tuple[int, int]:
    """Return stdin and stdout, and leave in their place what cannot disturb the protocol."""
    taken, given = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return taken, given


class _Connection:
    """One client, one server, and the proxy between them."""

    def __init__(self, workspace: Workspace, served: Served, say: Callable[[str], None]) -> None:
        self._workspace = workspace
        self._served = served
        self._say = say
        self._over = asyncio.Event()
        self._hurry = False
        self._by_client = True

    async def run(self, taken: int, given: int) -> bool:
        served, lock_file = self._served, lock_beside(self._served.policy)
        catalogue = Catalogue(served.server, self._lock(lock_file))
        host = self._workspace.host
        host.store = inline(host.store)
        policy = PolicyWatch(served.policy, self._workspace, self._say)
        locks = Watch(lock_file)

        def look() -> None:
            policy.look()
            if locks.changed():
                self._relock(catalogue, lock_file)

        child = Child(served.command, self._from_server, self._server_over, self._server_full, served.line_max)
        self._source = LineSource(taken, self._from_client, self._over.set, served.line_max)
        self._sink = LineSink(given, self._over.set, self._client_full)
        self._child = child
        self._proxy = Proxy(
            self._workspace, served.agent, served.run, catalogue,
            to_client=self._sink.write, to_server=child.sink.write, say=self._say, look=look, stop=self._over.set,
            wait_s=served.wait_s,
        )  # fmt: skip
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._end_at_once)
        self._source.resume()
        child.source.resume()
        await self._over.wait()
        await self._end()
        return self._by_client

    def _lock(self, path: Path) -> Lock:
        lock = Lock.load(path)
        if not lock.exists:
            self._say(f"There is no {LOCK_NAME} beside the policy, so no tool is pinned. Write one: handrail init")
        return lock

    def _relock(self, catalogue: Catalogue, path: Path) -> None:
        try:
            lock = Lock.load(path)
        except ConfigurationError as error:
            self._say(f"{error} The pins that were read before stay in force.")
            return
        if catalogue.lock.exists and not lock.exists:
            self._say(f"{LOCK_NAME} is gone. The pins that were read before stay in force. Restore it.")
            return
        catalogue.compare_with(lock)

    # --- lines --------------------------------------------------------------------------------------------------------

    def _from_client(self, line: bytes | None) -> None:
        self._proxy.from_client(line)

    def _from_server(self, line: bytes | None) -> None:
        self._proxy.from_server(line)

    def _client_full(self, full: bool) -> None:
        (self._child.source.pause if full else self._child.source.resume)()

    def _server_full(self, full: bool) -> None:
        (self._source.pause if full else self._source.resume)()

    def _server_over(self) -> None:
        if not self._over.is_set():
            self._by_client = False
            self._over.set()

    # --- the end ------------------------------------------------------------------------------------------------------

    def _end_at_once(self) -> None:
        if self._over.is_set():  # whoever ends us has no patience left
            self._child.signal(signal.SIGTERM)
        self._hurry = True
        self._over.set()

    async def _end(self) -> None:
        """End: what is under way may finish, then the server, then what is left is settled and answered."""
        self._source.close()
        if self._by_client:
            await self._drain()
        else:
            await self._child.gone(0.2)  # so that it can be told how it ended
            self._say(f"The MCP server ended the connection: {self._child.ended}.")
        if not self._by_client:
            self._proxy.server_ended(self._child.ended)
        await self._child.end(0.2 if self._hurry else 2.0)
        self._proxy.server_ended("the connection ended")
        await self._proxy.end(SETTLE_S)
        await self._sink.close(DRAIN_S)

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + DRAIN_S
        while self._proxy.busy and not self._hurry and loop.time() < until:
            with suppress(TimeoutError):
                await asyncio.sleep(0.02)

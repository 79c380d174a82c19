"""An MCP server over a guarded database, on raw JSON-RPC: five tools, both protocol eras, nothing else.

Lines are read and answered on an event loop; each call of a tool runs in a thread of its own, inside the one run of the
connection, so that a long query holds nobody up.
"""

from __future__ import annotations

import asyncio
import contextvars
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from handrail.core.text import safe
from handrail.mcp import methods
from handrail.mcp.batch import Batches
from handrail.mcp.data_call import DataCall, pause
from handrail.mcp.data_place import Meant, OpenDatabase, installed
from handrail.mcp.data_tools import TOOLS
from handrail.mcp.lines import LineSink, LineSource
from handrail.mcp.message import (
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    REFUSED,
    Batch,
    Id,
    Malformed,
    Message,
    MessageKind,
    error_answer,
    read,
    write,
)
from handrail.mcp.serve import DRAIN_S, SETTLE_S, take_stdio
from handrail.reload import PolicyWatch

if TYPE_CHECKING:
    from handrail.mcp.message import Object
    from handrail.workspace import Workspace

HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""Versions of the protocol that begin with `initialize`; the last is offered to a client that knows none of them."""

STATELESS_VERSIONS = ("2026-07-28",)
"""Versions whose requests carry their version themselves."""

UNSUPPORTED_VERSION = -32022
"""MCP's code for a version that is not spoken here (2026-07-28)."""

SERVER_INFO_KEY = f"{methods.ENVELOPE_PREFIX}serverInfo"

CALLS_MAX = 32
"""Calls that may be under way at once."""

_FRESH: dict[str, object] = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
"""What lists and descriptions carry in the stateless era: they may be different at the next look."""


class DataServer:
    """One connection of one agent to a database. Made where the run is open.

    Args:
        workspace: The open policy with its store.
        place: The database.
        to_client: Writes a line to the client.
        say: Tells the operator a sentence; foreign text in it is safe.
        look: Called before each call: the moment to take over a changed policy.
        stop: Ends the connection.
    """

    def __init__(
        self,
        workspace: Workspace,
        place: OpenDatabase,
        *,
        to_client: Callable[[bytes], None],
        say: Callable[[str], None],
        look: Callable[[], None] = lambda: None,
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._workspace = workspace
        self._place = place
        self._to_client = to_client
        self._say = say
        self._look = look
        self._stop = stop
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._batches = Batches(to_client)
        self._calls: dict[Id, DataCall] = {}
        self._running: set[DataCall] = set()
        workspace.host.sleep = pause

    @property
    def busy(self) -> bool:
        """Whether a call is under way."""
        return bool(self._running)

    @property
    def changing(self) -> bool:
        """Whether a call is under way that may be changing rows."""
        return any(not call.reads for call in self._running)

    def from_client(self, line: bytes | None) -> None:
        """Take a line of the client; None for one that is too long."""
        if line is None:
            self._to_client(error_answer(None, PARSE_ERROR, "The line is longer than 64 MiB, so the connection ends."))
            self._stop()
            return
        if not line.strip():
            return
        try:
            found = read(line)
        except Malformed as error:
            id = None if error.id is None or self._in_flight(error.id) else error.id
            self._to_client(error_answer(id, error.code, str(error)))
            return
        if isinstance(found, Batch):
            self._batch(found)
        else:
            self._message(found)

    def abandon(self) -> None:
        """Let calls under way wait for nobody any more; what works on the database ends by itself."""
        for call in self._running:
            call.abandoned.set()

    # --- what comes ---------------------------------------------------------------------------------------------------

    def _batch(self, batch: Batch) -> None:
        requests = [item for item in batch.items if isinstance(item, Message) and item.kind is MessageKind.REQUEST]
        ids = [item.id for item in requests if item.id is not None and not self._in_flight(item.id)]
        broken = [error for error in batch.items if isinstance(error, Malformed)]
        self._batches.begin(ids, [error_answer(error.id, error.code, str(error)) for error in broken])
        for item in batch.items:
            if isinstance(item, Message):
                self._message(item, batched=True)

    def _message(self, message: Message, *, batched: bool = False) -> None:
        if message.kind is MessageKind.REQUEST:
            self._request(message, batched=batched)
        elif message.method == "notifications/cancelled" and not message.faults:
            self._cancelled(message)

    def _in_flight(self, id: Id, *, batched: bool = False) -> bool:
        return id in self._calls or (id in self._batches and not batched)

    def _request(self, message: Message, *, batched: bool) -> None:
        id, version = message.id, _version(message.params)
        assert id is not None
        if self._in_flight(id, batched=batched):
            why = f"The id {safe(id)} is in flight already, so this request was dropped. Use a new id."
            self._to_client(error_answer(None, INVALID_REQUEST, why))
        elif version is not None and version not in STATELESS_VERSIONS:
            why = "This version of the protocol is not spoken here. Use one of those in 'supported'."
            told = {"supported": [*HANDSHAKE_VERSIONS, *STATELESS_VERSIONS], "requested": version}
            self._batches.answer(id, error_answer(id, UNSUPPORTED_VERSION, why, told))
        elif message.method == methods.CALL:
            self._call(message)
        elif message.faults:
            self._batches.answer(id, error_answer(id, INVALID_REQUEST, message.faults[0]))
        elif (result := self._described(message)) is not None:
            self._batches.answer(id, write({"jsonrpc": "2.0", "id": id, "result": result}))
        else:
            why = "There is no such method here. This server has tools and nothing else: tools/list, tools/call."
            self._batches.answer(id, error_answer(id, METHOD_NOT_FOUND, why))

    def _described(self, message: Message) -> dict[str, object] | None:
        """Return what the server says of itself; None for what it knows nothing about."""
        fresh = _FRESH if methods.is_stateless(message.params) else {}
        match message.method:
            case "initialize":
                return {"protocolVersion": _agreed(message.params), **self._about(), "serverInfo": _info()}
            case "server/discover":
                versions = list(STATELESS_VERSIONS)
                return {
                    **_FRESH, "supportedVersions": versions, **self._about(), "_meta": {SERVER_INFO_KEY: _info()}
                }  # fmt: skip
            case "ping":
                return {}
            case methods.LIST:
                return {"tools": [tool.listed() for tool in TOOLS.values()], **fresh}
        return None

    def _about(self) -> dict[str, object]:
        instructions = (
            f"The database '{self._place.name}', guarded by Handrail. Read it with query. To change rows: plan_change "
            "tells which rows a statement would touch; look whether they are the ones that were meant; apply_change "
            "applies that plan, after a person's approval where it is needed; undo_change takes it back."
        )
        return {"capabilities": {"tools": {}}, "instructions": instructions}

    # --- calls --------------------------------------------------------------------------------------------------------

    def _call(self, message: Message) -> None:
        assert message.id is not None
        if len(self._running) >= CALLS_MAX:
            why = f"{CALLS_MAX} calls are under way, so this one did not begin. Wait for some to end."
            self._batches.answer(message.id, error_answer(message.id, REFUSED, why))
            return
        self._look()
        call = DataCall(self._workspace, self._place, message)
        self._calls[call.id] = call
        self._running.add(call)
        threading.Thread(
            target=self._context.copy().run, args=(self._work, call), name="handrail-data-call", daemon=True
        ).start()

    def _work(self, call: DataCall) -> None:
        """Run one call; in its thread."""
        line = call.line()
        with suppress(RuntimeError):  # the loop is gone: the process ends
            self._loop.call_soon_threadsafe(self._ended, call, line)

    def _ended(self, call: DataCall, line: bytes) -> None:
        self._running.discard(call)
        if self._calls.get(call.id) is call:
            del self._calls[call.id]
            self._batches.answer(call.id, line)

    def _cancelled(self, message: Message) -> None:
        """Answer a call no more. What works on the database ends by itself: a change is made whole or not at all."""
        id = message.params.get("requestId")
        call = self._calls.pop(id, None) if type(id) in {int, str} else None  # type: ignore[arg-type]
        if call is not None:
            self._batches.drop(call.id)
            call.abandoned.set()


def _version(params: Object) -> str | None:
    """Return the version that a request of the stateless era carries; None for one of the handshake's."""
    meta = params.get("_meta")
    found = meta.get(methods.VERSION_KEY) if isinstance(meta, dict) else None
    return None if found is None else str(found)


def _agreed(params: Object) -> str:
    wanted = params.get("protocolVersion")
    return wanted if isinstance(wanted, str) and wanted in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[-1]


def _info() -> dict[str, str]:
    from handrail import __version__  # noqa: PLC0415 (the package that this is a part of)

    return {"name": "handrail-data", "title": "Handrail, guarded data", "version": __version__}


# --- the process ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ServedData:
    """What is served, and to whom.

    Attributes:
        database: The database.
        agent: Name of the agent.
        run: Id of the run.
        policy: The policy file.
        wait_s: Seconds that a held call waits for a person.
    """

    database: Meant
    agent: str
    run: str
    policy: Path
    wait_s: float = 0.0


def serve(workspace: Workspace, served: ServedData, say: Callable[[str], None]) -> None:
    """Serve one connection on this process's stdin and stdout, until the client ends it.

    Args:
        workspace: The open policy with its store.
        served: What is served.
        say: Tells the operator a sentence on stderr.

    Raises:
        ConfigurationError: The database cannot be used.
    """
    place = OpenDatabase(workspace, served.database)
    if not installed(place.address()):
        say(
            f"The database '{place.name}' has no history tables yet, so it can be read and nothing is changed. Make "
            f"them: handrail data install {place.name} --apply"
        )
    if not place.is_declared:
        say(f"The policy declares no table of '{place.name}', so it can be read and nothing is changed.")
    taken, given = take_stdio()
    asyncio.run(_Connection(workspace, served, place, say).run(taken, given))


class _Connection:
    """One client, and the server."""

    def __init__(
        self, workspace: Workspace, served: ServedData, place: OpenDatabase, say: Callable[[str], None]
    ) -> None:
        self._workspace = workspace
        self._served = served
        self._place = place
        self._say = say
        self._over = asyncio.Event()
        self._hurry = False

    async def run(self, taken: int, given: int) -> None:
        served = self._served
        with self._workspace.run(served.agent, id=served.run, wait_s=served.wait_s):
            watch = PolicyWatch(served.policy, self._workspace, self._say)
            self._sink = LineSink(given, self._over.set, self._client_full)
            self._server = DataServer(
                self._workspace, self._place, to_client=self._sink.write, say=self._say, look=watch.look,
                stop=self._over.set,
            )  # fmt: skip
            self._source = LineSource(taken, self._server.from_client, self._over.set)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                asyncio.get_running_loop().add_signal_handler(number, self._end_at_once)
            self._source.resume()
            await self._over.wait()
            await self._end()

    def _client_full(self, full: bool) -> None:
        (self._source.pause if full else self._source.resume)()

    def _end_at_once(self) -> None:
        for number in (signal.SIGTERM, signal.SIGHUP):  # whoever sends a second one has no patience left
            asyncio.get_running_loop().remove_signal_handler(number)
        self._hurry = True
        self._over.set()

    async def _end(self) -> None:
        """End: calls under way may finish; then none waits for a person, and only changes have a while yet."""
        self._source.close()
        await self._drain(DRAIN_S, lambda: self._server.busy and not self._hurry)
        self._server.abandon()
        await self._drain(SETTLE_S, lambda: self._server.changing)
        await self._sink.close(DRAIN_S)

    async def _drain(self, patience_s: float, goes_on: Callable[[], bool]) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + patience_s
        while goes_on() and loop.time() < until:
            with suppress(TimeoutError):
                await asyncio.sleep(0.02)

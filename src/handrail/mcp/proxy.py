"""The proxy between one MCP client and one server: what is gated becomes an action, the rest passes byte for byte.

Nothing here knows the types of the protocol. A line is read once to see what it is; both protocol eras, and what is
added to them later, go through as long as they are not asked to act.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from handrail.core.digest import Json
from handrail.core.outcome import Reason, Status
from handrail.core.record import Record, RecordKind
from handrail.core.text import safe
from handrail.drivers.host import new_id
from handrail.mcp import methods
from handrail.mcp.answers import ServerAnswer
from handrail.mcp.batch import Batches
from handrail.mcp.call import GatedCall
from handrail.mcp.catalogue import Catalogue
from handrail.mcp.link import IN_FLIGHT_MAX, ServerLink
from handrail.mcp.listed import Listed
from handrail.mcp.message import (
    INTERNAL_ERROR,
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
from handrail.mcp.tools import ServerTools
from handrail.mcp.unfinished import Unfinished

if TYPE_CHECKING:
    from handrail.workspace import Workspace


class Proxy:
    """One connection of one agent.

    Args:
        workspace: The open policy with its store.
        agent: Name of the agent.
        run: Id of the run.
        catalogue: The server's tools.
        to_client: Writes a line to the client.
        to_server: Writes a line to the server.
        say: Tells the operator a sentence; foreign text in it is safe.
        look: Called before each call: the moment to take over a changed policy.
        stop: Ends the connection.
        wait_s: Seconds that a held call waits for a person.
    """

    def __init__(
        self,
        workspace: Workspace,
        agent: str,
        run: str,
        catalogue: Catalogue,
        *,
        to_client: Callable[[bytes], None],
        to_server: Callable[[bytes], None],
        say: Callable[[str], None],
        look: Callable[[], None] = lambda: None,
        stop: Callable[[], None] = lambda: None,
        wait_s: float = 0.0,
    ) -> None:
        self.workspace = workspace
        self.agent = agent
        self.run = run
        self.wait_s = wait_s
        self.link = ServerLink(to_server)
        self.tools = ServerTools(workspace, catalogue, self.link)
        self.unfinished = Unfinished(self.answer_client)
        self._catalogue = catalogue
        self._to_client = to_client
        self._to_server = to_server
        self._say = say
        self._look = look
        self._stop = stop
        self._calls: dict[Id, GatedCall] = {}
        self._lives: dict[GatedCall, asyncio.Task[None]] = {}
        self._batches = Batches(to_client)
        self._others: set[asyncio.Task[None]] = set()
        self._said: set[str] = set()
        host = workspace.host
        host.bodies = self.tools.body
        host.desk = replace(host.desk, gates=(*host.desk.gates, Listed(catalogue, self.tools.prefix)))

    # --- from the client ----------------------------------------------------------------------------------------------

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
            self._refuse_line(error)
            return
        if isinstance(found, Batch):
            self._batch(found)
        else:
            self._client_message(found, line)

    def _batch(self, batch: Batch) -> None:
        """Take each message of a batch by itself; what they are answered goes back together."""
        requests = [item for item in batch.items if isinstance(item, Message) and item.kind is MessageKind.REQUEST]
        ids = [item.id for item in requests if item.id is not None and not self._in_flight(item.id)]
        broken = [error for error in batch.items if isinstance(error, Malformed)]
        self._batches.begin(ids, [error_answer(error.id, error.code, str(error)) for error in broken])
        for item in batch.items:
            if isinstance(item, Message):
                self._client_message(item, write(item.value), batched=True)

    def _client_message(self, message: Message, line: bytes, *, batched: bool = False) -> None:
        if message.kind is MessageKind.REQUEST:
            self._request(message, line, batched=batched)
        elif message.faults:
            self._say(f"A message of the client was dropped: {message.faults[0]}")
        elif message.kind is MessageKind.ANSWER:
            self._to_server(line)
        elif message.method == "notifications/cancelled":
            self._cancelled(message, line)
        elif message.method.startswith("notifications/"):
            self._to_server(line)
        else:
            why = f"'{safe(message.method)}' came without an id, so it was not passed on. Send it as a request."
            self._say(f"A message of the client was dropped: {why}")
            self._begin(self._journal(message.method, why))

    def _request(self, message: Message, line: bytes, *, batched: bool) -> None:
        id = message.id
        assert id is not None
        if self._in_flight(id, batched=batched):
            why = f"The id {safe(id)} is in flight already, so this request was not passed on. Use a new id."
            self._to_client(error_answer(None, INVALID_REQUEST, why))
            return
        self.link.envelope = methods.envelope_of(message.params) or self.link.envelope
        if self.link.lost:
            self.answer_client(id, error_answer(id, INTERNAL_ERROR, self.link.lost))
        elif len(self._lives) + len(self.link) >= IN_FLIGHT_MAX:
            why = f"{IN_FLIGHT_MAX:,} requests are in flight, so this one was not passed on. Wait for some to end."
            self.answer_client(id, error_answer(id, REFUSED, why))
        elif message.method in methods.GATED:
            self._gate(message)
        elif message.faults:
            self.answer_client(id, error_answer(id, INVALID_REQUEST, message.faults[0]))
        elif message.method in methods.PASSED:
            self._pass(message, line)
        else:
            self._begin(self._deny(id, message.method))

    def _in_flight(self, id: Id, *, batched: bool = False) -> bool:
        return id in self._calls or id in self.link or (id in self._batches and not batched)

    def _refuse_line(self, error: Malformed) -> None:
        id = None if error.id is None or self._in_flight(error.id) else error.id
        self._to_client(error_answer(id, error.code, str(error)))

    def _gate(self, message: Message) -> None:
        self._look()
        call = GatedCall(self, message)
        assert call.id is not None
        self._calls[call.id] = call
        self._lives[call] = asyncio.get_running_loop().create_task(call.live())

    def _pass(self, message: Message, line: bytes) -> None:
        id, method = message.id, message.method
        assert id is not None
        on_answer = partial(self._answered, id)
        if method == methods.LIST:
            self._look()
            on_answer = partial(self._listed, id)
        elif method in {methods.TASK_GET, methods.TASK_RESULT, methods.TASK_CANCEL}:
            call = self.unfinished.task(message.params)
            if call is None and method != methods.TASK_CANCEL:
                why = "This task was not begun on this connection, so its result cannot be verified. Begin it again."
                self.answer_client(id, error_answer(id, REFUSED, why))
                return
            if call is not None:
                on_answer = partial(self.unfinished.answered, id, method, call)
        self.link.ask(id, line, on_answer, partial(self._lost, id))

    def _answered(self, id: Id, answer: ServerAnswer) -> None:
        self.answer_client(id, answer.line)

    def _lost(self, id: Id, error: Exception) -> None:
        self.answer_client(id, error_answer(id, INTERNAL_ERROR, str(error)))

    def _listed(self, id: Id, answer: ServerAnswer) -> None:
        self.answer_client(id, self.tools.shown(answer))

    async def _deny(self, id: Id, method: str) -> None:
        why = f"Handrail does not know the method '{safe(method)}', so it was not passed on. Do it with a tool."
        await self._journal(method, why)
        self.answer_client(id, error_answer(id, METHOD_NOT_FOUND, why))

    async def _journal(self, method: str, why: str) -> None:
        """Record an attempt that no tool can be named for."""
        name = safe(method)
        body: dict[str, Json] = {"why": why}
        record = Record(
            RecordKind.ATTEMPT, new_id(), self.run, self.agent, name,
            status=Status.DENIED, reason=Reason.NOT_DECLARED, body=body,
        )  # fmt: skip
        try:
            await asyncio.wrap_future(self.workspace.store.submit(lambda tx: tx.append(record)))
        except Exception as error:  # noqa: BLE001 (nothing was passed on; that it stands nowhere is told)
            self._say(f"A refusal could not be recorded: {safe(error)}")

    def _cancelled(self, message: Message, line: bytes) -> None:
        """End what the client wants no longer. What the server was sent may have happened."""
        id = message.params.get("requestId")
        if type(id) not in {int, str} or not self._in_flight(id):  # type: ignore[arg-type]
            return
        assert isinstance(id, int | str)
        call = self._calls.get(id)
        if call is None or call.forwarded:
            self._to_server(line)
        self.link.forget(id)
        self._batches.drop(id)
        if call is not None:
            call.cancelled = True
            self._cancel(call)

    def _cancel(self, call: GatedCall) -> None:
        """Stop a call, unless the server's answer is there and only has to be recorded."""
        if not call.answered:
            self._lives[call].cancel()

    # --- from the server ----------------------------------------------------------------------------------------------

    def from_server(self, line: bytes | None) -> None:
        """Take a line of the server; None for one that is too long."""
        if line is None:
            self._broken("The server sent a line of more than 64 MiB, which was dropped.")
            return
        start = line.lstrip()[:1]
        if start not in {b"{", b"["}:
            if start:
                self._say_once(f"The server wrote what is no message to its stdout, and it was dropped: {safe(line)}")
            return
        try:
            found = read(line)
        except Malformed as error:
            self._broken(f"The server sent a line that cannot be read. {error}")
            return
        if isinstance(found, Message):
            self._server_message(found, line)
            return
        for item in found.items:
            if isinstance(item, Message):
                self._server_message(item, write(item.value))
            else:
                self._broken(f"The server sent a message that cannot be read. {item}")

    def _server_message(self, message: Message, line: bytes) -> None:
        if message.kind is MessageKind.ANSWER:
            if message.id is None:
                self._to_client(line)
            elif not self.link.answered(ServerAnswer(line, message)):
                self._say_once("The server answered a request that nobody waits for; the answer was dropped.")
            return
        if message.method == "notifications/tools/list_changed":
            self._catalogue.forget()
        elif message.method.startswith("notifications/tasks"):
            self.unfinished.told(message)
            if "result" in message.params:
                return  # a result comes to the client as the answer to tasks/get, where it is verified
        self._to_client(line)

    def _broken(self, why: str) -> None:
        """Fail whatever waits: the answer to any of it may have been in what cannot be read."""
        self._say(why)
        self.link.fail_all(why, for_good=False)

    def server_ended(self, how: str) -> None:
        """Tell everybody that the server is gone. What it was doing is in doubt."""
        why = f"The MCP server is gone: {how}. Start the connection again."
        self.link.fail_all(why, for_good=True)
        self.unfinished.fail(why)

    def resume(self, call: GatedCall, old: GatedCall) -> None:
        """Go on with `old`, which `call` repeats with what the server asked for."""
        assert call.id is not None
        self._calls[call.id] = old
        old.go_on(call)

    # --- the end of things --------------------------------------------------------------------------------------------

    def answer_client(self, id: Id, line: bytes) -> None:
        """ServerAnswer a request of the client, together with its batch where it came in one."""
        self._batches.answer(id, line)

    def detach(self, id: Id) -> None:
        """The request is answered; its call goes on."""
        self._calls.pop(id, None)

    def ended(self, call: GatedCall) -> None:
        """Forget a call whose action has ended."""
        self._lives.pop(call, None)
        if call.id is not None and self._calls.get(call.id) is call:
            del self._calls[call.id]

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._others.add(task)
        task.add_done_callback(self._others.discard)

    @property
    def busy(self) -> bool:
        """Whether a call is under way whose client waits for it."""
        return any(call.id is not None for call in self._lives)

    async def end(self, patience_s: float) -> None:
        """End every call that is under way, and wait until all of them are settled."""
        for call in tuple(self._lives):
            self._cancel(call)
        waiting = [*self._lives.values(), *self._others]
        if waiting:
            await asyncio.wait(waiting, timeout=patience_s)

    def _say_once(self, message: str) -> None:
        if message not in self._said and len(self._said) < 20:
            self._said.add(message)
            self._say(message)

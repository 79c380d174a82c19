"""One gated request, from the client's line to the client's answer. Its life is `core.flow`; here is its edge.

The server may answer a call in steps. It may ask back (`input_required`): the client gets the question and sends the
same call again with what was asked for, which goes on with the same attempt. It may begin a task: the client gets the
task, and what it came to is known when the client fetches it. Until then the action is in flight.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from handrail.core.action import Action, action_key
from handrail.core.commands import Proposal
from handrail.core.digest import Json, NotJson, to_json
from handrail.core.outcome import Outcome, Reason, Status, Violation
from handrail.core.text import safe
from handrail.drivers import asynchronous
from handrail.drivers.host import Body, new_id
from handrail.errors import HandrailError
from handrail.mcp import methods
from handrail.mcp.answers import (
    AnswerKind,
    ServerAnswer,
    ServerError,
    ServerLost,
    is_clear,
    kind_of_answer,
    refusal,
    task_of,
    value_of,
)
from handrail.mcp.catalogue import Offered
from handrail.mcp.message import Id, Message, Object, write

if TYPE_CHECKING:
    from handrail.mcp.proxy import Proxy

STEPS_MAX = 100
"""Times that a server may ask back in one call."""

INPUT_PATIENCE_S = 3_600.0
"""Seconds that a client has to answer what the server asked back."""


class GatedCall:
    """One action of the client.

    Args:
        proxy: Where it was made.
        message: The request.

    Attributes:
        id: Id of the client's request that waits for an answer now; None while none does.
        state: The `requestState` that the server gave with its question, None without one.
        key: Its action key; empty until it is known.
        task_id: Id of the server's task that it became, `""` without one.
        task_failed: Whether the server said that the task failed.
        forwarded: Whether the server was sent the request that waits now.
        cancelled: Whether the client wants no answer any more.
        outcome: How it ended.
    """

    def __init__(self, proxy: Proxy, message: Message) -> None:
        assert message.id is not None
        self._proxy = proxy
        self._message = message
        self._params = message.params
        self._method = message.method
        self._shape = message.method  # what the waiting request is answered as
        self._answer: ServerAnswer | None = None
        self._offered: Offered | None = None
        self._next: asyncio.Future[ServerAnswer | None] | None = None
        self._late: list[tuple[str, ServerAnswer]] = []
        self._stateless = methods.is_stateless(message.params)
        self.id: Id | None = message.id
        self.state: Json = None
        self.key = ""
        self.task_id = ""
        self.task_failed = False
        self.forwarded = False
        self.cancelled = False
        self.outcome: Outcome | None = None

    # --- what is proposed ---------------------------------------------------------------------------------------------

    async def live(self) -> None:
        """Decide, forward, verify, settle, and answer the client."""
        try:
            proposal = await self._propose()
            if self._asked_back and not proposal.invalid:
                old = self._proxy.unfinished.repeated(self.key, self._params)
                if old is not None:
                    self._proxy.resume(self, old)
                    return
            body = Body(self._send, self._check, is_async=True)
            self.outcome = await asynchronous.run(proposal, self._proxy.workspace.host, body)
        except HandrailError as error:
            self.outcome = Outcome(Status.FAILED, Reason.STORE, str(error))
        except Exception as error:  # noqa: BLE001 (whatever fails inside Handrail is told, and nothing passes)
            why = f"Handrail failed ({type(error).__name__}: {safe(error)}), so there is no result. Tell its operator."
            self.outcome = Outcome(Status.FAILED, Reason.GATE_ERROR, why)
        finally:
            self._proxy.ended(self)
        self._tell()

    @property
    def answered(self) -> bool:
        """Whether the server's last answer is there: what follows is only recording it."""
        return self._answer is not None

    @property
    def _asked_back(self) -> bool:
        return "inputResponses" in self._params or "requestState" in self._params

    async def _propose(self) -> Proposal:
        proxy, found = self._proxy, list[Violation]()
        found += [Violation("arguments", "", why) for why in self._message.faults]
        if odd := methods.misspelled(self._method, self._params):
            found.append(
                Violation("arguments", "", f"The parameter '{safe(odd)}' is spelled with other letters' case.")
            )
        name, args = "", dict[str, Json]()
        try:
            name = methods.tool_of(self._method, self._params)
            args = methods.args_of(self._method, self._params)
        except ValueError as error:
            found.append(Violation("arguments", "", str(error)))
        tool = proxy.tools.prefix + (name or self._method)
        if self._method == methods.CALL and name:
            args = await self._with_defaults(name, args, found)
        try:
            final = to_json(args)
        except NotJson as error:
            found.append(Violation("arguments", "", str(error)))
            final = {"arguments": safe(repr(list(args)), max_chars=500)}
        assert isinstance(final, dict)
        if not found:
            found += proxy.workspace.policy.check_arguments(tool, final)
        self.key = action_key(proxy.agent, tool, final)
        if self._asked_back and (foreign := proxy.unfinished.foreign(self.key, self._params)):
            found.append(Violation("requestState", "", foreign))
        if final or self._params.get("arguments", final) is None:  # absent arguments stay absent
            self._params = methods.with_args(self._method, self._params, final)
        id = new_id()
        action = Action(id, proxy.agent, proxy.run, id, tool, final, self.key)
        return Proposal(action, proxy.tools.declared(tool), tuple(found), proxy.wait_s)

    async def _with_defaults(self, name: str, args: Object, found: list[Violation]) -> Object:
        """Return the arguments with the schema's defaults; note what is wrong with them."""
        offered = await self._proxy.tools.offered(name)
        if offered is None:
            return args  # the gate denies it
        self._offered = offered
        full = {**offered.defaults, **args}
        found += offered.check_arguments(full)
        return full

    # --- what is done -------------------------------------------------------------------------------------------------

    async def _send(self) -> Json:
        """Forward the request and follow the answers to the last one."""
        if self.id is None:
            raise ConnectionError("nobody waits for it any more")
        answer = await self._forward()
        for _ in range(STEPS_MAX):
            step, why = kind_of_answer(answer)
            if step is AnswerKind.INPUT:
                await self._suspend(answer)
                answer = await self._forward()
            elif step is AnswerKind.TASK and self._method == methods.CALL:
                answer = await self._follow(answer)
            else:
                self._answer = answer
                if step is not AnswerKind.DONE:
                    raise ServerError(why or "The server began a task for what cannot be one.")
                return value_of(self._method, answer.result)
        raise ServerError(f"The server asked back more than {STEPS_MAX} times.")

    async def _forward(self) -> ServerAnswer:
        id = self.id
        assert id is not None
        line = write({"jsonrpc": "2.0", "id": id, "method": self._method, "params": self._params})
        self.forwarded = True
        return await self._proxy.link.request(id, line)

    async def _suspend(self, answer: ServerAnswer) -> None:
        """Hand the server's question on, and wait until the client makes the call again with what was asked for."""
        self.state = answer.result.get("requestState")
        self._release(answer)
        self._proxy.unfinished.suspend(self)
        future = self._next = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait_for(future, INPUT_PATIENCE_S)
        except ServerLost:
            raise
        except TimeoutError:
            raise ServerLost("The client did not answer what the server asked back.") from None
        finally:
            self._proxy.unfinished.unsuspend(self)

    def go_on(self, call: GatedCall) -> None:
        """Continue with a request that carries what the server asked for."""
        self.id, call.id = call.id, None
        self._params = call._params
        self._stateless = call._stateless
        assert self._next is not None
        if not self._next.done():
            self._next.set_result(None)

    async def _follow(self, answer: ServerAnswer) -> ServerAnswer:
        """Hand the server's task on, and wait until the client fetches what it came to."""
        self.task_id = task_of(answer)
        if not self._proxy.unfinished.begin(self):
            raise ServerError("The server began a task under an id that is in use.")
        self._release(answer)
        self._next = asyncio.get_running_loop().create_future()
        found = await self._next
        assert found is not None
        return found

    def fetched(self, method: str, answer: ServerAnswer) -> None:
        """Take what the task came to, as the answer to a request of the client's."""
        assert answer.message.id is not None
        if self._next is not None and not self._next.done():
            self.id, self._shape = answer.message.id, method
            self._next.set_result(answer)
        elif self.outcome is None:
            self._late.append((method, answer))
        else:
            self._tell_again(method, answer)

    def task_is(self, status: str) -> None:
        """Note what the server says of the task. Of a cancelled one nobody knows how far it came."""
        if status == "failed":
            self.task_failed = True
        elif status == "cancelled":
            self.fail(ServerLost("The server's task was cancelled before it ended."))

    def fail(self, error: Exception) -> None:
        """End what waits for the client: a question that is not answered, a task that is not fetched."""
        if self._next is not None and not self._next.done():
            self._next.set_exception(error)

    def _release(self, answer: ServerAnswer) -> None:
        """ServerAnswer the waiting request; the action goes on."""
        id, self.id, self.forwarded = self.id, None, False
        if id is not None:
            self._proxy.detach(id)
            self._proxy.answer_client(id, answer.line)

    def _check(self, value: object) -> tuple[Violation, ...]:
        del value  # what the schema speaks of is the result itself
        if self._offered is None or self._answer is None:
            return ()
        return self._offered.check_result(self._answer.result)

    # --- what the client is told --------------------------------------------------------------------------------------

    def _tell(self) -> None:
        outcome, id = self.outcome, self.id
        assert outcome is not None
        self.id = None
        if id is not None and not self.cancelled:
            line = self._servers_own(outcome, id, self._answer) or self._ours(outcome, id, self._shape)
            self._proxy.answer_client(id, line)
        late, self._late = self._late, []
        for method, answer in late:
            self._tell_again(method, answer)

    def _tell_again(self, method: str, answer: ServerAnswer) -> None:
        """ServerAnswer a further fetch of a finished task: with the result that was verified, and no other."""
        outcome, id = self.outcome, answer.message.id
        assert outcome is not None
        assert id is not None
        same = self._answer is not None and self._answer.result == answer.result
        line = self._servers_own(outcome, id, answer) if same else None
        self._proxy.answer_client(id, line or self._ours(outcome, id, method))

    def _servers_own(self, outcome: Outcome, id: Id, answer: ServerAnswer | None) -> bytes | None:
        """Return the server's line where it may pass as it is: for a success, and for what clearly failed."""
        if answer is None or answer.message.id != id:
            return None
        failed = outcome.status is Status.FAILED and isinstance(outcome.error, ServerError) and is_clear(answer)
        return answer.line if failed or outcome.status is Status.SUCCESS else None

    def _ours(self, outcome: Outcome, id: Id, shape: str) -> bytes:
        """Return a line of our own; it never looks like a success."""
        if outcome.status is Status.SUCCESS:
            outcome = Outcome(Status.FAILED, Reason.CHECKS, "The server gave another result than the verified one.")
        shape = methods.CALL if shape == methods.TASK_RESULT else shape
        return refusal(id, shape, outcome, stateless=self._stateless)

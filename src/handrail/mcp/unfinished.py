"""Calls whose server has answered and is not done: it asked something back, or works on a task."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from handrail.core.digest import Json
from handrail.mcp import methods
from handrail.mcp.answers import ServerAnswer, ServerLost, task_status
from handrail.mcp.message import INTERNAL_ERROR, Id, Message, error_answer

if TYPE_CHECKING:
    from handrail.mcp.call import GatedCall

TASKS_MAX = 256
"""Tasks of the server that are remembered."""

SUSPENDED_MAX = 256
"""Calls that may wait for what the server asked back."""


class Unfinished:
    """The unfinished calls of one connection.

    Args:
        answer_client: Answers a request of the client.
    """

    def __init__(self, answer_client: Callable[[Id, bytes], None]) -> None:
        self._answer_client = answer_client
        self._suspended: list[GatedCall] = []
        self._tasks: OrderedDict[str, GatedCall] = OrderedDict()

    # --- the server asked back ----------------------------------------------------------------------------------------

    def suspend(self, call: GatedCall) -> None:
        """Keep a call that waits for what the server asked back."""
        self._suspended.append(call)
        if len(self._suspended) > SUSPENDED_MAX:
            self._suspended[0].fail(ServerLost("Too many calls wait for what the server asked back."))

    def unsuspend(self, call: GatedCall) -> None:
        """Forget a call that waits no longer."""
        self._suspended.remove(call)

    def repeated(self, key: str, params: Mapping[str, Json]) -> GatedCall | None:
        """Return the call that is repeated with what the server asked for, None when there is none."""
        state = params.get("requestState")
        return next((call for call in self._suspended if call.key == key and call.state == state), None)

    def foreign(self, key: str, params: Mapping[str, Json]) -> str:
        """Return why a `requestState` must not go with these arguments, `""` when it may."""
        state = params.get("requestState")
        owners = [call.key for call in self._suspended if state is not None and call.state == state]
        if owners and key not in owners:
            return "The requestState belongs to a call with other arguments. Repeat that call as it was."
        return ""

    # --- the server works on a task -----------------------------------------------------------------------------------

    def begin(self, call: GatedCall) -> bool:
        """Remember a task; return False when its id is in use."""
        if call.task_id in self._tasks:
            return False
        self._tasks[call.task_id] = call
        if len(self._tasks) > TASKS_MAX:
            _, oldest = self._tasks.popitem(last=False)
            oldest.fail(ServerLost("Too many tasks are open, and this one was not fetched."))
        return True

    def task(self, params: Mapping[str, Json]) -> GatedCall | None:
        """Return the call whose task a message is about, None for a task that was not begun here."""
        id = params.get("taskId")
        return self._tasks.get(id) if isinstance(id, str) else None

    def told(self, message: Message) -> None:
        """Take what the server tells of a task."""
        call = self.task(message.params)
        if call is not None:
            call.task_is(task_status(message.params))

    def answered(self, id: Id, method: str, call: GatedCall, answer: ServerAnswer) -> None:
        """Pass on what the server answers about a task; what the task came to is verified first."""
        if method == methods.TASK_RESULT and ("error" not in answer.message.value or call.task_failed):
            call.fetched(method, answer)
            return
        inner: dict[str, Json] = {}
        if method == methods.TASK_GET:  # which holds the outcome of an ended task itself (2026-07-28)
            inner = {key: answer.result[key] for key in ("result", "error") if key in answer.result}
        if answer.message.faults or len(inner) > 1:
            self._answer_client(id, error_answer(id, INTERNAL_ERROR, "The server's answer can be read in two ways."))
        elif inner:
            value: dict[str, Json] = {"jsonrpc": "2.0", "id": id, **inner}
            call.fetched(method, ServerAnswer(answer.line, answer.message._replace(value=value)))
        else:
            call.task_is(task_status(answer.result))
            self._answer_client(id, answer.line)

    def fail(self, why: str) -> None:
        """End all of them: nobody goes on with them any more."""
        for call in (*self._suspended, *self._tasks.values()):
            call.fail(ServerLost(why))

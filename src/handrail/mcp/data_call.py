"""One call of a tool of the data server: what it becomes, run in a thread of its own, and what the client reads."""

from __future__ import annotations

import json
import re
import threading
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from handrail.core.digest import Json, NotJson, to_json
from handrail.core.outcome import Outcome, Reason, Status, Violation
from handrail.core.text import safe
from handrail.data.rows import ChangeRefused, RowConflict, StaleRows
from handrail.data.rows.errors import SHOWN
from handrail.drivers import blocking
from handrail.drivers.host import Body
from handrail.errors import (
    ActionError,
    ConfigurationError,
    HandrailError,
    Killed,
    NotDone,
    OutcomeUnknown,
    ReviewRequired,
)
from handrail.mcp import methods
from handrail.mcp.answers import refusal
from handrail.mcp.data_tools import TOOLS, run
from handrail.mcp.message import Id, Message, Object, write
from handrail.policy.guarded import Act

if TYPE_CHECKING:
    from handrail.mcp.data_place import OpenDatabase
    from handrail.workspace import Workspace

KEYS_CHARS_MAX = 8_000
"""Characters of the keys that a refusal lists."""


_NOTED = re.compile(r"handrail: action (\S+) ended as ")
"""How the note begins that `drivers.edge.value_of` puts on an exception."""


class Abandoned(Exception):  # noqa: N818 (it says what happened)
    """Nobody waits for the call any more, so it waits for nobody."""


WAITED_FOR: ContextVar[threading.Event | None] = ContextVar("handrail_waited_for", default=None)
"""Set once nobody waits any more for the call of this thread."""


def pause(delay_s: float) -> None:
    """Sleep, as `Host.sleep`; end at once where the client is gone or has cancelled the call.

    Raises:
        Abandoned: It is.
    """
    event = WAITED_FOR.get() or threading.Event()
    if event.wait(delay_s):
        raise Abandoned


@dataclass(slots=True, eq=False)
class DataCall:
    """One call.

    Attributes:
        workspace: The open policy with its store.
        place: The database.
        message: The request.
        abandoned: Set when nobody waits for it any more.
    """

    workspace: Workspace
    place: OpenDatabase
    message: Message
    abandoned: threading.Event = field(default_factory=threading.Event)

    @property
    def id(self) -> Id:
        """Id of the request."""
        assert self.message.id is not None
        return self.message.id

    @property
    def reads(self) -> bool:
        """Whether it certainly changes no row."""
        tool = TOOLS.get(str(self.message.params.get("name")))
        return tool is None or tool.reads

    def line(self) -> bytes:
        """Do what is asked, in this thread, and return the line that answers it."""
        token = WAITED_FOR.set(self.abandoned)
        try:
            if self.abandoned.is_set():
                raise Abandoned
            return self._answer(self._result())
        except (Exception, Killed) as error:  # noqa: BLE001 (the edge: whatever ends a call is told)
            outcome = self._outcome(error)
        finally:
            WAITED_FOR.reset(token)
        return refusal(self.id, methods.CALL, outcome, stateless=methods.is_stateless(self.message.params))

    # --- what is done -------------------------------------------------------------------------------------------------

    def _result(self) -> Object:
        name, args, violations = self._asked()
        tool = TOOLS.get(name)
        if tool is None or violations:
            return self._refuse(name, args, violations)
        try:
            with self.place.used() as database:
                return run(tool, args, database)
        except ConfigurationError as error:
            return self._refuse(name, args, (Violation("database", "", str(error)),))

    def _asked(self) -> tuple[str, Object, tuple[Violation, ...]]:
        """Return the tool's name and arguments, and what is wrong with them."""
        params = self.message.params
        found = [Violation("arguments", "", why) for why in self.message.faults]
        if odd := methods.misspelled(methods.CALL, params):
            found.append(
                Violation("arguments", "", f"The parameter '{safe(odd)}' is spelled with other letters' case.")
            )
        name, args = "", dict[str, Json]()
        try:
            name = methods.tool_of(methods.CALL, params)
            args = methods.args_of(methods.CALL, params)
            to_json(args)
        except (ValueError, NotJson) as error:
            found.append(Violation("arguments", "", str(error)))
            args = {"arguments": safe(repr(sorted(args)), max_chars=500)} if args else {}
        tool = TOOLS.get(name)
        if tool is not None and not found:
            found += tool.violations(args)
        return name, args, tuple(found)

    def _refuse(self, name: str, args: Object, violations: tuple[Violation, ...]) -> Object:
        """Have what cannot be run refused and journalled, as an action that never began. Raises `ActionError`."""
        if name in (Act.APPLY, Act.UNDO):
            args = {**args, "rows": 0, "touches": []}
        full = f"{self.place.name}.{name or methods.CALL}"
        outcome = blocking.run(self.workspace.propose(full, args, violations), self.workspace.host, Body(_nothing))
        raise ActionError(outcome)

    # --- what the client is told --------------------------------------------------------------------------------------

    def _answer(self, result: Object) -> bytes:
        text = json.dumps(result, ensure_ascii=False, separators=(",", ":"))
        told: dict[str, object] = {"content": [{"type": "text", "text": text}], "structuredContent": result}
        if methods.is_stateless(self.message.params):
            told["resultType"] = "complete"
        return write({"jsonrpc": "2.0", "id": self.id, "result": told})

    def _outcome(self, error: BaseException) -> Outcome:
        """Return how a call ended that has no result."""
        match error:
            case ReviewRequired(outcome=outcome) if outcome.ticket is not None:
                name = str(self.message.params.get("name"))
                return outcome._replace(why=f"{outcome.why} That is: call {name} again with the same 'change'.")
            case ActionError(outcome=outcome) | Killed(outcome=outcome):
                return outcome
            case NotDone():
                return Outcome(Status.FAILED, error.reason, self._why(error), action=_action(error))
            case OutcomeUnknown():
                return Outcome(Status.FAILED, Reason.IN_DOUBT, str(error), action=_action(error))
            case Abandoned():
                return Outcome(Status.FAILED, Reason.CANCELLED, "The connection ended, so the call waits no longer.")
            case HandrailError():
                return Outcome(Status.FAILED, Reason.STORE, str(error))
        why = f"Handrail failed ({type(error).__name__}: {safe(error)}), so there is no result. Tell its operator."
        return Outcome(Status.FAILED, Reason.GATE_ERROR, why)

    def _why(self, error: NotDone) -> str:
        """Return what happened and what to do next."""
        why = str(error)
        if isinstance(error, StaleRows | RowConflict) and len(error.keys) > SHOWN:
            keys = json.dumps([key[0] if len(key) == 1 else list(key) for key in error.keys], ensure_ascii=False)
            why += f" Keys of the first {len(error.keys)}: {safe(keys, max_chars=KEYS_CHARS_MAX)}"
        if isinstance(error, ChangeRefused) and not self.place.is_declared:
            lines = f"databases: {{{self.place.name}: {{tables: {{TABLE: {{write: [COLUMN]}}}}}}}}"
            why += (
                f" Nothing in '{self.place.name}' may be changed, because handrail.yaml declares none of its tables. "
                f"Its operator adds what may be: {lines}"
            )
        return why


def _action(error: Exception) -> str:
    """Return the action that raised a tool's own exception, from the note that the edge puts on it, mostly there."""
    named = [_NOTED.match(note) for note in getattr(error, "__notes__", ())]
    return next((found[1] for found in reversed(named) if found is not None), "")


def _nothing() -> None:
    """Run in place of what was refused."""
    raise AssertionError("what is not valid is never run")

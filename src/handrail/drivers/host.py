"""What both drivers share: how each command is performed, apart from waiting and calling.

The blocking and the async driver are two loops over the same generator. Whatever is not about *how to wait* stands
here, once.
"""

from __future__ import annotations

import base64
import json
import math
import os
import random
import time
import types
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import quote, quote_plus

from handrail.alerts.alert import Alert, AlertKind
from handrail.core.action import Action, action_key
from handrail.core.admission import RETRIES_RULE, Desk, admit
from handrail.core.case import propose
from handrail.core.commands import (
    Admit,
    Admitted,
    Command,
    Consult,
    Ended,
    Go,
    Held,
    Proposal,
    Raised,
    Returned,
    Seen,
    Settle,
    Settled,
    Unseen,
    failed,
)
from handrail.core.digest import Json, NotJson, measured, to_json
from handrail.core.outcome import Outcome, Reason, Status, Violation
from handrail.core.store import Step, Store, Transaction
from handrail.core.text import safe
from handrail.core.ticket import TicketState
from handrail.core.tool import EffectError, Tool
from handrail.drivers.learning import Learner
from handrail.errors import NotDone, NotNow, OutcomeUnknown, StoreError

POLL_S = 0.2
"""Seconds between two looks at a ticket that a caller waits for."""


@dataclass(frozen=True, slots=True)
class Execution:
    """What a tool can know about the action that it carries out.

    Attributes:
        action: Id of the action.
        idempotency_key: The same for every attempt of this action, also after a crash: hand it to the upstream.
        attempt: Which attempt this is, counted from 0.
        agent: Name of the agent.
        run: Id of the run.
    """

    action: str
    idempotency_key: str
    attempt: int
    agent: str
    run: str


_UNFINISHED = (types.GeneratorType, types.AsyncGeneratorType, types.CoroutineType)

EXECUTION: ContextVar[tuple[Action, int] | None] = ContextVar("handrail_execution", default=None)


def current() -> Execution | None:
    """Return what a tool may know about the action that it is carrying out; None outside a guarded tool."""
    found = EXECUTION.get()
    if found is None:
        return None
    action, attempt = found
    return Execution(action.id, action.id, attempt, action.agent, action.run)


class Body(NamedTuple):
    """The foreign part of an action: what to call, and what its own types say of the result.

    Attributes:
        call: Runs the tool; returns its value, or an awaitable for an async tool.
        check: What the tool's return annotation and schema find wrong; None when they say nothing.
        is_async: Whether `call` returns an awaitable.
    """

    call: Callable[[], object]
    check: Callable[[object], tuple[Violation, ...]] | None = None
    is_async: bool = False


def _mute(alert: Alert) -> None:
    del alert


@dataclass(slots=True)
class Host:
    """What a driver needs from outside.

    Attributes:
        store: The store.
        desk: What to decide with; replaced as a whole when the policy is reloaded.
        bodies: Finds the body of a tool for one of Handrail's own calls; None when it is not registered here.
        notify: Takes alerts; must not block.
        learner: Learns result shapes.
        roll: Draws a random number in [0, 1).
        clock_us: Wall clock, microseconds since the epoch.
        sleep: Blocks for some seconds.
        lost_calls: (run, call, action, attempt) whose outcome could not be recorded; in doubt although we live.
    """

    store: Store
    desk: Desk
    bodies: Callable[[str, Mapping[str, Json]], Body | None]
    notify: Callable[[Alert], None] = _mute
    learner: Learner = field(default_factory=Learner)
    roll: Callable[[], float] = random.random
    clock_us: Callable[[], int] = lambda: time.time_ns() // 1_000
    sleep: Callable[[float], None] = time.sleep
    lost_calls: list[tuple[str, str, str, int]] = field(default_factory=list)

    # --- admission and settlement -------------------------------------------------------------------------------------

    def admission(self, command: Admit) -> tuple[Step[Admitted], bool]:
        """Return the step of an admission, and whether its intent must survive power loss."""
        desk = self.desk
        proposed = propose(desk.policy, command.action)
        durable = command.planned and proposed.writes
        if self.lost_calls:
            return self._after_loss(lambda tx: admit(tx, command, desk, proposed)), durable
        return (lambda tx: admit(tx, command, desk, proposed)), durable

    def _after_loss(self, step: Step[Admitted]) -> Step[Admitted]:
        """Before anything else is decided, leave in doubt what could not be recorded."""

        def both(tx: Transaction) -> Admitted:
            for run, call, action, attempt in tuple(self.lost_calls):
                tx.disown(run, call, action, attempt)
            return step(tx)

        return both

    def settlement(self, command: Settle) -> Step[Settled]:
        """Return the step of a settlement."""
        return self.learner.settlement(command, self.desk.policy)

    def admitted(self, answer: Admitted) -> Admitted:
        """Tell people what an admission opened."""
        if isinstance(answer, Held) and answer.opened:
            ticket = answer.ticket
            kind = AlertKind.RETRIES if RETRIES_RULE in ticket.rules else AlertKind.REVIEW
            text = f"{answer.outcome.why} Look at it: handrail review show {ticket.id}"
            fields = {"ticket": ticket.id, "agent": ticket.agent, "tool": ticket.tool, "run": ticket.run}
            self._alert(kind, f"{ticket.agent} wants to run {ticket.tool}", text, fields)
        elif isinstance(answer, Ended) and answer.outcome.reason is Reason.IN_DOUBT:
            outcome = answer.outcome
            self._alert(AlertKind.IN_DOUBT, "An action is in doubt", outcome.why, {"action": outcome.action})
        return answer

    def settled(self, command: Settle, answer: Settled) -> Settled:
        """Tell people what a settlement raised."""
        tool = command.go.action.tool
        if answer.drift:  # one alert for all fields: what leaves at once most likely has one cause
            self._alert(AlertKind.DRIFT, f"The results of {tool} drift", " ".join(answer.drift), {"tool": tool})
        return answer

    def _alert(self, kind: AlertKind, title: str, text: str, fields: Mapping[str, str]) -> None:
        self.notify(Alert(kind, title, text, self.clock_us(), fields))

    def refused(self, command: Command, error: Exception) -> Ended:
        """Turn a failure of Handrail itself into a refusal: an exception inside means Deny."""
        assert isinstance(command, Admit)
        store = isinstance(error, StoreError)
        why = str(error) if store else f"Handrail failed ({type(error).__name__}: {safe(error)}), so nothing ran."
        reason = Reason.STORE if store else Reason.GATE_ERROR
        outcome = failed(command.action, command.attempt, Status.DENIED, reason, why)
        return Ended(outcome._replace(error=error))

    def lose(self, go: Go) -> None:
        """Leave an admitted action in doubt although this process lives: how it ended will not be recorded."""
        if go.tracked:
            self.lost_calls.append((go.action.run, go.action.call, go.action.id, go.attempt))

    def lost(self, go: Go, error: Exception) -> StoreError:
        """Return the error for an outcome that could not be recorded: it is in doubt, never a success."""
        self.lose(go)
        action = go.action
        return StoreError(
            f"'{action.tool}' ran, but its outcome could not be recorded ({safe(error)}). It is in doubt: look at what "
            f"it did, then run: handrail log resolve {action.id}"
        )

    # --- the tool -----------------------------------------------------------------------------------------------------

    def returned(self, action: Action, body: Body, value: object) -> Returned | Raised:
        """Turn a tool's value into an answer: JSON where it has that form, checked against the tool's own types.

        What has not happened yet when the tool returns (a generator, an awaitable) is a failure, not a success.
        """
        if type(value) is not dict and (isinstance(value, _UNFINISHED) or hasattr(type(value), "__await__")):
            kind = type(value).__name__
            close = getattr(value, "close", None)
            if callable(close):
                close()
            return self.raised(action, TypeError(f"it returned a {kind}, which has not run yet; return its result"))
        try:
            violations = body.check(value) if body.check is not None else ()
            result, size = measured(value)
            return Returned(value, result, self.clock_us(), "", violations, size)
        except NotJson as error:
            return Returned(value, None, self.clock_us(), str(error), violations)
        except Exception as error:  # noqa: BLE001 (a value's own code may raise anything while it is looked at)
            why = safe(f"Looking at it fails: {type(error).__name__}: {_text_of(error)}", max_chars=300)
            return Returned(value, None, self.clock_us(), why, (Violation("result", "", why),))

    def raised(self, action: Action, error: BaseException) -> Raised:
        """Turn a tool's exception into an answer, without the secrets that its text may carry."""
        stops = not isinstance(error, Exception)
        text = safe(self._scrub(action, _text_of(error)), max_chars=500)
        kind = type(error).__name__
        why = f"'{action.tool}' was stopped ({kind})." if stops else f"'{action.tool}' failed: {kind}: {text}"
        cut_off = stops or isinstance(error, TimeoutError | OutcomeUnknown)
        if isinstance(error, NotDone) and not cut_off:
            reason = Reason.STALE if error.reason is Reason.STALE else Reason.ERROR
            return Raised(error, why, reason=reason, final=True, only_now=isinstance(error, NotNow))
        return Raised(error, why, stops, cut_off, _retry_after_s(error))

    def _scrub(self, action: Action, text: str) -> str:
        tool = self.desk.policy.tool(action.tool)
        if tool is None or not tool.secrets:
            return text
        for secret in _hidden(dict(action.args), tool):
            for form in {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret), quote_plus(secret)}:
                text = text.replace(form, "[redacted]")
        return text

    # --- Handrail's own calls -----------------------------------------------------------------------------------------

    def child(self, command: Consult) -> tuple[Proposal, Body] | Unseen:
        """Return the proposal and body of one of Handrail's own calls."""
        parent, paired = command.action, command.paired
        try:
            args = paired.args(command.scope)
        except EffectError as error:
            return Unseen(str(error))
        body = self.bodies(paired.call, args)
        if body is None:
            return Unseen(f"'{paired.call}' is not registered in this process, so it cannot be called.")
        action = Action(
            new_id(), parent.agent, parent.run, f"{parent.call}/{command.purpose}", paired.call, args,
            action_key(parent.agent, paired.call, args), parent=parent.id,
        )  # fmt: skip
        return Proposal(action, self.desk.policy.tool(paired.call)), body

    @staticmethod
    def seen(outcome: Outcome) -> Seen | Unseen:
        """Turn the outcome of such a call into an answer."""
        if outcome.status is not Status.SUCCESS:
            return Unseen(outcome.why)
        try:
            return Seen(to_json(outcome.value))
        except NotJson as error:
            return Unseen(str(error))

    def decided(self, ticket: str) -> bool:
        """Return whether a ticket is no longer pending."""
        found = self.store.read(lambda tx: tx.ticket(ticket))
        now = self.clock_us()
        return found is None or found.state is not TicketState.PENDING or now >= found.pending_until_us


def new_id() -> str:
    """Return a new id: milliseconds since the epoch, then randomness; sorts by time."""
    return f"{time.time_ns() // 1_000_000:011x}{os.urandom(6).hex()}"


def new_nonce() -> str:
    """Return new randomness: 32 characters of digits and letters that cannot be mistaken for each other."""
    return base64.b32encode(os.urandom(20)).decode()


def _text_of(error: BaseException) -> str:
    """Return the text of a foreign exception, whose `__str__` may itself fail."""
    try:
        return str(error)
    except Exception as failure:  # noqa: BLE001 (foreign code; the failure becomes the text)
        return f"(its text cannot be read: {type(failure).__name__})"


RETRY_AFTER_MAX_S = 3_600.0
"""The longest wait that an upstream can ask for."""


def _retry_after_s(error: BaseException) -> float:
    """Return the seconds that an upstream asked for, 0 when it did not.

    Source: RFC 9110, section 10.2.3: seconds, or a date.
    """
    try:
        wanted = getattr(error, "retry_after", None)
        if wanted is None:
            wanted = error.response.headers.get("Retry-After")  # type: ignore[attr-defined]
        seconds = _seconds(wanted)
    except Exception:  # noqa: BLE001 (a foreign exception's attributes may do anything; without them nothing was asked)
        return 0.0
    return min(max(seconds, 0.0), RETRY_AFTER_MAX_S) if math.isfinite(seconds) else 0.0


def _seconds(wanted: object) -> float:
    if isinstance(wanted, str) and not wanted.strip().replace(".", "", 1).isdigit():
        return parsedate_to_datetime(wanted).timestamp() - time.time()
    return float(wanted)  # type: ignore[arg-type]


def _hidden(args: dict[str, Json], tool: Tool) -> list[str]:
    """Return the texts that redaction removes from the arguments, longest first."""
    shown = tool.redact({"args": args})["args"]
    found: list[str] = []
    _differences(args, shown, found)
    return sorted((text for text in found if len(text) >= 4), key=len, reverse=True)


def _differences(real: Json, shown: Json, found: list[str]) -> None:
    if isinstance(real, dict) and isinstance(shown, dict):
        for name, value in real.items():
            _differences(value, shown.get(name), found)
    elif isinstance(real, list) and isinstance(shown, list):
        for value, other in zip(real, shown, strict=False):
            _differences(value, other, found)
    elif real != shown:
        _leaves(real, found)


def _leaves(value: Json, found: list[str]) -> None:
    if isinstance(value, dict):
        for item in value.values():
            _leaves(item, found)
    elif isinstance(value, list):
        for item in value:
            _leaves(item, found)
    elif value is not None and not isinstance(value, bool):
        found.append(str(value))

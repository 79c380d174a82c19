"""What the flow asks of its driver, and what it is answered.

A command is a plain value. Drivers perform it (blocking, async), tests answer it by hand, a crash test stops before or
after it. The list is closed: `Command` is matched exhaustively.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from handrail.core.action import Action
from handrail.core.digest import Json
from handrail.core.effect import Effect
from handrail.core.note import Count, Label
from handrail.core.outcome import Outcome, Reason, Status, Violation
from handrail.core.ticket import Ticket
from handrail.core.tool import Paired, Tool

# --- commands ---------------------------------------------------------------------------------------------------------


class Admit(NamedTuple):
    """Decide, and record the attempt; when allowed, the intent is on disk once this is answered.

    Attributes:
        action: What is proposed.
        attempt: Which attempt of this flow, counted from 0.
        planned: False for the first decision of a tool that still has to be previewed: nothing is recorded unless
            refused.
        before: The before-image.
        invalid: What the arguments break.
        ticket: Id of the ticket that an earlier attempt of this flow spent, which its retries share.
        holds: What was remembered of an earlier attempt of this flow; its retries are the same action.
    """

    action: Action
    attempt: int = 0
    planned: bool = True
    before: Json = None
    invalid: tuple[Violation, ...] = ()
    ticket: str | None = None
    holds: tuple[Count | Label, ...] = ()


class Consult(NamedTuple):
    """Make one of Handrail's own calls (`before`, `verify`), journalled as a child. Answered by `Seen` or `Unseen`."""

    action: Action
    paired: Paired
    purpose: str
    scope: Mapping[str, Json]


class Await(NamedTuple):
    """Wait until a ticket is decided, at most `wait_s` seconds. Answered by the seconds that were used."""

    ticket: str
    wait_s: float


class Invoke(NamedTuple):
    """Run the tool. Answered by `Returned` or `Raised`."""

    action: Action
    attempt: int


@dataclass(frozen=True, slots=True)
class Roll:
    """Draw a random number in [0, 1)."""


class Sleep(NamedTuple):
    """Wait. Answered by whether it was possible (a running event loop is never blocked)."""

    delay_s: float


class Settle(NamedTuple):
    """Record how an attempt ended, with everything that follows from it, in one transaction.

    Attributes:
        go: The admission that let it run.
        outcome: What it came to; `RETRY` when another attempt may follow.
        result: The result as JSON, where it has that form.
        opaque: Why the result has no JSON form, `""` when it has one.
        size: Approximate size of the result, in bytes.
        returned: Whether the tool returned at all.
        began: False when it was cancelled before it ran; only such an attempt does not count.
        cut_off: Whether it was stopped, or given up, in the middle, or an earlier attempt of this flow may have
            happened: what the action did is not known.
        after: What its paired read gave right after it, for a tool that can be undone; None when that is not known.
    """

    go: Go
    outcome: Outcome
    result: Json = None
    opaque: str = ""
    size: int = 0
    returned: bool = False
    began: bool = True
    cut_off: bool = False
    after: Seen | None = None


Command: TypeAlias = Admit | Consult | Await | Invoke | Roll | Sleep | Settle

# --- answers ----------------------------------------------------------------------------------------------------------


class Go(NamedTuple):
    """The action may run.

    Attributes:
        action: The action, under the id that the store knows it by: a repeated call keeps its first id.
        effects: Its effects, with what is remembered filled in.
        attempt: The attempt that was recorded, counted from 0 over all flows of this call.
        observed: True when it runs only because the policy observes.
        tracked: Whether the store keeps a row of the call that the settlement has to end.
        ticket: Id of the ticket that it spent, if any.
        failures: Failed attempts of the action key before this one.
        holds: What was remembered of it before it ran, taken back should it turn out that it did nothing.
        taken_up: Whether an earlier attempt of it, in another flow, may have happened.
    """

    action: Action
    effects: tuple[Effect, ...]
    attempt: int = 0
    observed: bool = False
    tracked: bool = False
    ticket: str | None = None
    failures: int = 0
    holds: tuple[Count | Label, ...] = ()
    taken_up: bool = False


class Held(NamedTuple):
    """The action waits for a person."""

    ticket: Ticket
    outcome: Outcome
    opened: bool


class Ended(NamedTuple):
    """The action does not run: refused, or it already has a terminal outcome."""

    outcome: Outcome


Admitted: TypeAlias = Go | Held | Ended


class Returned(NamedTuple):
    """The tool returned.

    Attributes:
        value: What it returned.
        result: The same as JSON; None with `opaque` set when it has none.
        at_us: When, microseconds since the epoch.
        opaque: Why the value has no JSON form, `""` when it has one.
        violations: What the tool's own contract (annotations, schemas) found; checked by the edge, which knows the
            types.
        size: Approximate size of the result, in bytes.
    """

    value: object
    result: Json
    at_us: int
    opaque: str = ""
    violations: tuple[Violation, ...] = ()
    size: int = 0


class Raised(NamedTuple):
    """The tool raised.

    Attributes:
        error: The exception.
        why: One sentence, with secrets removed.
        stops: True for what must end the action at once (cancellation, interrupt, exit).
        cut_off: Whether the tool was stopped, or stopped waiting, in the middle: what it did is not known.
        retry_after_s: What the upstream asked for, in seconds.
        reason: The reason code of the failure.
        final: Whether the tool says that it certainly did nothing and that repeating it cannot help.
        only_now: Whether it says so of this attempt alone, and not of earlier ones.
    """

    error: BaseException
    why: str
    stops: bool = False
    cut_off: bool = False
    retry_after_s: float = 0.0
    reason: Reason = Reason.ERROR
    final: bool = False
    only_now: bool = False


class Seen(NamedTuple):
    """One of Handrail's own calls succeeded."""

    value: Json


class Unseen(NamedTuple):
    """One of Handrail's own calls failed; the sentence says why."""

    why: str


class Settled(NamedTuple):
    """What the settlement came to.

    Attributes:
        outcome: The outcome as recorded; a success whose resource could not be told becomes `human_review_required`.
        failures: Failed attempts of the action key that count now.
        drift: One sentence for each field that has left what was learned of the tool's results.
    """

    outcome: Outcome
    failures: int = 0
    drift: tuple[str, ...] = ()


Answer: TypeAlias = Go | Held | Ended | Seen | Unseen | Returned | Raised | Settled | float | bool


class Proposal(NamedTuple):
    """What the edge hands to the flow.

    Attributes:
        action: The action.
        tool: Its declaration; None when undeclared (then it is refused, or only observed).
        invalid: What its arguments break.
        wait_s: Seconds to wait for a person when it is held.
        before: What is there now, where the edge planned the change itself and knows; otherwise a tool's paired read
            tells.
    """

    action: Action
    tool: Tool | None
    invalid: tuple[Violation, ...] = ()
    wait_s: float = 0.0
    before: Json = None


def failed(action: Action, attempt: int, status: Status, reason: Reason, why: str) -> Outcome:
    """Return an outcome that is not a success."""
    return Outcome(status, reason, why, action.id, attempt)

"""The public edge: the only place where an outcome becomes a value or an exception."""

from __future__ import annotations

from handrail.core.outcome import Outcome, Status
from handrail.errors import ActionError, ActionFailed, Denied, Killed, ResultNotKept, ReviewRequired, ValidationFailed

_RAISES: dict[Status, type[ActionError]] = {
    Status.FAILED_VALIDATION: ValidationFailed,
    Status.HUMAN_REVIEW_REQUIRED: ReviewRequired,
    Status.DENIED: Denied,
    Status.FAILED: ActionFailed,
    Status.RETRY: ActionFailed,
}


def value_of(outcome: Outcome) -> object:
    """Return the value of a success; raise everything else.

    A tool's own exception is raised as it was, with a note that names the action: code that already handles it goes on
    working. A failure is never turned into a success.
    """
    if outcome.status is Status.SUCCESS:
        if not outcome.kept:
            raise ResultNotKept(outcome)
        return outcome.value
    error = outcome.error
    if outcome.status is Status.KILLED:
        raise Killed(outcome) from error
    if outcome.status is Status.FAILED and error is not None:
        note = f"handrail: action {outcome.action} ended as {outcome.status} ({outcome.reason})"
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
        raise error
    raise _RAISES[outcome.status](outcome) from error

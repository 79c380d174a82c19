"""The edge: where an outcome becomes a value or an exception."""

import pytest

from handrail.core.outcome import Outcome, Reason, Status
from handrail.drivers.edge import value_of
from handrail.errors import (
    ActionError,
    ActionFailed,
    Denied,
    HandrailError,
    Killed,
    ResultNotKept,
    ReviewRequired,
    ValidationFailed,
)

RAISES = {
    Status.RETRY: ActionFailed,
    Status.FAILED_VALIDATION: ValidationFailed,
    Status.HUMAN_REVIEW_REQUIRED: ReviewRequired,
    Status.DENIED: Denied,
    Status.FAILED: ActionFailed,
    Status.KILLED: Killed,
}


def test_a_success_is_its_value():
    """The tool's own object, not a copy."""
    value = object()
    assert value_of(Outcome(Status.SUCCESS, value=value)) is value


def test_every_other_status_raises():
    """A failure is never turned into a success, whatever value lies in it."""
    assert set(RAISES) == set(Status) - {Status.SUCCESS}
    for status, error in RAISES.items():
        outcome = Outcome(status, Reason.ERROR, "why", value="value", ticket="T-1")
        with pytest.raises(error) as caught:
            value_of(outcome)
        assert type(caught.value) is error
        assert str(caught.value) == "why"
        assert caught.value.outcome is outcome


def test_a_kill_cannot_be_swallowed():
    """`except Exception` in a framework does not catch it."""
    assert not issubclass(Killed, Exception)
    assert not issubclass(Killed, HandrailError)


def test_the_ticket_is_named():
    """Whoever is told to wait knows for what."""
    with pytest.raises(ReviewRequired) as caught:
        value_of(Outcome(Status.HUMAN_REVIEW_REQUIRED, ticket="T-1"))
    assert caught.value.ticket == "T-1"


def test_a_result_that_was_not_kept():
    """A repeated call that succeeded is not None: it says that its result is gone."""
    with pytest.raises(ResultNotKept):
        value_of(Outcome(Status.SUCCESS, kept=False, replayed=True))


@pytest.mark.parametrize("error", [ValueError("boom"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_a_tools_own_exception_comes_out(error):
    """As it was, with one note that names the action, also when it passes twice."""
    outcome = Outcome(Status.FAILED, Reason.ERROR, "why", "a-1", error=error)
    for _ in range(2):
        with pytest.raises(type(error)) as caught:
            value_of(outcome)
        assert caught.value is error
    assert error.__notes__ == ["handrail: action a-1 ended as failed (error)"]


@pytest.mark.parametrize("status", [Status.HUMAN_REVIEW_REQUIRED, Status.DENIED, Status.FAILED_VALIDATION])
def test_the_cause_is_kept(status):
    """Of an action that failed before it was held, the tool's exception is the cause."""
    error = ValueError("boom")
    with pytest.raises(ActionError) as caught:
        value_of(Outcome(status, error=error))
    assert caught.value.__cause__ is error

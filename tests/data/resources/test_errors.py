"""What a verb could not do becomes the right exception: nothing done, stale, or not known."""

import math

import pytest

from handrail.core.outcome import Reason
from handrail.data.resources import Clash, Conflict, InDoubt, NotApplied, Refused, Stale
from handrail.data.resources.errors import ResourceInDoubt, ResourceRefused, ResourceStale, error_of
from handrail.errors import NotDone, OutcomeUnknown

CLASH = Clash("a", "one", "two")


@pytest.mark.parametrize("ended", [Stale("Changed.", (CLASH,)), Conflict("Changed.", (CLASH,))])
def test_what_somebody_changed_is_stale(ended):
    """It names the resources, in the message and for programs."""
    error = error_of(ended)
    assert isinstance(error, ResourceStale)
    assert isinstance(error, NotDone)
    assert error.reason is Reason.STALE
    assert (error.clashes, error.keys, str(error)) == ((CLASH,), ("a",), "Changed. (a)")


def test_a_refusal_did_nothing_unless_the_change_was_begun():
    """Where the ledger still says so, an earlier try may have done it."""
    assert type(error_of(Refused("No."))) is ResourceRefused
    assert error_of(Refused("No.")).reason is Reason.ERROR
    assert isinstance(error_of(Refused("No."), begun=True), OutcomeUnknown)


def test_what_may_still_arrive_is_asked_again():
    """After the wait that the server asks for."""
    error = error_of(NotApplied("Not so far.", 7.0))
    assert isinstance(error, ResourceInDoubt)
    assert error.retry_after == 7.0
    assert isinstance(error_of(InDoubt("Who knows.", (CLASH,))), OutcomeUnknown)
    assert error_of(Refused("Wait.", math.inf), begun=True).retry_after == math.inf


def test_hostile_names_are_shown_safely():
    """And only the first of many."""
    error = error_of(Stale("Changed.", tuple(Clash(f"\x1b[2J{n}", "a", "b") for n in range(12))))
    assert str(error).isprintable()
    assert "and 2 more" in str(error)
    assert error_of(Stale("Changed.", ())).keys == ()

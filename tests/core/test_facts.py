"""Facts: what is in doubt, and which failures still count."""

import itertools

import pytest

from handrail.core.backoff import RETRY_WINDOW_US
from handrail.core.facts import UNKNOWN_RESOURCE, Call, CallState, Facts


@pytest.mark.parametrize(("state", "alive"), list(itertools.product(CallState, (True, False))))
def test_in_doubt(state, alive):
    """Only a running intent whose owner is gone is in doubt."""
    call = Call("r", "c", "a", "bot", "t", "k", state, alive=alive)
    assert call.in_doubt is (state is CallState.RUNNING and not alive)


@pytest.mark.parametrize(("age_us", "counted"), [(0, 4), (RETRY_WINDOW_US - 1, 4), (RETRY_WINDOW_US, 0)])
def test_failures_are_forgotten(age_us, counted):
    """Failures count for ten minutes after the last attempt, and not a microsecond longer."""
    assert Facts(age_us + 7, failures=4, failed_us=7).recent_failures == counted


def test_nothing_is_known_of_a_new_resource():
    """No zone, no labels, no refusals."""
    assert (UNKNOWN_RESOURCE.zone, UNKNOWN_RESOURCE.labels, UNKNOWN_RESOURCE.denials) == (None, {}, ())


def test_default_resources_cannot_be_changed():
    """The shared default of all facts is read-only."""
    with pytest.raises(TypeError):
        Facts(0).resources["x"] = UNKNOWN_RESOURCE

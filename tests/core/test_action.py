"""The same action: agent, tool and final arguments, whatever the call ids."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handrail.core.action import action_key

ARGS = st.dictionaries(st.text(max_size=5), st.integers(-5, 5) | st.text(max_size=5) | st.none(), max_size=4)
NAMES = st.text(max_size=6)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(NAMES, NAMES, ARGS)
def test_key_does_not_depend_on_the_order_of_arguments(agent, tool, args):
    """The same arguments in another order are the same action."""
    assert action_key(agent, tool, args) == action_key(agent, tool, dict(reversed(list(args.items()))))


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.tuples(NAMES, NAMES, ARGS), st.tuples(NAMES, NAMES, ARGS))
def test_different_actions_have_different_keys(one, other):
    """Agent, tool and every argument count, each in its own place."""
    assert (action_key(*one) == action_key(*other)) == (one == other)


def test_types_count():
    """The text "1" and the number 1 are different arguments."""
    assert action_key("a", "t", {"id": "1"}) != action_key("a", "t", {"id": 1})

"""The cases about what guardrails remember are part of the suite."""

from handrail.testing.conformance import CASES
from handrail.testing.remembering import REMEMBERING


def test_they_are_part_of_the_suite():
    """Whoever runs the suite runs them."""
    assert set(REMEMBERING) <= set(CASES)

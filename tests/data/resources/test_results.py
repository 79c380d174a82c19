"""What the verbs answer."""

from handrail.data.resources.results import CannotDo, Refused


def test_a_refusal_inside_becomes_a_value():
    """With its sentence and the wait that was asked for."""
    assert CannotDo("No.", 5).refused() == Refused("No.", 5)
    assert CannotDo("No.").refused() == Refused("No.")

"""A refusal is an error of ours."""

from handrail.data.sql.refusal import Refusal
from handrail.errors import HandrailError


def test_it_is_one_of_ours():
    """Its docstring is what it says when nothing else is said."""
    assert isinstance(Refusal("No. Do this."), HandrailError)
    assert str(Refusal()) == "This statement is refused. Nothing was run."

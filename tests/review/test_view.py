"""Reading what stands in a ticket, whatever it is."""

import pytest

from handrail.review.view import listed, mapping, objects, text, whole

ODD = [None, True, 3, -3, 1.5, "x", [], [1, {"a": 1}], {}, {"a": 1}]


@pytest.mark.parametrize("value", ODD)
def test_whatever_stands_there_is_read_as_what_is_asked_for(value):
    """Nothing of the kind is nothing, never an error."""
    assert mapping(value) == (value if isinstance(value, dict) else {})
    assert listed(value) == (value if isinstance(value, list) else [])
    assert objects(value) == ([{"a": 1}] if value == [1, {"a": 1}] else [])
    assert whole(value) == (3 if value == 3 else 0)


def test_a_value_as_text():
    """Text as it is, nothing for null, canonical JSON for the rest."""
    assert [text(value) for value in ("x", None, 3, {"b": 1, "a": [True]})] == ["x", "", "3", '{"a":[true],"b":1}']

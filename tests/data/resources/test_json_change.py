"""Changes of JSON resources as values."""

import pytest

from handrail.data.resources import json_change
from handrail.data.resources.json_change import (
    CreateJson,
    DeleteJson,
    PatchJson,
    Present,
    PutJson,
    described,
    operation,
    request,
    result,
)
from handrail.data.resources.results import CannotDo

BEFORE = Present({"a": 1, "b": {"c": 2, "d": 3}})


@pytest.mark.parametrize(
    ("patch", "after"),
    [
        ({}, {"a": 1, "b": {"c": 2, "d": 3}}),
        ({"a": None}, {"b": {"c": 2, "d": 3}}),
        ({"b": {"c": None, "e": 4}}, {"a": 1, "b": {"d": 3, "e": 4}}),
        ({"a": {"x": None, "y": 1}}, {"a": {"y": 1}, "b": {"c": 2, "d": 3}}),
        ({"b": [None]}, {"a": 1, "b": [None]}),
        ({"z": None}, {"a": 1, "b": {"c": 2, "d": 3}}),
    ],
)
def test_merge_patch(patch, after):
    """As RFC 7396 says; what was there is not touched by it."""
    assert result(PatchJson("x", patch), BEFORE) == Present(after)
    assert Present({"a": 1, "b": {"c": 2, "d": 3}}) == BEFORE


def test_results_and_requests():
    """What each is to become, and how it is asked for."""
    assert result(PutJson("x", None), BEFORE) == Present(None)
    assert result(CreateJson("x", 1), None) == Present(1)
    assert result(DeleteJson("x"), Present(None)) is None
    changes = [PutJson("x", 1), CreateJson("x", 1), PatchJson("x", {"a": 1}), DeleteJson("x")]
    assert [request(change) for change in changes] == [("PUT", 1), ("PUT", 1), ("PATCH", {"a": 1}), ("DELETE", None)]
    assert [operation(change) for change in changes] == ["put", "create", "patch", "delete"]
    assert len({str(described(change)) for change in changes}) == 4


def test_what_cannot_be_done():
    """Create over something, anything else to nothing, members of what has none."""
    for change, before in (
        (CreateJson("x", 1), Present(None)),
        (PutJson("x", 1), None),
        (DeleteJson("x"), None),
        (PatchJson("x", {}), Present([1])),
    ):
        with pytest.raises(CannotDo):
            result(change, before)


def test_a_change_comes_back_from_its_name():
    """With what it sends; any other content or form is refused."""
    for change in (PutJson("a", [1.5, None]), PatchJson("a", {"x": None}), CreateJson("a", "ü"), DeleteJson("a")):
        assert json_change.of_named(json_change.named(change), json_change.content(change)) == change
    for about, content in [
        ({"operation": "put", "ids": ["a"], "content": "0" * 64}, b"1"),
        ({"operation": "put", "ids": ["a"]}, b"1"),
        ({"operation": "delete", "ids": ["a", "b"]}, b""),
        (None, b""),
    ]:
        with pytest.raises(ValueError, match="change"):
            json_change.of_named(about, content)

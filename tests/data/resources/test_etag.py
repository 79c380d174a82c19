"""Which tags a precondition can be made of."""

import pytest

from handrail.data.resources.etag import of_version, strong, version, without

NONE = frozenset()


@pytest.mark.parametrize(
    "header", ["", 'W/"x"', "x", '"x', '"a"b"', '"a", "b"', '"a\r\nX: y"', '"' + "x" * 2000 + '"', "*"]
)
def test_what_is_no_strong_tag(header):
    """Weak ones never match; strange ones could say something else in a header."""
    assert strong(header) == ""


def test_a_strong_tag_is_the_version():
    """And comes back out of it."""
    assert strong('"x-1"') == '"x-1"'
    assert of_version(version('"x-1"', {"a": 1}, NONE)) == '"x-1"'


def test_without_a_tag_the_content_is():
    """But for what the server sets by itself."""
    one = version("", {"a": 1, "at": 1}, frozenset({"at"}))
    assert one == version("", {"at": 2, "a": 1}, frozenset({"at"})) != version("", {"a": 2}, frozenset({"at"}))
    assert of_version(one) == ""
    assert without([1], frozenset({"at"})) == [1]

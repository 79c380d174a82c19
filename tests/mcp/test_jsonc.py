"""JSON with comments and trailing commas."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.mcp.jsonc import plain_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1, // one\n "b": [1, 2,], /* two\n lines */ }', {"a": 1, "b": [1, 2]}),
        ('{"url": "http://x/*y*/", "t": "a,]",}', {"url": "http://x/*y*/", "t": "a,]"}),
        (r'["\"//", "\\",]', ['"//', "\\"]),
        ("[1 , // c\n ]", [1]),
        ("[,]", []),
        ("// all\n7", 7),
    ],
)
def test_what_editors_accept(text, value):
    """Texts stay as they are, whatever stands in them."""
    assert json.loads(plain_json(text)) == value


@given(st.recursive(st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_plain_json_stays_as_it_is(value):
    """It has neither comments nor trailing commas."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    assert plain_json(text) == text


@pytest.mark.parametrize("text", ['{"a": 1', '["a', "[1] /* open", "[1,,]"])
def test_what_is_no_json_stays_none(text):
    """A comma too many, or an end that is missing."""
    if text == "[1] /* open":
        assert json.loads(plain_json(text)) == [1]
        return
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|Illegal|Invalid"):
        json.loads(plain_json(text))


def test_lines_stay_where_they_are():
    """So that an error names the line of the file."""
    assert plain_json("/* a\n b */\n[1,\n]").count("\n") == 3


@pytest.mark.parametrize("text", ["/*" * 300_000, '"\\' * 300_000, "[ " * 300_000, ",]" * 300_000, " " * 600_000 + "]"])
def test_hostile_text_costs_no_square(text):
    """A config may have come with somebody's repository."""
    started = time.monotonic()
    plain_json(text)
    assert time.monotonic() - started < 5

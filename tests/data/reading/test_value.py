"""Values of databases as JSON."""

import datetime as dt
import decimal
import json
import uuid

import pytest

from handrail.data.reading.value import DEPTH_MAX, document, has_bytes, plain


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (2**64 - 1, 2**64 - 1),
        (2**64, "18446744073709551616"),
        (-(2**63) - 1, "-9223372036854775809"),
        (1.5, 1.5),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        ("é", "é"),
        ("a\ud800b", "a\\ud800b"),
        (b"\x00\x01", "base64:AAE="),
        (memoryview(b"\xff"), "base64:/w=="),
        (decimal.Decimal("1.10"), "1.10"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (dt.datetime(2024, 1, 2, tzinfo=dt.UTC), "2024-01-02T00:00:00+00:00"),
        (dt.timedelta(seconds=1), "0:00:01"),
        ([1, (2, b"x"), {"k": float("nan"), 3: 4}], [1, [2, "base64:eA=="], {"k": "NaN", "3": 4}]),
    ],
)
def test_plain(value, expected):
    """JSON where JSON has it, text elsewhere."""
    found = plain(value)
    assert found == expected
    assert type(found) is type(expected)
    json.dumps(found, allow_nan=False).encode()


@pytest.mark.parametrize("levels", [DEPTH_MAX + 1, 500, 100_000])
def test_what_is_nested_deeply_is_text_from_some_depth(levels):
    """However deep it is."""
    found = document("[" * levels + "]" * levels)
    for _ in range(DEPTH_MAX):
        if isinstance(found, str):
            break
        (found,) = found
    assert isinstance(found, str)
    assert found.startswith(("[", "(nested"))


def test_a_document():
    """Also one that is none, and one with half a character."""
    assert document(b'{"a": [1, 1e999]}') == {"a": [1, "Infinity"]}
    assert document("no json") == "no json"
    assert document(b"\xff{") == "\\xff{"
    assert document('"\\ud800"') == "\\ud800"


def test_bytes_are_found():
    """Wherever they are."""
    assert has_bytes({"a": ["base64:x"]})
    assert not has_bytes([1, {"base64:": "x"}, None])

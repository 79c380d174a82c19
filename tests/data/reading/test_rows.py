"""Rows that are taken until a limit is reached."""

import json

from handrail.data.reading.limits import ReadLimits
from handrail.data.reading.rows import Taken


def taken(rows, **limits):
    made = Taken(ReadLimits(**limits))
    made.name(["a", "a", "b\ud800"])
    for row in rows:
        if not made.take(row):
            break
    return made


def test_all():
    """Of few rows."""
    found = taken([(1, b"x", None)]).answer("Reads lead.")
    assert found.columns == ("a", "a", "b\\ud800")
    assert found.rows == ((1, "base64:eA==", None),)
    assert not found.truncated
    assert found.why == "Reads lead. Bytes are given as base64 text after 'base64:'."


def test_the_size_is_that_of_the_json_text():
    """Never more than the limit."""
    found = taken([("é" * 100, 1)] * 100, bytes_max=2_048)
    assert found.bytes == sum(len(json.dumps(row, ensure_ascii=False).encode()) for row in found.rows)
    assert 2_048 - 220 <= found.bytes <= 2_048
    assert found.answer("").why.startswith("Only the first 9 rows are given, for more are larger than 2,048 bytes.")


def test_a_first_row_that_is_too_large():
    """Is said, so that an empty answer is not taken for an empty table."""
    found = taken([("x" * 3_000,)], bytes_max=2_048).answer("Reads lead.")
    assert (found.rows, found.truncated) == ((), True)
    assert "the first one alone is larger than 2,048 bytes. Select fewer or shorter columns." in found.why


def test_how_many_are_wanted_at_once():
    """One first, then more, never many large ones, never more than one beyond the limit."""
    made = Taken(ReadLimits(rows_max=10, bytes_max=2_048))
    assert made.wanted() == 1
    made.take((1,))
    assert made.wanted() == 4
    made.take(("x" * 1_000,))
    assert made.wanted() == 3
    made.take(("x" * 1_000,))
    assert made.wanted() == 1
    small = taken([(n,) for n in range(9)], rows_max=10)
    assert small.wanted() == 2

"""Values that are written out."""

import datetime as dt
import uuid
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.data.dialect import Dialect
from handrail.data.sql.literal import NotLiteral, literal
from handrail.data.sql.tokens import tokens

POSTGRES, SQLITE = Dialect.POSTGRES, Dialect.SQLITE


def value(text, dialect=POSTGRES):
    return literal(tokens(text, dialect), dialect)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1), ("-1", -1), ("+1", 1), ("- 1", -1), ("(1)", 1), ("12345678901234567890123", 12345678901234567890123),
        ("1.50", Decimal("1.50")), (".5", Decimal("0.5")), ("-1e3", Decimal("-1e3")), ("'it''s'", "it's"), ("''", ""),
        ("NULL", None), ("True", True), ("false", False), (r"E'a\tb'", "a\tb"), ("$$x$$", "x"), ("'a\nb'", "a\nb"),
        ("DATE '2024-02-29'", dt.date(2024, 2, 29)), ("'2024-02-29'::date", dt.date(2024, 2, 29)),
        ("TIMESTAMP '2024-02-29 10:00:01.5'", dt.datetime(2024, 2, 29, 10, 0, 1, 500_000)), ("'x'::text", "x"),
        ("'00000000-0000-0000-0000-00000000000A'::uuid", uuid.UUID(int=10)),
    ],
)  # fmt: skip
def test_exactly_one_value(text, expected):
    """Of the right type, with every digit."""
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)
    if isinstance(expected, Decimal):
        assert str(found) == str(expected)


@pytest.mark.parametrize(
    "text",
    [
        "a", '"a"', "1 + 1", "-a", "- - 1", "(1, 2)", "now()", "'1'::int", "DATE '2024-02-30'", "DATE 'today'", "DATE '20240229'",
        "TIMESTAMP '2024-01-01 10:00+02'", "TIMESTAMP '2024-01-01'", "'x'::uuid", "INTERVAL '1 day'", "1::int", "((1),2)", "default",
    ],
)  # fmt: skip
def test_everything_else_is_no_literal(text):
    """The database computes it."""
    with pytest.raises(NotLiteral):
        value(text)


def test_numbers_of_sqlite():
    """Beyond 64 bits, SQLite would make them inexact; it has no types for dates."""
    assert value("9223372036854775807", SQLITE) == 2**63 - 1
    for text in ("9223372036854775808", "DATE '2024-01-01'"):
        with pytest.raises(NotLiteral):
            value(text, SQLITE)


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cf"))),
    st.sampled_from(list(Dialect)),
)
def test_any_string_comes_back(text, dialect):
    """With its quotes doubled."""
    if text.strip():
        assert value("'" + text.replace("'", "''") + "'", dialect) == text


@given(st.integers(-(10**40), 10**40))
def test_any_integer_comes_back(number):
    """Exactly."""
    assert value(str(number)) == number

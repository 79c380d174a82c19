"""Parts of a statement."""

import pytest

from handrail.data.dialect import Dialect
from handrail.data.sql.parts import outermost, place, split, split_words, unwrapped
from handrail.data.sql.tokens import tokens, written


def found(text, dialect=Dialect.POSTGRES):
    return tokens(text, dialect)


def test_outermost():
    """Not in parentheses, brackets or CASE."""
    text = "a ( b ) [ c ] case when d then e end f"
    assert "".join(token.value for _, token in outermost(found(text)) if token.value.isalpha()) == "acaseendf"


def test_place():
    """Of the first at the outermost; the end when there is none."""
    words = found("update t set a = (select b from c where d) where e")
    assert written(words[place(words, "where") :]) == "where e"
    assert place(words, "nosuch") == len(words)
    assert place(words, "update", 1) == len(words)


def test_split():
    """At the outermost commas; empty parts stay."""
    assert [written(part) for part in split(found("a, f (b, c), , [d, e]"), ",")] == ["a", "f (b, c)", "", "[d, e]"]


def test_split_at_and():
    """The AND of a BETWEEN joins nothing."""
    parts = split_words(found("a = 1 and b between 2 and 3 and (c and d)"), "and")
    assert [written(part) for part in parts] == ["a = 1", "b between 2 and 3", "(c and d)"]


@pytest.mark.parametrize(
    ("text", "inner"),
    [("((a))", "a"), ("(a), (b)", "(a), (b)"), ("(a) = (b)", "(a) = (b)"), ("a", "a"), ("((a) = b)", "(a) = b")],
)
def test_unwrapped(text, inner):
    """Only parentheses around all."""
    assert written(unwrapped(found(text))) == inner


def test_end_may_be_a_name():
    """SQLite lets a column be called so; what follows is still outermost."""
    words = found("update t set end = 1 where id = 2", Dialect.SQLITE)
    assert place(words, "where") == 6

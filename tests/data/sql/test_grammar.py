"""The grammar: nothing is rewritten."""

import contextlib
import logging
import time

import pytest
from sqlglot import exp

from handrail.data.dialect import Dialect
from handrail.data.sql.grammar import tree
from handrail.data.sql.refusal import Refusal

POSTGRES, SQLITE = Dialect.POSTGRES, Dialect.SQLITE


@pytest.mark.parametrize(
    "name",
    [
        "now",
        "to_char",
        "date_trunc",
        "version",
        "json_agg",
        "string_agg",
        "unnest",
        "chr",
        "strftime",
        "iif",
        "if",
        "decode",
    ],
)
def test_functions_stay_what_they_are_called(dialect, name):
    """None becomes another, or a part of its own."""
    found = tree(f"SELECT {name}(a, b)", dialect).expressions[0]
    assert isinstance(found, exp.Anonymous)
    assert found.this == name


def test_arrows_keep_their_right_side():
    """No path is made of it, and no anonymous function."""
    for dialect in Dialect:
        found = tree("SELECT coalesce(a -> 'x', b ->> '$.y')", dialect).expressions[0]
        assert [type(part) for part in found.expressions] == [exp.JSONExtract, exp.JSONExtractScalar]
        assert [part.expression.this for part in found.expressions] == ["x", "$.y"]


def test_places_in_an_array_are_not_shifted():
    """They are numbers of the text."""
    assert tree("SELECT a[1]", POSTGRES).expressions[0].expressions[0].this == "1"


@pytest.mark.parametrize(
    "text",
    [
        "VACUUM",
        "EXPLAIN SELECT 1",
        "DROP TABLE x",
        "SET a = 1",
        "WITH a AS (FETCH NEXT FROM c) SELECT 1",
        "COPY a TO 'b'",
    ],
)
def test_there_are_no_opaque_commands(dialect, text, caplog):
    """What is not understood is refused, and nothing is logged."""
    with caplog.at_level(logging.DEBUG), pytest.raises(Refusal):
        found = tree(text, dialect)
        if not isinstance(found, exp.Query):
            raise Refusal
    assert caplog.text == ""


@pytest.mark.parametrize("text", ["SELECT 1 FROM", "SELECT (", "SELECT 1 1", "x y z", "SELECT 1; SELECT 2", ")"])
def test_what_cannot_be_read(dialect, text):
    """One sentence."""
    with pytest.raises(Refusal) as refused:
        tree(text, dialect)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "form", ["ARRAY[{}]", "date ({})", "int ({})", "f({})", "CASE WHEN {} THEN 1 END", "a IN ({})", "(SELECT {})"]
)
def test_going_back_has_a_limit(dialect, form):
    """Some forms double the parser's work at each level; nobody waits for that."""
    before, after = form.split("{}")
    begun = time.process_time()
    with contextlib.suppress(Refusal):
        tree("SELECT " + before * 30 + "1" + after * 30, dialect)
    assert time.process_time() - begun < 2

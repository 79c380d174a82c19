"""Calls of functions."""

import pytest

from handrail.data.dialect import Dialect
from handrail.data.sql.calls import called
from handrail.data.sql.functions import PADDED_MAX, SERIES_MAX
from handrail.data.sql.grammar import tree
from handrail.data.sql.refusal import Refusal

POSTGRES, SQLITE = Dialect.POSTGRES, Dialect.SQLITE


def call(text, dialect=POSTGRES, functions=(), **options):
    return called(tree(f"SELECT {text}", dialect).expressions[0], dialect, frozenset(functions), **options)


@pytest.mark.parametrize(
    "text",
    [
        "upper(a)", "COUNT(*)", "lpad(a, 10)", f"rpad(a, {PADDED_MAX})", "format('%s %10s %1$s %%', a)", "generate_series(1, 10)",
        f"generate_series(1, {SERIES_MAX})", "generate_series(a, b)", "generate_series(0, 1e9, 1e6)", "generate_series(now(), now(), '1 day')",
    ],
)  # fmt: skip
def test_known(text):
    """By their names, in lower case."""
    assert call(text) == text.partition("(")[0].lower()


@pytest.mark.parametrize(
    "text",
    [
        "nosuch(1)", "pg_sleep(1)", '"upper"(a)', "lpad(a)", f"lpad(a, {PADDED_MAX + 1})", "lpad(a, b)", "lpad(a, 1e9)", "rpad(a, 1 + 1)",
        "format(a)", "format('%1000s', a)", "format('%*s', 9, a)", "format()", "repeat(a, 2)", "generate_series(1, 1000000000)",
        "generate_series(-1e12, 1)", "generate_series(0, 1e9, 1)",
    ],
)  # fmt: skip
def test_refused(text):
    """What is not known, or could make anything of any size."""
    with pytest.raises(Refusal):
        call(text)


def test_where_a_table_stands():
    """Only functions that give rows."""
    assert call("jsonb_each(a)", rows=True) == "jsonb_each"
    with pytest.raises(Refusal, match="gives no rows"):
        call("upper(a)", rows=True)


def test_hints():
    """The nearest name, the usual way, or the operator."""
    for text, said in (
        ("uppr(a)", "Did you mean 'upper'?"),
        ("set_config(1)", "operator"),
        ("nosuch_at_all(1)", "register it"),
    ):
        with pytest.raises(Refusal) as refused:
            call(text)
        assert said in str(refused.value)


def test_registered():
    """The operator's word counts, whatever the arguments."""
    assert call("repeat(a, 1000000000)", functions=["repeat"]) == "repeat"
    with pytest.raises(Refusal):
        call("repeat(a, 2)", SQLITE)

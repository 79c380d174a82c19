"""Names that mean something."""

from handrail.data.sql.visible import RowSource, Visible

INNER = RowSource(frozenset({"a", "b"}))
OUTER = RowSource(frozenset({"b", "c"}))


def levels(unknown=False):
    outer = Visible(sources={"o": OUTER}, queries={"q": frozenset({"x"})})
    inner = Visible(outer, sources={"i": INNER}, aliases={"z"})
    if unknown:
        inner.sources["u"] = RowSource(None)
    return inner


def test_the_nearest_level_counts():
    """What is not found there is looked for further out."""
    at = levels()
    assert at.source("i") is INNER
    assert at.source("o") is OUTER
    assert at.source("x") is None
    assert at.column("b") == (True, INNER)
    assert at.column("c") == (True, OUTER)
    assert at.column("nosuch") == (False, None)
    assert at.column("z") == (True, None)


def test_what_is_not_known_may_have_any_column():
    """Nobody can say that it is not there."""
    assert levels(unknown=True).column("nosuch") == (True, None)
    assert levels(unknown=True).column("a") == (True, INNER)


def test_queries_and_hints():
    """CTEs of any level; all columns that are known."""
    assert levels().query("q") == (True, frozenset({"x"}))
    assert levels().query("r") == (False, None)
    assert sorted(levels(unknown=True).columns()) == ["a", "b", "b", "c"]

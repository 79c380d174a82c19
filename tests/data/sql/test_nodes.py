"""Parts that are understood."""

import pytest
from sqlglot import exp

from handrail.data.sql.nodes import EXPRESSIONS, NAMES, QUERIES, SENTENCES, SOURCES, check, children, not_understood
from handrail.data.sql.refusal import Refusal


def test_every_field_is_one_of_its_part():
    """A field that the parser does not have guards nothing; its name would be a mistake of ours."""
    for known in (EXPRESSIONS, QUERIES, SOURCES):
        for kind, fields in known.items():
            assert fields <= set(kind.arg_types) | {"with_", "order", "limit", "offset", "negate"}, kind
    for kind, field in SENTENCES:
        assert field in kind.arg_types


def test_no_part_writes():
    """Nor is anything opaque."""
    for kind in (
        exp.Command,
        exp.Insert,
        exp.Update,
        exp.Delete,
        exp.Merge,
        exp.Create,
        exp.Drop,
        exp.Into,
        exp.Lock,
        exp.Dot,
        exp.Placeholder,
    ):
        assert not any(kind in known for known in (EXPRESSIONS, QUERIES, SOURCES))


def test_check():
    """A part that is not known, a field that is not."""
    check(exp.Not(this=exp.true()), EXPRESSIONS)
    with pytest.raises(Refusal, match="FOR UPDATE"):
        check(exp.Select(locks=[exp.Lock(update=True)]), QUERIES)
    with pytest.raises(Refusal, match="The hint of SELECT"):
        check(exp.Select(hint=exp.Hint(expressions=["x"])), QUERIES)
    with pytest.raises(Refusal):
        check(exp.Command(this="x"), EXPRESSIONS)


def test_not_understood():
    """A sentence of its own, or the name of the part."""
    for kind, said in NAMES.items():
        assert str(not_understood(kind())) == said
    assert "PIVOT" in str(not_understood(exp.Pivot()))
    assert str(not_understood("x"))


def test_children():
    """Those of lists too."""
    node = exp.Between(this=exp.column("a"), low=exp.null(), high=exp.true())
    assert list(children(node)) == [node.this, node.args["low"], node.args["high"]]
    assert len(list(children(exp.Tuple(expressions=[exp.null(), exp.null()])))) == 2

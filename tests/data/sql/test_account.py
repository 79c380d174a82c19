"""The second look, at the words."""

from collections import Counter

import pytest

from handrail.data.dialect import Dialect
from handrail.data.sql.account import reconcile
from handrail.data.sql.catalog import Catalog
from handrail.data.sql.refusal import Refusal
from handrail.data.sql.tokens import tokens
from handrail.data.sql.walk import Walk

POSTGRES = Dialect.POSTGRES


def look(text, names="", strings=(), numbers=(), quoted=(), listed=(), functions=(), verbs=()):
    """Compare a text with what a walk is said to have met."""
    walk = Walk(POSTGRES, Catalog((), POSTGRES), frozenset(functions))
    walk.names, walk.strings, walk.numbers, walk.quoted = (
        Counter(part) for part in (names.split(), strings, numbers, quoted)
    )
    walk.listed = set(listed)
    reconcile(tokens(text, POSTGRES), walk, verbs=frozenset(verbs))


def test_what_was_met_is_what_was_written():
    """Names, strings, numbers, and keywords that are known."""
    look("SELECT a, 'x', 1 FROM b WHERE \"C\" IS NULL", "a b", ["x"], ["1"], ["C"])
    look("SELECT interval '1 day', .5", "", [], ["0.5"])


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("SELECT a, a", {"names": "a"}),
        ("SELECT a", {"names": "a a"}),
        ("SELECT 'x'", {}),
        ("SELECT 1", {"strings": ["x"], "numbers": ["1"]}),
        ("SELECT 1, 1", {"numbers": ["1"]}),
        ('SELECT "a"', {"names": "a"}),
        ("SELECT a INTO b", {"names": "a b"}),
        ("SELECT 1 DELETE FROM a", {"names": "a", "numbers": ["1"]}),
        ("SELECT a FOR UPDATE", {"names": "a"}),
        ("SELECT a::regclass", {"names": "a"}),
        ("SELECT nosuch (a)", {"names": "nosuch a"}),
        ('SELECT "upper" (a)', {"names": "a", "quoted": ["upper"]}),
        ("UPDATE a SET b", {"names": "a b"}),
    ],
)
def test_what_the_parser_overlooked(text, met):
    """Is refused, whatever it is."""
    with pytest.raises(Refusal):
        look(text, **met)


def test_what_may_stand_before_a_parenthesis():
    """A keyword, a function, a name with a list of columns, a verb."""
    look("SELECT upper (a) FROM t (a)", "upper a t a", listed=["t"])
    look('SELECT a FROM b AS "T" (a)', "a b a", quoted=["T"], listed=["T"])
    look("SELECT mine (a)", "mine a", functions=["mine"])
    look("UPDATE a SET (b)", "a b", verbs=["update", "set"])


def test_types():
    """The nearest that is known is named."""
    with pytest.raises(Refusal, match="Did you mean 'numeric'"):
        look("SELECT a::numerics", "a")

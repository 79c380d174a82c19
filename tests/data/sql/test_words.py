"""The lists of keywords."""

from handrail.data.dialect import Dialect
from handrail.data.sql.functions import FUNCTIONS
from handrail.data.sql.words import BEFORE_PARENTHESIS, FIRST, INSTEAD, KEYWORDS, TYPES, words

WRITING = words(
    "insert into update delete merge truncate create drop alter grant revoke copy call do lock share returning conflict vacuum attach pragma"
)


def test_no_keyword_of_a_read_writes():
    """Whatever a parser makes of it."""
    for dialect in Dialect:
        assert not KEYWORDS[dialect] & WRITING
        assert TYPES[dialect] <= KEYWORDS[dialect]


def test_what_may_stand_before_a_parenthesis_is_no_function_that_is_refused():
    """They are keywords or types, and `into` of an INSERT; functions have a list of their own."""
    known = KEYWORDS[Dialect.POSTGRES] | KEYWORDS[Dialect.SQLITE] | {"into", "set", "default"}
    functions = FUNCTIONS[Dialect.POSTGRES] | FUNCTIONS[Dialect.SQLITE]
    assert BEFORE_PARENTHESIS - known - functions <= {"similar"}


def test_a_statement_is_understood_or_has_an_advice():
    """Not both; and every advice is a sentence."""
    assert not FIRST & set(INSTEAD)
    assert all(said.endswith(".") for said in INSTEAD.values())

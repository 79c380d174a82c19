"""The words of a statement."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.data.dialect import Dialect
from handrail.data.sql.refusal import Refusal
from handrail.data.sql.tokens import CHARS_MAX, DEPTH_MAX, TOKENS_MAX, Kind, Token, tokens, written

POSTGRES, SQLITE = Dialect.POSTGRES, Dialect.SQLITE


def values(text, dialect=POSTGRES):
    return [token.value for token in tokens(text, dialect)]


def test_words_literals_and_signs():
    """Each as what it is; a word keeps its case and is compared without it."""
    found = tokens("Select \"A b\", 'it''s', 1.5e3, a>=2", POSTGRES)
    assert [token.kind for token in found][:4] == [Kind.WORD, Kind.QUOTED, Kind.SIGN, Kind.STRING]
    assert found[0] == Token(Kind.WORD, "Select", "select")
    assert [token.value for token in found] == ["Select", "A b", ",", "it's", ",", "1.5e3", ",", "a", ">=", "2"]


def test_comments_and_blanks_end_here():
    """Nested ones in PostgreSQL; a newline ends a line comment."""
    assert values("/* a /* b */ c */ select--x\n\t1 -- end") == ["select", "1"]
    assert values("select/* a */1", SQLITE) == ["select", "1"]


def test_what_is_inside_of_strings_is_nothing_else():
    """No comment, no semicolon, no quote."""
    assert values("select '-- a; /* b */ \"c\"'") == ["select", '-- a; /* b */ "c"']
    assert values('select "a--b;"') == ["select", "a--b;"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$$don't$$", "don't"),
        ("$a$x $$ y$a$", "x $$ y"),
        (r"E'a\n\'b\\'", "a\n'b\\"),
        (r"'\d+\'", "\\d+\\"),
        ("e'it''s'", "it's"),
    ],
)
def test_the_strings_of_postgres(text, value):
    """With escapes, between dollars, with plain backslashes; each is written in a form that has one meaning."""
    (_, found) = tokens(f"select {text}", POSTGRES)
    assert found == Token(Kind.STRING, value)
    assert tokens(written([found], POSTGRES), POSTGRES) == [found]


def test_a_backslash_is_written_so_that_no_setting_changes_it():
    """`standard_conforming_strings` may be off."""
    found = tokens(r"select '\'", POSTGRES)
    assert written(found, POSTGRES) == r"select E'\\'"
    assert written(found) == r"select '\'"
    assert written(tokens(r"select '\'", SQLITE), SQLITE) == r"select '\'"


def test_names_of_sqlite():
    """Three kinds of quotes, written as one."""
    assert written(tokens('select [a], `b``c`, "d""e"', SQLITE)) == 'select "a", "b`c", "d""e"'


@pytest.mark.parametrize(
    ("sign", "parts"),
    [("a=-1", ["a", "=", "-", "1"]), ("a->-1", ["a", "->", "-", "1"]), ("a*-1", ["a", "*", "-", "1"])],
)
def test_operators_are_read_as_the_server_does(sign, parts):
    """The longest, without a + or - at its end, unless it has a sign of its own."""
    assert values(sign) == parts


@pytest.mark.parametrize("text", ["a @-1", "a <-> b", "a |> b", "a ?- b", "@ 5", "a ^@ b", "a %% b", "a !!= b"])
def test_other_operators_are_refused(text):
    """Somebody made them."""
    with pytest.raises(Refusal, match="operator"):
        tokens(text, POSTGRES)


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize(
    "text",
    [
        "", "  ", ";", "-- x", "select 1; select 2", "select '", 'select "', "select /*", "select \x00", "select '\x01'",
        "select 1\r2", "\ufeffselect 1", "select '\u2028'", "select '\ud800'", "select\u00a01", "select 1\u3000",
        "select /*! 1 */", "select /*+ 1 */", "select /*M! 1 */", "select 1a", "select 1'a'", "select 'a'b", "select 'a''b'c",
        "select 'a' 'b'", "select x'41'", "select B'1'", 'select ""', 'select "a\nb"', 'select "\u200b"', "select 1 -- \u202e",
        "select /* \u200b */ 1", "select stra\u00dfe", "select \u0430", "select $1", "select \\", "select 0x1F", "select 1_0",
    ],
)  # fmt: skip
def test_what_is_read_in_two_ways_is_refused(text, dialect):
    """With what to do."""
    with pytest.raises(Refusal) as refused:
        tokens(text, dialect)
    assert ". " in str(refused.value)
    assert str(refused.value).isprintable()


def test_comments_in_comments_of_sqlite():
    """SQLite does not nest, others do."""
    with pytest.raises(Refusal, match="inside a comment"):
        tokens("select /* /* */ 1 */", SQLITE)


def test_prefixes_of_unicode_are_refused():
    """As strings and as names."""
    for text in ("select U&'a'", 'select u&"a"'):
        with pytest.raises(Refusal, match="prefix"):
            tokens(text, POSTGRES)
    assert values("select u & a") == ["select", "u", "&", "a"]


def test_letters_stay_in_strings_and_quotes():
    """Of any script, and emoji that are joined."""
    assert values("select '👩\u200d💻 straße', \"naïve\"") == ["select", "👩\u200d💻 straße", ",", "naïve"]


def test_everything_has_a_limit():
    """Length, words, depth, names."""
    for text in (
        "select '" + "x" * CHARS_MAX + "'",
        "select 1" + ",1" * (TOKENS_MAX // 2),
        "select " + "(" * (DEPTH_MAX + 1) + "1" + ")" * (DEPTH_MAX + 1),
        "select " + "x" * 64,
        'select "' + "ä" * 32 + '"',
    ):
        with pytest.raises(Refusal):
            tokens(text, POSTGRES)
    tokens("select '" + "x" * (CHARS_MAX - 9) + "'", POSTGRES)
    tokens("select " + "(" * DEPTH_MAX + "1" + ")" * DEPTH_MAX, POSTGRES)


def test_no_text_at_all():
    """Whatever is given is no statement."""
    with pytest.raises(Refusal):
        tokens(None, POSTGRES)


SIGNS = ["(", ")", ",", ".", "=", "<=", "-", "->>", "||", "*", "::", "[", "]"]
TOKEN = st.one_of(
    st.builds(lambda v: Token(Kind.WORD, v, v.lower()), st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True)),
    st.builds(
        lambda v: Token(Kind.STRING, v), st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")))
    ),
    st.builds(
        lambda v: Token(Kind.QUOTED, v),
        st.text(st.characters(codec="ascii", categories=("L", "P")), min_size=1, max_size=9),
    ),
    st.builds(lambda v: Token(Kind.NUMBER, v), st.from_regex(r"[0-9]{1,5}(\.[0-9]{1,3})?", fullmatch=True)),
    st.builds(lambda v: Token(Kind.SIGN, v, v), st.sampled_from(SIGNS)),
)


@given(st.lists(TOKEN, min_size=1, max_size=30), st.sampled_from(list(Dialect)))
def test_what_is_written_is_read_as_the_same_words(found, dialect):
    """Whatever stands beside what, wherever the words are such that they can be read at all."""
    try:
        again = tokens(written(found, dialect), dialect)
    except Refusal:
        return
    assert written(again, dialect) == written(found, dialect)
    if not any(token.low in SIGNS for token in found):
        assert again == found

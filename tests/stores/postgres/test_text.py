"""Any text comes back from PostgreSQL as it was."""

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.stores.postgres.session import PostgresSession, SessionSettings, parse
from handrail.stores.postgres.text import escape, unescape

ANY = st.text(st.characters(codec=None, exclude_categories=()))


@given(ANY)
def test_every_text_has_a_form_that_is_valid(text):
    """No NUL, no surrogate, and back again."""
    kept = escape(text)
    assert "\0" not in kept
    kept.encode()
    assert unescape(kept) == text


@given(ANY, ANY)
def test_no_two_texts_share_a_form(one, other):
    """Comparing what is kept is comparing what was meant; a beginning stays one."""
    assert (escape(one) == escape(other)) == (one == other)
    assert escape(one + other).startswith(escape(one))


@pytest.mark.parametrize("kept", ["a\\", "\\x", "\\u12", "\\"])
def test_what_was_never_written_stays(kept):
    """Somebody else's text in the table is shown as it is."""
    assert unescape(kept) == kept


@pytest.mark.parametrize("binary", [False, True])
def test_through_the_server(url, binary):
    """As parameters, in lists, and as results in both formats."""
    texts = ["", "a", "\0", "\ud800x", "\\0", "\\\\", "ü\u202e😀", "a\nb", "\udfff\0\\u0000"]
    connection = PostgresSession(parse(url), SessionSettings()).open()
    rows = connection.execute("SELECT unnest(%s::text[])", (texts,), binary=binary).fetchall()
    assert [row[0] for row in rows] == texts
    for text in texts:
        row = connection.execute("SELECT %s::text, %s = ANY(%s)", (text, text, texts), binary=binary).fetchone()
        assert row == (text, True)
    connection.close()


def test_without_it_the_server_refuses(url):
    """The test above can fail."""
    with psycopg.connect(url) as connection, pytest.raises(psycopg.DataError):
        connection.execute("SELECT %s::text", ("\0",))

"""Which verb a tool is taken for: names decide, hints fill in, doubt asks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.core.effect import Verb
from handrail.draft import verb as module
from handrail.draft.verb import LEADING, guess, words_of

SQL = {"type": "object", "properties": {"query": {"type": "string"}}}


def verb(name, description="", schema=None, **hints):
    tool = {"name": name, "description": description, "inputSchema": schema or {"type": "object"}, "annotations": hints}
    return guess(tool).verb.value


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("git_status", "read"),
        ("git_diff_staged", "read"),
        ("getUserByID", "read"),
        ("list-comments", "read"),
        ("get_order", "read"),
        ("read_log", "read"),
        ("browser.tree", "read"),
        ("git_commit", "create"),
        ("create_issue", "create"),
        ("git_checkout", "update"),
        ("write_file", "update"),
        ("edit_file", "update"),
        ("delete_message", "delete"),
        ("dropTable", "delete"),
        ("copy_object", "copy"),
        ("move_file", "move"),
        ("send_email", "send"),
        ("post_message", "send"),
        ("refund", "pay"),
        ("invite_member", "grant"),
        ("run_command", "execute"),
        ("frobnicate", "execute"),
        ("", "execute"),
        ("читать", "execute"),
    ],
)
def test_the_name_tells(name, expected):
    """By its first word that is a verb."""
    assert verb(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("get_or_create_user", "create"),
        ("read_and_delete", "delete"),
        ("find_and_replace", "update"),
        ("list_and_send", "send"),
        ("checkAndExecute", "execute"),
        ("fetch_then_drop_table", "delete"),
    ],
)
def test_a_name_that_reads_and_writes_is_a_write(name, expected):
    """Even when the server says that it only reads."""
    assert verb(name) == expected
    assert verb(name, readOnlyHint=True) == expected


@pytest.mark.parametrize("name", sorted(word for word, what in LEADING.items() if what is not Verb.READ))
def test_a_hint_makes_no_read_of_a_write(name):
    """No word that writes can be hinted away."""
    assert verb(name, readOnlyHint=True) != "read"


def test_a_hint_fills_in_where_a_name_tells_nothing():
    """And a person is told to look."""
    found = guess({"name": "git_branch", "annotations": {"readOnlyHint": True}})
    assert found == (
        Verb.READ,
        "its name tells nothing, and the server says that it only reads",
        "Look at it.",
    )
    assert verb("git_branch") == "execute"
    assert verb("git_branch", readOnlyHint="true") == "execute"


def test_a_server_that_says_that_it_writes_is_believed():
    """A read that says it is none asks every time."""
    assert verb("fetch_page", readOnlyHint=False) == "execute"
    assert verb("create_page", readOnlyHint=False) == "create"


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("Reads and deletes a message.", "delete"),
        ("Deletes it. Returns nothing.", "delete"),
        ("Gets a page, then sends it on", "send"),
        ("Lists the runs of a workflow", "read"),
        ("Gets recent updates and posts", "read"),
        ("Gets it. Also deletes it", "read"),
        (7, "read"),
    ],
)
def test_a_description_that_tells_of_a_write(description, expected):
    """Its first sentence counts, and a noun is none."""
    assert verb("get_it", description) == expected


def test_sql_can_also_write():
    """It reads only by name and hint, and says so; otherwise it asks every time."""
    assert verb("query", "Runs SQL", SQL) == "execute"
    assert verb("query", "Runs SQL", SQL, readOnlyHint=True) == "read"
    assert verb("read_query", "Execute a SELECT query", SQL) == "read"
    assert "SQL can also write" in guess({"name": "read_query", "description": "SELECT", "inputSchema": SQL}).look
    assert verb("write_query", "Execute an INSERT on the SQLite database", SQL) == "execute"
    assert verb("x", "SQL", SQL, readOnlyHint=True) == "execute"
    assert verb("run", "", {"properties": {"sql": {}}}) == "execute"
    assert verb("search", "Searches the web", SQL) == "read"


def test_words_of_a_name():
    """However it is written."""
    for name in ("getUserByID", "get-user_by.id", "GET user/by:ID", "Get_User_By_ID"):
        assert words_of(name) == ["get", "user", "by", "id"]


@pytest.mark.parametrize("table", ["_LEADING", "_PLAIN"])
def test_no_word_has_two_meanings(table):
    """Within a table; the one on the right would win in silence."""
    words = " ".join(getattr(module, table).values()).split()
    assert sorted(words) == sorted(set(words))


ANYTHING = (
    st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()) | st.dictionaries(st.text(), st.text())
)


@given(
    st.fixed_dictionaries(
        {"name": st.text()}, optional=dict.fromkeys(("description", "annotations", "inputSchema"), ANYTHING)
    )
)
def test_whatever_a_server_lists_gets_a_verb(tool):
    """Nothing it sends is an error here, and what is no read asks."""
    found = guess(tool)
    assert isinstance(found.verb, Verb)
    assert found.why.isprintable()
    assert found.why.isascii()

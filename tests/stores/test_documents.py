"""Tickets and grants as JSON documents."""

import dataclasses
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handrail.core.ticket import Grant, Ticket, TicketState
from handrail.errors import StoreError
from handrail.stores.documents import dump, load_grant, load_ticket

quick = settings(deadline=None, suppress_health_check=list(HealthCheck))
TEXT = st.text(max_size=8) | st.just("\ud800")
RULES = st.lists(TEXT, max_size=3).map(tuple)
WHOLE = st.integers(0, 2**63)
VIEW = st.dictionaries(TEXT, TEXT | st.integers() | st.none() | st.lists(TEXT, max_size=2), max_size=3)
TICKETS = st.builds(
    Ticket, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, st.none() | TEXT, st.booleans(), TEXT, TEXT, RULES, VIEW,
    st.sampled_from(TicketState), WHOLE, WHOLE, WHOLE, WHOLE, TEXT, TEXT, TEXT, TEXT,
)  # fmt: skip
GRANTS = st.builds(
    Grant, TEXT, TEXT, TEXT, RULES, st.dictionaries(TEXT, TEXT, max_size=3), WHOLE, WHOLE, WHOLE, TEXT, TEXT, TEXT,
    WHOLE, st.booleans(),
)  # fmt: skip
TICKET = Ticket("T-1", "n", "d", "k", "b", "b", None, True, "r", "t", ("a",), {}, TicketState.PENDING, 1, 2)
GRANT = Grant("G-1", "b", "t", ("a",), {"id": "*"}, 0, 1, 2, "kim", "p")
KINDS = [(TICKET, load_ticket), (GRANT, load_grant)]


@quick
@given(TICKETS)
def test_tickets_come_back(ticket):
    """Equal in every field, states and rules in their own types; the text is ASCII."""
    text = dump(ticket)
    assert text.isascii()
    again = load_ticket(text)
    assert again == ticket
    assert (type(again.state), type(again.rules)) == (TicketState, tuple)


@quick
@given(GRANTS)
def test_grants_come_back(grant):
    """Equal in every field."""
    assert load_grant(dump(grant)) == grant


@pytest.mark.parametrize(("value", "load"), KINDS)
@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", '"x"', "{}", "\x00"])
def test_what_is_not_one(value, load, text):
    """Damaged documents are named, with what to do; nothing is guessed."""
    with pytest.raises(StoreError, match="Restore a backup"):
        load(text)


@pytest.mark.parametrize(("value", "load"), KINDS)
def test_unknown_and_missing_fields(value, load):
    """A document of another version is refused as a whole."""
    document = json.loads(dump(value))
    for name in document:
        less = {key: item for key, item in document.items() if key != name}
        with pytest.raises(StoreError, match="fields"):
            load(json.dumps(less))
    with pytest.raises(StoreError, match="fields"):
        load(json.dumps({**document, "extra": 1}))


def test_all_fields_are_written():
    """A field that is added to the value is in the document."""
    for value, _ in KINDS:
        assert set(json.loads(dump(value))) == {field.name for field in dataclasses.fields(value)}


@pytest.mark.parametrize("change", [{"state": "weird"}, {"rules": 3}, {"rules": None}, "deep"], ids=str)
def test_fields_of_another_type(change):
    """What is not a ticket is a StoreError, as the docstring says."""
    text = "[" * 100_000 if change == "deep" else json.dumps({**json.loads(dump(TICKET)), **change})
    with pytest.raises(StoreError):
        load_ticket(text)

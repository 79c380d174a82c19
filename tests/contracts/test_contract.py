import dataclasses
import datetime as dt
import functools
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from handrail.contracts.contract import Contract, ContractBroken
from handrail.contracts.schema import VIOLATIONS_MAX, ContractError, SchemaError
from handrail.core.outcome import Violation


class Lead(BaseModel):
    id: int
    company: str = Field(min_length=1)
    seen: dt.datetime | None = None
    tags: set[str] = set()


@dataclasses.dataclass
class Row:
    a: int


class Cell(TypedDict):
    a: int


def at_most(limit):
    def check(value):
        return () if value["id"] <= limit else (Violation("limit", "id", "is too large."),)

    return check


LEAD = Contract("lead", Lead)


def paths(contract, value):
    return [one.path for one in contract.check(value)]


def test_objects_and_their_json():
    """An instance holds, and so does its JSON, where text stands for a datetime and an array for a set."""
    lead = Lead(id=1, company="Acme", seen=dt.datetime(2026, 1, 1, tzinfo=dt.UTC), tags={"hot"})
    assert LEAD.check(lead) == ()
    assert LEAD.check(lead.model_dump(mode="json")) == ()
    assert LEAD.check(lead.model_dump()) == ()
    assert LEAD.parse(lead) is lead
    assert LEAD.parse(lead.model_dump(mode="json")) == lead
    assert LEAD.parse(lead.model_dump()) == lead


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"id": "1", "company": "Acme"}, "id"),
        ({"id": 1.0, "company": "Acme"}, "id"),
        ({"id": 1, "company": ""}, "company"),
        ({"id": 1, "company": "Acme", "seen": 5}, "seen"),
        ({"id": 1, "company": "Acme", "seen": "soon"}, "seen"),
        ({"id": 1}, "company"),
        ([], ""),
        (None, ""),
        (3, ""),
        (Row(1), ""),
        ({"id": "1", "company": "Acme", "seen": dt.datetime(2026, 1, 1)}, "id"),
    ],
)
def test_what_breaks_it(value, path):
    """Nothing is coerced, in JSON neither; each violation carries the contract's name and the place."""
    (one,) = LEAD.check(value)
    assert (one.check, one.path) == ("lead", path)
    with pytest.raises(ContractBroken, match="Contract 'lead' is broken") as caught:
        LEAD.parse(value)
    assert caught.value.violations == (one,)


def test_a_changed_instance():
    """An instance that was changed into something invalid is found by the consumer."""
    lead = Lead(id=1, company="Acme")
    lead.company = ""
    assert paths(LEAD, lead) == ["company"]


def test_any_annotation():
    """Dataclasses, typed dictionaries, lists and unions are contracts as well."""
    assert Contract("row", Row).parse({"a": 1}) == Row(1)
    assert paths(Contract("row", Row), Row("x")) == ["a"]
    assert paths(Contract("cell", Cell), {"a": "x"}) == ["a"]
    assert Contract("rows", list[Row]).parse([{"a": 1}]) == [Row(1)]
    assert Contract("maybe", int | None).check(None) == ()
    assert paths(Contract("maybe", int | None), "3") == [""]


def test_only_a_schema():
    """A JSON Schema alone is a contract; objects are compared by their JSON form."""
    contract = Contract("lead", schema={"type": "object", "required": ["a"], "properties": {"a": {"maximum": 3}}})
    assert contract.check({"a": 1}) == ()
    assert contract.check(Row(1)) == ()
    assert paths(contract, Row(9)) == ["a"]
    assert paths(contract, {}) == ["a"]
    assert paths(contract, object()) == [""]


def test_type_and_schema_and_checks():
    """All that is given has to hold; checks run when type and schema do."""
    contract = Contract("lead", Lead, schema={"properties": {"company": {"maxLength": 4}}}, checks=[at_most(5)])
    assert contract.check(Lead(id=5, company="Acme")) == ()
    assert paths(contract, Lead(id=9, company="Acme Ltd")) == ["company"]
    assert contract.check({"id": 9, "company": "Acme"}) == (Violation("limit", "id", "is too large."),)


def test_a_check_that_fails_has_not_said_yes():
    """A check that raises, or answers with something else, is a violation."""

    def explode(value):
        raise RuntimeError("hunter2")

    for check in (explode, lambda value: True, lambda value: ["no"], lambda value: None):
        (one,) = Contract("any", Lead, checks=[check]).check({"id": 1, "company": "x"})
        assert one.why.startswith("cannot be checked: checks[0] raised")
        assert "hunter2" not in one.why


def test_limits():
    """At most twenty violations; what has no JSON form within the limits is a violation."""
    assert len(Contract("many", list[int]).check(["x"] * 500)) == VIOLATIONS_MAX
    many = Contract("many", schema=True, checks=[lambda value: [Violation("c", "", "no.")] * 500])
    assert len(many.check(1)) == VIOLATIONS_MAX
    assert paths(Contract("any", schema=True), float("nan")) == [""]
    circle = []
    circle.append(circle)
    assert paths(Contract("any", list), circle) == [""]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_never_raises(value):
    """Whatever is handed over: an answer, and `parse` agrees with `check`."""
    for contract in (LEAD, Contract("any", object), Contract("any", schema={"type": "object"})):
        if contract.check(value):
            with pytest.raises(ContractBroken):
                contract.parse(value)
        else:
            contract.parse(value)


def test_refused_at_once():
    """A contract that accepts everything, or cannot be checked, is an error where it is written."""
    with pytest.raises(ContractError, match="accept everything"):
        Contract("empty")
    with pytest.raises(ContractError, match="1 to 100"):
        Contract("", Lead)
    with pytest.raises(SchemaError, match=r"Contract 'lead': the schema is broken"):
        Contract("lead", schema={"type": "strng"})
    with pytest.raises(ContractError, match="Contract 'none' cannot be checked"):
        Contract("none", print)


def test_from_type():
    """A class is a contract under its own name."""
    contract = Contract.from_type(Lead)
    assert (contract.name, contract.type, repr(contract)) == ("Lead", Lead, "<Contract Lead>")
    assert contract.digest == LEAD.digest
    assert Contract.from_type(Lead, name="prospect").name == "prospect"


def test_digest_shows_every_change():
    """The digest changes with a field, a bound, the schema, a check's source and what a check was made with."""

    def same_name(bound):
        class Lead(BaseModel):
            id: int = Field(le=bound)

        return Lead

    def older(limit, value):
        return ()

    contracts = [
        LEAD,
        Contract("lead", Row),
        Contract("lead", same_name(1)),
        Contract("lead", same_name(2)),
        Contract("lead", Lead, schema={"maxProperties": 4}),
        Contract("lead", Lead, schema={"maxProperties": 5}),
        Contract("lead", Lead, checks=[at_most(1)]),
        Contract("lead", Lead, checks=[at_most(2)]),
        Contract("lead", Lead, checks=[at_most(1), at_most(2)]),
        Contract("lead", Lead, checks=[functools.partial(older, 1)]),
        Contract("lead", Lead, checks=[functools.partial(older, 2)]),
        Contract("lead", Lead, checks=[eval("lambda value: ()")]),
        Contract("lead", Lead, checks=[eval("lambda value: None")]),
        Contract("lead", threading.Event),
        Contract("lead", list[threading.Event]),
    ]
    assert len({contract.digest for contract in contracts}) == len(contracts)


def test_digest_is_stable():
    """The same contract, written again, has the same digest; its name is not part of it."""
    again = Contract("other", Lead, checks=[at_most(1)])
    assert again.digest == Contract("lead", Lead, checks=[at_most(1)]).digest
    assert len(again.digest) == 64

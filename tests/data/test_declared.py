"""From what a policy or a program declares to what runs."""

import pytest
from tests.data.front import BARE

from handrail.data.declared import from_environment, specs_of, tables_of
from handrail.data.table import Table
from handrail.errors import ConfigurationError
from handrail.policy import loads

FULL = Table(
    write=frozenset({"b", "a"}), insert=True, delete=True, rows_max=7, rows_free=3, version="rev",
    also={"audit": 2}, inserts_free=5, hide=frozenset({"secret"}),
)  # fmt: skip


def test_a_program_says_what_a_policy_says():
    """Both come to the same limits, each of them."""
    text = BARE + (
        "databases: {shop: {tables: {lead: {write: [a, b], insert: true, delete: true, rows_max: 7, rows_free: 3, "
        "version: rev, also: {audit: 2}, inserts_free: 5, hide: [secret]}, plain: {write: x}}}}\n"
    )
    read = loads(text, source="d.yaml").document.places["shop"].tables
    tables = {"lead": FULL, "plain": Table(write=frozenset({"x"}))}
    assert tables_of(read) == tables
    assert tables_of(specs_of(tables)) == tables
    assert specs_of(tables)["lead"].write == ("a", "b")


def test_values_from_the_environment():
    """A value that names a variable is read there, or refused; any other is as it is."""
    assert from_environment("sqlite:///a.db", "The address", {}) == "sqlite:///a.db"
    assert from_environment("env:URL", "The address", {"URL": "sqlite:///b.db"}) == "sqlite:///b.db"
    for environ in ({}, {"URL": ""}):
        with pytest.raises(ConfigurationError, match="The address stands in the variable URL, which is not set"):
            from_environment("env:URL", "The address", environ)

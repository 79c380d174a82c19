"""The store port: what stores and transactions must offer. What they must do is in `handrail.testing.conformance`."""

import dataclasses
import inspect

import pytest

from handrail.core.store import Query, Store, Transaction
from handrail.stores.memory import MemoryStore, MemoryTransaction
from handrail.stores.sqlite import SqliteStore, SqliteTransaction


def methods(protocol):
    return {name: member for name, member in vars(protocol).items() if not name.startswith("_")}


@pytest.mark.parametrize(
    ("port", "kind"),
    [
        (Store, MemoryStore),
        (Store, SqliteStore),
        (Transaction, MemoryTransaction),
        (Transaction, SqliteTransaction),
    ],
    ids=lambda kind: kind.__name__,
)
def test_every_member_is_there(port, kind):
    """Each store has every verb of the port, under the same parameter names."""
    for name, member in methods(port).items():
        if name == "now_us":
            assert "now_us" in kind.__slots__
            continue
        found = getattr(kind, name)
        if inspect.isfunction(member):
            assert list(inspect.signature(member).parameters) == list(inspect.signature(found).parameters), name


def test_stores_are_recognised():
    """An open store can be told from an address."""
    assert isinstance(MemoryStore(), Store)
    assert not isinstance("memory:", Store)


def test_a_query_matches_everything_within_a_limit():
    """Nothing is filtered by default, and no query is unbounded."""
    query = Query()
    assert query.limit == 1_000
    narrowing = [f.name for f in dataclasses.fields(Query) if f.name != "limit"]
    assert not any(getattr(query, name) for name in narrowing)

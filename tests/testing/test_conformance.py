"""The conformance suite finds stores that break their promises."""

import pytest

from handrail.errors import StoreError
from handrail.stores.memory import MemoryStore, MemoryTransaction
from handrail.testing.conformance import CASES


def test_cases_are_plain_functions():
    """Each with a docstring that says the promise, and none twice."""
    assert len({case.__name__ for case in CASES}) == len(CASES)
    assert all(case.__doc__ and case.__doc__.strip().endswith(".") for case in CASES)


def failing(store_of):
    found = []
    for case in CASES:
        try:
            case(store_of())
        except (Exception, AssertionError):
            found.append(case.__name__)
    return found


def test_a_good_store_passes():
    """Every case, each on a store of its own."""
    assert failing(MemoryStore) == []


class NoUndo(MemoryTransaction):
    def undo(self):
        """Keep what a failed step wrote."""


class NoFailures(MemoryTransaction):
    def add_failure(self, key):
        return 1


class NoDenials(MemoryTransaction):
    def put_denial(self, denial):
        """Forget it."""


class NoLatch(MemoryTransaction):
    def put_latch(self, latch):
        """Forget it."""


class NoDisown(MemoryTransaction):
    def disown(self, run, call, action, attempt):
        """Leave it as it is."""


class NoOrder(MemoryTransaction):
    def records(self, query):
        return iter(sorted(super().records(query), key=lambda row: -row.seq))


class NoDrop(MemoryTransaction):
    def drop_call(self, run, call):
        """Keep it."""


class NoDemotion(MemoryTransaction):
    def put_access(self, agent, access):
        """Forget it."""


class NoGrants(MemoryTransaction):
    def grants(self, agent=None, tool=None):
        return ()


class NoShape(MemoryTransaction):
    def shape(self, tool):
        return None


class NoLabels(MemoryTransaction):
    def put_label(self, resource, label):
        """Forget it."""


class NoMarks(MemoryTransaction):
    def put_mark(self, key, until_us):
        """Forget it."""


class EqualAmountsOnce(MemoryTransaction):
    def add_tally(self, key, bucket, amount, until_us):
        old = self._store.tallied.get(key, {}).get(bucket)
        if old is None or old[0] != amount:
            super().add_tally(key, bucket, amount, until_us)


class NothingBelow(MemoryTransaction):
    def facts(self, need):
        return super().facts(need._replace(trees=()))


class OldTickets(MemoryTransaction):
    def put_ticket(self, ticket):
        if self.ticket(ticket.id) is None:
            super().put_ticket(ticket)


@pytest.mark.parametrize(
    "broken",
    [
        NoUndo,
        NoFailures,
        NoDenials,
        NoLatch,
        NoDisown,
        NoOrder,
        NoDrop,
        NoDemotion,
        NoGrants,
        NoShape,
        OldTickets,
        NoLabels,
        NoMarks,
        EqualAmountsOnce,
        NothingBelow,
    ],
    ids=lambda kind: kind.__name__,
)
def test_a_broken_transaction_is_found(monkeypatch, broken):
    """Whatever verb does not do its work, some case fails."""
    monkeypatch.setattr("handrail.stores.memory.MemoryTransaction", broken)
    assert failing(MemoryStore)


class PrunesAll(MemoryStore):
    def prune(self, before_us):
        self.rows = [(*row[:12], None, *row[13:]) for row in self.rows]
        return len(self.rows)


class BackInTime(MemoryStore):
    def transact(self, step, *, durable=False):
        self.last_us = 0
        self.shift = getattr(self, "shift", 0) + 1_000_000
        now = MemoryStore().last_us
        self._clock_us = lambda: 1_700_000_000_000_000 - self.shift + now
        return super().transact(step)


class NeverClosed(MemoryStore):
    def close(self):
        """Go on."""


class Swallows(MemoryStore):
    def transact(self, step, *, durable=False):
        try:
            return super().transact(step)
        except ZeroDivisionError:
            return None


@pytest.mark.parametrize("broken", [PrunesAll, BackInTime, NeverClosed, Swallows], ids=lambda kind: kind.__name__)
def test_a_broken_store_is_found(broken):
    """So is a store that prunes, keeps time, closes or reports wrongly."""
    assert failing(broken)
    assert issubclass(StoreError, Exception)

"""Observe mode keeps what it remembers apart."""

from handrail.core.facts import Need
from handrail.core.observing import apart
from handrail.core.record import Record, RecordKind
from handrail.core.store import Denial, Query
from handrail.testing import MemoryStore

NEED = Need("r", "", "k", ("bot",), ("lead/1",), True, ("lead/1/",), ("m",), (("t", 0),))


def test_nothing_crosses_over():
    """What is observed is seen by what observes, under its own names, and by nothing else."""
    store = MemoryStore()

    def observe(tx):
        seen = apart(tx)
        seen.put_zone("lead/1", "production")
        seen.put_label("lead/1", "x")
        seen.put_label("lead/1/below", "y")
        seen.put_denial(Denial("lead/1", "bot", "delete", "r", 1))
        seen.put_mark("m", 0)
        seen.add_tally("t", 1, 5, 0)
        return seen.facts(NEED), tx.facts(NEED), seen.resource("lead/1").zone

    observed, enforced, zone = store.transact(observe)
    assert zone == "production"
    assert observed.resources["lead/1"].zone == "production"
    assert observed.resources["lead/1"].denials == (("delete", "r"),)
    assert set(observed.resources["lead/1/below"].labels) == {"y"}
    assert (set(observed.marks), observed.sums) == ({"m"}, {"t": 5})
    assert (enforced.resources, enforced.marks, enforced.sums) == ({}, {}, {})


def test_what_is_enforced_is_not_seen():
    """And the other way round; a mark and a label can be taken back."""
    store = MemoryStore()

    def both(tx):
        tx.put_zone("lead/1", "production")
        tx.put_mark("m", 0)
        seen = apart(tx)
        seen.put_label("lead/1", "x")
        seen.drop_labels("lead/1", ("x",))
        seen.put_mark("m", 0)
        seen.drop_mark("m")
        return seen.facts(NEED), tx.facts(NEED)

    observed, enforced = store.transact(both)
    assert (observed.resources, observed.marks) == ({}, {})
    assert set(enforced.marks) == {"m"}


def test_the_journal_is_shared():
    """What is not memory goes where it always goes."""
    store = MemoryStore()
    store.transact(lambda tx: apart(tx).append(Record(RecordKind.EVENT, reason="x")))
    assert [row.record.reason for row in store.read(lambda tx: list(tx.records(Query())))] == ["x"]

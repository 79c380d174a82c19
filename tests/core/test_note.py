"""What guardrails remember of an action, and what is taken back."""

from handrail.core.facts import Need
from handrail.core.note import LABELS_FULL, LABELS_MAX, Count, Label, Moment, put_ahead, put_label, take_back, write
from handrail.testing import Clock, MemoryStore

NEED = Need("r", "", "k", ("bot",), marks=("m",), tallies=(("t", 0),))


def facts(store):
    return store.read(lambda tx: tx.facts(NEED))


def test_marks_counts_and_labels_are_written():
    """Each where it belongs; only what can be taken back is returned."""
    store = MemoryStore()
    held = Count("t", 1, 5)
    notes = (Moment("m"), Label("lead/1", "x"), held, Count("t", 1, 2, kept=True))
    assert store.transact(lambda tx: write(tx, notes)) == (held,)
    assert facts(store).sums == {"t": 7}
    assert set(facts(store).marks) == {"m"}
    assert set(store.read(lambda tx: tx.resource("lead/1")).labels) == {"x"}
    store.transact(lambda tx: take_back(tx, (held,)))
    assert facts(store).sums == {"t": 2}
    store.transact(lambda tx: write(tx, (Moment("m", forget=True),)))
    assert not facts(store).marks


def test_what_is_put_ahead_is_taken_back_by_nobody_else():
    """Of two at once, the first to put a label does not take it from the second, however close in time they are."""
    clock = Clock()
    store = MemoryStore(clock)
    first = store.transact(lambda tx: put_ahead(tx, "lead/1", ("x",)))
    second = store.transact(lambda tx: put_ahead(tx, "lead/1", ("x",)))
    assert len(first) == 1
    assert second == ()
    store.transact(lambda tx: take_back(tx, first))
    assert set(store.read(lambda tx: tx.resource("lead/1")).labels) == {"x"}
    alone = store.transact(lambda tx: put_ahead(tx, "lead/2", ("x",)))
    store.transact(lambda tx: take_back(tx, alone))
    assert not store.read(lambda tx: tx.resource("lead/2")).labels


def test_a_full_resource_says_so():
    """Nothing is forgotten for a label too many; the labels that are there can be put again."""
    store = MemoryStore()
    for index in range(LABELS_MAX + 3):
        store.transact(lambda tx, index=index: put_label(tx, "lead/1", f"l{index}"))
    labels = store.read(lambda tx: tx.resource("lead/1")).labels
    assert len(labels) == LABELS_MAX + 1
    assert LABELS_FULL in labels
    store.transact(lambda tx: put_label(tx, "lead/1", "l0"))
    assert len(store.read(lambda tx: tx.resource("lead/1")).labels) == LABELS_MAX + 1

"""What every store must remember for guardrails: labels, what lies below a resource, marks and tallies."""

from __future__ import annotations

import threading
from collections.abc import Callable

from handrail.core.facts import TREE_MAX, Need
from handrail.core.store import Denial, Store, Transaction

NEED = Need("run", "", "key", ("root", "agent"))
_HOUR_US = 3_600_000_000


def keeps_labels(store: Store) -> None:
    """Labels are facts of their resource, with when they were put last; they can be taken off one by one."""

    def put(tx: Transaction) -> int:
        tx.put_label("lead/1", "tainted")
        tx.put_label("lead/1", "origin:staging")
        tx.put_zone("lead/2", "production")
        return tx.now_us

    first_us = store.transact(put)

    def again(tx: Transaction) -> int:
        tx.put_label("lead/1", "tainted")
        return tx.now_us

    later_us = store.transact(again)
    need = NEED._replace(resources=("lead/1", "lead/2", "lead/3"))
    known = store.read(lambda tx: tx.facts(need)).resources
    assert dict(known["lead/1"].labels) == {"tainted": max(later_us, first_us + 1), "origin:staging": first_us}
    assert known["lead/1"].zone is None
    assert dict(known["lead/2"].labels) == {}
    assert "lead/3" not in known
    assert store.read(lambda tx: tx.resource("lead/1")).labels == known["lead/1"].labels
    assert store.read(lambda tx: tx.resource("lead/2")).zone == "production"
    assert store.transact(lambda tx: tx.drop_labels("lead/1", ("tainted", "never"))) == 1
    assert set(store.read(lambda tx: tx.resource("lead/1")).labels) == {"origin:staging"}


def tells_what_lies_below(store: Store) -> None:
    """What is remembered of ids below a tree is told: zones, labels, the lineage's refusals; nothing beside it."""

    def put(tx: Transaction) -> None:
        tx.put_zone("file/a/b", "production")
        tx.put_label("file/a/c/d", "tainted")
        tx.put_denial(Denial("file/a/e", "root", "delete", "review", tx.now_us))
        tx.put_denial(Denial("file/a/f", "stranger", "delete", "review", tx.now_us))
        for beside in ("file/a", "file/a0", "file/ab/c", "file/A/b", "file/a!"):
            tx.put_label(beside, "beside")

    store.transact(put)
    known = store.read(lambda tx: tx.facts(NEED._replace(trees=("file/a/",)))).resources
    assert known["file/a/b"].zone == "production"
    assert set(known["file/a/c/d"].labels) == {"tainted"}
    assert known["file/a/e"].denials == (("delete", "review"),)
    assert not any("beside" in resource.labels for resource in known.values())
    assert "file/a/f" not in known or known["file/a/f"].denials == ()


def tells_that_a_tree_is_crowded(store: Store) -> None:
    """Of a tree where more is remembered than can be looked at, more than the bound is told, and not everything."""

    def put(tx: Transaction) -> None:
        for index in range(3 * TREE_MAX):
            for label in ("tainted", "origin:staging", "seen"):
                tx.put_label(f"file/a/{index}", label)
            for root in ("root", "stranger", "other"):
                tx.put_denial(Denial(f"file/b/{index}", root, "delete", "review", tx.now_us))

    store.transact(put)
    for tree in ("file/a/", "file/b/"):
        known = store.read(lambda tx, tree=tree: tx.facts(NEED._replace(trees=(tree,)))).resources  # type: ignore[misc]
        assert TREE_MAX < len(known) <= 2 * TREE_MAX


def keeps_marks(store: Store) -> None:
    """A mark tells when it was set last; it is found by its exact key, or listed by how it starts."""

    def put(tx: Transaction) -> int:
        tx.put_mark("a_%\x1f1", 0)
        tx.put_mark("ab\x1f2", 0)
        return tx.now_us

    def again(tx: Transaction) -> int:
        tx.put_mark("ab\x1f2", 0)
        return tx.now_us

    now_us, later_us = store.transact(put), store.transact(again)
    need = NEED._replace(marks=("a_%\x1f1", "ab\x1f2", "never"))
    facts = store.read(lambda tx: tx.facts(need))
    assert dict(facts.marks) == {"a_%\x1f1": now_us, "ab\x1f2": later_us}
    assert set(store.read(lambda tx: tx.marks("a_%"))) == {"a_%\x1f1"}
    assert set(store.read(lambda tx: tx.marks("a"))) == {"a_%\x1f1", "ab\x1f2"}
    assert store.transact(lambda tx: tx.drop_mark("a_%\x1f1"))
    assert not store.transact(lambda tx: tx.drop_mark("a_%\x1f1"))
    assert set(store.read(lambda tx: tx.facts(need)).marks) == {"ab\x1f2"}


def sums_tallies(store: Store) -> None:
    """A tally is the sum of its buckets from one on; what is added may be taken back; equal amounts all count."""

    def put(tx: Transaction) -> None:
        for bucket, amount in ((1, 100), (2, 5), (2, 5), (3, 7), (3, -2)):
            tx.add_tally("refunds", bucket, amount, 0)
        tx.add_tally("other", 3, 1_000, 0)

    store.transact(put)

    def total(since: int) -> int | None:
        need = NEED._replace(tallies=(("refunds", since), ("never", 0)))
        return store.read(lambda tx: tx.facts(need)).sums.get("refunds")

    assert total(0) == 115
    assert total(2) == 15
    assert total(3) == 5
    assert not total(4)
    need = NEED._replace(tallies=(("refunds", 0), ("other", 0)))
    assert dict(store.read(lambda tx: tx.facts(need)).sums) == {"refunds": 115, "other": 1_000}


def sums_tallies_from_many_threads(store: Store) -> None:
    """Nothing that is added at once from many places is lost."""

    def work() -> None:
        for _ in range(25):
            store.transact(lambda tx: tx.add_tally("refunds", 1, 3, 0))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    need = NEED._replace(tallies=(("refunds", 0),))
    assert store.read(lambda tx: tx.facts(need)).sums["refunds"] == 300


def forgets_what_nobody_asks_for(store: Store) -> None:
    """Pruning removes marks and buckets that have ended, and only those."""

    def put(tx: Transaction) -> None:
        for name, until_us in (("ended", tx.now_us - 1), ("lasting", tx.now_us + _HOUR_US), ("endless", 0)):
            tx.put_mark(name, until_us)
            tx.add_tally(name, 1, 1, until_us)

    store.transact(put)
    store.prune(0)
    names = ("ended", "lasting", "endless")
    need = NEED._replace(marks=names, tallies=tuple((name, 0) for name in names))
    facts = store.read(lambda tx: tx.facts(need))
    assert set(facts.marks) == set(facts.sums) == {"lasting", "endless"}


def undoes_what_it_remembered(store: Store) -> None:
    """Nothing that a step that raises wrote is remembered."""

    def step(tx: Transaction) -> None:
        tx.put_label("lead/1", "tainted")
        tx.put_mark("mark", 0)
        tx.add_tally("tally", 1, 1, 0)
        raise ZeroDivisionError

    try:
        store.transact(step)
    except ZeroDivisionError:
        pass
    else:
        raise AssertionError("the exception was swallowed")
    need = NEED._replace(resources=("lead/1",), marks=("mark",), tallies=(("tally", 0),))
    facts = store.read(lambda tx: tx.facts(need))
    assert (dict(facts.resources), dict(facts.marks), dict(facts.sums)) == ({}, {}, {})


REMEMBERING: tuple[Callable[[Store], None], ...] = (
    keeps_labels,
    tells_what_lies_below,
    tells_that_a_tree_is_crowded,
    keeps_marks,
    sums_tallies,
    sums_tallies_from_many_threads,
    forgets_what_nobody_asks_for,
    undoes_what_it_remembered,
)
"""Cases of `testing.conformance.CASES`."""

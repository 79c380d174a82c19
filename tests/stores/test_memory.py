"""The store in memory: what it does beyond the conformance suite."""

import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handrail.core.facts import Call, CallState, Latch, Need
from handrail.core.record import Record, RecordKind
from handrail.core.store import Denial
from handrail.core.tool import Access
from handrail.errors import StoreError
from handrail.stores.memory import MemoryStore
from handrail.testing import Clock

quick = settings(deadline=None, suppress_health_check=list(HealthCheck))
NAMES = st.sampled_from(["a", "b", "c"])
WRITES = st.lists(
    st.one_of(
        st.tuples(st.just("append"), NAMES),
        st.tuples(st.just("put_call"), NAMES),
        st.tuples(st.just("drop_call"), NAMES),
        st.tuples(st.just("add_failure"), NAMES),
        st.tuples(st.just("put_failures"), NAMES),
        st.tuples(st.just("put_zone"), NAMES),
        st.tuples(st.just("put_denial"), NAMES),
        st.tuples(st.just("clear_denials"), NAMES),
        st.tuples(st.just("put_latch"), NAMES),
        st.tuples(st.just("clear_latch"), NAMES),
        st.tuples(st.just("put_access"), NAMES),
        st.tuples(st.just("lift_access"), NAMES),
        st.tuples(st.just("put_shape"), NAMES),
        st.tuples(st.just("disown"), NAMES),
    ),
    max_size=12,
)


def write(tx, verb, name):
    match verb:
        case "append":
            tx.append(Record(RecordKind.EVENT, name))
        case "put_call":
            tx.put_call(Call("r", name, "x", "b", "t", "k", CallState.RUNNING, durable=True))
        case "drop_call":
            tx.drop_call("r", name)
        case "disown":
            tx.disown("r", name, "x", 0)
        case "put_failures":
            tx.put_failures(name, 0)
        case "put_zone":
            tx.put_zone(name, f"zone {tx.now_us}")
        case "put_denial":
            tx.put_denial(Denial(name, "b", "update", "r", tx.now_us))
        case "put_latch":
            tx.put_latch(Latch(name, "dana", "why", tx.now_us))
        case "put_access":
            tx.put_access(name, Access.READ_ONLY)
        case "lift_access":
            tx.put_access(name, None)
        case "put_shape":
            tx.put_shape(name, str(tx.now_us))
        case _:
            getattr(tx, verb)(name)


TABLES = ["rows", "calls", "failures", "zones", "denials", "stops", "demotions", "shapes", "head"]


def state(store):
    return {name: copy.copy(getattr(store, name)) for name in TABLES}


@quick
@given(WRITES, WRITES)
def test_a_step_that_raises_leaves_nothing(before, failing):
    """Whatever mixture of writes a step made, all of it is taken back, and the chain stays whole."""
    clock = Clock()
    store = MemoryStore(clock)
    for verb, name in before:
        store.transact(lambda tx, verb=verb, name=name: write(tx, verb, name))
        clock.forward(1)
    was = state(store)

    def step(tx):
        for verb, name in failing:
            write(tx, verb, name)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.transact(step)
    assert state(store) == was
    assert store.verify().faults == ()


def test_the_clock_never_goes_back():
    """A wall clock that jumps back is waited for."""
    clock = Clock()
    store = MemoryStore(clock)
    before = store.transact(lambda tx: tx.now_us)
    clock.forward(-3_600)
    assert store.transact(lambda tx: tx.now_us) == before
    clock.forward(3_601)
    assert store.transact(lambda tx: tx.now_us) == before + 1_000_000


def test_a_crash_leaves_intents_in_doubt():
    """What another process would see: running writes of the old chain are in doubt, reads are not."""
    store = MemoryStore()

    def begin(tx):
        tx.put_call(Call("r", "write", "a", "b", "t", "k", CallState.RUNNING, durable=True))
        tx.put_call(Call("r", "read", "a", "b", "t", "k2", CallState.RUNNING))
        tx.put_call(Call("r", "done", "a", "b", "t", "k3", CallState.DONE, durable=True))

    store.transact(begin)
    old = store.writer
    store.crash()
    assert store.writer != old
    facts = {k: store.read(lambda tx, k=k: tx.facts(Need("r", "", k, ("b",)))) for k in ("k", "k2", "k3")}
    assert facts["k"].doubtful.call == "write"
    assert (facts["k2"].doubtful, facts["k3"].doubtful) == (None, None)


def test_submit_hands_over_what_a_step_raises():
    """The future is done when submit returns, with the value or the exception."""
    store = MemoryStore()
    assert store.submit(lambda tx: 7).done()
    assert isinstance(store.submit(lambda tx: 1 / 0).exception(), ZeroDivisionError)


def test_it_cannot_be_copied(tmp_path):
    """There is nothing to open again, and it says what to use instead."""
    with pytest.raises(StoreError, match="sqlite:///"):
        MemoryStore().backup(tmp_path / "copy.db")


def test_verify_tells_its_progress():
    """Long verifications can be shown."""
    store = MemoryStore()
    for _ in range(3):
        store.transact(lambda tx: tx.append(Record(RecordKind.EVENT)))
    seen = []
    store.verify(lambda done, all: seen.append((done, all)))
    assert seen == [(1, 3), (2, 3), (3, 3)]

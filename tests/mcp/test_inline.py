"""Small commits in the loop's own thread, and the way out when they are slow."""

import threading

import pytest

from handrail.core.record import Record, RecordKind
from handrail.mcp.inline import PAUSE_S, SLOW_S, InlineStore, inline
from handrail.stores import connect


@pytest.fixture
def store(tmp_path):
    """A real store."""
    found = connect("sqlite:///handrail.db", tmp_path)
    yield found
    found.close()


class Clock:
    """Time that passes when told."""

    now = 0.0

    def __call__(self):
        return self.now


def ident(tx):
    tx.append(Record(RecordKind.EVENT, reason="test"))
    return threading.get_ident()


def test_a_plain_step_runs_here_and_a_durable_one_elsewhere(store):
    """The future of the first is done at once."""
    inline = InlineStore(store)
    future = inline.submit(ident)
    assert future.done()
    assert future.result() == threading.get_ident()
    assert inline.submit(ident, durable=True).result(10) != threading.get_ident()
    assert inline.url == store.url


def test_only_a_file_is_written_at_once(store, tmp_path):
    """A database far away would make the loop wait for the network."""
    assert isinstance(inline(store), InlineStore)
    memory = connect("memory:", tmp_path)
    assert inline(memory) is memory


def test_an_error_is_the_futures(store):
    """Whoever waits gets it."""

    def broken(tx):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        InlineStore(store).submit(broken).result()


def test_after_a_slow_step_the_loop_is_spared_for_a_while(store):
    """Others write a lot; then it is tried again."""
    clock = Clock()
    inline = InlineStore(store, clock)

    def slow(tx):
        clock.now += SLOW_S * 2
        return threading.get_ident()

    assert inline.submit(slow).result() == threading.get_ident()
    assert inline.submit(ident).result(10) != threading.get_ident()
    clock.now += PAUSE_S
    assert inline.submit(ident).result() == threading.get_ident()

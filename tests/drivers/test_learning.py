"""What this process learns of its tools' results."""

import json

import pytest

from handrail.core.action import Action
from handrail.core.commands import Go, Settle
from handrail.core.outcome import Outcome, Status
from handrail.drivers import learning
from handrail.drivers.learning import SAVE_EVERY, Learner


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    """Saves wait for nothing but results."""
    monkeypatch.setattr(learning, "SAVE_PAUSE_S", 0.0, raising=False)


@pytest.fixture
def settle(room):
    """Settles one result of `get` as the host does."""

    def one(result, learner, attempt=0, opaque="", returned=True, tool="get"):
        go = Go(Action("a", "bot", "run", "c", tool, {"id": "1"}, "k"), (), attempt)
        command = Settle(go, Outcome(Status.SUCCESS), result, opaque, returned=returned)
        return room.store.transact(learner.settlement(command, room.host.desk.policy))

    return one


def seen(room, tool="get"):
    text = room.store.read(lambda tx: tx.shape(tool))
    return None if text is None else json.loads(text)


def counted(room):
    from handrail.contracts.shapes import Shape

    text = room.store.read(lambda tx: tx.shape("get"))
    return 0 if text is None else Shape.from_json(text).results


def test_the_first_result_is_stored_at_once(room, settle):
    """So that a process that lives for one call teaches too."""
    learner = Learner()
    settle({"a": 1}, learner)
    assert counted(room) == 1
    for _ in range(SAVE_EVERY - 1):
        settle({"a": 1}, learner)
    assert counted(room) == 1
    settle({"a": 1}, learner)
    assert counted(room) == SAVE_EVERY + 1


@pytest.mark.parametrize("fields", [{"attempt": 1}, {"opaque": "It is a socket."}, {"returned": False}], ids=str)
def test_what_teaches_nothing(room, settle, fields):
    """Retries of one answer, results without a JSON form, and calls that raised."""
    settle({"a": 1}, Learner(), **fields)
    assert seen(room) is None


def test_flush_stores_the_rest(room, settle):
    """At the end nothing that was learned is lost, and nothing is counted twice."""
    learner = Learner()
    for _ in range(5):
        settle({"a": 1}, learner)
    learner.flush(room.store)
    learner.flush(room.store)
    assert counted(room) == 5


def test_two_processes_add_up(room, settle):
    """What others stored meanwhile is merged, in any order."""
    one, other = Learner(), Learner()
    for _ in range(SAVE_EVERY * 2 + 1):
        settle({"a": 1}, one)
        settle({"a": 1}, other)
    one.flush(room.store)
    other.flush(room.store)
    one.flush(room.store)
    assert counted(room) == 2 * (SAVE_EVERY * 2 + 1)


def test_a_failed_transaction_counts_nothing_twice(room, settle):
    """What could not be stored is stored with the next."""
    learner = Learner()
    go = Go(Action("a", "bot", "run", "c", "get", {"id": "1"}, "k"), ())
    step = learner.settlement(Settle(go, Outcome(Status.SUCCESS), {"a": 1}, returned=True), room.host.desk.policy)

    def failing(tx):
        step(tx)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        room.store.transact(failing)
    assert seen(room) is None
    settle({"a": 1}, learner)
    learner.flush(room.store)
    assert counted(room) in (1, 2)


def test_a_damaged_state_is_learned_anew(room, settle):
    """It does not stop the tool."""
    room.store.transact(lambda tx: tx.put_shape("get", "not json"))
    settle({"a": 1}, Learner())
    assert counted(room) == 1


def test_secrets_are_not_learned(room, settle):
    """Values under redacted paths do not reach the store."""
    settle({"password": "sesame"}, Learner(), tool="login")
    assert "sesame" not in (room.store.read(lambda tx: tx.shape("login")) or "")

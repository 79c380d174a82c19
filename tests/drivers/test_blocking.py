"""The blocking driver."""

import asyncio

import pytest

from handrail.core.commands import Invoke, Raised, Returned, Roll, Sleep
from handrail.core.outcome import Reason, Status
from handrail.core.record import RecordKind
from handrail.core.store import Query
from handrail.drivers import blocking
from handrail.drivers.host import Body
from handrail.errors import StoreError


def statuses(room):
    query = Query(kinds=(RecordKind.OUTCOME,))
    return room.store.read(lambda tx: [row.record.status for row in tx.records(query)])


def test_a_call_from_proposal_to_outcome(room):
    """Decided, run once, settled; the value is the tool's own."""
    ran = []
    outcome = blocking.run(room.proposal("set"), room.host, Body(lambda: ran.append(1) or "value"))
    assert (outcome.status, outcome.value, ran) == (Status.SUCCESS, "value", [1])
    assert statuses(room) == ["success"]


def test_a_refused_call_does_not_run(room):
    """The body of what is denied or held is never touched."""
    ran = []
    for tool in ("nowhere", "drop"):
        assert blocking.run(room.proposal(tool), room.host, Body(lambda: ran.append(1))).status is not Status.SUCCESS
    assert ran == []


def test_retries_wait_longer_each_time(room):
    """Three retries with the policy's base and the host's dice, then a person."""

    def fail():
        raise OSError("busy")

    outcome = blocking.run(room.proposal("get"), room.host, Body(fail))
    assert room.slept == [1.5, 3.0, 6.0]
    assert statuses(room) == ["retry", "retry", "retry", "failed"]
    assert (outcome.status, outcome.reason) == (Status.HUMAN_REVIEW_REQUIRED, Reason.RETRIES_EXHAUSTED)
    assert isinstance(outcome.error, OSError)


def test_roll_and_sleep_are_the_hosts(room):
    """Dice and clock come from outside."""
    body = Body(lambda: None)
    assert blocking.perform(Roll(), room.host, body) == 0.5
    assert blocking.perform(Sleep(2.0), room.host, body) is True
    assert room.slept == [2.0]


def test_an_awaitable_is_not_a_result(room):
    """A coroutine that nobody awaits is a failure, closed without a warning."""

    async def forgotten():
        raise AssertionError("it ran")

    answer = blocking.perform(Invoke(room.proposal("set").action, 0), room.host, Body(forgotten))
    assert isinstance(answer, Raised)
    assert isinstance(answer.error, TypeError)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_stops_the_program_is_settled(room, error):
    """Not retried, and not left open."""

    def fail():
        raise error

    outcome = blocking.run(room.proposal("get"), room.host, Body(fail))
    assert (outcome.status, outcome.reason, room.slept) == (Status.FAILED, Reason.CANCELLED, [])
    assert room.store.read(lambda tx: tx.unsettled()) == ()


async def test_an_event_loop_is_not_blocked(room):
    """A blocking tool on a running loop never sleeps there: it says what to do instead."""

    def fail():
        raise OSError("busy")

    assert blocking.on_event_loop()
    outcome = blocking.run(room.proposal("get"), room.host, Body(fail))
    assert (outcome.reason, room.slept) == (Reason.WOULD_BLOCK, [])
    assert blocking.run(room.proposal("drop", wait_s=60.0), room.host, Body(fail)).reason is Reason.DESTRUCTIVE
    assert room.slept == []
    assert not await asyncio.to_thread(blocking.on_event_loop)


async def test_whole_seconds(room):
    """`wait_s=60` is as good as `wait_s=60.0`: a held call whose waiting is over ends as held."""
    outcome = blocking.run(room.proposal("drop", wait_s=60), room.host, Body(lambda: None))
    assert outcome.reason is Reason.DESTRUCTIVE


def test_waiting_for_a_person_ends_with_the_ticket(room):
    """It looks again and again, and is decided afresh once the ticket is over."""
    looks = []

    def sleep(seconds):
        looks.append(seconds)
        if len(looks) == 3:
            room.clock.forward(1_800)

    room.host.sleep = sleep
    first = blocking.run(room.proposal("drop"), room.host, Body(lambda: None)).ticket
    tool = room.proposal("drop", wait_s=0.5)
    waited = blocking.run(tool, room.host, Body(lambda: None))
    assert len(looks) >= 3
    assert all(0 < seconds <= 0.2 for seconds in looks)
    assert waited.ticket != first


def test_before_and_verify(room):
    """Own calls are made through the same driver, journalled as children of the action."""
    room.found["get"] = Body(lambda: "there")
    outcome = blocking.run(room.proposal("put"), room.host, Body(lambda: "x"))
    assert outcome.status is Status.SUCCESS
    rows = room.store.read(lambda tx: [row.record for row in tx.records(Query())])
    children = [row for row in rows if row.tool == "get"]
    assert len(children) == 4
    assert {row.body["parent"] for row in children} == {outcome.action}


def test_an_async_read_cannot_prove_a_blocking_write(room):
    """It says so, and nothing runs."""
    ran = []
    room.found["get"] = Body(lambda: "there", is_async=True)
    outcome = blocking.run(room.proposal("put"), room.host, Body(lambda: ran.append(1)))
    assert (outcome.reason, ran) == (Reason.PREVIEW, [])
    assert "async" in outcome.why


def test_a_lost_store_refuses(room):
    """Before the effect: denied. After it: an error, never a success."""
    real = room.store

    class Failing:
        def __init__(self, good):
            self.good = good

        def transact(self, step, durable=False):
            self.good -= 1
            if self.good < 0:
                raise StoreError("gone")
            return real.transact(step)

    ran = []
    body = Body(lambda: ran.append(1))
    room.host.store = Failing(0)
    assert blocking.run(room.proposal("set"), room.host, body).reason is Reason.STORE
    assert ran == []
    room.host.store = Failing(1)
    with pytest.raises(StoreError, match="in doubt"):
        blocking.run(room.proposal("set"), room.host, body)
    assert ran == [1]


def test_returned_values_are_checked_by_the_bodys_types(room):
    """What the return annotation says is part of the answer."""
    answer = blocking.perform(Invoke(room.proposal("get").action, 0), room.host, Body(lambda: 3, lambda value: ()))
    assert isinstance(answer, Returned)
    assert answer.result == 3

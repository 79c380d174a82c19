"""The async driver: the same life, awaiting where the blocking one waits."""

import asyncio
from concurrent.futures import Future

import pytest

from handrail.core.commands import Admit
from handrail.core.outcome import Reason, Status
from handrail.core.record import RecordKind
from handrail.core.store import Query
from handrail.drivers import asynchronous, blocking
from handrail.drivers.host import Body, current


def rows(room):
    wanted = Query(kinds=(RecordKind.ATTEMPT, RecordKind.OUTCOME))
    return room.store.read(lambda tx: [(r.record.kind, r.record.status, r.record.reason) for r in tx.records(wanted)])


def quick(room):
    """Retries of the policy without the waiting: the wall clock is not what is tested."""
    tool = room.host.desk.policy.tool("get")
    from dataclasses import replace

    from handrail.core.backoff import Backoff

    return replace(tool, backoff=Backoff(0.001, 0.001))


def of(value):
    async def call():
        await asyncio.sleep(0)
        if isinstance(value, BaseException):
            raise value
        return value

    return call


@pytest.mark.parametrize("value", ["value", OSError("busy"), object()], ids=["returns", "raises", "opaque"])
@pytest.mark.parametrize("tool", ["get", "set", "drop", "nowhere", "put"])
async def test_both_drivers_live_the_same_life(room, tool, value):
    """The same rows in the journal and the same outcome, blocking and async."""
    room.found["get"] = Body(of("there"), is_async=True)
    proposal = room.proposal(tool)
    if tool == "get":
        proposal = proposal._replace(tool=quick(room))
    one = await asynchronous.run(proposal, room.host, Body(of(value), is_async=True))
    seen = rows(room)

    other = type(room)()
    other.found["get"] = Body(lambda: "there")

    def call():
        if isinstance(value, BaseException):
            raise value
        return value

    proposal = other.proposal(tool)
    two = await asyncio.to_thread(blocking.run, proposal, other.host, Body(call))
    assert rows(other) == seen
    assert (one.status, one.reason, one.value) == (two.status, two.reason, two.value)


async def test_a_plain_function_is_called(room):
    """A body that is not async is not awaited."""
    assert (await asynchronous.run(room.proposal("set"), room.host, Body(lambda: 7))).value == 7


async def test_current_inside_and_beside(room):
    """Concurrent actions each see their own."""
    seen = {}

    def body(name):
        async def call():
            await asyncio.sleep(0)
            seen[name] = current().action

        return Body(call, is_async=True)

    outcomes = await asyncio.gather(
        *(asynchronous.run(room.proposal("set", id=str(n)), room.host, body(n)) for n in range(5))
    )
    assert [seen[n] for n in range(5)] == [outcome.action for outcome in outcomes]
    assert current() is None


async def test_cancelled_while_it_runs(room):
    """Settled as cancelled, not retried, and the cancellation is the outcome's error."""
    begun = asyncio.Event()

    async def forever():
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(asynchronous.run(room.proposal("get"), room.host, Body(forever, is_async=True)))
    await begun.wait()
    task.cancel()
    outcome = await task
    assert (outcome.status, outcome.reason) == (Status.FAILED, Reason.CANCELLED)
    assert isinstance(outcome.error, asyncio.CancelledError)
    assert rows(room)[-1] == ("outcome", "failed", "cancelled")


class Slow:
    """A store whose commits end when the test says so."""

    def __init__(self, real):
        self.real = real
        self.waiting = []

    def submit(self, step, durable=False):
        future = Future()
        self.waiting.append((future, step))
        return future

    def commit(self):
        future, step = self.waiting.pop(0)
        future.set_result(self.real.transact(step))


async def turns():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_cancelled_while_the_intent_is_written(room):
    """The commit is waited for; what was admitted is settled as cancelled before it ran, and nothing is left open."""
    slow = Slow(room.store)
    room.host.store = slow
    ran = []
    task = asyncio.create_task(asynchronous.run(room.proposal("set"), room.host, Body(lambda: ran.append(1))))
    await turns()
    task.cancel()
    await turns()
    assert not task.done()
    slow.commit()
    await turns()
    slow.commit()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ran == []
    assert rows(room) == [("attempt", "", ""), ("outcome", "failed", "cancelled")]
    assert room.store.read(lambda tx: tx.unsettled()) == ()


async def test_cancelled_while_a_doubt_is_taken_up(room):
    """The attempt of a process that died may have happened: that this one was cancelled decides nothing about it."""
    step, _ = room.host.admission(Admit(room.proposal("sure").action))
    room.store.transact(step)
    room.store.crash()
    slow = Slow(room.store)
    room.host.store = slow
    ran = []
    task = asyncio.create_task(asynchronous.run(room.proposal("sure"), room.host, Body(lambda: ran.append(1))))
    await turns()
    task.cancel()
    await turns()
    slow.commit()
    await turns()
    slow.commit()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ran == []
    assert rows(room)[-1] == ("outcome", "failed", "in_doubt")
    assert [call.alive for call in room.store.read(lambda tx: tx.unsettled())] == [False]


async def test_cancelled_while_the_outcome_is_written(room):
    """The outcome is recorded before the cancellation goes on."""
    slow = Slow(room.store)
    room.host.store = slow
    task = asyncio.create_task(asynchronous.run(room.proposal("set"), room.host, Body(lambda: 1)))
    await turns()
    slow.commit()
    await turns()
    task.cancel()
    await turns()
    slow.commit()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rows(room)[-1] == ("outcome", "success", "")


async def test_a_lost_store_refuses(room):
    """Before the effect: denied."""
    room.store.close()
    ran = []
    outcome = await asynchronous.run(room.proposal("set"), room.host, Body(lambda: ran.append(1)))
    assert (outcome.reason, ran) == (Reason.STORE, [])


async def test_waiting_for_a_person_ends(room):
    """A held call that waits is answered as held when the time is used up."""
    outcome = await asynchronous.run(room.proposal("drop", wait_s=0.01), room.host, Body(lambda: 1))
    assert outcome.status is Status.HUMAN_REVIEW_REQUIRED

"""Actions of places: run as any guarded call is, blocking and on an event loop."""

import asyncio

import pytest
from tests.data.front import BARE

import handrail
from handrail.core.record import RecordKind
from handrail.core.store import Query
from handrail.data.acting import Acting, Edge
from handrail.errors import NotDone
from handrail.policy import loads
from handrail.stores.memory import MemoryStore
from handrail.workspace import Workspace

POLICY = (
    BARE + "tools: {place.get: {do: read, resource: 'thing/{args.n}'}, place.put: {do: update, resource: 'thing/1'}}\n"
)


@pytest.fixture
def hr():
    with Workspace(loads(POLICY, source="a.yaml"), MemoryStore()) as opened:
        yield opened


async def spawn(call):
    return await asyncio.to_thread(call)


def acting(hr, edge, do, tool="place.get"):
    return Acting(edge.propose(tool, {"n": 1}), do, lambda form: ("again", form))


async def both(hr, do, tool="place.get"):
    """Run it blocking, then on the loop."""
    edge = Edge(hr.host, hr.propose)
    found = []
    for run in (lambda one: asyncio.to_thread(one.run, edge), lambda one: one.run_async(edge, spawn)):
        try:
            found.append(await run(acting(hr, edge, do, tool)))
        except Exception as error:
            found.append(error)
    return found


async def test_the_caller_gets_the_value_and_the_journal_the_result(hr):
    """The value itself, which need not be JSON."""
    value = object()
    with hr.run("bot"):
        assert await both(hr, lambda: ({"n": 1}, value)) == [value, value]
    ended = hr.store.read(lambda tx: [row.record.body for row in tx.records(Query(kinds=(RecordKind.OUTCOME,)))])
    assert [body["result"] for body in ended] == [{"n": 1}] * 2


async def test_the_same_call_is_not_done_again(hr):
    """Its value is made from the kept result."""
    done = []
    with hr.run("bot") as run, run.call("c"):
        found = await both(hr, lambda: (len(done), done.append(1)))
    assert found == [None, ("again", 0)]
    assert len(done) == 1


async def test_what_is_held_or_fails_raises(hr):
    """As for any guarded call."""
    with hr.run("bot"):
        held = await both(hr, lambda: (None, None), tool="place.put")
        assert [type(one) for one in held] == [handrail.ReviewRequired] * 2

        def failing():
            raise NotDone("no")

        assert [str(one).split("\n")[0] for one in await both(hr, failing)] == ["no", "no"]


def test_outside_a_run(hr):
    """Nothing is proposed."""
    with pytest.raises(handrail.Denied, match="outside a run"):
        hr.propose("place.get", {"n": 1})

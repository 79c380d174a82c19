"""Stop the flow before and after every command, restart, and check the promises; move the stop until a run survives."""

import itertools

import pytest

from handrail.core.record import RecordKind
from handrail.core.store import Query
from handrail.drivers import blocking
from handrail.errors import ReviewRequired
from handrail.review.decide import add_reviewer, approve
from handrail.run import CALL, RUN


class Crash(BaseException):
    """The process is gone."""


def crash_at(hr, monkeypatch, point):
    """Let the driver die at a point: even points before, odd points after a command. Returns the commands seen."""
    seen = []
    perform = blocking.perform

    def dying(command, host, body):
        index = len(seen)
        seen.append(type(command).__name__)
        if point == 2 * index:
            raise Crash
        answer = perform(command, host, body)
        if point == 2 * index + 1:
            raise Crash
        return answer

    monkeypatch.setattr(blocking, "perform", dying)
    return seen


def attempt(world, hr, tool, call):
    with hr.run("bot", id="run") as run, run.call(call):
        return world.tools[tool]()


def approve_pending(hr):
    if not hr.store.read(lambda tx: tx.reviewers()):
        add_reviewer(hr.store, hr.policy, "dana", "long-secret")
    for ticket in hr.store.read(lambda tx: tx.tickets()):
        if ticket.state == "pending":
            approve(hr.store, hr.policy, ticket.id, reviewer="dana", secret="long-secret")


def play(world, monkeypatch, tool, point, again):
    """One life that dies at `point`, then a second process that makes the call again until it ends."""
    hr = world.open()
    if tool == "lead.asked":
        with pytest.raises(ReviewRequired):
            attempt(world, hr, tool, "c1")
        approve_pending(hr)
    died = False
    with monkeypatch.context() as patch:
        crash_at(hr, patch, point)
        try:
            attempt(world, hr, tool, "c1")
        except Crash:
            died = True
        finally:
            RUN.set(None)
            CALL.set(None)
    world.die(hr)
    hr = world.open()
    ended = hr.store.read(lambda tx: [r for r in tx.records(Query(kinds=("outcome",))) if r.record.tool == tool])
    end = None
    try:
        attempt(world, hr, tool, again)
        end = "success"
    except ReviewRequired as error:
        end = error.outcome.reason
    rows = hr.store.read(lambda tx: list(tx.records(Query())))
    verified = hr.store.verify()
    hr.close()
    return died, bool(ended), end, rows, verified


@pytest.mark.parametrize(
    ("again", "kind"),
    [("c1", "sqlite"), ("c2", "sqlite"), ("c2", "postgres")],
    ids=["same call", "another call", "another call, postgres"],
)
@pytest.mark.parametrize("tool", ["lead.get", "lead.write", "lead.put", "lead.proven", "lead.asked"])
def test_crash_before_and_after_every_command(tool, again, kind, tmp_path, monkeypatch):
    """Whatever the moment: no effect twice, no effect without an intent, the chain verifies, and doubt is shown."""
    from tests.crash.conftest import World

    survived = False
    doubted = 0
    for point in itertools.count():
        folder = tmp_path / str(point)
        world = World(folder, kind)
        died, ended, end, rows, verified = play(world, monkeypatch, tool, point, again)
        assert verified.faults == ()
        intents = {r.record.action for r in rows if r.record.kind is RecordKind.ATTEMPT and not r.record.status}
        assert set(world.effects) <= intents, "an effect has no intent on disk"
        again_is_new = again == "c2" and ended  # the first call had ended: the second is another action
        assert len(world.effects) <= 1 + again_is_new, "the same action ran under two idempotency keys"
        if tool != "lead.put":
            assert all(count == 1 for count in world.effects.values()), "an effect happened twice"
        if end == "success" and tool != "lead.get":
            assert len(world.effects) == 1 + again_is_new, "a success without its effect"
        assert end in {"success", "in_doubt", "destructive"}, end
        doubted += end == "in_doubt"
        if not died:
            survived = True
            break
        assert point < 60
    assert survived
    if tool in {"lead.write", "lead.proven", "lead.asked"}:
        assert doubted >= 2, "a crash around the call must leave the action in doubt"
    if tool in {"lead.get", "lead.put"}:
        assert doubted == 0


def test_without_the_doubt_gate_an_effect_happens_twice(world, monkeypatch):
    """The test above can fail: without the gate, a crash after the call repeats the effect."""
    from handrail.gates import default_gates

    hr = world.open()
    with monkeypatch.context() as patch:
        seen = crash_at(hr, patch, 3)
        with pytest.raises(Crash):
            attempt(world, hr, "lead.write", "c1")
        assert seen == ["Admit", "Invoke"]
    RUN.set(None)
    CALL.set(None)
    world.die(hr)
    hr = world.open()
    desk = hr.host.desk
    gates = tuple(gate for gate in default_gates() if gate.name != "doubt")
    hr.host.desk = type(desk)(desk.policy, gates, desk.genuine, desk.fresh)
    attempt(world, hr, "lead.write", "c1")
    assert sum(world.effects.values()) == 2
    hr.close()

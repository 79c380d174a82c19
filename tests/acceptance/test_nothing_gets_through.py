"""Nothing gets through when something is missing, broken, forged, used twice, late, or somebody else's."""

import json
import threading
from dataclasses import replace

import pytest

import handrail
from handrail.core.admission import review_record
from handrail.core.store import Query
from handrail.core.ticket import TicketState
from handrail.errors import StoreError
from handrail.gates import default_gates
from handrail.review import decide
from handrail.review.keys import enroll, unlock


def held(world, call=lambda world: world.drop("1")) -> str:
    """Make a call that asks; return its ticket."""
    with world.hr.run("bot"), pytest.raises(handrail.ReviewRequired) as caught:
        call(world)
    return caught.value.ticket


def approve(world, ticket, reviewer="kim", **fields):
    return decide.approve(
        world.hr.store, world.hr.policy, ticket, reviewer=reviewer, secret=world.secret(reviewer), **fields
    )


def ticket_of(world, id):
    return world.hr.store.read(lambda tx: tx.ticket(id))


def put_ticket(world, ticket):
    world.hr.store.transact(lambda tx: tx.put_ticket(ticket))


def refused(world, call=lambda world: world.drop("1"), error=handrail.ReviewRequired):
    """The call is refused and nothing ran."""
    before = list(world.ran)
    with world.hr.run("bot"), pytest.raises(error) as caught:
        call(world)
    assert world.ran == before
    return caught.value


def test_approved_call_runs_exactly_once(world):
    """After approval the same call runs once; the next one asks again."""
    approve(world, held(world))
    with world.hr.run("bot"):
        world.drop("1")
    assert world.ran == [("drop", "1")]
    refused(world)


def test_no_policy(tmp_path, monkeypatch):
    """Without a policy nothing opens."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(handrail.ConfigurationError, match="no policy"):
        handrail.open()


def test_broken_policy(tmp_path):
    """A policy that does not compile opens nothing."""
    (tmp_path / "handrail.yaml").write_text("version: 1\ntools: {a: {do: reed}}\n")
    with pytest.raises(handrail.PolicyError, match="read"):
        handrail.open(tmp_path / "handrail.yaml")


class Raising:
    name = "raising"

    def judge(self, case):
        raise ZeroDivisionError("broken gate")


def test_a_gate_that_raises_denies(make_world):
    """A gate that raises denies, even a harmless read, and even when other gates allow."""
    world = make_world(gates=(*default_gates(), Raising()))
    assert "broken gate" in str(refused(world, lambda w: w.get("1"), handrail.Denied))


def test_no_gates_deny(make_world):
    """An empty list of gates denies."""
    refused(make_world(gates=()), lambda w: w.get("1"), handrail.Denied)


def test_store_gone(world):
    """When the store is gone nothing runs."""
    world.hr.store.close()
    assert refused(world, error=handrail.Denied).outcome.reason == "store"


def test_store_gone_after_the_effect(world, monkeypatch):
    """An outcome that cannot be recorded is never reported as a success."""
    real = world.hr.store.transact
    calls = []

    def failing(step, **fields):
        calls.append(step)
        if len(calls) > 1:
            raise StoreError("disk full")
        return real(step, **fields)

    monkeypatch.setattr(world.hr.store, "transact", failing)
    with world.hr.run("bot"), pytest.raises(StoreError, match="in doubt"):
        world.tag("1")
    monkeypatch.undo()
    assert len(world.ran) == 1
    assert [call.tool for call in world.hr.store.read(lambda tx: tx.unsettled())] == ["vm.tag"]
    assert refused(world, lambda w: w.tag("1")).outcome.reason == "in_doubt"
    with world.hr.run("bot"):
        world.tag("2")


def test_cel_that_errs_denies(world):
    """A rule whose condition errs on these arguments denies."""
    error = refused(world, lambda w: w.login("1", "hunter22", level="text"), handrail.Denied)
    assert "broken" in str(error)


def test_undeclared_tool_and_agent(world):
    """What the policy does not name is denied."""

    @world.hr.tool("vm.halt")
    def halt(id: str) -> None:
        world.ran.append("halt")

    refused(world, lambda w: halt("1"), handrail.Denied)
    with world.hr.run("stranger"), pytest.raises(handrail.Denied, match="stranger"):
        world.get("1")
    assert world.ran == []


def test_read_only_is_the_default(world):
    """An agent without `access` can only read."""
    with world.hr.run("reader"):
        assert world.get("1") == "old"
        with pytest.raises(handrail.Denied, match="read_only"):
            world.tag("1")
    assert world.ran == []


def test_outside_a_run(world):
    """A guarded function outside a run is denied, and that is journalled."""
    with pytest.raises(handrail.Denied, match="outside a run"):
        world.get("1")
    rows = world.hr.store.read(lambda tx: list(tx.records(Query(status="denied"))))
    assert rows[-1].record.reason == "no_run"


def test_ticket_reused(world):
    """A spent approval does not come back to life, even when the store is edited so."""
    id = held(world)
    approve(world, id)
    with world.hr.run("bot"):
        world.drop("1")
    assert ticket_of(world, id).state is TicketState.SPENT
    assert refused(world).ticket != id


def test_ticket_forged(world):
    """An approval that somebody writes into the store without the reviewer's secret is worth nothing."""
    id = held(world)
    now = world.clock()
    forged = replace(
        ticket_of(world, id), state=TicketState.APPROVED, by="kim", decided_us=now, valid_until_us=now + 10**12
    )
    for signature in ("", "00" * 64, "zz", unlock("other secret", "aa" * 16).sign(forged.signed()).hex()):
        put_ticket(world, replace(forged, signature=signature))
        refused(world)


def test_ticket_signed_by_somebody_unknown(world):
    """A key that was enrolled for a name outside the policy approves nothing."""
    id = held(world)
    stranger = enroll("mallory", "mallory's secret")
    world.hr.store.transact(lambda tx: tx.put_reviewer(stranger))
    ticket = replace(ticket_of(world, id), state=TicketState.APPROVED, by="mallory", valid_until_us=2**60)
    key = unlock("mallory's secret", stranger.salt)
    put_ticket(world, replace(ticket, signature=key.sign(ticket.signed()).hex()))
    refused(world)
    with pytest.raises(handrail.ReviewError, match="not a reviewer"):
        decide.approve(world.hr.store, world.hr.policy, id, reviewer="mallory", secret="mallory's secret")


def test_signature_moved_to_another_ticket(world):
    """A genuine approval of one ticket cannot be moved to another."""
    one = approve(world, held(world, lambda w: w.drop("1")))
    other = ticket_of(world, held(world, lambda w: w.drop("2")))
    put_ticket(
        world,
        replace(
            other, state=TicketState.APPROVED, by=one.by, decided_us=one.decided_us,
            valid_until_us=one.valid_until_us, signature=one.signature, note=one.note,
        ),
    )  # fmt: skip
    refused(world, lambda w: w.drop("2"))


@pytest.mark.parametrize("field", ["valid_until_us", "rules", "agent", "digest", "nonce", "by", "decided_us"])
def test_any_signed_field_changed(world, field):
    """Changing any field of an approved ticket voids the approval."""
    ticket = approve(world, held(world))
    old = getattr(ticket, field)
    new = {"rules": (*ticket.rules, "production"), "by": "dana"}.get(
        field, old + 1 if isinstance(old, int) else f"{old}x"
    )
    put_ticket(world, replace(ticket, **{field: new}))
    refused(world)


def test_ticket_expired_while_pending(world):
    """A pending ticket cannot be approved after its time."""
    id = held(world)
    world.clock.forward(31 * 60)
    with pytest.raises(handrail.ReviewError, match="expired"):
        approve(world, id)
    assert refused(world).ticket != id


def test_ticket_expired_after_approval(world):
    """An approval is valid for its time only."""
    id = held(world)
    approve(world, id)
    world.clock.forward(31 * 60)
    assert refused(world).ticket != id
    assert ticket_of(world, id).state is TicketState.EXPIRED


def test_ticket_stale(world):
    """An approval of a plan does not hold when what is there has changed."""
    id = held(world, lambda w: w.put("1"))
    approve(world, id)
    world.state["1"] = "changed by a colleague"
    assert refused(world, lambda w: w.put("1")).ticket != id
    assert ticket_of(world, id).state is TicketState.STALE


def test_policy_changed(make_world):
    """An approval under another policy does not hold."""
    world = make_world()
    id = held(world)
    approve(world, id)
    desk = world.hr.host.desk
    from handrail.policy import loads
    from tests.acceptance.conftest import POLICY

    world.hr.host.desk = replace(desk, policy=loads(POLICY.replace("four_eyes: true", "four_eyes: false")))
    assert refused(world).ticket != id


@pytest.mark.parametrize(
    "call",
    [
        lambda w: w.put("2", "new"),
        lambda w: w.put("1", "neW"),
        lambda w: w.put("1", "new "),
        lambda w: w.put("1", "ne\u0301w"),
    ],
)
def test_any_byte_of_the_arguments_changed(world, call):
    """An approval holds for exactly its arguments."""
    approve(world, held(world, lambda w: w.put("1", "new")))
    refused(world, call)


def test_another_agent(world):
    """An approval holds for its agent only, not even for one of the same lineage."""
    approve(world, held(world))
    with world.hr.run("bot/worker"), pytest.raises(handrail.ReviewRequired):
        world.drop("1")
    assert world.ran == []


def test_decided_by_the_agent(world):
    """An agent never approves, even when the policy names it as a reviewer and it has a secret."""
    id = held(world)
    with pytest.raises(handrail.ReviewError, match="agent never decides"):
        approve(world, id, "bot")
    refused(world)


def test_decided_by_the_agent_in_the_store(world):
    """Nor does an approval count that the agent signed with its own reviewer key past the checks."""
    ticket = replace(ticket_of(world, held(world)), state=TicketState.APPROVED, by="bot", valid_until_us=2**60)
    person = next(r for r in world.hr.store.read(lambda tx: tx.reviewers()) if r.name == "bot")
    key = unlock(world.secret("bot"), person.salt)
    put_ticket(world, replace(ticket, signature=key.sign(ticket.signed()).hex()))
    refused(world)


def test_decided_by_the_owner(world):
    """Under four eyes the agent's owner cannot approve; without, they can."""
    id = held(world)
    with pytest.raises(handrail.ReviewError, match="four_eyes"):
        approve(world, id, "dana")
    refused(world)
    put_ticket(world, replace(ticket_of(world, id), four_eyes=False))
    with pytest.raises(handrail.ReviewError, match="four_eyes"):
        approve(world, id, "dana")


def test_wrong_secret(world):
    """A wrong secret decides nothing."""
    id = held(world)
    with pytest.raises(handrail.ReviewError, match="not the secret"):
        decide.approve(world.hr.store, world.hr.policy, id, reviewer="kim", secret="wrong secret")
    assert ticket_of(world, id).state is TicketState.PENDING


def test_what_the_reviewer_sees_was_changed(world):
    """A ticket whose picture was edited in the store cannot be approved."""
    id = held(world)
    ticket = ticket_of(world, id)
    view = json.loads(json.dumps(dict(ticket.view)))
    view["args"]["id"] = "harmless"
    put_ticket(world, replace(ticket, view=view))
    with pytest.raises(handrail.ReviewError, match="log verify"):
        approve(world, id)


def test_refused_plan_stays_refused(world):
    """What a person refused is refused again, and any other write to that resource asks."""
    id = held(world)
    decide.deny(world.hr.store, world.hr.policy, id, reviewer="kim", secret=world.secret("kim"), note="no")
    assert refused(world, error=handrail.Denied).outcome.reason == "rejected"
    error = refused(world, lambda w: w.tag("1"))
    assert error.outcome.reason == "denial_memory"
    with world.hr.run("bot/worker"), pytest.raises(handrail.ReviewRequired):
        world.tag("1")
    with world.hr.run("bot"):
        world.tag("2")
    cleared = decide.clear(world.hr.store, world.hr.policy, "vm/1", reviewer="kim", secret=world.secret("kim"))
    assert cleared.refusals == 1
    with world.hr.run("bot"):
        world.tag("1")


def test_rule_denial_sticks(world):
    """A rule's refusal sticks to the resource: a harmless-looking write to it asks afterwards."""
    assert refused(world, lambda w: w.drop("core"), handrail.Denied).outcome.reason == "rule"
    assert world.hr.store.transact(lambda tx: tx.clear_denials("vm/core")) == 1


def test_approval_race(world):
    """Two reviewers decide at once: one wins, the other is told, and the action runs at most once."""
    id = held(world)
    outcomes = []
    barrier = threading.Barrier(4)

    def decided(reviewer, verb):
        barrier.wait()
        try:
            verb(world.hr.store, world.hr.policy, id, reviewer=reviewer, secret=world.secret(reviewer))
            outcomes.append("won")
        except handrail.ReviewError as error:
            outcomes.append(str(error))

    def called():
        barrier.wait()
        for _ in range(20):
            with world.hr.run("bot"):
                try:
                    world.drop("1")
                except (handrail.ReviewRequired, handrail.Denied):
                    pass

    threads = [
        threading.Thread(target=decided, args=("kim", decide.approve)),
        threading.Thread(target=decided, args=("kim", decide.deny)),
        threading.Thread(target=called),
        threading.Thread(target=called),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("won") == 1
    assert any("already" in outcome for outcome in outcomes)
    assert len(world.ran) <= 1
    with world.hr.run("bot"):
        try:
            world.drop("1")
        except (handrail.ReviewRequired, handrail.Denied):
            pass
    assert len(world.ran) <= 1 + ("approved" in str(ticket_of(world, id).state))


def test_grants(world):
    """A grant answers its pattern, its uses and its time, and nothing else."""
    id = held(world, lambda w: w.put("1", "a"))
    remember = decide.Remember(uses=2, hours=1, pattern={"value": "*"})
    approve(world, id, remember=remember)
    with world.hr.run("bot"):
        world.put("1", "a")  # the approval
        world.put("1", "b")  # the grant
        world.put("1", "c")
        with pytest.raises(handrail.ReviewRequired):
            world.put("1", "d")
        with pytest.raises(handrail.ReviewRequired):
            world.put("2", "a")
    assert len(world.ran) == 3


def test_grants_end(world):
    """A grant ends with its time, and when it is revoked."""
    remember = decide.Remember(uses=20, hours=1, pattern={"value": "*"})
    approve(world, held(world, lambda w: w.put("1", "a")), remember=remember)
    with world.hr.run("bot"):
        world.put("1", "a")
        world.put("1", "b")
    (grant,) = world.hr.store.read(lambda tx: tx.grants())
    decide.revoke(world.hr.store, world.hr.policy, grant.id, reviewer="kim", secret=world.secret("kim"))
    refused(world, lambda w: w.put("1", "c"))
    world.hr.store.transact(lambda tx: tx.put_grant(replace(grant, revoked=False, uses=0, uses_max=99)))
    refused(world, lambda w: w.put("1", "e"))
    world.hr.store.transact(lambda tx: tx.put_grant(replace(grant, revoked=False, uses=0)))
    world.clock.forward(3601)
    refused(world, lambda w: w.put("1", "d"))


def test_no_grant_for_what_cannot_be_undone(world):
    """Nobody can grant in advance what cannot be undone."""
    with pytest.raises(handrail.ReviewError, match="cannot be undone"):
        approve(world, held(world), remember=decide.Remember(uses=1, hours=1, pattern={}))
    refused(world)


def test_the_brief_created_in_staging_then_tagged_production(world):
    """The third failure of the brief: whichever way, entering production asks."""
    with world.hr.run("bot"):
        id = world.create("staging")["id"]
        world.tag(id, "stg")
        for env in ("production", "prod", "PRD", " live "):
            with pytest.raises(handrail.ReviewRequired):
                world.tag(id, env)
        with pytest.raises(handrail.ReviewRequired):
            world.create("prod")


def test_recorded_zone(world):
    """A machine in production stays in production when a call does not name its zone."""
    approve(world, held(world, lambda w: w.tag("1", "prod")))
    with world.hr.run("bot"):
        world.tag("1", "prod")
    refused(world, lambda w: w.tag("1"))


def test_secrets_are_written_nowhere(world):
    """Redacted values stand in no journal row, ticket, error or alert, though digests cover them."""
    with world.hr.run("bot"), pytest.raises(OSError, match="hunter22"):
        world.login("1", "hunter22")
    rows = world.hr.store.read(lambda tx: [str(r) for r in tx.records(Query())])
    assert rows
    assert not any("hunter22" in row for row in rows)
    assert any("[redacted]" in row for row in rows)


def test_journal_row_of_review_names_the_plan(world):
    """The journal says which plan was asked about and decided."""
    ticket = approve(world, held(world), note="fine")
    body = review_record(ticket).body
    rows = world.hr.store.read(lambda tx: [r.record.body for r in tx.records(Query(kinds=("review",)))])
    assert body in rows


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**64, -(2**63) - 1, "\ud800", object()])
def test_arguments_without_a_json_form(world, value):
    """NaN, integers beyond 64 bits, broken Unicode and foreign objects end in a clear refusal."""
    error = refused(world, lambda w: w.login("1", "p", level=value), handrail.ValidationFailed)
    assert error.outcome.reason == "arguments"


def test_deep_arguments(world):
    """Nesting has a limit; no RecursionError escapes."""
    deep = []
    for _ in range(100_000):
        deep = [deep]
    refused(world, lambda w: w.login("1", "p", level=deep), handrail.ValidationFailed)


def test_stop_and_start(world):
    """A stopped agent, and every agent below it, does nothing until a person starts it; nothing swallows the stop."""
    from handrail.core.facts import Latch

    world.hr.store.transact(lambda tx: tx.put_latch(Latch("bot", "dana", "weekend", tx.now_us)))
    for agent in ("bot", "bot/worker"):
        with world.hr.run(agent), pytest.raises(handrail.Killed) as caught:
            try:
                world.get("1")
            except Exception:
                pytest.fail("a framework's `except Exception` would swallow it")
        assert "weekend" in str(caught.value)
    assert world.hr.store.transact(lambda tx: tx.clear_latch("bot"))
    with world.hr.run("bot"):
        assert world.get("1") == "old"

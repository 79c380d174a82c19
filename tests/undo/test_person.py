"""A person undoes: what they may that an agent may not, and what holds for them all the same."""

import contextlib
import threading
from dataclasses import replace

import pytest

import handrail
from handrail.core.facts import Latch
from handrail.core.policy import Mode
from handrail.core.tool import Agent
from handrail.review import decide
from handrail.review.keys import unlock_as
from handrail.stores.sqlite import SqliteStore
from handrail.undo import Reach, found, look, take_back
from handrail.undo.person import AGENT, deciding
from handrail.workspace import Workspace

SECRET = "kim's secret"


def undo(crm, reviewer="kim", secret=SECRET):
    """Undo R1 as a person who signs; return the fates."""
    hr = crm.hr

    def sign(ticket):
        decide.approve(crm.store, hr.policy, ticket, reviewer=reviewer, secret=secret)

    with deciding(hr.host), hr.run(agent=AGENT):
        crm.told = list(take_back(Reach(hr.edge, hr.place, False, sign), crm.made()))
    return [one.fate.value for one in crm.told]


@pytest.fixture
def staffed(crm):
    for name in ("dana", "kim"):
        decide.add_reviewer(crm.store, crm.hr.policy, name, SECRET)
    return crm


def test_every_undo_is_signed(staffed):
    """Also of a tool that never asks; the ticket says who."""
    staffed.run(("set", "1", 11))
    assert undo(staffed) == ["undone"]
    (ticket,) = staffed.store.read(lambda tx: tx.tickets())
    assert (ticket.state, ticket.by, ticket.agent) == ("spent", "kim", AGENT)


def test_the_owner_of_the_agent_may_sign(staffed):
    """Four eyes look at what an agent wants; here a person wants it."""
    staffed.run(("set", "1", 11))
    assert undo(staffed, reviewer="dana") == ["undone"]


def test_a_stop_does_not_keep_a_person_from_undoing(staffed):
    """It is what is done after one."""
    staffed.run(("set", "1", 11))
    staffed.store.transact(lambda tx: tx.put_latch(Latch("bot", "test", "dana", 0)))
    assert undo(staffed) == ["undone"]


def test_without_a_signature_nothing_is_undone(staffed):
    """It stays held, and the reason is the reviewer's."""
    staffed.run(("set", "1", 11))
    assert undo(staffed, reviewer="bob") == ["held"]
    assert "'bob' is not a reviewer" in staffed.whys()[0]
    assert staffed.sizes()[0] == 11


def test_a_key_is_as_good_as_the_secret_and_only_for_its_owner(staffed):
    """So that many undos derive it once; another's key signs nothing."""
    staffed.run(("set", "1", 11), ("set", "2", 21))
    people = {person.name: person for person in staffed.store.read(lambda tx: tx.reviewers())}
    key = unlock_as(people["kim"], SECRET)
    assert undo(staffed, reviewer="dana", secret=key) == ["held", "held"]
    assert "not the secret of dana" in staffed.whys()[0]
    assert undo(staffed, secret=key) == ["undone", "undone"]


def test_in_observe_mode_it_is_signed_as_well(watched):
    """Only agents are merely observed."""
    decide.add_reviewer(watched.store, watched.hr.policy, "kim", SECRET)
    watched.run(("set", "1", 11))
    assert undo(watched) == ["undone"]
    (ticket,) = watched.store.read(lambda tx: tx.tickets())
    assert ticket.by == "kim"
    assert watched.hr.policy.mode is Mode.OBSERVE


def test_a_write_while_it_is_signed_is_seen(staffed):
    """It is looked at afresh, and left."""
    staffed.run(("set", "1", 11))
    hr = staffed.hr

    def sign(ticket):
        decide.approve(staffed.store, hr.policy, ticket, reviewer="kim", secret=SECRET)
        staffed.leads["1"]["size"] = 50

    with deciding(hr.host), hr.run(agent=AGENT):
        (one,) = take_back(Reach(hr.edge, hr.place, False, sign), staffed.made())
    assert one.fate == "conflict"
    assert staffed.sizes()[0] == 50


def test_two_people_who_sign_at_the_same_time_undo_once(staffed, tmp_path):
    """Each signs what they were asked for; taking 5 away twice would be once too often."""
    staffed.run(("add", "1", 5))
    together = threading.Barrier(2)
    fates = []

    def person(name):
        store = SqliteStore(tmp_path / "store.db")
        hr = Workspace(staffed.hr.policy, store)
        hr.host.bodies = staffed.hr.host.bodies

        def sign(ticket):
            with contextlib.suppress(threading.BrokenBarrierError):
                together.wait(2)
            decide.approve(store, hr.policy, ticket, reviewer=name, secret=SECRET)

        made = found(store, hr.place, run="R1")
        with deciding(hr.host), hr.run(agent=AGENT):
            fates.extend(one.fate.value for one in take_back(Reach(hr.edge, hr.place, False, sign), made))
        hr.close()

    threads = [threading.Thread(target=person, args=(name,)) for name in ("kim", "dana")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert staffed.sizes()[0] == 10
    assert fates.count("undone") == 1
    assert set(fates) <= {"undone", "already", "in_doubt", "conflict", "held"}


def test_an_undo_that_was_refused_to_somebody_else_is_not_signed_over(staffed):
    """A person's refusal of exactly this undo stands."""
    staffed.run(("set", "1", 11))
    hr = staffed.hr
    with deciding(hr.host), hr.run(agent=AGENT):
        (one,) = take_back(Reach(hr.edge, hr.place), staffed.made())
    decide.deny(staffed.store, hr.policy, one.ticket, reviewer="dana", secret=SECRET)
    assert undo(staffed) == ["failed"]
    assert "dana refused exactly this action" in staffed.whys()[0]


def test_what_was_decided_with_before_is_put_back(crm):
    """Also when the block fails; and nobody is alerted in it."""
    host = crm.hr.host
    before = (host.desk, host.notify)
    with pytest.raises(ZeroDivisionError), deciding(host) as policy:
        assert policy.agent(AGENT) is not None
        assert host.desk.policy is policy
        host.notify(None)
        1 / 0  # noqa: B018
    assert (host.desk, host.notify) == before
    with pytest.raises(handrail.Denied), crm.hr.run(agent=AGENT):
        crm.set("1", 5)


def test_nobody_else_has_that_name(crm):
    """An agent of it would act in a person's place."""
    policy = crm.hr.policy
    crm.hr.host.desk = replace(crm.hr.host.desk, policy=policy.with_agent(Agent(AGENT)))
    with pytest.raises(handrail.ConfigurationError, match="Rename it"), deciding(crm.hr.host):
        raise AssertionError


def test_a_look_opens_no_ticket(staffed):
    """Not even where the tool that is read with is declared to write."""
    staffed.run(("set", "1", 11))
    hr = staffed.hr
    with deciding(hr.host, looking=True), hr.run(agent=AGENT):
        with pytest.raises(handrail.Denied, match="a reviewer signs it"):
            staffed.note("1")
        list(look(Reach(hr.edge, hr.place), staffed.made()))
    assert staffed.store.read(lambda tx: tx.tickets()) == ()

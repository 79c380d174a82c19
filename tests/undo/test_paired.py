"""Undoing by a paired tool: strict, at most once, and honest about what nobody can tell."""

import threading

import pytest
from tests.undo.conftest import Crm

import handrail
from handrail.core.record import RecordKind
from handrail.core.store import Query


def events(crm):
    return crm.store.read(lambda tx: list(tx.records(Query(kinds=(RecordKind.EVENT,)))))


def test_a_write_between_the_look_and_the_undo_is_seen(crm):
    """It is looked at again once the undo is admitted, right before the call; the undo is journalled as stale."""
    crm.run(("set", "1", 11))
    reads = iter([None, lambda: crm.leads["1"].update(size=50), None])
    real = crm.hr.guarded["crm.get"].function

    def get(id: str) -> dict[str, object]:
        happens = next(reads, None)
        if happens is not None:
            happens()
        return real(id)

    crm.hr.guarded["crm.get"].function = get
    assert crm.undo() == [("set", "conflict")]
    assert crm.sizes()[0] == 50
    crm.hr.guarded["crm.get"].function = real
    (outcome,) = crm.store.read(
        lambda tx: list(tx.records(Query(agent="op", tool="crm.set", kinds=(RecordKind.OUTCOME,))))
    )
    assert (outcome.record.status, outcome.record.reason) == ("failed", "stale")


def test_two_people_at_once_undo_once(crm):
    """The other is told so: taking 5 away twice would be once too often."""
    crm.run(("add", "1", 5))
    inside, go = threading.Event(), threading.Event()

    def wait():
        inside.set()
        assert go.wait(10)

    crm.next["take"] = wait
    first = []
    thread = threading.Thread(target=lambda: first.extend(crm.undo(agent="op")))
    thread.start()
    assert inside.wait(10)
    assert crm.undo(agent="bot") == [("add", "in_doubt")]
    assert "It is being taken back right now, by action" in crm.whys()[0]
    go.set()
    thread.join()
    assert first == [("add", "undone")]
    assert crm.undo(agent="bot") == [("add", "already")]
    assert crm.sizes()[0] == 10


def test_two_who_looked_at_the_same_time_undo_once(crm):
    """Who comes second finds it out in the store, before the call."""
    crm.run(("add", "1", 5))
    together = threading.Barrier(2)
    real = crm.hr.guarded["crm.get"].function
    waits = threading.local()

    def get(id: str) -> dict[str, object]:
        if not getattr(waits, "done", False):
            waits.done = True
            together.wait(10)
        return real(id)

    crm.hr.guarded["crm.get"].function = get
    fates = []
    threads = [threading.Thread(target=lambda who=who: fates.extend(crm.undo(agent=who))) for who in ("op", "bot")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert crm.sizes()[0] == 10
    assert [fate for _, fate in fates].count("undone") == 1


def test_what_a_server_stamps_does_not_stand_in_the_way(tmp_path):
    """A version that each write counts up: what the later undo left stands for what the earlier action left."""
    crm = Crm(tmp_path, secrets=False)
    crm.stamped = True
    crm.run(("set", "1", 11), ("set", "1", 12), ("set", "1", 13))
    assert crm.undo() == [("set", "undone")] * 3
    assert crm.sizes()[0] == 10


def test_nor_does_it_hide_a_colleague(tmp_path):
    """Who wrote between two of the actions."""
    crm = Crm(tmp_path, secrets=False)
    crm.stamped = True
    crm.run(("set", "1", 11))
    crm._write("1", 11)
    crm.run(("set", "1", 12))
    assert crm.undo() == [("set", "undone"), ("set", "conflict")]


def test_without_a_read_only_unchecked_undoes(crm):
    """And says that nobody could tell; an id from the result is enough."""
    crm.run(("make", "hello"))
    assert crm.undo() == [("make", "impossible")]
    assert "Declare 'before' or 'verify' for 'crm.make'" in crm.whys()[0]
    assert crm.whys()[0].endswith("To undo it all the same: --unchecked (in a program, unchecked=True).")
    assert crm.undo(unchecked=True) == [("make", "undone")]
    assert crm.whys() == ["Nobody could tell whether it was changed since."]
    assert "9" not in crm.leads
    assert crm.undo(unchecked=True) == [("make", "already")]


def test_a_result_that_was_too_large_for_the_journal_cannot_be_gone_back_to(crm):
    """The reason names what is missing."""
    crm.run(("make", "x" * 5_000))
    assert crm.undo(unchecked=True) == [("make", "impossible")]
    assert crm.whys()[0].startswith("What its undo needs was not kept: ")
    assert "result.id" in crm.whys()[0]


def test_a_secret_is_not_put_back_as_its_placeholder(crm):
    """The journal keeps no secrets."""
    crm.run(("login", "1", "new password"))
    assert crm.undo(unchecked=True) == [("login", "impossible")]
    assert crm.whys() == ["Its undo needs a secret, and the journal keeps none. Undo it by hand."]
    assert crm.leads["1"]["password"] == "new password"


def test_a_before_image_with_a_secret_beside_is_enough(crm):
    """Also for telling a colleague's write of that secret: digests are taken before it is replaced."""
    crm.run(("set", "1", 11), ("set", "2", 21))
    crm.leads["2"]["password"] = "changed"
    assert crm.undo() == [("set", "conflict"), ("set", "undone")]


def test_what_cannot_be_read_is_left(crm):
    """Nobody can tell whether it was changed."""
    crm.run(("set", "1", 11))
    crm.next["get"] = handrail.NotDone("down")
    assert crm.undo() == [("set", "failed")]
    assert "could not be read. 'crm.get' failed: NotDone: down" in crm.whys()[0]
    assert crm.sizes()[0] == 11


def test_who_took_an_action_back_stands_in_the_journal_beside_it(crm):
    """Before the undo does anything, and only once however often its tool is tried."""
    crm.run(("set", "1", 11))
    crm.undo()
    (event,) = events(crm)
    record = event.record
    assert (record.reason, record.action, record.run, record.agent) == ("undo", crm.told[0].made.action, "R1", "op")
    undo = crm.store.read(lambda tx: list(tx.records(Query(action=record.body["by"]))))
    assert undo[0].seq < event.seq < undo[-1].seq
    assert undo[-1].record.status == "success"


def test_an_undo_that_failed_clearly_is_no_claim(crm):
    """The action can be undone afterwards."""
    crm.run(("add", "1", 5))
    crm.next["take"] = RuntimeError("no")
    assert crm.undo() == [("add", "failed")]
    assert crm.undo() == [("add", "undone")]
    assert len(events(crm)) == 2


def test_an_undo_whose_process_died_is_resolved_by_a_person(crm):
    """Found as done, the action is undone; found as not done, it can be undone."""
    from handrail.cli.log.settling import Word, resolve_action
    from handrail.review import decide
    from handrail.review.keys import unlock_as

    decide.add_reviewer(crm.store, crm.hr.policy, "kim", "kim's secret")
    person = crm.store.read(lambda tx: tx.reviewers())[0]
    key = unlock_as(person, "kim's secret")
    for happened, fate in ((False, "undone"), (True, "already")):
        run = f"R-{happened}"
        crm.run(("add", "1", 5), run=run)
        crm.next["take"] = TimeoutError("late")
        assert crm.undo(run) == [("add", "in_doubt")]
        by = crm.store.read(lambda tx: list(tx.records(Query(kinds=(RecordKind.EVENT,), newest_first=True))))[
            0
        ].record.body["by"]
        word = Word(by, happened, "kim", "", key, "", crm.hr.policy)
        crm.store.transact(lambda tx, word=word: resolve_action(tx, word))
        assert crm.undo(run) == [("add", fate)]


def test_an_async_function_is_not_called_from_a_blocking_undo(crm):
    """It is listed."""

    async def later(id: str, size: int) -> None:
        raise AssertionError

    crm.run(("set", "1", 11))
    crm.hr.guarded["crm.set"].is_async = True
    assert crm.undo() == [("set", "impossible")]
    assert "is async" in crm.whys()[0]


def test_a_tool_that_is_not_here_is_listed_with_what_to_do(crm):
    """Name the server's command, or undo in the program."""
    crm.run(("set", "1", 11))
    del crm.hr.guarded["crm.set"]
    assert crm.undo() == [("set", "impossible")]
    assert "handrail undo … -- COMMAND" in crm.whys()[0]


def test_stopping_the_program_ends_the_undo(crm):
    """An interrupt is no reason to go on with the next action."""
    crm.run(("set", "1", 11), ("set", "2", 21))
    crm.next["set"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        crm.undo()
    assert crm.sizes() == [11, 21, 10]


def test_an_agent_that_was_stopped_undoes_nothing(crm):
    """Each action is told as such."""
    from handrail.core.facts import Latch

    crm.run(("set", "1", 11))
    crm.store.transact(lambda tx: tx.put_latch(Latch("op", "test", "dana", 0)))
    assert crm.undo() == [("set", "failed")]
    assert handrail.Killed.__name__ not in crm.whys()[0]
    assert crm.sizes()[0] == 11

"""Taking back all that a run did: newest first, each wholly or not at all, and the report is true (promise 4.5)."""

import pytest

import handrail
from handrail.core.store import Query
from handrail.review import decide


def test_a_run_is_taken_back_newest_first(crm):
    """Two actions on one lead go back through both; what has no undo is listed."""
    crm.run(("set", "1", 11), ("set", "2", 21), ("set", "1", 12), ("note", "7"))
    crm.calls.clear()
    assert crm.undo() == [("note", "impossible"), ("set", "undone"), ("set", "undone"), ("set", "undone")]
    assert crm.whys()[0] == "The policy names no 'undo' for 'crm.note'."
    assert crm.sizes() == [10, 10, 10]
    assert [id for name, id in crm.calls if name == "set"] == ["1", "2", "1"]


def test_what_a_colleague_changed_is_left_and_listed(crm):
    """The others are still taken back."""
    crm.run(("set", "1", 11), ("set", "2", 21))
    crm.leads["2"]["size"] = 99
    assert crm.undo() == [("set", "conflict"), ("set", "undone")]
    assert crm.sizes() == [10, 99, 10]
    assert crm.whys()[0] == "Somebody changed it since, so it was left as it is. Settle it by hand."


def test_a_colleagues_write_between_two_actions_of_a_run_is_kept(crm):
    """The later action is undone to what the colleague wrote; the earlier one is a conflict."""
    crm.run(("set", "1", 11))
    crm.leads["1"]["size"] = 50
    crm.run(("set", "1", 12))
    assert crm.look() == [("set", "ready"), ("set", "ready_after")]
    assert crm.undo() == [("set", "undone"), ("set", "conflict")]
    assert crm.sizes()[0] == 50


def test_changed_and_changed_back_is_as_the_action_left_it(crm):
    """So it is undone."""
    crm.run(("set", "1", 11))
    crm.leads["1"]["size"] = 50
    crm.leads["1"]["size"] = 11
    assert crm.undo() == [("set", "undone")]


def test_looking_changes_nothing(crm):
    """An earlier action on the same lead is told as ready once the later one is taken back."""
    crm.run(("set", "1", 11), ("set", "2", 21), ("set", "1", 12))
    crm.leads["2"]["size"] = 99
    crm.calls.clear()
    assert crm.look() == [("set", "ready"), ("set", "conflict"), ("set", "ready_after")]
    assert {name for name, _ in crm.calls} == {"get"}
    assert crm.sizes() == [12, 99, 10]


def test_an_earlier_action_under_one_that_stays_is_no_colleagues_doing(crm):
    """It is left too, and the reason says so."""
    crm.run(("set", "1", 11), ("set", "1", 12))
    crm.leads["1"]["size"] = 99
    assert crm.undo() == [("set", "conflict"), ("set", "conflict")]
    assert crm.whys()[1].endswith(
        "A later action changed it and was not taken back, so this one was left as it is, too."
    )


def test_twice_is_once(crm):
    """The second time everything is undone already, and nothing is called."""
    crm.run(("set", "1", 11), ("add", "2", 5))
    crm.undo()
    crm.calls.clear()
    assert crm.undo() == [("add", "already"), ("set", "already")]
    assert crm.calls == []
    assert crm.sizes() == [10, 10, 10]


def test_the_undo_of_an_undo_brings_it_back_and_it_can_be_undone_again(crm):
    """By the run that undid, and then by the first run once more."""
    crm.run(("set", "1", 11))
    crm.undo()
    (undone,) = crm.store.read(lambda tx: list(tx.records(Query(kinds=("event",)))))
    with crm.hr.run(agent="op"):
        assert [one.fate for one in crm.hr.undo(undone.record.body["by"])] == ["undone"]
    assert crm.sizes()[0] == 11
    assert crm.undo() == [("set", "undone")]
    assert crm.sizes()[0] == 10
    assert crm.undo() == [("set", "already")]


def test_a_run_that_undid_its_own_action_is_not_redone(crm):
    """Both are told as they are, and nothing is called."""
    first, _ = crm.run(("set", "1", 11), ("set", "2", 21))
    with crm.hr.run(agent="bot", id="R1"):
        crm.hr.undo(first)
    crm.calls.clear()
    assert crm.undo() == [("set", "already"), ("set", "undone"), ("set", "already")]
    assert crm.sizes() == [10, 10, 10]
    assert ("set", "1") not in crm.calls


def test_reads_that_handrail_makes_itself_are_no_actions(crm):
    """Before-images and after-images are not listed."""
    crm.run(("set", "1", 11), ("get", "1"))
    assert crm.undo() == [("set", "undone")]


def test_a_failed_undo_leaves_the_others_to_be_undone(crm):
    """It is told as failed, with its reason, and can be undone later."""
    crm.run(("set", "1", 11), ("set", "2", 21), ("set", "3", 31))
    crm.next["set"] = RuntimeError("no \x1b[31mservice")
    assert crm.undo() == [("set", "failed"), ("set", "undone"), ("set", "undone")]
    assert crm.sizes() == [10, 10, 31]
    assert crm.whys()[0] == "'crm.set' failed: RuntimeError: no \\x1b[31mservice"
    assert crm.undo() == [("set", "undone"), ("set", "already"), ("set", "already")]


def test_an_undo_that_may_have_happened_is_told_as_in_doubt_and_not_made_again(crm):
    """Until a person resolves it."""
    crm.run(("add", "1", 5))
    crm.next["take"] = lambda: crm.leads["1"].update(size=10) or (_ for _ in ()).throw(TimeoutError("late"))
    assert crm.undo() == [("add", "in_doubt")]
    assert "handrail log resolve" in crm.whys()[0]
    crm.leads["1"]["size"] = 15
    assert crm.undo(agent="bot") == [("add", "in_doubt")]
    assert "may have taken it back. Look, then run: handrail log resolve" in crm.whys()[0]
    assert crm.sizes()[0] == 15


def test_outside_a_run_nothing_is_undone(crm):
    """It raises."""
    crm.run(("set", "1", 11))
    with pytest.raises(handrail.Denied, match="outside a run"):
        crm.hr.undo(run="R1")


def test_a_name_for_the_next_call_is_not_the_name_of_each_call_of_an_undo(crm):
    """An undo inside `run.call` is made of several calls."""
    crm.run(("set", "1", 11))
    with crm.hr.run(agent="op") as run, run.call("c"):
        assert [one.fate for one in crm.hr.undo(run="R1")] == ["undone"]


def test_by_an_agent_the_policy_decides(crm):
    """A held undo says its ticket; after approval the same call undoes."""
    crm.leads["1"]["size"] = 11
    decide.add_reviewer(crm.store, crm.hr.policy, "kim", "kim's secret")
    with crm.hr.run(agent="bot", id="R1"), pytest.raises(handrail.ReviewRequired) as asked:
        crm.asks("1", 12)
    decide.approve(crm.store, crm.hr.policy, asked.value.ticket, reviewer="kim", secret="kim's secret")
    crm.run(("asks", "1", 12))
    assert crm.undo() == [("asks", "held")]
    decide.approve(crm.store, crm.hr.policy, crm.told[0].ticket, reviewer="kim", secret="kim's secret")
    assert crm.undo() == [("asks", "undone")]
    assert crm.sizes()[0] == 11


def test_json_says_the_same(crm):
    """Nothing in it but JSON."""
    crm.run(("set", "1", 11))
    crm.undo()
    told = crm.told[0].to_json()
    assert (told["tool"], told["fate"], told["effects"], told["run"]) == ("crm.set", "undone", ["update lead/1"], "R1")

"""What a run did, told from the journal: what changed something or may have, and nothing else."""

import pytest
from tests.undo.conftest import Crm

from handrail.core.outcome import Reason, Status
from handrail.core.record import Record, RecordKind
from handrail.data.acting import Recorded
from handrail.errors import HandrailError, NotFoundError
from handrail.stores.sqlite import SqliteStore
from handrail.undo import made as made_module
from handrail.undo.made import Reached, made_by_action, made_by_change, made_in_run, reached


def outcome(status, reason="", **body):
    return Record(RecordKind.OUTCOME, "a", "r", "bot", "t", "", status, reason, body)


@pytest.mark.parametrize(
    ("record", "far"),
    [
        (outcome("success"), "done"),
        (outcome("success", "in_doubt", resolved={"by": "kim"}), "done"),
        (outcome("failed", "error"), "nothing"),
        (outcome("failed", "stale"), "nothing"),
        (outcome("retry", "error"), "nothing"),
        (outcome("denied", "preview"), "nothing"),
        (outcome("failed", "cancelled"), "nothing"),
        (outcome("failed", "in_doubt", resolved={"by": "kim"}), "nothing"),
        (outcome("failed", "in_doubt"), "maybe"),
        (outcome("human_review_required", "resource_unknown"), "maybe"),
        (outcome("failed", "error", cut_off=True), "unclear"),
        (outcome("denied", "preview", cut_off=True), "unclear"),
        (outcome("failed", "cancelled", cut_off=True), "unclear"),
        (outcome("retry", "checks"), "unclear"),
        (outcome("failed_validation", "read_back"), "unclear"),
        (outcome("failed", "would_block"), "unclear"),
    ],
)
def test_how_far_an_attempt_came(record, far):
    """What failed clearly did nothing; what returned or was cut off may have done it."""
    assert reached(record) == far


def test_a_failed_action_is_not_listed(crm):
    """It did nothing."""
    crm.next["set"] = RuntimeError("no")
    crm.run(("set", "1", 11))
    assert crm.made() == []


def test_an_action_that_may_have_happened_is_listed_as_such(crm):
    """With what to do."""
    crm.next["set after"] = TimeoutError("late")
    crm.run(("set", "1", 11))
    (made,) = crm.made()
    assert made.reached is Reached.MAYBE
    assert crm.undo() == [("set", "impossible")]
    assert crm.whys()[0].count("handrail log resolve") == 1
    assert crm.sizes()[0] == 11


def test_a_clean_failure_after_an_attempt_that_may_have_happened_is_listed(crm):
    """An idempotent tool that timed out, and then refused each retry: what the first attempt did stays open."""
    crm.next["put"] = [TimeoutError("late"), *[RuntimeError("no")] * 3]
    crm.run(("put", "1", 11))
    assert crm.sizes()[0] == 11
    (made,) = crm.made()
    assert made.reached is Reached.UNCLEAR
    assert crm.undo() == [("put", "impossible")]
    assert "RuntimeError: no" in crm.whys()[0]
    assert crm.undo(unchecked=True) == [("put", "undone")]
    assert crm.sizes()[0] == 10


def test_a_retry_after_an_attempt_that_had_happened_goes_back_to_before_the_first(tmp_path):
    """The before-image of the retry is what the first attempt left."""
    crm = Crm(tmp_path, secrets=False)
    crm.next["put"] = [TimeoutError("late")]
    crm.run(("put", "1", 11))
    assert crm.undo() == [("put", "undone")]
    assert crm.sizes()[0] == 10


def test_a_retry_over_a_colleagues_write_in_between_is_left_to_a_person(tmp_path):
    """Neither what was there at first nor what was there last is what to go back to."""
    crm = Crm(tmp_path, secrets=False)
    crm.next["put"] = [TimeoutError("late")]
    crm.hr.host.sleep = lambda delay_s: crm.leads["1"].update(size=50)
    crm.run(("put", "1", 11))
    assert crm.undo() == [("put", "impossible")]
    assert "It was tried more than once, and something else was there in between." in crm.whys()[0]
    assert crm.sizes()[0] == 11


def test_an_undo_that_may_have_happened_is_made_again_only_where_its_effect_would_show(crm):
    """What is still as the action left it was not undone; without a read nobody can tell."""
    crm.run(("put", "1", 11), ("put", "2", 21))
    crm.next["put"] = [TimeoutError("late"), *[RuntimeError("no")] * 3]
    assert crm.undo() == [("put", "in_doubt"), ("put", "undone")]
    assert "may have taken it back, or somebody changed it" in crm.whys()[0]
    assert crm.undo() == [("put", "in_doubt"), ("put", "already")]
    crm.leads["2"]["size"] = 21
    crm.store.transact(lambda tx: tx.put_failures(_key(crm), 0))
    assert crm.undo() == [("put", "undone"), ("put", "already")]
    assert crm.undo() == [("put", "already"), ("put", "already")]


def _key(crm):
    from handrail.core.action import action_key

    return action_key("op", "crm.put", {"id": "2", "size": 10})


def test_reads_of_handrails_own_are_never_listed(crm):
    """Also where the journal does not say what they do."""
    body = {"parent": "a", "args": {}}
    crm.store.transact(lambda tx: tx.append(Record(RecordKind.ATTEMPT, "c", "R1", "bot", "crm.get", body=body)))
    assert crm.made() == []


def test_an_action_resolved_as_done_can_be_undone_unchecked(crm):
    """What it left was never read."""
    crm.next["set after"] = TimeoutError("late")
    (action,) = crm.run(("set", "1", 11))
    record = outcome(Status.SUCCESS, Reason.IN_DOUBT)._replace(action=action, run="R1", agent="bot", tool="crm.set")
    crm.store.transact(lambda tx: tx.append(record))
    assert crm.undo() == [("set", "impossible")]
    assert "It was not read right after it" in crm.whys()[0]
    assert crm.undo(unchecked=True) == [("set", "undone")]
    assert crm.sizes()[0] == 10


def test_an_action_that_runs_still_is_told_so(crm):
    """Nobody resolves it meanwhile."""
    seen = []

    def look():
        seen.extend(crm.look())
        seen.extend(crm.whys())

    crm.next["set"] = look
    crm.run(("set", "1", 11))
    assert seen == [("set", "impossible"), "It is still running. Wait for it to end, or stop it."]


def test_what_retention_removed_is_listed(crm):
    """Nothing is undone from half of what is known."""
    crm.run(("set", "1", 11))
    crm.store.prune(2**62)
    assert crm.undo() == [("get", "nothing"), ("set", "impossible"), ("get", "nothing")]
    assert crm.whys()[1].startswith("Retention removed from the journal")
    assert crm.sizes()[0] == 11


def test_pages_and_the_limit(crm, monkeypatch):
    """A run is read page by page; a run above the limit is told, and nothing is done."""
    crm.run(*[("set", "1", size) for size in range(11, 20)])
    whole = crm.made()
    monkeypatch.setattr(made_module, "PAGE", 3)
    assert crm.made() == whole
    monkeypatch.setattr(made_module, "ROWS_MAX", 6)
    with pytest.raises(HandrailError, match="more than 6 rows"):
        crm.made()


def test_the_order_is_that_of_the_journal(crm, monkeypatch):
    """Also for actions of the same microsecond."""
    crm.run(("set", "1", 11), ("set", "1", 12))
    newest, oldest = crm.made()
    assert (newest.args["size"], oldest.args["size"]) == (12, 11)
    assert newest.order > oldest.order


def test_what_is_not_known(crm):
    """A run that nobody knows is an error; an action that changed nothing is None."""
    with pytest.raises(NotFoundError, match="knows no run R2"):
        crm.store.read(lambda tx: made_in_run(tx, "R2"))
    assert crm.store.read(lambda tx: made_by_action(tx, "nope")) is None
    assert crm.store.read(lambda tx: made_by_action(tx, "")) is None


def test_effects_are_told_with_their_targets(crm):
    """What is read beside is no resource that it changes."""
    crm.run(("set", "1", 11))
    (made,) = crm.made()
    assert (made.effects, made.resources, made.change, made.undoes) == (("update lead/1",), ("lead/1",), "", "")


def test_a_change_of_a_place(tmp_path):
    """Its digest, and what it took back; the place tells when and what."""
    store = SqliteStore(tmp_path / "store.db")
    made = store.read(lambda tx: made_by_change(tx, "shop", "d" * 64, Recorded(7, ("update row/shop/lead (1 row)",))))
    assert (made.at_us, made.effects) == (7, ("update row/shop/lead (1 row)",))
    assert (made.tool, made.change, made.undoes) == ("shop.apply_change", "d" * 64, "")

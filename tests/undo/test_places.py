"""Undoing where a change was made: its place tells the truth, whatever the journal says."""

import pytest

import handrail
from handrail.core.outcome import Outcome, Reason, Status
from handrail.undo import Made, Reach, Reached, look, take_back

D1, D2 = "1" * 64, "2" * 64


class Shop:
    """A place with changes by digest: `there`, `undone`, or what undoing them raises."""

    name = "shop"

    def __init__(self, **changes):
        self.changes = changes
        self.calls = []

    def dispose(self):
        pass

    def _state(self, change):
        return self.changes.get("d" + change[0])

    def made(self, change):
        state = self._state(change)
        if state == "down":
            raise ConnectionError("no \x1b[31mroute")
        return state is not None

    def undone(self, change):
        return self._state(change) == "undone"

    def preview_undo(self, change):
        self.calls.append(("look", change[0]))
        if isinstance(self._state(change), BaseException):
            raise self._state(change)

    def undo(self, change):
        self.preview_undo(change)
        self.calls.append(("undo", change[0]))
        self.changes["d" + change[0]] = "undone"


class Stale(handrail.NotDone):
    reason = Reason.STALE
    keys = (("1", 2), "x")


def change(digest=D1, act="apply_change", undoes=None, reached=Reached.DONE, resource="row/shop/lead/1", **more):
    args = {"change": digest, "touches": []} | ({"undoes": undoes} if undoes else {})
    return Made("a" + digest[0] + act[0], 0, "bot", "R", f"shop.{act}", (), (resource,), args, reached=reached, **more)


@pytest.fixture
def fates(crm):
    """Return a function that undoes changes; their fates."""

    def undo(shop, *made, do=take_back):
        with crm.hr.run(agent="op"):
            reach = Reach(crm.hr.edge, lambda name: shop if name == "shop" else None)
            undo.told = list(do(reach, made))
        return [one.fate.value for one in undo.told]

    return undo


def test_what_is_there_is_undone_once(fates):
    """And what is undone stays so."""
    shop = Shop(d1="there", d2="undone")
    assert fates(shop, change(D1), change(D2)) == ["undone", "already"]
    assert fates(shop, change(D1)) == ["already"]


def test_looking_calls_no_undo(fates):
    """Only its preview."""
    shop = Shop(d1="there")
    assert fates(shop, change(), do=look) == ["ready"]
    assert shop.calls == [("look", "1")]


@pytest.mark.parametrize("reached", [Reached.MAYBE, Reached.UNCLEAR, Reached.DONE])
def test_the_place_knows_whether_a_change_was_made(fates, reached):
    """Whatever the journal saw of it."""
    made = change(reached=reached, why="It was begun.")
    assert fates(Shop(), made) == ["nothing"]
    assert fates(Shop(d1="there"), made) == ["undone"]


def test_a_conflict_tells_what_was_changed(fates):
    """And nothing was touched."""
    shop = Shop(d1=Stale("Somebody changed row 1."))
    assert fates(shop, change()) == ["conflict"]
    assert fates.told[0].keys == ("1/2", "x")
    assert shop.calls == [("look", "1")]


def test_an_earlier_change_under_a_later_one_of_the_list(fates):
    """Beforehand nobody can tell; afterwards it is undone, or left because the later one was."""
    stale = Stale("Somebody changed row 1.")
    later, earlier = change(D2), change(D1, resource="row/shop/lead")
    assert fates(Shop(d1=stale, d2="there"), later, earlier, do=look) == ["ready", "ready_after"]
    assert fates(Shop(d1=stale, d2=stale), later, earlier, do=look) == ["conflict", "conflict"]
    assert fates(Shop(d1=stale, d2=stale), later, earlier) == ["conflict", "conflict"]
    assert "A later action changed it and was not taken back" in fates.told[1].why
    assert fates(Shop(d1=stale, d2="there"), later, change(D1, resource="row/shop/other/1"), do=look)[1] == "conflict"


@pytest.mark.parametrize(
    ("error", "fate"),
    [
        (handrail.NotDone("No such plan."), "impossible"),
        (handrail.OutcomeUnknown("Nobody knows."), "in_doubt"),
        (handrail.StoreError("Lost."), "in_doubt"),
        (TimeoutError("late"), "in_doubt"),
        (RuntimeError("no"), "failed"),
        (handrail.ReviewRequired(Outcome(Status.HUMAN_REVIEW_REQUIRED, ticket="T-1")), "held"),
        (handrail.ReviewRequired(Outcome(Status.HUMAN_REVIEW_REQUIRED, Reason.IN_DOUBT, "Look.")), "failed"),
        (handrail.Denied(Outcome(Status.DENIED, Reason.RULE, "No.")), "failed"),
        (handrail.Killed(Outcome(Status.KILLED, Reason.STOPPED, "Stopped.")), "failed"),
    ],
)
def test_what_a_place_raises_is_told_as_what_it_is(fates, error, fate):
    """And the next change is still undone."""
    assert fates(Shop(d1=error, d2="there"), change(D1), change(D2, resource="file/a")) == [fate, "undone"]


def test_a_place_that_is_down_stops_nobody_else(fates):
    """Its error is safe to print."""
    assert fates(Shop(d1="down", d2="there"), change(D1), change(D2)) == ["failed", "undone"]
    assert fates.told[0].why == "ConnectionError: no \\x1b[31mroute"


def test_a_place_that_is_not_here(fates):
    """Says what to do."""
    assert fates(None, change()) == ["impossible"]
    assert "The place 'shop' cannot be reached from here." in fates.told[0].why


def test_an_undo_of_a_change_of_the_same_list_is_left(fates):
    """The change itself tells whether it is undone: somebody may have brought it back meanwhile."""
    shop = Shop(d1="undone", d2="there")
    undo = change(D2, "undo_change", undoes=D1)
    assert fates(shop, undo, change(D1)) == ["already", "already"]
    shop = Shop(d1="there", d2="undone")
    assert fates(shop, undo, change(D1)) == ["already", "undone"]


def test_an_undo_of_a_change_of_another_run_is_a_change_like_any(fates):
    """Taking it back brings the other run's change back."""
    shop = Shop(d2="there")
    assert fates(shop, change(D2, "undo_change", undoes=D1)) == ["undone"]


def test_where_an_undo_is_no_change_of_its_own_it_cannot_be_taken_back(fates):
    """Files and HTTP resources keep no way back from an undo."""
    shop = Shop(d1="undone")
    assert fates(shop, change(D1, "undo_change", undoes=D1)) == ["impossible"]
    assert "Make the change again" in fates.told[0].why
    assert fates(shop, change(D1, "undo_change", undoes=D1), change(D1)) == ["already", "already"]


class Away(handrail.NotDone):
    passing = True


class Refusing(Shop):
    def made(self, change):
        raise handrail.NotDone("There are no history tables. Install them.")


def test_a_place_that_is_away_or_lacks_its_history_is_tried_again(fates):
    """That is no proof that there is no way back, nor that nothing was done."""
    assert fates(Refusing(), change()) == ["failed"]
    assert fates.told[0].why == "There are no history tables. Install them."
    locked = handrail.NotDone("The database refused: locked. Nothing was written. Correct the change.")
    locked.__cause__ = OSError("locked")
    assert fates(Shop(d1=locked), change()) == ["failed"]
    assert fates.told[0].why == "The database refused: locked. Nothing was written. See to that, then undo it again."
    assert fates(Shop(d1=Away("gone")), change()) == ["failed"]
    assert fates(Shop(d1=handrail.NotDone("pruned")), change()) == ["impossible"]

"""What a person may call what is to be undone."""

import pytest

from handrail.data.acting import Recorded
from handrail.errors import ConfigurationError, NotFoundError
from handrail.undo import found, found_by_name

DIGEST = "ab" * 32


class Shop:
    def made(self, change):
        return change == DIGEST

    def recorded(self, change):
        return Recorded(1_700_000_000_000_000, ("update row/shop/lead (3 rows)",))


def places(name):
    return Shop() if name == "shop" else None


def by_name(crm, said):
    return found_by_name(crm.store, places, ["away", "shop"], said)


def test_one_thing_is_named(crm):
    """Neither none nor two."""
    for named in ({}, {"run": "R1", "action": "a"}):
        with pytest.raises(ConfigurationError, match="Name one thing"):
            found(crm.store, places, **named)


def test_a_run_and_an_action(crm):
    """By their ids."""
    first, second = crm.run(("set", "1", 11), ("set", "2", 21))
    assert [one.action for one in found(crm.store, places, run="R1")] == [second, first]
    assert [one.action for one in found(crm.store, places, action=first)] == [first]
    with pytest.raises(NotFoundError, match="knows no action nope"):
        found(crm.store, places, action="nope")


def test_a_change_with_its_place(crm):
    """And what is wrong with it."""
    (made,) = found(crm.store, places, change=f"shop/{DIGEST}")
    assert (made.tool, made.change) == ("shop.apply_change", DIGEST)
    with pytest.raises(NotFoundError, match="'shop' knows no change abc"):
        found(crm.store, places, change="shop/abc")
    for said in (f"away/{DIGEST}", DIGEST):
        with pytest.raises(ConfigurationError, match="Write: PLACE/DIGEST"):
            found(crm.store, places, change=said)


def test_by_one_word(crm):
    """A digest is looked for in every place; anything else is an action."""
    (first,) = crm.run(("set", "1", 11))
    assert by_name(crm, DIGEST)[0].tool == "shop.apply_change"
    assert by_name(crm, f"shop/{DIGEST}")[0].change == DIGEST
    assert by_name(crm, first)[0].action == first
    with pytest.raises(NotFoundError, match="No place"):
        by_name(crm, "cd" * 32)
    with pytest.raises(NotFoundError, match="knows no action"):
        by_name(crm, "nope")


def test_a_place_that_is_down_is_told_and_keeps_nobody_from_the_others(crm):
    """Its error is safe to print."""

    def some(name):
        if name == "down":
            raise ConnectionError("no \x1b[31mroute")
        return places(name)

    assert found_by_name(crm.store, some, ["down", "shop"], DIGEST)[0].tool == "shop.apply_change"
    with pytest.raises(NotFoundError) as told:
        found_by_name(crm.store, some, ["down", "shop"], "cd" * 32)
    assert str(told.value).endswith("The place 'down' could not be asked: no \\x1b[31mroute")


def test_by_the_beginning_of_an_id(crm):
    """Eight characters or more, of one thing only."""
    first, second = crm.run(("set", "1", 11), ("set", "2", 21))
    assert by_name(crm, first[:-2])[0].action == first
    assert by_name(crm, second[:-2])[0].action == second
    with pytest.raises(NotFoundError, match="actions or changes begin with"):
        by_name(crm, first[:8])
    with pytest.raises(NotFoundError, match="knows no action"):
        by_name(crm, first[:7])


def test_by_the_beginning_of_a_digest(crm):
    """As the journal knows it."""
    from handrail.core.record import Record, RecordKind

    body = {"args": {"change": DIGEST, "touches": []}}
    crm.store.transact(
        lambda tx: tx.append(Record(RecordKind.ATTEMPT, "x", "R", "bot", "shop.apply_change", body=body))
    )
    assert by_name(crm, DIGEST[:8])[0].change == DIGEST


def test_what_only_the_place_knows_of_a_change(crm):
    """Its time and its effects are told, so that whoever signs sees them."""
    (made,) = by_name(crm, DIGEST)
    assert (made.at_us, made.effects) == (1_700_000_000_000_000, ("update row/shop/lead (3 rows)",))


def test_two_places_know_a_digest(crm):
    """Then nobody guesses."""
    with pytest.raises(NotFoundError, match=r"2 places know this change\. .* here/abab.* or shop/abab"):
        found_by_name(crm.store, lambda name: Shop(), ["here", "shop"], DIGEST)

"""Plans in the store: whoever changes them there makes nothing run that was not approved."""

import json
import zlib
from dataclasses import replace

import pytest
from tests.data.front import BARE

import handrail
from handrail.core.digest import canonical, digest
from handrail.data.plans import Plans
from handrail.data.rows import ChangeRefused, RowPlan
from handrail.data.sql.change import Operation
from handrail.data.table import Table


def change_store(shop, change, what, edit):
    """Change what the store keeps of a plan: every piece goes through `edit`, None removes it."""
    with shop.open() as hr:
        key = f"{what}/shop/{change}"
        numbers = hr.store.read(lambda tx: tx.pieces(key))
        assert numbers
        found = [edit(hr.store.read(lambda tx, n=n: tx.piece(key, n))) for n in numbers]
        hr.store.transact(lambda tx: tx.drop_pieces(key))
        for number, piece in enumerate(found):
            if piece is not None:
                hr.store.transact(lambda tx, n=number, p=piece: tx.put_piece(key, n, p, tx.now_us + 10**9))


def said(**values):
    """Return an edit of what is said of a plan."""

    def edit(piece):
        form = json.loads(zlib.decompress(piece))
        assert set(values) <= set(form)
        return zlib.compress(canonical({**form, **values}))

    return edit


def flipped(at):
    """Return an edit that changes one byte of the text."""

    def edit(piece):
        text = bytearray(zlib.decompress(piece))
        text[at % len(text)] ^= 1
        return zlib.compress(bytes(text))

    return edit


@pytest.fixture
def plan(small):
    """A plan that a person has to approve."""
    with small.using() as db:
        return db.plan_sql("UPDATE lead SET status = 'x' WHERE score <= 20")


EDITS = {
    "by": ("said", said(by="key")),
    "statement": ("said", said(statement="UPDATE lead SET status = 'x' WHERE id = 1")),
    "seen": ("said", said(seen={"breakdown": {}, "samples": [], "warnings": []})),
    "said cut": ("said", lambda piece: piece[:-3]),
    "said no JSON": ("said", lambda _: zlib.compress(b"[[[")),
    "said another JSON": ("said", lambda _: zlib.compress(b"[]")),
    "said deep": ("said", lambda _: zlib.compress(b"[" * 500_000)),
    "rows no zlib": ("rows", lambda piece: b"\x00" + piece),
    "rows gone": ("rows", lambda _: None),
    "rows empty": ("rows", lambda _: zlib.compress(b"")),
    "rows huge": ("rows", lambda _: zlib.compress(b" " * 100_000_000)),
    "rows twice": ("rows", lambda piece: zlib.compress(zlib.decompress(piece) * 2)),
    **{f"byte {at}": ("rows", flipped(at)) for at in (1, 40, 200, 333, -2, -20, -90)},
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_changed_plan_is_refused(small, plan, edit):
    """Before it is approved and after; whatever of it was changed."""
    what, change = EDITS[edit]
    with small.using() as db, pytest.raises(handrail.ReviewRequired) as held:
        db.apply(plan)
    small.decide(held)
    change_store(small, plan.digest, what, change)
    with small.using() as db, pytest.raises(ChangeRefused, match="somebody changed the store"):
        db.apply(plan)
    assert (small.changes(), small.tickets()) == (0, ["approved"])


def test_no_plan_without_what_is_said_of_it(small, plan):
    """It counts as none."""
    change_store(small, plan.digest, "said", lambda _: None)
    with small.using() as db, pytest.raises(ChangeRefused, match="No plan"):
        db.apply(plan)


def test_a_plan_under_the_name_of_another(small, plan):
    """An approval of one is none of another that was put in its place."""
    with small.using() as db:
        other = db.update("lead", [5], {"status": "other"})
        for what in ("said", "rows"):
            pieces = []
            change_store(small, other.digest, what, lambda piece, to=pieces: to.append(piece) or piece)
            change_store(small, plan.digest, what, lambda _, of=pieces: of[0])
        with pytest.raises(ChangeRefused, match="somebody changed the store"):
            db.apply(plan)
    assert small.changes() == 0


def test_a_note_of_an_undo_that_names_another_plan(small, plan):
    """Is no note, though the other one might run: the undo is planned anew."""
    with small.using() as db:
        free = db.update("lead", [2], {"status": "free"})
        change = db.apply(db.update("lead", [1], {"status": "new"})).change
        with pytest.raises(handrail.ReviewRequired) as held:
            db.undo(change)
        for note in (free.digest.encode(), plan.digest.encode(), b"\xff", b"", b"0" * 64):
            change_store(small, change, "undo", lambda _, text=note: zlib.compress(text))
            with pytest.raises(handrail.ReviewRequired) as again:
                db.undo(change)
            assert again.value.ticket != held.value.ticket
        change_store(small, change, "undo", lambda _: b"no zlib")
        with pytest.raises(handrail.ReviewRequired):
            db.undo(change)
    assert (small.changes(), small.lead(2)) == (1, ["open"])


def test_who_makes_a_plan_in_the_store_gets_no_further_than_by_asking(small, plan):
    """What is said of its rows is told from the plan itself; an insertion that calls itself a cascade is none of ours."""
    new = replace(plan.parts[0], table="note", operation=Operation.INSERT, cascade=True, columns=("text",))
    forged = [
        replace(plan, limits={"rows_max": 50, "rows_free": 50}),
        replace(plan, parts=(new,), footprint={"note": (2, 0, 0)}),
    ]
    with small.open() as hr:
        free, cascade = (Plans(hr.store, "shop").keep(one.seen(plan.preview), "key") for one in forged)
        db = hr.database("shop")
        with hr.run("bot"):
            with pytest.raises(ChangeRefused, match="somebody changed the store"):
                db.apply(cascade.plan)
            assert db.apply(free.plan).rows == 2  # as many as anybody may change by key
            more = db.update("lead", [11, 12, 13, 14], {"status": "y"})
            more = replace(more, limits={"rows_max": 50, "rows_free": 50})
            with pytest.raises(handrail.ReviewRequired):
                db.apply(Plans(hr.store, "shop").keep(more, "key").plan)
    assert small.changes() == 1


def test_the_digest_binds_what_is_said(small):
    """Two plans of one change that differ in what is said are two plans."""
    with small.open() as hr:
        db = hr.database("shop")
        with hr.run("bot"):
            made = db.update("lead", [1], {"status": "new"})
        plans = Plans(hr.store, "shop")
        digests = {plans.keep(made, by, text).plan.digest for by in ("key", "predicate") for text in ("", "x")}
        assert len(digests) == 4
        for one in digests:
            kept = plans.find(one)
            assert (kept.plan.digest, kept.args["change"]) == (one, one)
            assert digest(kept.picture) == digest(plans.find(made.digest).picture)


def test_large_plans_come_in_pieces(small):
    """Of a bounded size, and come back."""
    small.write(BARE)
    values = [{"id": n, "status": f"{n:x}" * 400} for n in range(1_000, 3_500)]
    with small.open() as hr:
        db = hr.database(
            small.engine, name="large", tables={"lead": Table(write={"status"}, insert=True, rows_max=5_000)}
        )
        with hr.run("bot"):
            made = db.insert("lead", values)
        assert len(hr.store.read(lambda tx: tx.pieces(f"rows/large/{made.digest}"))) > 3
        assert Plans(hr.store, "large").find(made.digest).plan == made
        assert Plans(hr.store, "shop").find(made.digest) is None


def test_a_plan_goes_through_text(small, plan):
    """The plan that is returned is the one that is kept."""
    assert RowPlan.from_text(plan.to_text()) == plan

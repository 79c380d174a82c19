"""The verbs of a guarded database, on real databases, blocking and async; what was not approved never runs."""

import contextlib
import dataclasses

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from tests.data.front import front, looping

import handrail
from handrail.core.record import RecordKind
from handrail.data.database import AsyncDatabase, Database
from handrail.data.rows import ChangeRefused, RowConflict, StaleRows

HOW = [("sqlite", "engine"), ("sqlite", "async"), ("postgres", "named"), ("postgres", "async")]
"""Kinds of databases, and how they are given: by the name in the policy, as an engine, as an async engine."""


@pytest.fixture(params=HOW, ids="-".join)
def kind(request):
    """Of database, and how it is given."""
    return request.param


@pytest.fixture
def shop(kind, tmp_path):
    """A shop."""
    with front(kind[0], tmp_path) as made:
        yield made


@pytest.fixture
def using(kind, shop):
    """Opens the shop again and again, each time as another process would."""
    how = kind[1]
    with contextlib.ExitStack() as stack:
        if how == "async":
            loop = stack.enter_context(looping())

        @contextlib.contextmanager
        def opened(**options):
            if how == "named":
                with shop.using("shop", **options) as db:
                    assert type(db.database) is Database
                    yield db
            elif how == "engine":
                with shop.using(shop.engine, name="shop", **options) as db:
                    yield db
            else:
                engine = create_async_engine(shop.url.replace("sqlite:", "sqlite+aiosqlite:"))
                if engine.dialect.name == "sqlite":
                    on = sa.event.listens_for(engine.sync_engine, "connect")
                    on(lambda one, _: one.execute("PRAGMA foreign_keys = ON"))
                try:
                    with shop.using(engine, name="shop", **options) as db:
                        assert type(db.database) is AsyncDatabase
                        yield db
                finally:
                    loop.run_until_complete(engine.dispose())

        yield opened


def test_reading(using):
    """Rows and descriptions; a change is no query."""
    with using() as db:
        read = db.query("SELECT id, score FROM lead WHERE id < 3 ORDER BY id")
        assert (read.rows, read.why) == (((1, 10), (2, 20)), "All rows.")
        cut = db.query("SELECT a.id FROM lead AS a, lead AS b, lead AS c")
        assert cut.truncated
        assert cut.why.startswith("Only the first 1,000 rows are given")
        (lead,) = db.describe("lead")
        assert lead["may"] == {
            "update": ["status", "score"], "insert": True, "delete": True, "rows_max": 50, "rows_free": 3,
        }  # fmt: skip
        assert {"lead", "note"} <= {table["table"] for table in db.describe()}
        with pytest.raises(handrail.ValidationFailed, match="Plan the change instead"):
            db.query("DELETE FROM lead WHERE id = 1")


def test_what_is_free_is_applied_at_once_and_once(shop, using):
    """Few rows by key: an update, new rows, a removal; by the plan or its digest."""
    with using() as db:
        plans = [
            db.update("lead", [1, 2], {"status": "new"}),
            db.insert("lead", [{"id": 31, "status": "x"}, {"id": 32, "status": "y"}]),
            db.delete("lead", [20]),
        ]
        receipts = [db.apply(plan) for plan in plans]
        assert [receipt.again for receipt in receipts] == [False] * 3
        assert [db.apply(plan.digest).again for plan in plans] == [True] * 3
    assert shop.lead(1, 2, 31, 32, 20) == ["new", "new", "x", "y", None]
    assert shop.changes() == 3
    assert shop.hole() == set()


def test_held_until_a_person_approves_exactly_that(shop, using):
    """In other processes; applied once, and told again without a person."""
    with using() as db:
        plan = db.plan_sql("UPDATE lead SET status = 'checked' WHERE status = 'error'")
        with pytest.raises(handrail.ReviewRequired, match="A condition named these 10 rows") as held:
            db.apply(plan)
        with pytest.raises(handrail.ReviewRequired) as again:
            db.apply(plan.digest)
        assert held.value.ticket == again.value.ticket
    assert shop.lead(1) == ["error"]
    shop.decide(held)
    with using() as db:
        receipt = db.apply(plan.digest)
        assert (receipt.rows, receipt.again) == (10, False)
    with using() as db:
        assert db.apply(plan.digest).again
    assert shop.lead(1, 2, 3) == ["checked", "open", "checked"]
    assert (shop.changes(), shop.tickets()) == (1, ["spent"])


def test_denied(shop, using):
    """Nothing runs, also when it is asked again."""
    with using() as db:
        plan = db.delete("lead", [1, 2, 3, 4])
        with pytest.raises(handrail.ReviewRequired) as held:
            db.apply(plan)
    shop.refuse(held)
    with using() as db:
        for _ in range(2):
            with pytest.raises(handrail.Denied, match="kim refused exactly this action"):
                db.apply(plan)
    assert shop.changes() == 0


def test_undo_and_undo_of_undo(shop, using):
    """Each asks a person, by the same plan until then; one call id names an undo, its planning included."""
    with using() as db:
        done = db.apply(db.update("lead", [1], {"status": "new"}))
    change = done.change
    for status in ("error", "new"):
        with using() as db:
            tickets = set()
            for _ in range(2):
                with pytest.raises(handrail.ReviewRequired) as held:
                    db.undo(change)
                tickets.add(held.value.ticket)
            assert len(tickets) == 1
        shop.decide(held)
        with using() as db:
            receipt = db.undo(change)
        assert (receipt.undo_of, receipt.again) == (change, False)
        assert shop.lead(1) == [status]
        with using() as db:
            assert db.undo(change) == dataclasses.replace(receipt, again=True, keys={})
        change = receipt.change
    assert shop.hole() == set()


def test_whether_a_change_stands(small):
    """It was made, it is undone, the undo is undone; looking plans nothing that counts."""
    with small.using() as db:
        first = db.apply(db.update("lead", [1], {"status": "new"})).change
        never = "0" * 64
        assert (db.made(first), db.undone(first), db.made(never), db.undone(never)) == (True, False, False, False)
        assert (db.made("abc"), db.undone("\x1b")) == (False, False)
        seen = db.preview_undo(first)
        assert (seen["rows"], seen["samples"][0]["after"]["status"]) == (1, "error")
    changes = [first]
    for _ in range(3):
        with small.using() as db, pytest.raises(handrail.ReviewRequired) as held:
            db.undo(changes[-1])
        small.decide(held)
        with small.using() as db:
            db.preview_undo(changes[-1])
            changes.append(db.undo(changes[-1]).change)
    with small.using() as db:
        assert [db.undone(change) for change in changes] == [True, False, True, False]
        small.run("UPDATE lead SET status = 'theirs' WHERE id = 1")
        with pytest.raises(RowConflict):
            db.preview_undo(changes[-1])


def test_undo_of_what_others_changed(shop, using):
    """Refused with the rows, when it is planned as when it was approved before; then it is planned anew."""
    with using() as db:
        change = db.apply(db.update("lead", [1, 2], {"status": "new"})).change
        with pytest.raises(handrail.ReviewRequired) as held:
            db.undo(change)
    shop.decide(held)
    shop.run("UPDATE lead SET status = 'theirs' WHERE id = 2")
    with using() as db:
        for _ in range(2):
            with pytest.raises(RowConflict) as conflict:
                db.undo(change)
            assert [str(key) for (key,) in conflict.value.keys] == ["2"]
    assert shop.lead(1, 2) == ["new", "theirs"]


def test_the_same_call(shop, using):
    """A repeated (run, call id) gets what it got, in whatever process; the same id for something else is refused."""
    with using(id="r") as db:
        run = handrail.run.RUN.get()
        with run.call("p"):
            plan = db.update("lead", [1], {"status": "new"})
        with run.call("p"), pytest.raises(handrail.Denied, match="already used"):
            db.update("lead", [2], {"status": "new"})
        with run.call("a"):
            first = db.apply(plan)
    with using(id="r") as db:
        run = handrail.run.RUN.get()
        with run.call("p"):
            assert db.update("lead", [1], {"status": "new"}) == plan
        with run.call("a"):
            again = db.apply(plan)
        assert (again.change, again.rows, again.again) == (first.change, 1, True)
        with run.call("u"), pytest.raises(handrail.ReviewRequired) as held:
            getattr(db, "preview_undo", str)(first.change)
            db.undo(first.change)
    shop.decide(held)
    for expected in (False, True):
        with using(id="r") as db, handrail.run.RUN.get().call("u"):
            assert db.undo(first.change).again is expected
    assert shop.changes() == 2
    assert shop.hole() == set()


def test_rows_that_changed_since(shop, using):
    """Nothing is written, and the rows are named."""
    with using() as db:
        plan = db.update("lead", [1, 2], {"status": "new"})
        shop.run("UPDATE lead SET score = 0 WHERE id = 2")
        with pytest.raises(StaleRows) as stale:
            db.apply(plan)
    assert [str(key) for (key,) in stale.value.keys] == ["2"]
    assert shop.lead(1, 2) == ["error", "open"]


def test_outside_a_run(shop, using, monkeypatch):
    """Denied and journalled, before anything is looked up."""
    with using() as db:
        plan = db.update("lead", [1], {"status": "new"})
    monkeypatch.delattr("handrail.data.plans.Plans.find")
    monkeypatch.delattr("handrail.data.plans.Plans.undo_of")
    with shop.open() as hr:
        db = hr.database("shop")
        for call in (
            lambda: db.query("SELECT 1"), db.describe, lambda: db.plan_sql("DELETE FROM lead WHERE id = 1"),
            lambda: db.update("lead", [1], {"status": "x"}), lambda: db.insert("lead", [{"id": 40}]),
            lambda: db.delete("lead", [1]), lambda: db.apply(plan), lambda: db.undo(plan.digest),
            lambda: db.preview_undo(plan.digest),
        ):  # fmt: skip
            with pytest.raises(handrail.Denied, match="was called outside a run"):
                call()
    assert shop.changes() == 0
    assert [one.reason for one in shop.journal(RecordKind.ATTEMPT)][-9:] == ["no_run"] * 9


def test_a_plan_that_expired(small, monkeypatch):
    """Is as one that never was; what was made by it is still told."""
    with small.using() as db:
        done, late = (db.update("lead", [n], {"status": "new"}) for n in (1, 2))
        db.apply(done)
        moment = done.expires_s + 1
        monkeypatch.setattr("handrail.data.plans.time.time", lambda: moment)
        with pytest.raises(ChangeRefused, match="it has expired"):
            db.apply(late)
        assert db.apply(done.digest).again
    assert small.lead(1, 2) == ["new", "open"]


@pytest.mark.parametrize("change", ["", "abc", "g" * 64, "0" * 64, "\x1b[31m", "\ud800", "0" * 100_000])
def test_a_change_that_never_was(small, change):
    """Is refused in a sentence, whatever its name is."""
    with small.using() as db:
        with pytest.raises((ChangeRefused, handrail.ValidationFailed)) as refused:
            db.apply(change)
        assert "\x1b" not in str(refused.value)
        assert len(str(refused.value)) < 400
        with pytest.raises((ChangeRefused, handrail.ValidationFailed)) as refused:
            db.undo(change)
        assert "\x1b" not in str(refused.value)


def test_keys_are_a_list(small):
    """A text is not the keys of its characters."""
    with small.using() as db:
        for ids in ("17", b"17", {"id": 17}):
            with pytest.raises(handrail.ValidationFailed, match="are a list"):
                db.update("lead", ids, {"status": "x"})
            with pytest.raises(handrail.ValidationFailed, match="are a list"):
                db.delete("lead", ids)


@pytest.mark.parametrize("bad", ["\ud800", "a\udfffb"])
def test_text_that_is_none(small, bad):
    """A lone surrogate is refused wherever it stands, in a sentence."""
    with small.using() as db:
        for call in (
            lambda: db.query(f"SELECT '{bad}'"), lambda: db.plan_sql(f"UPDATE lead SET status = '{bad}' WHERE id = 1"),
            lambda: db.describe(bad), lambda: db.update("lead", [1], {"status": bad}),
            lambda: db.update("lead", [bad], {"status": "x"}), lambda: db.update(bad, [1], {"status": "x"}),
            lambda: db.update("lead", [1], {bad: "x"}), lambda: db.insert("lead", [{"id": 50, "status": bad}]),
            lambda: db.delete("lead", [bad]), lambda: db.apply(bad), lambda: db.undo(bad), lambda: db.preview_undo(bad),
        ):  # fmt: skip
            with pytest.raises((handrail.ValidationFailed, ChangeRefused), match=r"Unicode|character U") as refused:
                call()
            str(refused.value).encode()


def test_a_statement_that_names_no_table(small):
    """It says which, and what is near."""
    with small.using() as db:
        for sql in ("UPDATE leed SET status = 'x' WHERE id = 1", "DELETE FROM leed WHERE id = 1"):
            with pytest.raises(handrail.ValidationFailed, match=r"no table leed\. Did you mean 'lead'"):
                db.plan_sql(sql)
        with pytest.raises(handrail.ValidationFailed, match="Run it as a query instead"):
            db.plan_sql("SELECT 1")


def test_other_values_are_another_call(small):
    """What fails for one row does not count against another."""
    with small.using() as db:
        for id in range(1, 7):
            with pytest.raises(ChangeRefused, match="is part of the primary key"):
                db.update("note", [id], {"lead_id": 1, "text": b"bytes"})

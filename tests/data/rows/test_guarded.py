"""Plan, apply, undo, as a caller sees them, on real databases."""

import threading

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.data.rows.real import database

from handrail.data.rows import ChangeRefused, RowConflict, RowPlan, StaleRows, Table
from handrail.errors import ConfigurationError


def test_the_misread_predicate_is_a_plan_of_keys_with_a_breakdown(shop):
    """`status LIKE 'e%'` shows at one glance that it takes the expired ones too."""
    db, before = shop.guarded(), shop.all()
    plan = db.plan(shop.change("UPDATE lead SET status = 'new', score = score + 1 WHERE status LIKE 'e%'"))
    assert plan.preview.rows == 4
    assert dict(plan.preview.breakdown["status"]) == {"error": 2, "expired": 2}
    assert plan.footprint == {f"{shop.prefix}lead": (0, 4, 0)}
    sample = plan.preview.samples[0]
    assert (sample.before["status"], sample.after["status"]) == ("error", "new")
    assert [str(row.values[1]) for row in plan.parts[0].rows] == ["11", "21", "31", "41"]
    assert shop.all() == before, "planning wrote"
    receipt = db.apply(plan, plan.digest)
    assert receipt.rows == 4
    assert shop.rows("SELECT id, score FROM lead WHERE status = 'new' ORDER BY id") == [
        (1, 11),
        (2, 21),
        (3, 31),
        (4, 41),
    ]


def test_applying_twice_returns_the_recorded_receipt(shop):
    """G3: at most once, however often it is called, even after somebody changed the rows back."""
    db = shop.guarded()
    plan = db.update("lead", [1], {"score": 11})
    first = db.apply(plan)
    shop.run("UPDATE lead SET score = 99 WHERE id = 1")
    again = db.apply(plan)
    assert again.again
    assert (again.change, again.applied_at, again.footprint) == (first.change, first.applied_at, first.footprint)
    assert shop.rows("SELECT score FROM lead WHERE id = 1") == [(99,)]
    assert db.receipt(plan.digest) == first
    assert db.receipt("0" * 64) is None


def test_two_who_apply_one_plan_at_once_apply_it_once(shop):
    """The second waits, and is told of the first."""
    db = shop.guarded()
    plan = db.update("lead", [1, 2], {"status": "new"})
    found = []
    threads = [threading.Thread(target=lambda: found.append(db.apply(plan).again)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [False, True, True, True]


@pytest.mark.parametrize("sql", ["UPDATE lead SET score = 1 WHERE id = 2", "DELETE FROM lead WHERE id = 2"])
def test_a_row_that_changed_since_is_named_and_nothing_is_written(shop, sql):
    """The whole plan or nothing."""
    db = shop.guarded()
    plan = db.update("lead", [1, 2, 3], {"status": "new"})
    shop.run(sql)
    before = shop.all()
    with pytest.raises(StaleRows, match="no longer as planned: 2") as refused:
        db.apply(plan)
    assert [str(key[0]) for key in refused.value.keys] == ["2"]
    assert shop.all() == before
    assert shop.kept() == (0, 0)


def test_undo_takes_back_update_insert_and_delete_and_can_be_undone(shop):
    """An undo is a change like any other."""
    db, start = shop.guarded(), shop.all()
    for plan in (
        lambda: db.update("lead", [1, 3, 6], {"status": None, "score": 7}),
        lambda: db.insert("lead", [{"id": 7, "status": "x"}, {"id": 8, "status": None}]),
        lambda: db.delete("lead", [1, 2]),
    ):
        done = db.apply(plan())
        changed = shop.all()
        assert changed != start
        undone = db.apply(db.undo(done.change))
        assert undone.undo_of == done.change
        assert shop.all() == start
        redone = db.apply(db.undo(undone.change))
        assert shop.all() == changed
        db.apply(db.undo(redone.change))
        assert shop.all() == start


def test_undo_never_overwrites_a_later_change(shop):
    """G6: the row is named, and zero rows change; also when it happens after the undo was planned."""
    db = shop.guarded()
    done = db.apply(db.update("lead", [1, 2, 3], {"status": "new"}))
    planned = db.undo(done.change)
    shop.run("UPDATE lead SET score = 1000 WHERE id = 2")
    before = shop.all()
    for attempt in (lambda: db.undo(done.change), lambda: db.apply(planned)):
        with pytest.raises(RowConflict, match="changed since: 2") as refused:
            attempt()
        assert [str(key[0]) for key in refused.value.keys] == ["2"]
    assert shop.all() == before
    shop.run("UPDATE lead SET score = 20 WHERE id = 2")
    db.apply(planned)
    assert shop.rows("SELECT status FROM lead WHERE id < 4 ORDER BY id") == [("error",), ("error",), ("expired",)]


def test_undo_of_an_insert_and_of_a_delete_meets_others(shop):
    """A changed new row, and a row made anew under the old key, are conflicts too."""
    db = shop.guarded()
    made, gone = db.apply(db.insert("lead", [{"id": 7, "score": 1}])), db.apply(db.delete("lead", [5]))
    shop.run("UPDATE lead SET score = 2 WHERE id = 7", "INSERT INTO lead (id) VALUES (5)")
    before = shop.all()
    for change, key in ((made.change, "7"), (gone.change, "5")):
        with pytest.raises(RowConflict, match=f"changed since: {key}"):
            db.undo(change)
    assert shop.all() == before


def test_what_was_approved_is_what_runs(shop):
    """G2: another digest, an expired plan and a plan of another database are refused."""
    now = [1000.0]
    db = shop.guarded(clock=lambda: now[0])
    plan, other = db.update("lead", [1], {"score": 1}), db.update("lead", [1], {"score": 2})
    with pytest.raises(ChangeRefused, match="another plan"):
        db.apply(plan, other.digest)
    now[0] += 30 * 60
    with pytest.raises(ChangeRefused, match="expired"):
        db.apply(plan)
    shop.run("UPDATE handrail_meta SET value = 'other'")
    now[0] = 1000.0
    with pytest.raises(ChangeRefused, match="another database"):
        db.apply(plan)
    assert shop.rows("SELECT score FROM lead WHERE id = 1") == [(10,)]


def test_a_column_added_since_makes_a_plan_stale_but_not_an_undo(shop):
    """The plan holds for the table as it was; kept values are those of named columns."""
    db = shop.guarded()
    done = db.apply(db.delete("lead", [5]))
    plan = db.update("lead", [1], {"score": 1})
    shop.run("ALTER TABLE lead ADD COLUMN note text")
    with pytest.raises(StaleRows, match="no longer as it was"):
        db.apply(plan)
    db.apply(db.undo(done.change))
    assert shop.rows("SELECT status, score, note FROM lead WHERE id = 5") == [("open", 50, None)]
    changed = db.apply(db.update("lead", [1], {"score": 1}))
    shop.run("ALTER TABLE lead DROP COLUMN score")
    with pytest.raises(ChangeRefused, match=r"score of .*lead is gone"):
        db.undo(changed.change)


def test_a_declared_version_column_is_compared_and_incremented(shop):
    """Writers that count see our change, and we see theirs; an undo counts on."""
    db = shop.guarded({"lead": Table(write={"score"}, version="rev", delete=True)})
    plan = db.update("lead", [1], {"score": 11})
    assert plan.parts[0].versioned_by == "column"
    done = db.apply(plan)
    assert shop.rows("SELECT score, rev FROM lead WHERE id = 1") == [(11, 2)]
    db.apply(db.undo(done.change))
    assert shop.rows("SELECT score, rev FROM lead WHERE id = 1") == [(10, 3)]
    plan = db.update("lead", [1], {"score": 12})
    shop.run("UPDATE lead SET rev = rev + 1 WHERE id = 1")
    with pytest.raises(StaleRows):
        db.apply(plan)


def test_without_history_tables_nothing_is_planned(shop):
    """What could not be recorded is not begun."""
    shop.run("DROP TABLE handrail_meta")
    with pytest.raises(ChangeRefused, match="no history tables"):
        shop.guarded().update("lead", [1], {"score": 1})


def test_what_the_database_refuses_is_a_sentence(shop):
    """A value that breaks a constraint: nothing is written, and why is said."""
    shop.run("CREATE UNIQUE INDEX one ON lead (score)")
    plan = shop.guarded().update("lead", [1, 2], {"score": 7})
    before = shop.all()
    with pytest.raises(ChangeRefused, match=r"The database refused: .*(UNIQUE|unique).*Nothing was written"):
        shop.guarded().apply(plan)
    assert shop.all() == before


def test_another_database_is_not_guarded():
    """Fail closed."""
    from handrail.data.rows import GuardedRows

    with pytest.raises(ConfigurationError, match="mysql is not guarded"):
        GuardedRows(sa.create_mock_engine("mysql://", lambda *_: None), {})


def test_memory_databases_are_guarded_too():
    """SQLite in memory."""
    from handrail.data.rows import GuardedRows, install

    engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (id TEXT PRIMARY KEY, n)")
        connection.exec_driver_sql("INSERT INTO t VALUES ('a', 1)")
        install(connection)
    db = GuardedRows(engine, {"t": Table(write={"n"})})
    done = db.apply(db.update("t", ["a"], {"n": b"\x00\xff"}))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT n FROM t").scalar() == b"\x00\xff"
    db.apply(db.undo(done.change))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT n FROM t").scalar() == 1
    engine.dispose()


WRITES = st.lists(
    st.one_of(
        st.builds("UPDATE lead SET score = {1} WHERE id = {0}".format, st.integers(1, 8), st.integers(0, 60)),
        st.builds("UPDATE lead SET status = '{1}' WHERE id = {0}".format, st.integers(1, 8), st.sampled_from("ab")),
        st.builds("DELETE FROM lead WHERE id = {0}".format, st.integers(1, 8)),
        st.builds("INSERT INTO lead (id, score) SELECT {0}, {0} WHERE NOT EXISTS (SELECT 1 FROM lead WHERE id = {0})".format,
                  st.integers(1, 8)),
    ),
    max_size=4,
)  # fmt: skip


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_with_writers_between_it_is_the_full_plan_or_nothing(dialect, tmp_path):
    """G1: whatever others write between plan and apply, no row outside the plan and no other version is written."""
    with database(dialect, tmp_path) as shop:

        @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
        @given(
            st.sampled_from(["update", "delete", "predicate", "insert"]),
            st.sets(st.integers(1, 6), min_size=1, max_size=4),
            WRITES,
        )
        def holds(kind, ids, writes):
            shop.run("DELETE FROM lead", "DELETE FROM line", "DELETE FROM orders")
            shop.run(
                "INSERT INTO lead (id, status, score) VALUES " + ", ".join(f"({n}, 'a', {n}0)" for n in range(1, 7))
            )
            db = shop.guarded()
            plan = {
                "update": lambda: db.update("lead", ids, {"status": "new"}),
                "delete": lambda: db.delete("lead", ids),
                "predicate": lambda: db.plan(shop.change("UPDATE lead SET status = 'new' WHERE score < 35")),
                "insert": lambda: db.insert("lead", [{"id": n + 6, "status": "new"} for n in ids]),
            }[kind]()
            planned = {row[0]: row for row in shop.rows("SELECT * FROM lead")}
            for sql in writes:
                shop.run(sql)
            before = {row[0]: row for row in shop.rows("SELECT * FROM lead")}
            keys = {int(row.key[0]) for row in plan.parts[0].rows}
            try:
                db.apply(plan)
            except StaleRows:
                assert {row[0]: row for row in shop.rows("SELECT * FROM lead")} == before
                assert any(before.get(key) != planned.get(key) for key in keys) or dialect == "postgres"
                return
            after = {row[0]: row for row in shop.rows("SELECT * FROM lead")}
            assert {key: row for key, row in after.items() if key not in keys} == {
                key: row for key, row in before.items() if key not in keys
            }
            assert all(before.get(key) == planned.get(key) for key in keys)
            gone = kind == "delete"
            assert all((key not in after) if gone else after[key][1] == "new" for key in keys)

        holds()


def test_a_writer_in_the_middle_is_waited_for_and_seen(postgres):
    """G1 on PostgreSQL: a row that is locked while we apply is compared again once its writer has committed."""
    db = postgres.guarded()
    plan = db.update("lead", [1, 2, 3], {"status": "new"})
    found = []

    def attempt():
        try:
            found.append(db.apply(plan))
        except StaleRows as stale:
            found.append(stale)

    with postgres.engine.connect() as other:
        other.exec_driver_sql("UPDATE lead SET score = 99 WHERE id = 2")
        thread = threading.Thread(target=attempt)
        thread.start()
        for _ in range(200):
            if postgres.rows(
                "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            ):
                break
        other.commit()
        thread.join()
    assert isinstance(found[0], StaleRows)
    assert found[0].keys == (("2",),)
    assert postgres.rows("SELECT count(*) FROM lead WHERE status = 'new'") == [(0,)]


def test_any_changed_byte_is_another_digest_and_refused(shop):
    """G2: also when the digest itself is left out of the change."""
    text = shop.guarded().update("lead", [1, 2], {"status": "new"}).to_text()
    assert RowPlan.from_text(text).to_text() == text
    for at in range(len(text)):
        changed = text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]
        with pytest.raises(ChangeRefused, match="not a plan as it was made"):
            RowPlan.from_text(changed)

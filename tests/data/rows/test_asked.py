"""What is not allowed, and the sentence that says what to do."""

from tests.data.rows.real import TABLES, refused

from handrail.data.rows import Table


def test_refusals_say_what_to_do(shop):
    """G8: one sentence each."""
    shop.run("CREATE TABLE bare (n integer)", "CREATE VIEW seen AS SELECT * FROM lead")
    db = shop.guarded({**TABLES, "bare": Table(write={"n"}), "seen": Table(write={"status"}), "none": Table(),
                       "audit": Table(), "few": Table()})  # fmt: skip
    refused(lambda: db.update("lead", [1], {"id": 9}), "part of the primary key")
    refused(
        lambda: db.update("lead", [1], {"rev": 9}), "rev may not be written. Columns that may: price, score, status"
    )
    refused(lambda: db.update("lead", [1], {"stat": 9}), r"no column .*lead\.stat")
    refused(lambda: db.update("leads", [1], {"status": 9}), "not declared")
    refused(lambda: db.update("handrail_row", [1], {"n": 9}), "not declared")
    refused(lambda: db.update("bare", [1], {"n": 9}), "no valid primary key")
    refused(lambda: db.update("seen", [1], {"status": 9}), "it is a view")
    refused(lambda: db.update("none", [1], {"n": 9}), "There is no table none")
    refused(lambda: db.update("lead", [1], {}), "Nothing is to be written")
    refused(lambda: db.update("lead", [], {"score": 1}), "No row is named")
    refused(lambda: db.update("lead", [1], {"score": object()}), "object")
    refused(lambda: db.insert("lead", [{"id": 1}]), "exist already: 1")
    refused(lambda: db.insert("lead", [{"id": 7}, {"id": 7}]), "have the same key")
    refused(lambda: db.insert("lead", [{"id": 7}, {"score": 7}]), "different columns")
    narrow = shop.guarded({"lead": Table(write={"score"}, rows_max=3)})
    refused(lambda: narrow.delete("lead", [1]), "may not be deleted")
    refused(lambda: narrow.insert("lead", [{"id": 7}]), "may not be added")
    refused(lambda: narrow.update("lead", [1, 2, 3, 4], {"score": 1}), "more than 3 rows .*Split it")
    refused(lambda: narrow.plan(shop.change("UPDATE lead SET score = 1")), "more than 3 rows .*Split it")

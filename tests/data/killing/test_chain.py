"""The judge of the soak can say no: each kind of fault leaves a break that it names."""

import copy
import json

import pytest
from tests.data.killing.chain import Judge, Seen
from tests.data.killing.world import ABSENT

from handrail.data.rows import Part, Row, RowPlan
from handrail.data.sql.change import Operation

COLUMNS = ("id", "token", "status", "score", "weight", "raw")
STOCK = ("shop", "item", "token", "amount", "note", "rev")


def lead(n, token, status="old"):
    """Return a lead's content."""
    return {"id": str(n), "token": token, "status": status, "score": None, "weight": None, "raw": None}


def stock(token, rev):
    """Return the content of the stock."""
    return {"shop": "1", "item": "a", "token": token, "amount": None, "note": None, "rev": str(rev)}


def made(nonce, *parts, undo_of=""):
    """Return a plan."""
    return RowPlan("db", parts, {}, {}, 0, nonce, undo_of)


def part(operation, keys, columns=(), values=(), table="lead", source=None):
    """Return what a plan does to a table."""
    rows = tuple(Row(key, "v", values) for key in keys)
    return Part("", table, Operation(operation), rows, "shape", columns, source=source)


UPDATE = made("1", part("update", [(1,), (2,)], ("token", "status"), ("t1", "new")))
DELETE = made("2", part("delete", [(3,)], COLUMNS))
INSERT = made("3", part("insert", [(4,)], ("id", "token", "status"), (4, "t3", "made")))
COUNT = made("4", part("update", [(1, "a")], ("token",), ("t4",), table="stock"))
BACK = made("5", part("update", [(1,), (2,)], ("token", "status"), ("fp",), source=0), undo_of=UPDATE.digest)
PLANS = {one.digest: one for one in (UPDATE, DELETE, INSERT, COUNT, BACK)}
FIRST = Seen(
    {("lead", f'["{n}"]'): lead(n, f"i{n}") for n in (1, 2, 3, 5)} | {("stock", '["1", "a"]'): stock("i1", 1)},
    {},
    {},
    [],
)
LAST = Seen(
    {("lead", f'["{n}"]'): lead(n, f"i{n}") for n in (1, 2)}
    | {
        ("lead", '["4"]'): lead(4, "t3", "made"),
        ("lead", '["5"]'): lead(5, "r1", "raw"),
        ("stock", '["1", "a"]'): stock("t4", 2),
    },
    {UPDATE.digest: (1, 2), DELETE.digest: (2, 1), INSERT.digest: (3, 1), COUNT.digest: (4, 1), BACK.digest: (5, 2)},
    {
        1: {(0, n - 1): ([n], [f"i{n}", "old"], ["t1", "new"]) for n in (1, 2)},
        2: {(0, 0): ([3], ["3", "i3", "old", None, None, None], None)},
        3: {(0, 0): ([4], None, [4, "t3", "made"])},
        4: {(0, 0): ([1, "a"], ["i1"], ["t4"])},
        5: {(0, n - 1): ([n], ["t1", "new"], [f"i{n}", "old"]) for n in (1, 2)},
    },
    [("lead", '["5"]', "i5", "r1", json.dumps({"token": "r1", "status": "raw"}), 1)],
)


def judged(change=lambda seen: None, asked=None):
    """Return what the judge says of the last moment after something was done to it."""
    seen = copy.deepcopy(LAST)
    change(seen)
    return Judge(FIRST).judge(seen, PLANS, asked or {})


def test_nothing_is_wrong_with_what_is_right():
    """Update, delete, insert, a version that counts on, an undo, a raw write."""
    assert judged() == []
    asked = {"operation": "update", "table": "lead", "ids": ['["1"]', '["2"]'], "set": {"token": "t1", "status": "new"}}
    assert judged(asked={UPDATE.digest: asked}) == []


def half(seen):
    seen.rows["lead", '["2"]'] = lead(2, "t1", "new")


def twice(seen):
    seen.rows["stock", '["1", "a"]']["rev"] = "3"


def outside(seen):
    seen.rows["lead", '["1"]']["score"] = "77"


def unplanned_row(seen):
    seen.rows["lead", '["9"]'] = lead(9, "x")


def vanished(seen):
    del seen.rows["lead", '["4"]']


def no_history(seen):
    del seen.changes[COUNT.digest], seen.kept[4]


def no_image(seen):
    del seen.kept[2][0, 0]


def half_an_image(seen):
    seen.kept[1][0, 0] = ([1], None, ["t1", "new"])


def wrong_image(seen):
    seen.kept[2][0, 0] = ([3], ["3", "i3", "other", None, None, None], None)


def stale_image(seen):
    seen.kept[4][0, 0] = ([1, "a"], ["i0"], ["t4"])


def other_value(seen):
    seen.kept[3][0, 0] = ([4], None, [4, "t3", "else"])


def other_undo(seen):
    seen.kept[5][0, 1] = ([2], ["t1", "new"], ["i1", "old"])


def overwritten_by_undo(seen):
    seen.wrote.append(("lead", '["1"]', "t1", "r2", json.dumps({"token": "r2", "score": "1"}), 2))


def overwritten_by_plan(seen):
    seen.wrote.append(("stock", '["1", "a"]', "i1", "r3", json.dumps({"token": "r3"}), 3))


def hangs(seen):
    seen.wrote.append(("lead", '["1"]', "lost", "r4", json.dumps({"token": "r4"}), 4))
    seen.wrote.append(("lead", '["1"]', "r4", "lost", json.dumps({"token": "lost"}), 5))


def orphans(seen):
    seen.kept[77] = {(0, 0): ([1], ["i1"], ["t"])}


def unknown(seen):
    seen.changes["f" * 64] = (6, 0)


def removed_twice(seen):
    seen.wrote.append(("lead", '["3"]', "i3", ABSENT, "null", 6))


@pytest.mark.parametrize(
    "change",
    [
        half, twice, outside, unplanned_row, vanished, no_history, no_image, half_an_image, wrong_image, stale_image,
        other_value, other_undo, overwritten_by_undo, overwritten_by_plan, hangs, orphans, unknown, removed_twice,
    ],
)  # fmt: skip
def test_each_fault_is_seen(change):
    """Half a plan, a write that is lost, doubled, overwritten or outside a plan, an image that is missing or wrong."""
    assert judged(change)


def test_what_was_not_asked_for_is_seen():
    """A plan of other rows, of other values, of another table."""
    asked = {"operation": "update", "table": "lead", "ids": ['["1"]', '["2"]'], "set": {"token": "t1", "status": "new"}}
    for other in ({"ids": ['["1"]']}, {"set": {"token": "t1"}}, {"table": "stock"}, {"operation": "delete"}):
        assert judged(asked={UPDATE.digest: asked | other})


def test_a_change_that_leaves_the_history_is_seen():
    """What was there at one look is there at the next."""
    judge = Judge(FIRST)
    assert judge.judge(LAST, PLANS, {}) == []
    seen = copy.deepcopy(LAST)
    del seen.changes[INSERT.digest], seen.kept[3]
    assert judge.judge(seen, PLANS, {})


def test_an_undo_that_was_made_twice_is_told_apart():
    """It is no break in a chain, as somebody else removed the row in between."""
    judge = Judge(FIRST)
    again = made("6", part("update", [(1,), (2,)], ("token", "status"), ("fp",), source=0), undo_of=UPDATE.digest)
    seen = copy.deepcopy(LAST)
    seen.changes[again.digest] = (6, 2)
    seen.kept[6] = seen.kept[5]
    for n in (1, 2):
        seen.wrote.append(("lead", f'["{n}"]', f"i{n}", "t1", json.dumps({"token": "t1", "status": "new"}), 10 + n))
    assert judge.judge(seen, {**PLANS, again.digest: again}, {}) == []
    assert judge.undone_twice == {UPDATE.digest}

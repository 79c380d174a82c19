"""What is said of a planned change: told from the plan, and safe to read."""

import pytest

from handrail.core.change import NAMED_MAX, touches_of
from handrail.core.effect import Verb
from handrail.data.rows import Part, PlanPreview, Row, RowPlan, Sample
from handrail.data.rows.history import ChangeReceipt
from handrail.data.sql.change import Operation
from handrail.data.summary import (
    STATEMENT_MAX,
    picture,
    place_of,
    plain,
    plan_args,
    receipt_form,
    receipt_of,
    seen_of,
    table_names,
)


def rows(*keys):
    return tuple(Row((key,), "v", ("x",)) for key in keys)


def plan(*parts, **options):
    given = {"limits": {"rows_max": 50, "rows_free": 2}, "expires_s": 1_800_000_000, "nonce": "n", **options}
    return RowPlan("db", parts, {}, **given)


UPDATE = Part("", "lead", Operation.UPDATE, rows(1, 2), "s", ("status", "score"))
DELETE = Part("sales", "lead", Operation.DELETE, rows("a/b"), "s", ("status",))
CASCADE = Part("", "note", Operation.DELETE, rows(1, 2, 3), "s", ("text",), cascade=True)


def test_arguments_of_a_plan():
    """The digest, what happens to which rows, and how they were named."""
    made = plan(UPDATE, DELETE, CASCADE)
    args = plan_args("shop", made, "predicate", "UPDATE …")
    assert args["change"] == made.digest
    assert (args["by"], args["rows"], args["rows_free"], args["statement"]) == ("predicate", 6, 2, "UPDATE …")
    assert args["columns"] == ["score", "status"]
    told = [(touch.place, touch.verb, touch.rows, touch.keys, touch.cascade) for touch in touches_of(args)]
    assert told == [
        ("row/shop/lead", Verb.UPDATE, 2, ("1", "2"), False),
        ("row/shop/sales.lead", Verb.DELETE, 1, ("a%2Fb",), False),
        ("row/shop/note", Verb.DELETE, 3, ("1", "2", "3"), True),
    ]
    assert "undoes" not in args


def test_arguments_of_an_undo_and_of_long_statements():
    """What is undone is named; a statement is cut; none is left out."""
    args = plan_args("shop", plan(UPDATE, undo_of="c" * 64), "undo", "x" * 5_000)
    assert (args["undoes"], len(args["statement"])) == ("c" * 64, STATEMENT_MAX)
    assert "statement" not in plan_args("shop", plan(UPDATE), "key")


def test_many_rows_are_their_table():
    """They are named one by one up to a limit; new rows without keys, and parts without rows, never."""
    keys = range(NAMED_MAX + 1)
    many = plan(Part("", "lead", Operation.UPDATE, rows(*keys), "s", ("status",)))
    assert touches_of(plan_args("shop", many, "key"))[0].keys == ()
    new = plan(Part("", "lead", Operation.INSERT, (Row((), "", ("x",)),) * 2, "s", ("status",)))
    assert touches_of(plan_args("shop", new, "insert"))[0][2:4] == (2, ())
    assert plan_args("shop", plan(Part("", "lead", Operation.UPDATE, (), "s")), "key")["touches"] == []


def test_the_picture():
    """Counts come from the plan; what was seen of the rows, from the preview."""
    preview = PlanPreview(
        999, {"status": (("error", 2), ({"real": "1.5"}, 1))},
        (Sample((1,), {"a": {"blob": "00ff"}}, {"a": None}), Sample((2,), None, {"a": 1})), {"note": 999}, ("Careful.",),
    )  # fmt: skip
    made = plan(UPDATE, CASCADE, CASCADE).seen(preview)
    assert picture(made, seen_of(made)) == {
        "rows": 2,
        "tables": [
            {"table": "lead", "operation": "update", "rows": 2, "cascade": False},
            {"table": "note", "operation": "delete", "rows": 3, "cascade": True},
            {"table": "note", "operation": "delete", "rows": 3, "cascade": True},
        ],
        "breakdown": {"status": [["error", 2], [1.5, 1]]},
        "samples": [
            {"key": [1], "before": {"a": "\\x00ff"}, "after": {"a": None}},
            {"key": [2], "before": None, "after": {"a": 1}},
        ],
        "cascades": {"note": 6},
        "warnings": ["Careful."],
        "expires": "2027-01-15T08:00:00+00:00",
    }


def test_cells_as_a_person_reads_them():
    """Numbers as numbers, bytes in digits, the rest as it is."""
    cells = [({"real": "0.5"}, 0.5), ({"real": "nan"}, "nan"), ({"real": "-inf"}, "-inf"), ({"blob": "ff"}, "\\xff")]
    assert [plain(cell) for cell, _ in cells] == [read for _, read in cells]
    assert [plain(cell) for cell in (None, 1, "x", True)] == [None, 1, "x", True]


def test_receipts():
    """Come back from their form, as those of a change made before; anything else is none."""
    receipt = ChangeReceipt("c" * 64, 3, {"lead": (1, 2, 0)}, "2026-01-01T00:00:00+00:00", "u" * 64)
    back = receipt_of(receipt_form("shop", receipt))
    assert (back.change, back.rows, back.footprint, back.undo_of, back.again) == (
        receipt.change, 3, {"lead": (1, 2, 0)}, receipt.undo_of, True,
    )  # fmt: skip
    for form in (None, {}, {**receipt_form("shop", receipt), "footprint": {"lead": [1, 2]}}):
        with pytest.raises(ValueError, match="not a receipt"):
            receipt_of(form)


def test_names():
    """The usual schema is left out, of places and of what is read; each name once."""
    assert [place_of("shop", schema, "a b") for schema in ("", "public", "main", "x")] == [
        "row/shop/a%20b", "row/shop/a%20b", "row/shop/a%20b", "row/shop/x.a%20b",
    ]  # fmt: skip
    assert table_names(["public.lead", "lead", "main.lead", "x.lead"]) == ["lead", "x.lead"]

"""A planned change as a person is shown it, from the ticket's view alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.cli.forms import planned_form
from handrail.cli.review.planned import essence, show_planned
from handrail.core.ticket import Ticket, TicketState
from handrail.core.tool import Tool
from handrail.review.planned import (
    COLUMNS_MAX,
    FIELDS_MAX,
    RESOURCES_MAX,
    SAMPLES_MAX,
    VALUES_MAX,
    MemberChange,
    Side,
    planned,
)

CHANGE = "c" * 64
EXPIRES = "2026-03-01T09:30:00+00:00"


class Shop:
    """A policy that declares every tool as one of guarded data."""

    def tool(self, name):
        return Tool(name, None, asks=lambda args: ())


def touch(do="update", at="row/shop/lead", rows=1, **more):
    return {"do": do, "at": at, "rows": rows, **more}


def ticket(before, *touches, undo="shop.undo_change", **args):
    said = {"change": CHANGE, "touches": list(touches) or [touch()], **args}
    view = {"args": said, "before": before, "undo": undo, "effects": []}
    return Ticket(
        "T-1", "n", "d", "k", "bot", "bot", None, True, "r", "shop.apply_change", ("x",), view,
        TicketState.PENDING, 1, 2,
    )  # fmt: skip


def found(before, *touches, **more):
    return planned(ticket(before, *touches, **more), Shop())


def rows(*samples, tables=(), **more):
    return {"samples": list(samples), "tables": list(tables), "breakdown": {}, "warnings": [], **more}


def test_counts_come_from_the_plan_cascades_last():
    """Rows that go along are not counted with those that are changed."""
    along = touch("delete", "row/shop/task", 12, cascade=True)
    told = found(rows(), along, touch("delete", rows=3), by="key", columns=["status", "note"])
    assert [(one.place, one.rows, one.cascade) for one in told.touches] == [
        ("row/shop/lead", 3, False),
        ("row/shop/task", 12, True),
    ]
    assert (told.rows, told.by, told.columns) == (3, "key", ("status", "note"))


def test_a_breakdown_counts_what_it_does_not_name():
    """Values stay what they are: NULL is not the text NULL."""
    values = [["expired", 3000], [None, 100], ["NULL", 4]]
    (one,) = found(rows(breakdown={"status": values}), touch(rows=3412)).breakdown
    assert one.values == (("expired", 3000), (None, 100), ("NULL", 4))
    assert one.others == 308


def test_an_update_shows_the_columns_that_differ():
    """Also in kind: 1 is not '1'; a column that is new counts."""
    before, after = {"id": 1, "a": 1, "b": "x", "c": 1}, {"id": 1, "a": "1", "b": "x", "c": True, "d": None}
    (one,) = found(rows({"key": [1], "before": before, "after": after})).samples
    assert one.columns == ("a", "c", "d")
    assert one.key == (1,)


def test_a_new_row_and_one_that_goes_show_all_their_columns():
    """What is too much is counted."""
    wide = {f"c{n:02}": n for n in range(30)}
    made, gone = found(
        rows({"key": [], "before": None, "after": wide}, {"key": [2], "before": {"id": 2}, "after": None})
    ).samples
    assert (len(made.columns), made.hidden, made.before) == (COLUMNS_MAX, 10, None)
    assert (gone.columns, gone.hidden, gone.after) == (("id",), 0, None)


def test_each_sample_has_its_table_where_that_is_certain():
    """The first rows of each table follow each other; cascades show none."""
    gone, new = {"key": [1], "before": {"id": 1}, "after": None}, {"key": [2], "before": None, "after": {"id": 2}}
    tables = [
        {"table": "task", "operation": "delete", "rows": 1, "cascade": False},
        {"table": "note", "operation": "delete", "rows": 9, "cascade": True},
        {"table": "lead", "operation": "insert", "rows": 40, "cascade": False},
    ]
    assert [one.table for one in found(rows(gone, new, new, tables=tables)).samples] == ["task", "lead", "lead"]
    assert [one.table for one in found(rows(new, gone, tables=tables)).samples] == ["", ""]
    assert [one.table for one in found(rows(gone, tables=[])).samples] == [""]


def test_a_sample_without_a_row_is_left_out():
    """There is nothing to show of it."""
    assert found(rows({"key": [1], "before": None, "after": 3})).samples == ()


def test_whether_and_how_it_can_be_undone():
    """By the digest; not where the tool, or the kind of resource, has no way back."""
    assert found(rows()).undo == f"handrail undo {CHANGE}"
    assert found(rows(), undo=None).undo is None
    assert found({"resources": [], "undo": "none"}).undo is None
    assert found({"resources": [], "undo": "exact"}).undo is not None
    assert planned(ticket(rows(), change="rm -rf; " + "x" * 56), Shop()).undo is None


@pytest.mark.parametrize(
    ("told", "expected"),
    [(EXPIRES, 1_772_357_400_000_000), ("2026-03-01T09:30:00", None), ("soon", None), (7, None), (None, None)],
)
def test_when_it_expires(told, expected):
    """Only a time with its zone is one."""
    assert found(rows(expires=told)).expires_us == expected


def test_json_resources_show_the_members_that_differ():
    """By path, each as JSON; what is not there is not null."""
    before = {"json": {"name": "A", "tags": ["x"], "deep": {"a": 1, "b": None}, "same": 1}}
    after = {"json": {"name": "B", "tags": ["x"], "deep": {"a": "1"}, "same": 1, "a.b": {}}}
    (one,) = found(
        {"resources": [{"id": "u/7", "at": "api/u/7", "version": "v", "before": before, "after": after}]}
    ).resources
    assert (one.id, one.version, one.hidden) == ("api/u/7", "v", 0)
    assert one.members == (
        MemberChange("name", '"A"', '"B"'),
        MemberChange("deep.a", "1", '"1"'),
        MemberChange("deep.b", "null", None),
        MemberChange("a\\.b", None, "{}"),
    )


def test_files_show_a_difference_or_both_sides():
    """Whole, or how they begin, or how large they are."""
    sides = [
        {"bytes": 3, "sha256": "ab", "text": "old"}, {"bytes": 9000, "sha256": "cd", "begins": "new"}, {"bytes": 5},
        None, "plain", {"json": None}, {"odd": 1},
    ]  # fmt: skip
    resources = [{"id": "a", "before": side, "after": None} for side in sides]
    resources.append({"id": "b", "before": {"bytes": 1}, "after": {"bytes": 1}, "diff": ["@@", "-a", "+b"]})
    told = found({"resources": resources}).resources
    assert [one.before for one in told[:-1]] == [
        Side("old", False, True, 3, "ab"),
        Side("new", False, False, 9000, "cd"),
        Side(None, False, False, 5),
        None,
        Side("plain"),
        Side("null", json=True),
        Side('{"odd":1}', json=True),
    ]
    assert told[-1].diff == "@@\n-a\n+b"


def test_everything_has_a_limit():
    """What is beyond it is counted, or was a forgery."""
    sample = {"key": [1], "before": {f"c{n}": n for n in range(99)}, "after": {f"c{n}": -n - 1 for n in range(99)}}
    breakdown = {f"c{n}": [[v, 1] for v in range(99)] for n in range(99)}
    told = found(rows(*[sample] * 99, breakdown=breakdown, warnings=["w"] * 99))
    assert len(told.samples) == SAMPLES_MAX
    assert len(told.samples[0].columns) == len(told.breakdown) == COLUMNS_MAX
    assert len(told.breakdown[0].values) == VALUES_MAX
    body = {"before": {"json": {f"m{n}": 1 for n in range(99)}}, "after": {"json": {}}}
    one = found({"resources": [{"id": "x", **body}] * 99})
    assert (len(one.resources), one.resources_hidden) == (RESOURCES_MAX, 99 - RESOURCES_MAX)
    assert (len(one.resources[0].members), one.resources[0].hidden) == (FIELDS_MAX, 99 - FIELDS_MAX)


@pytest.mark.parametrize("before", [None, 3, "x", [], {}, {"id": 1, "rows": 3}])
def test_a_picture_of_no_known_form_is_left_to_the_fields(before):
    """As those of any other ticket."""
    assert found(before) is None


LEAF = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
NAMES = st.sampled_from(
    ["rows", "tables", "table", "operation", "cascade", "samples", "key", "before", "after", "breakdown", "warnings",
     "expires", "resources", "id", "at", "json", "text", "begins", "bytes", "sha256", "diff", "undo", "insert"]
)  # fmt: skip
ANY = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6))


@settings(max_examples=50, deadline=None)
@given(
    before=st.fixed_dictionaries(
        {"samples": ANY, "resources": ANY, "tables": ANY, "breakdown": ANY, "warnings": ANY, "expires": ANY}
    ),
    args=st.dictionaries(st.sampled_from(["by", "undoes", "columns", "rows", "statement"]), ANY),
)
def test_a_damaged_view_is_shown_somehow(before, args):
    """Never an error: not when it is read, not when it is printed."""
    told = found(before, touch(), touch("delete", "row/x", cascade=True), **args)
    show_planned(told, 0)
    assert all(isinstance(line, str) for line in essence(told, 0))
    assert planned_form(told)["change"] == CHANGE

"""What the five tools say of themselves, and what they make of arguments."""

import jsonschema_rs
import pytest

from handrail.data.rows import ChangeReceipt
from handrail.mcp.data_tools import TOOLS, _done
from handrail.policy.guarded import Act

CHANGE = "0123456789abcdef" * 4


def test_there_are_five():
    """One for each verb; named alike in the policy."""
    assert list(TOOLS) == ["query", "describe", "plan_change", "apply_change", "undo_change"]
    assert {tool.act for tool in TOOLS.values()} == set(Act)


def test_what_they_say_of_themselves():
    """Only applying and undoing change anything, and they say so."""
    hints = {name: tool.listed()["annotations"] for name, tool in TOOLS.items()}
    assert {name for name, one in hints.items() if one["readOnlyHint"]} == {"query", "describe", "plan_change"}
    assert all(hints[name]["destructiveHint"] for name in ("apply_change", "undo_change"))
    assert hints["apply_change"]["idempotentHint"] is True
    assert not any(one["openWorldHint"] for one in hints.values())


@pytest.mark.parametrize(
    ("name", "args", "why"),
    [
        ("query", {"sql": "SELECT 1"}, ""),
        ("query", {}, "'sql' has to be text"),
        ("query", {"sql": ""}, "'sql' is empty. Give one statement."),
        ("plan_change", {"sql": ""}, "'sql' is empty. Give one statement."),
        ("query", {"sql": 1}, "'sql' has to be text"),
        ("query", {"sql": "SELECT 1", "squl": "x"}, "no argument 'squl'. Did you mean 'sql'?"),
        ("describe", {}, ""),
        ("describe", {"table": "lead"}, ""),
        ("describe", {"table": ["lead"]}, "'table' has to be text"),
        ("describe", {"\x1b[31m": 1}, r"no argument '\x1b[31m'"),
        ("apply_change", {"change": CHANGE}, ""),
        ("apply_change", {"change": CHANGE.upper()}, "names no change"),
        ("apply_change", {"change": CHANGE[1:]}, "names no change"),
        ("apply_change", {"change": CHANGE + "\n"}, "names no change"),
        ("undo_change", {"change": f"{CHANGE}0"}, "names no change"),
        ("undo_change", {}, "'change' has to be text"),
    ],
)
def test_arguments(name, args, why):
    """What is refused is refused by the schema that clients see, too."""
    tool = TOOLS[name]
    found = [one.why for one in tool.violations(args)]
    assert [why in one for one in found] == ([True] if why else [])
    valid = jsonschema_rs.is_valid(tool.listed()["inputSchema"], args)
    assert valid is (not why) or args == {"change": CHANGE + "\n"}


@pytest.mark.parametrize(
    ("rows", "undo_of", "told"),
    [
        (0, "", "The plan had no rows, so nothing was changed."),
        (1, "", "1 row was changed. To take that back, call undo_change with this change."),
        (2, "", "2 rows were changed. To take that back, call undo_change with this change."),
        (1, CHANGE, "1 row is as it was before the change 0123456789ab."),
        (1200, CHANGE, "1,200 rows are as they were before the change 0123456789ab."),
    ],
)
def test_what_is_told_of_a_change(rows, undo_of, told):
    """How many rows, in plain words; nobody is sent to take back what changed nothing."""
    receipt = ChangeReceipt(CHANGE, rows, {}, "2026-01-01T00:00:00Z", undo_of)
    assert _done(receipt)["next"] == told


def test_the_keys_of_new_rows_are_told():
    """By table; a key of one column as its value, of several as a list."""
    keys = {"lead": ((17,), (18,)), "line": ((17, "a"),)}
    receipt = ChangeReceipt(CHANGE, 3, {}, "2026-01-01T00:00:00Z", keys=keys)
    assert _done(receipt)["made"] == {"lead": [17, 18], "line": [[17, "a"]]}


def test_an_argument_that_need_not_be_given_may_be_null():
    """As some clients send it."""
    assert TOOLS["describe"].violations({"table": None}) == ()
    assert TOOLS["query"].violations({"sql": None}) != ()

"""What the five tools say of themselves, and what they make of arguments."""

import jsonschema_rs
import pytest

from handrail.mcp.data_tools import TOOLS
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
        ("query", {"sql": ""}, "'sql' has to be text"),
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


def test_an_argument_that_need_not_be_given_may_be_null():
    """As some clients send it."""
    assert TOOLS["describe"].violations({"table": None}) == ()
    assert TOOLS["query"].violations({"sql": None}) != ()

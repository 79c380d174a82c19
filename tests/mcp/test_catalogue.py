"""The server's tools: schemas, defaults, pins."""

import pytest

from handrail.mcp.catalogue import Catalogue, Offered
from handrail.mcp.lock import Lock, pins_of

SCHEMA = {
    "type": "object",
    "properties": {
        "path": {"type": "string"},
        "env": {"type": "string", "default": "prod"},
        "note": {"type": "string", "default": None},
        "maybe": {"type": ["string", "null"], "default": None},
        "deep": {"type": "object", "properties": {"x": {"default": 1}}},
    },
    "required": ["path"],
    "additionalProperties": False,
}


def offered(**more):
    return Offered({"name": "t", "inputSchema": SCHEMA, **more}, "")


def test_defaults():
    """Of the top level; a null that the schema itself does not allow means nothing."""
    assert offered().defaults == {"env": "prod", "maybe": None}


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({"path": "x"}, ""),
        ({"path": 1}, "must be a string"),
        ({}, "required"),
        ({"path": "x", "Env": "dev"}, "spelled 'env'"),
        ({"path": "x", "env": "a", "ENV": "b"}, "differ in case only"),
        ({"path": "x\0"}, "U+0000"),
        ({"path": "x", "other": 1}, "not a known property"),
    ],
)
def test_arguments(args, why):
    """Against the schema, and readable in one way only."""
    found = offered().check_arguments(args)
    assert (why in found[0].why) if why else found == ()


@pytest.mark.parametrize("schema", [{"$ref": "https://example.com/x"}, {"type": 7}, None, 3])
def test_a_schema_that_cannot_be_used_lets_nothing_through(schema):
    """What cannot be checked is not valid."""
    (found,) = Offered({"name": "t", "inputSchema": schema}, "").check_arguments({})
    assert "cannot be used" in found.why


def test_results():
    """Only what is declared is checked; a declared one has to be there."""
    typed = offered(outputSchema={"type": "object", "required": ["n"]})
    assert typed.check_result({"content": [], "structuredContent": {"n": 1}}) == ()
    assert typed.check_result({"content": [], "structuredContent": {}})[0].path == "n"
    assert "no structuredContent" in typed.check_result({"content": []})[0].why
    assert offered().check_result({"content": []}) == ()


def test_pins():
    """A tool that changed is denied and not shown; another lock counts at once."""
    tools = [{"name": "a", "inputSchema": {}}, {"name": "b", "inputSchema": {}}]
    catalogue = Catalogue("s", Lock().with_pins("s", pins_of(tools)))
    changed = [{**tools[0], "description": "!"}, tools[1]]
    assert catalogue.shown(changed, lambda _name: True) == [tools[1]]
    assert "changed since" in catalogue.why_not("a")
    assert catalogue.why_not("b") == ""
    catalogue.compare_with(Lock().with_pins("s", pins_of(changed)))
    assert catalogue.why_not("a") == ""


def test_what_is_shown():
    """Declared tools; what is no tool is left out."""
    catalogue = Catalogue()
    page = [{"name": "a"}, {"name": "b"}, {"name": 1}, "c", {}]
    assert catalogue.shown(page, lambda name: name == "b") == [{"name": "b"}]
    assert catalogue.find("a") is not None


def test_a_changed_list_is_forgotten():
    """And a name that is not listed has a neighbour."""
    catalogue = Catalogue()
    catalogue.learn({"name": "read_file"})
    catalogue.complete = True
    assert "Did you mean 'read_file'?" in catalogue.why_not("read_fil")
    catalogue.forget()
    assert (catalogue.complete, catalogue.find("read_file")) == (False, None)
    assert "changed while" in catalogue.why_not("read_file")
    catalogue.trouble = "No list."
    assert catalogue.why_not("read_file") == "No list."


def test_a_tool_that_is_listed_anew_is_the_new_one():
    """Its schema is the one that is checked."""
    catalogue = Catalogue()
    catalogue.learn({"name": "a", "inputSchema": {"type": "object"}})
    assert catalogue.find("a").check_arguments({}) == ()
    catalogue.learn({"name": "a", "inputSchema": {"type": "object", "required": ["x"]}})
    assert catalogue.find("a").check_arguments({}) != ()

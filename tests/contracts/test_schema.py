import time

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.contracts.schema import BRANCHES_MAX, VIOLATIONS_MAX, SchemaError, dotted, schema_checker

LEAD = {
    "type": "object",
    "required": ["id", "email"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "email": {"type": "string", "format": "email"},
        "tags": {"type": "array", "items": {"enum": ["hot", "cold"]}, "maxItems": 3},
        "owner": {"anyOf": [{"$ref": "#/$defs/owner"}, {"type": "null"}]},
        "a/b~c %": {"type": "string"},
    },
    "$defs": {"owner": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}},
}


def broken(schema, value):
    return [(one.path, one.why) for one in schema_checker(schema, "here")(value, "result")]


def nested(depth, inner):
    for _ in range(depth):
        inner = {"c": inner}
    return inner


def test_valid_value():
    """A value that matches has no violations."""
    assert broken(LEAD, {"id": 1, "email": "a@b.de", "tags": ["hot"], "owner": None}) == []


def test_every_place_is_named():
    """Each broken place is named by its path, with one sentence about what is wanted."""
    value = {"id": 0, "tags": ["hot", "warm"], "owner": {"name": 3}, "emial": "x", "a/b~c %": 1}
    assert sorted(broken(LEAD, value)) == [
        ("a/b~c %", "must be a string, not an integer."),
        ("email", "is required but missing."),
        ("emial", "is not a known property. Did you mean 'email'?"),
        ("id", "must be at least 1."),
        ("owner.name", "must be a string, not an integer."),
        ("tags[1]", "must be one of 'hot', 'cold'."),
    ]


def test_violations_carry_the_name_of_the_check():
    """The second argument is the name under which violations are journalled."""
    (one,) = schema_checker({"type": "null"}, "here")(3, "arguments")
    assert (one.check, one.path) == ("arguments", "")


@pytest.mark.parametrize(
    ("schema", "value", "why"),
    [
        ({"type": ["string", "null"]}, 1.5, "must be a string or null, not a number."),
        ({"const": {"a": 1}}, 3, "must be an object."),
        ({"const": True}, 3, "must be true."),
        ({"minLength": 2}, "x", "must have at least 2 characters."),
        ({"maxLength": 2}, "xyz", "must have at most 2 characters."),
        ({"pattern": "^a$"}, "b", "does not match the pattern '^a$'."),
        ({"format": "date-time"}, "b", "is not a valid date-time."),
        ({"exclusiveMinimum": 2}, 2, "must be more than 2."),
        ({"exclusiveMaximum": 2}, 2, "must be less than 2."),
        ({"maximum": 2}, 2**64 - 1, "must be at most 2."),
        ({"multipleOf": 2}, 3, "must be a multiple of 2."),
        ({"uniqueItems": True}, [1, 1], "must not hold the same item twice."),
        ({"minItems": 1}, [], "must have at least 1 items."),
        ({"minProperties": 1}, {}, "must have at least 1 properties."),
        ({"not": {"type": "null"}}, None, "matches what the schema forbids (not)."),
        (
            {"oneOf": [{"type": "integer"}, {"minimum": 1}]},
            3,
            "matches 2 alternatives where exactly one is allowed (oneOf).",
        ),
        ({"oneOf": [{"minimum": 5}, {"minimum": 7}]}, 3, "matches none of the 2 alternatives, as an integer."),
        ({"contains": {"const": 3}}, [1], "does not match its schema (contains)."),
        ({"unevaluatedProperties": False}, {"a": 1}, "does not match its schema (unevaluatedProperties)."),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "lacks properties that its other properties need."),
        (
            {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 1, "exclusiveMinimum": True},
            1,
            "must be at least 1.",
        ),
        (False, 1, "is not allowed here."),
    ],
)
def test_sentences(schema, value, why):
    """Every keyword has a sentence; those that cannot be explained are named."""
    assert broken(schema, value) == [("", why)]


def test_conditionals_lists_and_dialects():
    """then/else, fixed and further items, and an older dialect's items lead to the place as well."""
    either = {"if": {"required": ["x"]}, "then": {"required": ["y"]}, "else": {"required": ["z"]}}
    assert broken(either, {"x": 1}) == [("y", "is required but missing.")]
    assert broken(either, {}) == [("z", "is required but missing.")]
    assert broken({"prefixItems": [{"type": "null"}], "items": {"type": "string"}}, [None, 1])[0][0] == "[1]"
    old = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "null"}], "additionalItems": False}
    assert broken(old, [1])[0][0] == "[0]"
    assert broken(old, [None, 1]) == [("[1]", "is not allowed here.")]
    assert broken({"additionalProperties": {"type": "null"}}, {"k": 1})[0][0] == "k"


def test_values_are_not_echoed():
    """No sentence shows a value, and names are short and safe to print: both may come from an agent."""
    secret = "hunter2" * 100
    schema = {
        "properties": {"p": {"minLength": 10_000, "pattern": "^x", "format": "email", "enum": ["a"], "type": "null"}}
    }
    for path, why in broken(
        {**schema, "additionalProperties": False}, {"p": secret, "\x1b[2J\u202e" + "k" * 500: secret}
    ):
        assert "hunter2" not in why
        assert len(path) <= 200
        assert len(why) <= 200
        assert (path + why).isprintable()


def test_schemas_are_foreign_text_too():
    """What a schema of an MCP server wants is shown escaped and shortened."""
    ((_, why),) = broken({"enum": ["\x1b[2J" + "x" * 500]}, 3)
    assert why.isprintable()
    assert len(why) < 160


def test_at_most_twenty():
    """A million wrong items are twenty violations, found at once."""
    started = time.perf_counter()
    assert len(broken({"items": {"type": "string"}}, [1] * 1_000_000)) == VIOLATIONS_MAX
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "strng"}, "the schema is broken at 'type'"),
        ({"pattern": "("}, "the schema is broken at 'pattern'"),
        ({"pattern": "(a{1000}){1000}"}, "the schema is broken at 'pattern'"),
        ({"$ref": "#/$defs/none"}, "'/$defs/none' does not exist"),
        ([1], "a schema is an object or a boolean, not an array."),
        ({"const": float("nan")}, "the schema is not JSON"),
        ({"const": nested(70, 1)}, "the schema is not JSON"),
    ],
)
def test_broken_schemas(schema, reason):
    """A schema that cannot be used is refused when it is loaded, with its place."""
    with pytest.raises(SchemaError) as caught:
        schema_checker(schema, "tools.crm.result")
    assert str(caught.value).startswith("tools.crm.result: ")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:9/x.json", "https://example.com/x", "file:///etc/passwd", "other.json"]
)
@pytest.mark.parametrize("key", ["$ref", "$schema"])
def test_nothing_is_fetched(uri, key):
    """A reference outside the schema is an error at load: no network, no files."""
    with pytest.raises(SchemaError, match=r"nothing is fetched|Unknown|No base URI"):
        schema_checker({"properties": {"a": {"$ref": uri}}} if key == "$ref" else {"$schema": uri}, "here")


def test_the_schema_is_copied():
    """Changing the schema afterwards changes nothing."""
    schema = {"properties": {"a": {"type": "string"}}}
    check = schema_checker(schema, "here")
    schema["properties"]["a"]["type"] = "integer"
    assert check({"a": 1}, "result")


def test_recursive_alternatives_on_a_deep_value():
    """A recursive schema of alternatives, met by a value as deep as it may be, answers at once."""
    schema = {"anyOf": [{"properties": {"c": {"$ref": "#"}}, "required": [r]} for r in ("c", "z")]}
    started = time.perf_counter()
    assert len(broken(schema, nested(60, {}))) == 1
    assert time.perf_counter() - started < 1


def test_doubling_alternatives_are_refused():
    """Forty definitions that each use the next one twice are refused at load instead of never ending."""
    defs = {f"a{i}": {"anyOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 2} for i in range(40)} | {"a40": {"type": "null"}}
    with pytest.raises(SchemaError, match=f"more than {BRANCHES_MAX:,} times"):
        schema_checker({"$defs": defs, "$ref": "#/$defs/a0"}, "here")
    by_field = {f"a{i}": {"allOf": [{"properties": {"c": {"$ref": f"#/$defs/a{i + 1}"}}}] * 2} for i in range(40)} | {
        "a40": {"type": "null"}
    }
    with pytest.raises(SchemaError, match="times"):
        schema_checker({"$defs": by_field, "$ref": "#/$defs/a0"}, "here")


def test_wide_schemas_are_fine():
    """Many properties that share definitions are no danger and are accepted."""
    defs = {f"a{i}": {"properties": {f"p{n}": {"$ref": f"#/$defs/a{i + 1}"} for n in range(20)}} for i in range(20)}
    schema_checker({"$defs": defs | {"a20": {"type": "null"}}, "$ref": "#/$defs/a0"}, "here")


def test_references_to_themselves_end():
    """A schema that is its own part ends, for valid and broken values."""
    assert broken({"$ref": "#"}, 3) == []
    assert ("", "must be a string, not an integer.") in broken({"allOf": [{"$ref": "#"}, {"type": "string"}]}, 3)


def test_catastrophic_patterns():
    """A pattern that backtracks without end runs out of steps, and that is a violation, under `not` as well."""
    evil = r"^(?=(a+)+$)b|(a+)+\2c$"
    started = time.perf_counter()
    assert broken({"pattern": evil}, "a" * 5000 + "!")
    assert broken({"not": {"pattern": r"(a+)+\1c$"}}, "a" * 5000 + "c!")
    assert broken({"pattern": "^(a+)+$"}, "a" * 50_000 + "!")
    assert time.perf_counter() - started < 2


def test_foreign_objects_do_not_raise():
    """A value that is no JSON is a violation, not an exception."""
    ((path, why),) = broken({"type": "number"}, object())
    assert path == ""
    assert why.startswith("cannot be checked")
    deep = []
    for _ in range(5000):
        deep = [deep]
    broken({"items": {"$ref": "#"}}, deep)


def test_dotted():
    """Paths read like code, are escaped and end."""
    assert dotted(["leads", 3, "name"]) == "leads[3].name"
    assert dotted([]) == ""
    assert len(dotted(["x" * 50] * 50)) == 200


scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "a", "bb", "x@y.de"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
)


def schemas(references=True):
    leaf = st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["string", "integer", "object", "array", "null", "boolean"]),
            "minimum": st.integers(-3, 3),
            "minLength": st.integers(0, 2),
            "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
            "enum": st.lists(scalars, min_size=1, max_size=3),
            "maxItems": st.integers(0, 2),
        },
    )

    def deeper(inner):
        return st.fixed_dictionaries(
            {},
            optional={
                "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
                "additionalProperties": inner | st.booleans(),
                "items": inner | st.booleans(),
                "prefixItems": st.lists(inner, min_size=1, max_size=2),
                "anyOf": st.lists(inner, min_size=1, max_size=3),
                "oneOf": st.lists(inner, min_size=1, max_size=3),
                "allOf": st.lists(inner, min_size=1, max_size=2),
                "not": inner,
                "if": inner,
                "then": inner,
                "else": inner,
                "contains": inner,
                "unevaluatedProperties": st.just(False),
            }
            | ({"$ref": st.just("#")} if references else {}),
        )

    return st.recursive(leaf, deeper, max_leaves=8)


@settings(max_examples=300, deadline=None)
@given(schema=schemas(references=False), value=values)
def test_agrees_with_the_reference(schema, value):
    """Against the reference implementation, where it is installed: violations exactly when the value is invalid."""
    jsonschema = pytest.importorskip("jsonschema")
    assert (not broken(schema, value)) == jsonschema.Draft202012Validator(schema).is_valid(value)


@settings(max_examples=300, deadline=None)
@given(schema=schemas(), value=values)
def test_every_broken_value_is_explained(schema, value):
    """Whatever the schema: violations exactly when the library says so, and each path leads to a place in the value."""
    found = broken(schema, value)
    assert (not found) == jsonschema_rs.is_valid(schema, value)
    assert len(found) <= VIOLATIONS_MAX
    for path, why in found:
        place = value
        *parents, last = path.replace("[", ".").replace("]", "").strip(".").split(".")
        for part in [*parents] if "missing" in why else [*parents, last]:
            if part:
                place = place[int(part)] if isinstance(place, list) else place[part]

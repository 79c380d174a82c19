import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.core.tool import EffectError
from handrail.policy import paths
from handrail.policy.paths import MISSING, PathError

ARGS = {"id": 7, "tags": {"env": "prod", "none": None, "a.b": 1}, "items": [{"id": "x"}], "text": "t"}
ROOTS = ("args", "result")


def get(text):
    return paths.path(text, ROOTS).get({"args": ARGS})


def test_a_path_leads_to_a_value():
    """Keys, quoted keys and indexes."""
    assert get("args.id") == 7
    assert get("args.tags.env") == "prod"
    assert get("args.items[0].id") == "x"
    assert get('args.tags["a.b"]') == 1
    assert get("args.tags.none") is None


@pytest.mark.parametrize("text", ["args.gone", "args.tags.gone", "args.items[1].id", "args.tags.none.x", "args.gone.x"])
def test_a_missing_path_raises_and_an_optional_one_does_not(text):
    """Without `?` a path has to lead somewhere."""
    with pytest.raises(EffectError, match="is missing"):
        get(text)
    assert get(text + "?") is MISSING


@pytest.mark.parametrize("text", ["args.text.env?", "args.items.id?", "args.tags[0]?", "args.id.x?"])
def test_another_shape_raises_even_when_optional(text):
    """An agent cannot slip past an optional path by sending a text where an object belongs."""
    with pytest.raises(EffectError, match="is not"):
        get(text)


def test_null_counts_as_absent_for_an_optional_path():
    """`?` covers null as well."""
    assert get("args.tags.none?") is MISSING


def test_a_root_that_is_not_there_yet_raises():
    """The result cannot be read before the call."""
    with pytest.raises(EffectError, match="there is no result"):
        get("result.id")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("arg.id", "Did you mean 'args'"),
        ("seen.id", "starts with args. or result."),
        ("args", "names no member"),
        ("args..id", "cannot be read"),
        ("args.items[].id", "cannot be read"),
        ("args.items[-1]", "cannot be read"),
        ("args.a b", "cannot be read"),
        ("7", "is not a path"),
        ("", "is not a path"),
        ("args." + "x" * 600, "is not a path"),
    ],
)
def test_what_is_no_path(text, message):
    """A path that cannot be read is found at load."""
    with pytest.raises(PathError, match=message.replace("[", r"\[")):
        paths.path(text, ROOTS)


def render(text, args):
    return paths.template(text, ROOTS).render({"args": args})


def test_a_template_is_filled():
    """Texts, whole numbers and yes-no values stand in ids."""
    assert render("instance/{args.id}", {"id": "i-1"}) == "instance/i-1"
    assert render("row/{args.table}/{args.id}", {"table": "t", "id": 7}) == "row/t/7"
    assert render("flag/{args.on}", {"on": True}) == "flag/true"
    assert render("fixed", {}) == "fixed"


@pytest.mark.parametrize("value", [None, "", "  ", 1.5, [], {}, ["a"]])
def test_what_is_no_id(value):
    """Null, empty, fractions, lists and objects are no ids; the sentence shows no value."""
    with pytest.raises(EffectError, match=r"^args\.id is "):
        render("instance/{args.id}", {"id": value})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("instance/{args.id", "not closed"),
        ("instance/args.id}", "not closed"),
        ("args.id", "in braces"),
        ("instance/{arg.id}", "Did you mean 'args'"),
        ("instance/{args.id?}", "cannot be optional"),
        ("instance/{}", "is not a path"),
    ],
)
def test_what_is_no_template(text, message):
    """A template that cannot be read is found at load."""
    with pytest.raises(PathError, match=message):
        paths.template(text, ROOTS)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), x, max_size=2), max_leaves=6))  # fmt: skip
def test_a_path_never_raises_anything_else(value):
    """Whatever is sent: a value, MISSING, or EffectError."""
    for text in ("args.a", "args.a.b?", "args.a[0]", "args.b?"):
        path = paths.path(text, ROOTS)
        try:
            found = path.get({"args": value})
        except EffectError:
            continue
        assert found is not MISSING or path.optional

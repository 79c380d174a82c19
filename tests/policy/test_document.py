import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.policy.document import parse
from handrail.policy.problems import Mark, Problems


def read(text):
    problems = Problems("x.yaml")
    node = parse(text, problems)
    problems.raise_any()
    return node


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("010", 10),
        ("0x1F", 31),
        ("0o17", 15),
        ("200_000", 200_000),
        ("-5", -5),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("2020-01-01", "2020-01-01"),
        ("12:30", "12:30"),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("=", "="),
    ],
)
def test_scalars_of_yaml_12(text, value):
    """Texts stay texts; numbers, booleans and null are what YAML 1.2 says."""
    found = read(f"k: {text}").plain()["k"]
    assert found == value
    assert type(found) is type(value)


def test_places():
    """Lines and columns count from 1; a character of a one-line text has its own place."""
    node = read('a:\n  b: "text"\n  c: plain\n  d: |\n    block\n')
    inner = node.value["a"]
    assert inner.keys == {"b": Mark(2, 3), "c": Mark(3, 3), "d": Mark(4, 3)}
    assert inner.value["b"].at == Mark(2, 6)
    assert inner.value["b"].mark(1) == Mark(2, 8)
    assert inner.value["c"].mark(2) == Mark(3, 8)
    assert inner.value["d"].mark(2) == inner.value["d"].at


def test_escapes_make_columns_unknown():
    """In a quoted text with escapes, only the start has a place."""
    node = read(r'a: "x\ty"')
    assert node.value["a"].value == "x\ty"
    assert node.value["a"].mark(2) == Mark(1, 4)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text):
    """Nothing but a tree or noted problems, whatever the text."""
    problems = Problems("x.yaml")
    node = parse(text, problems)
    assert node is not None or problems


def test_deep_nesting_is_refused_before_the_stack_ends():
    """Thousands of brackets are a problem, not a crash."""
    problems = Problems("x.yaml")
    parse("[" * 50_000, problems)
    assert "nested deeper" in str(problems.error())

import pytest

from handrail.policy.document import Node
from handrail.policy.globs import is_glob, matching, may_come, resolve
from handrail.policy.problems import NOWHERE, Problems

NAMES = ["pay.in", "pay.out", "payXin", "a[1]", "a\nb"]


def test_patterns():
    """`*` stands for any characters, `?` for one, everything else for itself."""
    assert matching("pay.*", NAMES) == {"pay.in", "pay.out"}
    assert matching("pay?in", NAMES) == {"pay.in", "payXin"}
    assert matching("*", NAMES) == set(NAMES)
    assert matching("a[1]", NAMES) == {"a[1]"}
    assert matching("a[*", NAMES) == {"a[1]"}
    assert matching("a*b", NAMES) == {"a\nb"}
    assert matching("pay", NAMES) == frozenset()


def test_what_is_a_pattern():
    """Only with `*` or `?`."""
    assert is_glob("a*")
    assert not is_glob("a[1]")


@pytest.mark.parametrize("text", ["shop.*", "sh?p.query", "*.apply_change", "shop.*_change", "*.*"])
def test_patterns_of_what_a_program_may_declare(text):
    """They fit nothing in the file, and are no mistake for it."""
    assert may_come(text)


@pytest.mark.parametrize("text", ["x*", "shop.query", "Shop.*", "a.b.*", "shop.drop*", "*.apply_chang", "*"])
def test_patterns_of_nothing(text):
    """What can name no tool of a place, and what is no pattern."""
    assert not may_come(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("shop.query", " Declare 'shop' here; where a program declares it, write 'shop.*'."),
        ("pay.in2", " Did you mean 'pay.in'?"),
        ("Shop.query", ""),
        ("shop.drop", ""),
    ],
)
def test_names_of_what_a_program_may_declare(text, hint):
    """A name that is not there is refused, and told from a pattern where a program may declare it."""
    problems = Problems("x")
    resolve((Node(NOWHERE, text, {}),), ["pay.in"], "tool", problems)
    (problem,) = problems.error().problems
    assert problem.message == f"There is no tool '{text}' in this policy.{hint}"

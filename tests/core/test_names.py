"""A message about an unknown name ends with the nearest known one."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.core.names import KNOWN_MAX, NAME_MAX, did_you_mean, nearest

ANY_TEXT = st.text(st.characters(), max_size=30)
TOOLS = ["crm.get_lead", "crm.update_lead", "ec2.describe", "payments.refund"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("crm.updat_lead", "crm.update_lead"),
        ("crm_get_lead", "crm.get_lead"),
        ("EC2.Describe", "ec2.describe"),
        ("get_lead", "crm.get_lead"),
        ("payments.refund", "payments.refund"),
        ("weather", None),
        ("", None),
    ],
)
def test_the_nearest_known_name(name, found):
    """Typing errors, other separators and other case are near; other words are not."""
    assert nearest(name, TOOLS) == found


def test_the_same_answer_whatever_the_order():
    """Equally near names do not depend on how the caller's set iterates."""
    names = ["tool-a", "tool-b", "Tool-B"]
    assert {nearest("tool-x", order) for order in (names, names[::-1], iter(names[1:] + names[:1]))} == {"tool-b"}


@given(ANY_TEXT, st.lists(ANY_TEXT))
def test_only_a_known_name_is_ever_named(name, known):
    """The answer is one of the known names, and a known name finds itself."""
    assert nearest(name, known) in {None, *known}
    if name in known:
        assert nearest(name, known) == name


@given(ANY_TEXT, st.lists(ANY_TEXT))
def test_the_sentence_is_empty_or_one_safe_line(name, known):
    """It can be appended to any message as it is."""
    sentence = did_you_mean(name, known)
    assert sentence == "" or (sentence.startswith(" Did you mean '") and sentence.endswith("'?"))
    assert sentence.isprintable()


def test_the_sentence():
    """Nothing is suggested for a name that is known, or that is like no other."""
    assert did_you_mean("crm.updat_lead", TOOLS) == " Did you mean 'crm.update_lead'?"
    assert did_you_mean("crm.get_lead", TOOLS) == ""
    assert did_you_mean("weather", TOOLS) == ""
    assert did_you_mean("evil\x1b[31n", ["evil\x1b[31m"]) == r" Did you mean 'evil\x1b[31m'?"


def test_long_and_many_names_cost_little():
    """An agent may invent names of any length, and a server may declare any number of tools."""

    def endless():
        for number in range(KNOWN_MAX):
            yield f"other {number}"
        raise AssertionError("looked at more names than the bound allows")

    started = time.perf_counter()
    assert nearest("a" * 10_000_000, ["a" * NAME_MAX, "a" * (NAME_MAX + 1)]) == "a" * NAME_MAX
    assert nearest("x", ["x" * (NAME_MAX + 1)]) is None
    assert nearest("tool-last", endless()) is None
    assert nearest("last", [*(f"other {n}" for n in range(KNOWN_MAX)), "last"]) is None
    assert time.perf_counter() - started < 5

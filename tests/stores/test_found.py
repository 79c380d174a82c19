"""Rows of facts."""

import pytest

from handrail.core.facts import Resource
from handrail.core.tool import Access
from handrail.stores.found import facts_of


def test_every_kind_is_read():
    """Each where it belongs; what is remembered of one resource comes together."""
    rows = [
        ("failures", "k", "3", 7, ""), ("latch", "bot", "why", 5, "dana"), ("access", "bot", "read_only", 0, ""),
        ("zone", "vm/1", "production", 0, ""), ("label", "vm/1", "x", 9, ""), ("denial", "vm/1", "delete", 0, "r"),
        ("other", "vm/2", "delete", 0, "r"), ("mark", "m", "", 4, ""), ("sum", "t", "", 12, ""),
    ]  # fmt: skip
    facts = facts_of(10, rows, None, lambda *_: None)
    assert (facts.now_us, facts.failures, facts.failed_us, facts.access) == (10, 3, 7, Access.READ_ONLY)
    assert facts.latches[0] == ("bot", "dana", "why", 5)
    assert facts.resources == {"vm/1": Resource("production", {"x": 9}, (("delete", "r"),)), "vm/2": Resource()}
    assert (facts.marks, facts.sums) == ({"m": 4}, {"t": 12})


def test_the_first_in_doubt_is_told():
    """Of several running writes with the same key, whichever is in doubt first."""
    rows = [("running", "r", name, 0, "owner") for name in "abc"]
    facts = facts_of(0, rows, None, lambda run, call, owner: (run, call, owner) if call != "a" else None)
    assert facts.doubtful == ("r", "b", "owner")


def test_a_kind_that_nobody_reads_is_an_error():
    """A statement that tells more than is read would be a fact that is ignored."""
    with pytest.raises(AssertionError, match="'news'"):
        facts_of(0, [("news", "", "", 0, "")], None, lambda *_: None)

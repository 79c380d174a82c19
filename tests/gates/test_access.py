"""The access ladder."""

import pytest

from handrail.core.decision import Verdict
from handrail.core.outcome import Reason
from handrail.core.tool import Access
from handrail.gates import AccessLevel


@pytest.mark.parametrize(
    ("agent", "tool", "allowed"),
    [
        ("reader", "vm.get", True),
        ("reader", "vm.note", False),
        ("reader", "vm.drop", False),
        ("clerk", "vm.get", True),
        ("clerk", "vm.note", True),
        ("clerk", "vm.drop", False),
        ("bot", "vm.note", True),
        ("bot", "vm.drop", True),
    ],
)
def test_the_ladder(case, agent, tool, allowed):
    """Each level may what the ones below may; critical tools need the highest."""
    assert (AccessLevel().judge(case(tool, agent=agent)) == ()) is allowed


@pytest.mark.parametrize(
    ("given", "demoted", "allowed"),
    [
        ("bot", Access.READ_ONLY, False),
        ("bot", Access.WRITE_NONCRITICAL, True),
        ("bot", Access.WRITE, True),
        ("reader", Access.WRITE, False),
        ("clerk", Access.READ_ONLY, False),
    ],
)
def test_the_lower_of_the_two_counts(case, given, demoted, allowed):
    """A demotion lowers; it never raises above what a person gave."""
    assert (AccessLevel().judge(case("vm.note", agent=given, access=demoted)) == ()) is allowed


def test_the_sentence(case):
    """It says what was tried, what it needs, what the agent has, and that a demotion was the reason."""
    (found,) = AccessLevel().judge(case("vm.drop", access=Access.READ_ONLY))
    assert (found.verdict, found.reason, found.sticky) == (Verdict.DENY, Reason.ACCESS, False)
    assert "would delete vm/1, which needs access write; agent 'bot' has read_only (lowered from write)" in found.why
    assert dict(found.values) == {"access": "read_only", "verb": "delete", "resource": "vm/1"}
    (found,) = AccessLevel().judge(case("vm.drop", agent="reader"))
    assert "lowered" not in found.why


def test_a_write_among_reads_counts(case):
    """One writing effect of several is a write."""
    (found,) = AccessLevel().judge(case("vm.both", agent="reader"))
    assert dict(found.values)["resource"] == "disk/1"


def test_what_is_not_declared_is_the_allowlists(case):
    """Without agent or tool there is no level to compare."""
    assert AccessLevel().judge(case("nowhere")) == ()
    assert AccessLevel().judge(case("vm.drop", agent="stranger")) == ()

"""What is not declared is denied."""

import pytest

from handrail.core.decision import Verdict
from handrail.core.outcome import Reason, Violation
from handrail.gates import Allowlist


def test_allows_what_is_declared(case):
    """A declared tool, a declared agent, effects that can be told."""
    assert Allowlist().judge(case("vm.get")) == ()


@pytest.mark.parametrize(
    ("tool", "args", "agent", "rules"),
    [
        ("vm.gte", None, "bot", ["tool"]),
        ("vm.get", None, "bto", ["agent"]),
        ("vm.gte", None, "bto", ["agent", "tool"]),
        ("vm.get", {"uid": 1}, "bot", ["effects"]),
        ("VM.GET", None, "bot", ["tool"]),
        ("", None, "", ["agent", "tool"]),
    ],
)
def test_denies_what_is_not(case, tool, args, agent, rules):
    """Unknown names, in any spelling, and arguments that do not tell what would happen; nothing is remembered."""
    found = Allowlist().judge(case(tool, args, agent))
    assert [f.rule for f in found] == rules
    assert all((f.verdict, f.reason, f.sticky) == (Verdict.DENY, Reason.NOT_DECLARED, False) for f in found)


def test_names_the_nearest(case):
    """A misspelt tool gets the nearest known name."""
    (found,) = Allowlist().judge(case("vm.gte"))
    assert "Did you mean 'vm.get'?" in found.why


def test_names_the_missing_argument(case):
    """The sentence says what cannot be told."""
    (found,) = Allowlist().judge(case("vm.get", {"uid": 1}))
    assert "args.id" in found.why


def test_invalid_arguments_come_first(case):
    """Of arguments that are not even valid, only that is said."""
    assert Allowlist().judge(case("vm.get", {"uid": 1}, invalid=(Violation("arguments", "id", "is missing."),))) == ()

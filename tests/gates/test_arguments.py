"""Invalid arguments never reach a tool."""

from handrail.core.decision import Verdict
from handrail.core.outcome import Reason, Violation
from handrail.gates.arguments import Arguments


def test_allows_valid_arguments(case):
    """Nothing found at the edge, no objection."""
    assert Arguments().judge(case("vm.get")) == ()


def test_objects_once_for_each_violation(case):
    """Each finding names the argument; where the whole is meant, the check."""
    invalid = (Violation("arguments", "id", "must be text."), Violation("schema", "", "It is too long."))
    found = Arguments().judge(case("vm.get", invalid=invalid))
    assert [f.rule for f in found] == ["id", "schema"]
    assert [f.why for f in found] == [
        "The arguments of 'vm.get' are not valid: id must be text.",
        "The arguments of 'vm.get' are not valid: It is too long.",
    ]
    assert all((f.verdict, f.reason, f.sticky) == (Verdict.DENY, Reason.ARGUMENTS, False) for f in found)

"""The policy's own rules."""

from handrail.core.decision import Verdict
from handrail.core.facts import Resource
from handrail.gates import Rules


def test_allows_where_no_rule_holds(case):
    """A rule whose condition is false says nothing."""
    assert Rules().judge(case("vm.tag", {"id": "1", "env": "stage"})) == ()


def test_asks(case):
    """A rule that holds asks, names itself and the value that tripped it."""
    (found,) = Rules().judge(case("vm.tag", {"id": "1", "env": "prod"}))
    assert (found.gate, found.rule, found.verdict) == ("rules", "production", Verdict.ASK)
    assert "production" in found.why


def test_denies_and_remembers(case):
    """A denial by a rule sticks, and its own sentence is what agents read."""
    (found,) = Rules().judge(case("vm.tag", {"id": "core"}))
    assert (found.verdict, found.sticky, found.why) == (Verdict.DENY, True, "Core stays.")


def test_a_remembered_zone_trips(case):
    """A rule on effects sees where a resource stands, whatever this call says."""
    (found,) = Rules().judge(case("vm.get", resources={"vm/1": Resource("production")}))
    assert found.rule == "production"


def test_a_rule_that_errs_denies(case):
    """A condition that cannot be decided is an objection."""
    (found,) = Rules().judge(case("vm.note", {"id": "1"}))
    assert (found.rule, found.verdict) == ("errs", Verdict.DENY)


def test_several_rules(case):
    """Every rule that holds speaks, in the order of the file."""
    found = Rules().judge(case("vm.tag", {"id": "core", "env": "prod"}))
    assert [f.rule for f in found] == ["production", "never-core"]


def test_undeclared_tools_have_no_effects(case):
    """Where the effects are not known the allowlist speaks."""
    assert Rules().judge(case("nowhere")) == ()

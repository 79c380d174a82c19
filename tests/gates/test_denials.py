"""Refusals stick to the resource."""

import pytest

from handrail.core.decision import Verdict
from handrail.core.facts import Resource
from handrail.core.outcome import Reason
from handrail.gates import DenialMemory

REFUSED = {"vm/1": Resource(denials=(("delete", "never-core"), ("update", "review")))}


def test_allows_what_nobody_refused(case):
    """No memory, a known resource without refusals, or another resource."""
    assert DenialMemory().judge(case("vm.tag")) == ()
    assert DenialMemory().judge(case("vm.tag", resources={"vm/1": Resource("staging")})) == ()
    assert DenialMemory().judge(case("vm.tag", {"id": "2"}, resources=REFUSED)) == ()


@pytest.mark.parametrize("tool", ["vm.tag", "vm.drop", "vm.put"])
def test_any_write_asks(case, tool):
    """Whatever the verb and the tool, and even where the tool is relaxed."""
    (found,) = DenialMemory().judge(case(tool, resources=REFUSED))
    assert (found.verdict, found.reason, found.rule) == (Verdict.ASK, Reason.DENIAL_MEMORY, "denied_before")
    assert dict(found.values) == {"resource": "vm/1", "refused": "delete", "rule": "never-core"}
    assert "Rule 'never-core' refused to delete vm/1 before" in found.why
    assert "handrail review clear vm/1" in found.why


def test_reads_pass(case):
    """Looking is not what was refused."""
    assert DenialMemory().judge(case("vm.get", resources=REFUSED)) == ()


@pytest.mark.parametrize("tool", ["vm.copy", "vm.move"])
def test_targets_count(case, tool):
    """Copying or moving onto a refused resource is writing to it."""
    (found,) = DenialMemory().judge(case(tool, {"id": "2", "to": "1"}, resources=REFUSED))
    assert dict(found.values)["resource"] == "vm/1"


def test_a_persons_refusal_is_named_as_such(case):
    """A person is not called a rule."""
    known = {"vm/1": Resource(denials=(("delete", "review"),))}
    (found,) = DenialMemory().judge(case("vm.tag", resources=known))
    assert found.why.startswith("A person refused")


def test_the_command_can_be_copied(case):
    """An id with blanks or quotes is quoted for the shell."""
    known = {"vm/a b'c": Resource(denials=(("delete", "review"),))}
    (found,) = DenialMemory().judge(case("vm.tag", {"id": "a b'c"}, resources=known))
    assert """handrail review clear 'vm/a b'"'"'c'""" in found.why

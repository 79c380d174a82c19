"""What overwrites or removes asks."""

from dataclasses import replace

import pytest

from handrail.core.decision import Verdict
from handrail.core.outcome import Reason
from handrail.gates import Destructive


@pytest.mark.parametrize("tool", ["vm.get", "vm.note", "vm.make", "vm.copy"])
def test_allows_what_is_not_destructive(case, tool):
    """Reads, new things and copies overwrite nothing."""
    assert Destructive().judge(case(tool, {"id": "1", "to": "2"})) == ()


@pytest.mark.parametrize(("tool", "verb"), [("vm.drop", "delete"), ("vm.move", "move"), ("vm.put", "update")])
def test_asks_for_update_delete_and_move(case, tool, verb):
    """By default, with the resource named."""
    (found,) = Destructive().judge(case(tool, {"id": "1", "to": "2"}))
    assert (found.verdict, found.rule, found.reason) == (Verdict.ASK, "destructive", Reason.DESTRUCTIVE)
    assert dict(found.values) == {"verb": verb, "resource": "vm/1"}
    assert f"'{tool}' would {verb} vm/1" in found.why


def test_a_resource_without_a_name(case):
    """It still asks, and says that the declaration names nothing."""
    (found,) = Destructive().judge(case("vm.wipe"))
    assert "something that its declaration does not name" in found.why


def test_never_relaxes(case):
    """`ask: never` is the policy's explicit word."""
    assert Destructive().judge(case("vm.tag")) == ()


def test_what_nothing_takes_back_always_asks(case):
    """`undo: none` asks for any write, also for a new thing; a read changes nothing."""
    made = case("vm.make", {"id": "1"})
    (found,) = Destructive().judge(made._replace(tool=replace(made.tool, final=True)))
    assert (found.rule, found.verdict) == ("final", Verdict.ASK)
    seen = case("vm.get", {"id": "1"})
    assert Destructive().judge(seen._replace(tool=replace(seen.tool, final=True))) == ()


def test_always_asks_for_a_read_too(case):
    """`ask: always` asks whatever the effect."""
    (found,) = Destructive().judge(case("vm.peek"))
    assert (found.rule, found.verdict) == ("always", Verdict.ASK)


def test_one_of_several_effects(case):
    """The destructive one is named."""
    (found,) = Destructive().judge(case("vm.both"))
    assert dict(found.values) == {"verb": "delete", "resource": "disk/1"}


def test_undeclared_tools_are_the_allowlists(case):
    """Nothing is known of them."""
    assert Destructive().judge(case("nowhere")) == ()

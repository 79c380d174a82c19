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


def lead(*ids, rule="review"):
    """Return what is remembered where a write of these rows was refused."""
    return {f"row/shop/lead/{id}": Resource(denials=(("update", rule),)) for id in ids}


def change(*keys, rows=0):
    """Return the arguments of a planned update of rows of a table."""
    touch = {"do": "update", "at": "row/shop/lead", "rows": rows or len(keys)}
    return {"change": "0" * 64, "by": "key", "touches": [{**touch, "keys": list(keys)} if keys else touch]}


@pytest.mark.parametrize("args", [change(*"12345"), change(rows=500)], ids=["named", "whole table"])
def test_rows_of_a_table_are_one_objection(case, args):
    """Which names the table, how many rows, and the first of them."""
    (found,) = DenialMemory().judge(case("shop.apply_change", args, resources=lead(*"12345")))
    values = dict(found.values)
    assert (values["resource"], values["rows"]) == ("row/shop/lead", 5)
    assert values["first"] == [f"row/shop/lead/{id}" for id in "123"]
    assert "A person refused to update 5 rows of row/shop/lead before (1, 2, 3 and 2 more)" in found.why
    assert "handrail review clear row/shop/lead/1" in found.why


def test_each_rule_objects_for_itself(case):
    """What a person refused is told apart from what a rule did."""
    known = lead("1", "2") | lead("3", "4", rule="too-many")
    found = DenialMemory().judge(case("shop.apply_change", change(rows=500), resources=known))
    assert [(dict(one.values)["rule"], dict(one.values)["rows"]) for one in found] == [("review", 2), ("too-many", 2)]


def test_other_rows_of_the_table_are_not_meant(case):
    """A refusal of named rows says nothing of others; one of the whole table says something of each."""
    known = lead(*"123")
    assert DenialMemory().judge(case("shop.apply_change", change("7", "8"), resources=known)) == ()
    whole = {"row/shop/lead": Resource(denials=(("update", "review"),))}
    (found,) = DenialMemory().judge(case("shop.apply_change", change("7", "8"), resources=known | whole))
    assert dict(found.values)["resource"] == "row/shop/lead"


def test_the_command_can_be_copied(case):
    """An id with blanks or quotes is quoted for the shell."""
    known = {"vm/a b'c": Resource(denials=(("delete", "review"),))}
    (found,) = DenialMemory().judge(case("vm.tag", {"id": "a b'c"}, resources=known))
    assert """handrail review clear 'vm/a b'"'"'c'""" in found.why

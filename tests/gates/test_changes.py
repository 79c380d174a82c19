"""Changes of guarded data ask by what they touch."""

import pytest

from handrail.core.change import Touch, change_args
from handrail.core.decision import Verdict
from handrail.core.effect import Verb
from handrail.core.outcome import Reason, Violation
from handrail.gates import Destructive, GuardedChanges

LEAD = "row/shop/lead"


def args(rows, by="key"):
    return change_args("d", [Touch(LEAD, Verb.UPDATE, rows)], by=by, rows_free=3)


def judged(case, *said, **fields):
    return GuardedChanges().judge(case("shop.apply_change", args(*said), **fields))


def test_what_is_free_passes(case):
    """As many rows as the table frees, named by key."""
    assert judged(case, 3) == ()


@pytest.mark.parametrize(("said", "rules"), [((4,), ["rows"]), ((1, "predicate"), ["predicate"])], ids=str)
def test_what_asks(case, said, rules):
    """More rows than that, or rows that a condition named."""
    found = judged(case, *said)
    assert [one.rule for one in found] == rules
    assert all((one.gate, one.verdict, one.reason) == ("changes", Verdict.ASK, Reason.DESTRUCTIVE) for one in found)


@pytest.mark.parametrize("tool", ["shop.apply_change", "shop.undo_change"])
def test_the_other_gate_stays_silent(case, tool):
    """One gate asks about a change, not two."""
    made = case(tool, args(500))
    assert Destructive().judge(made) == ()
    assert [one.rule for one in GuardedChanges().judge(made)] == ["rows"]


def test_what_cannot_be_told_is_denied(case):
    """Arguments that say in no known form what is touched."""
    (found,) = GuardedChanges().judge(case("shop.apply_change", {"touches": "everything"}))
    assert (found.verdict, found.rule, found.reason) == (Verdict.DENY, "unknown", Reason.NOT_DECLARED)


def test_arguments_that_are_not_valid_are_another_gates(case):
    """There is nothing to ask about them."""
    assert judged(case, 500, invalid=(Violation("sql", "", "It is no statement."),)) == ()


@pytest.mark.parametrize("tool", ["vm.drop", "shop.query", "shop.plan_change", "nowhere"])
def test_other_tools_have_nothing_to_say_here(case, tool):
    """What changes no guarded data, and what nobody declared."""
    assert GuardedChanges().judge(case(tool, {"id": "1"})) == ()

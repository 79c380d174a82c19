"""The gates of a trial."""

import pytest

from handrail.backtest.cases import read_cases
from handrail.backtest.gates import trial_gates
from handrail.backtest.suite import run_case
from handrail.gates import default_gates
from handrail.policy import loads


def test_the_same_gates():
    """In the same order; no guardrail is missing."""
    assert [gate.name for gate in trial_gates()] == [gate.name for gate in default_gates()]


def test_an_unknown_image_decides_nothing(world):
    """A rule on it neither asks nor denies, and the answer says so; with one, it decides."""
    unknown = world.one("crm.edit", id="a", size=1, result={"size": 1})
    assert (unknown.decision, unknown.status) == ("allow", "success")
    assert "Not decided, because the before-image is not known here: 'shrinks'." in unknown.why
    assert world.one("crm.edit", id="b", size=1, before={"size": 5}, result={"size": 1}).rule == "shrinks"
    assert world.one("crm.edit", id="c", size=9, before={"size": 5}, result={"size": 1}).decision == "allow"


def test_other_rules_still_decide(world):
    """Of a tool whose before-image is not known."""
    assert world.one("crm.edit", id="boss", size=1).rule == "no-boss"


SHOP = """
version: 1
agents: {bot: {access: write}}
databases: {shop: {tables: {lead: {write: [status], rows_free: 9}}}}
rules: [{id: many, for: shop.apply_change, when: before.rows > 2, then: deny}]
"""
CASES = """
- name: the picture of a change decides
  agent: bot
  steps:
    - {tool: shop.apply_change, args: {rows_free: 9, by: key, touches: [{do: update, at: row/shop/lead, rows: 2}]}, BEFOREexpect: DECISION}
"""


@pytest.mark.parametrize(
    ("before", "decision"), [("", "allow"), ("before: {rows: 2}, ", "allow"), ("before: {rows: 3}, ", "deny")]
)
def test_the_picture_of_a_change(before, decision):
    """Of guarded data it comes with the change; where the trace does not hold it, rules on it wait."""
    policy = loads(SHOP)
    text = CASES.replace("BEFORE", before).replace("DECISION", decision)
    (case,) = read_cases(text, "t.yaml", policy)
    assert run_case(policy, case).passed

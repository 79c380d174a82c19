"""Scene 3 plays for real; without its rule it is not held."""

import sqlite3

import pytest

import handrail
from handrail.core.ticket import TicketState
from handrail.demo.scene_3_guardrail_bypass import POLICY, GuardrailBypass

RULES = POLICY[POLICY.index("rules:") :]


def test_it_is_held(stage):
    """The naive guardrail is satisfied and bypassed; the rule on the effect is not."""
    result = GuardrailBypass().play(stage)
    assert result.held
    assert (result.unguarded["asked"], result.unguarded["unapproved"]) == (1, 1)
    assert (result.guarded["asked"], result.guarded["approved"], result.guarded["unapproved"]) == (3, 1, 0)


def test_the_counts_are_the_world_s(stage):
    """One change into production in the inventory; in the store one ticket spent, one refused, one never decided."""
    result = GuardrailBypass().play(stage)
    db = sqlite3.connect(stage.folder / "cloud.db")
    (entries,) = db.execute("SELECT count(*) FROM changes WHERE env = 'production'").fetchone()
    db.close()
    assert result.guarded["entries_into_production"] == entries == 1
    with handrail.open(stage.folder / "handrail.yaml") as hr:
        states = sorted(ticket.state for ticket in hr.store.read(lambda tx: tx.tickets()))
        assert not hr.store.verify().faults
    assert states == [TicketState.DENIED, TicketState.PENDING, TicketState.SPENT]


@pytest.mark.parametrize(
    "policy",
    [
        POLICY.replace(RULES, ""),
        POLICY.replace("id: production\n", "id: production\n    for: ec2.run_instance\n"),
        POLICY.replace("    zone: args.tags.env?\n", ""),
    ],
    ids=["no rule", "a rule on a tool's name", "an undeclared zone"],
)
def test_without_the_guard_it_is_not_held(stage, policy):
    """What bypasses the naive guardrail bypasses a naive policy too, and the scene says so."""
    assert policy != POLICY
    result = GuardrailBypass(policy=policy).play(stage)
    assert not result.held
    assert result.guarded["unapproved"] > 0

"""Counts, with the first examples."""

from handrail.backtest.summary import EXAMPLES_MAX, Summary


def test_counts(world):
    """By decision and rule; denials first, then what asks, the largest first."""
    found = Summary()
    tools = [
        ("crm.get", "a"),
        ("crm.get", "b"),
        ("crm.set", "boss"),
        ("crm.get", "c"),
        ("crm.get", "d"),
        ("no.tool", ""),
    ]
    for tool, id in tools:
        found.add(world.one(tool, id=id))
    assert found.total == 6
    assert dict(found.decisions) == {"allow": 4, "deny": 2}
    assert dict(found.statuses) == {"success": 4, "denied": 2}
    assert [(one.decision, one.rule, one.count) for one in found.ordered()] == [
        ("deny", "allowlist", 1), ("deny", "no-boss", 1), ("allow", None, 4),
    ]  # fmt: skip
    assert found.ordered()[2].examples == ["r/c1 crm.get", "r/c2 crm.get", "r/c4 crm.get"]
    assert len(found.ordered()[2].examples) == EXAMPLES_MAX
    assert "no-boss" in found.ordered()[1].why

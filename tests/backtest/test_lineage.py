"""Sub-agents that a trace names."""

from handrail.backtest.lineage import adopt


def test_a_parent_that_the_trace_names(world):
    """Counts as if the policy had declared it, for all that stand below."""
    policy, note = adopt(world.policy, "bot", "loner")
    assert note == ""
    assert policy.agents["bot"].lineage == ("loner", "bot")
    assert policy.agents["bot/child"].lineage == ("loner", "bot", "bot/child")
    assert policy.hash == world.policy.hash
    assert world.policy.agents["bot"].lineage == ("bot",)


def test_what_the_policy_declares_counts(world):
    """Another parent is not taken over, and that is said."""
    policy, note = adopt(world.policy, "bot/child", "loner")
    assert policy is world.policy
    assert note == "The trace says that 'bot/child' works for 'loner'; the policy says 'bot', which counts."


def test_no_circle(world):
    """Who works for an agent is not its parent."""
    policy, note = adopt(world.policy, "bot", "bot/child")
    assert policy is world.policy
    assert "that counts" in note


def test_unknown_agents(world):
    """Nothing is shared with them; the nearest name is told."""
    assert adopt(world.policy, "nobody", "bot") == (world.policy, "")
    assert "Did you mean 'loner'?" in adopt(world.policy, "bot", "lonner")[1]
    assert adopt(world.policy, "bot/child", "bot") == (world.policy, "")


def test_limits_are_shared(world):
    """The sub-agent uses up what its parent has; who is not said to work for it does not."""
    said = world.said(
        world.attempt("pay", order="1", cents=300),
        world.attempt("pay", order="2", cents=300, agent="loner"),
        world.attempt("pay", order="3", cents=300, agent="reader", parent="bot"),
    )
    assert [decision for decision, _, _ in said] == ["allow", "allow", "deny"]  # the reader may not write at all
    assert world.one("pay", order="4", cents=300, agent="loner").rule == "adds-up"


def test_refusals_come_along(world):
    """What was refused before the parent was named is remembered for the lineage."""
    world.one("crm.set", id="boss", agent="loner")
    assert world.one("crm.get", id="x", agent="loner", parent="bot").decision == "allow"
    world.trial.store.zones.clear()
    found = world.one("pay", order="1", cents=1, agent="loner", parent="bot")
    assert found.decision == "allow"
    roots = {one.root for refusals in world.trial.store.denials.values() for one in refusals.values()}
    assert roots == {"loner", "bot"}

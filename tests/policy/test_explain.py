from handrail.core.decision import Verdict
from handrail.core.effect import Verb
from handrail.core.facts import Facts, Resource
from handrail.gates import default_gates
from handrail.policy import load
from handrail.policy.explain import explain

TOOLS = '  get: {do: read}\n  t: {do: update, resource: "a/{args.id}", zone: args.env?, before: {call: get}, args: {schema: {required: [id]}}}'
RULES = """\
  - {id: prod, when: effect.zone == "production", then: ask}
  - {id: size, when: args.size > 3, then: ask}
  - {id: kids, agents: bot/child, then: deny}
  - {id: reads, for: get, then: ask}
  - {id: image, for: t, when: before.n > 1, then: deny}
  - {id: any, then: ask}"""


def test_every_rule_is_accounted_for(policy_of):
    """Each rule says whether it held and what it saw, or why it was not looked at."""
    policy = policy_of(TOOLS, RULES)
    why = explain(policy, "bot", "t", {"id": "x", "env": "prod"}, default_gates())
    assert [(one.rule, one.effect, one.holds, one.why) for one in why.considered] == [
        ("prod", 0, True, 'effect.zone is "production".'),
        ("size", 0, None, "It errs, which denies: args.size is missing."),
        ("kids", None, None, "It speaks of other agents."),
        ("reads", None, None, "It speaks of other tools."),
        ("image", None, None, "It waits for the before-image."),
        ("any", 0, True, "It has no condition."),
    ]
    assert why.decision.verdict is Verdict.DENY
    assert why.effects[0].verb is Verb.UPDATE
    assert why.policy == policy.hash
    assert why.considered[0].line == 11


def test_facts_and_the_before_image_count(policy_of):
    """What the store remembers, and what is there now, can be given."""
    policy = policy_of(TOOLS, RULES)
    facts = Facts(now_us=0, resources={"a/x": Resource(zone="production")})
    why = explain(policy, "bot", "t", {"id": "x", "size": 1}, default_gates(), facts=facts, before={"n": 1})
    holds = {one.rule: one.holds for one in why.considered}
    assert holds == {"prod": True, "size": False, "kids": None, "reads": None, "image": False, "any": True}
    assert why.decision.verdict is Verdict.ASK


def test_what_cannot_be_decided(policy_of, example):
    """Unknown tools, arguments that break their contract and effects that cannot be told are explained too."""
    policy = policy_of(TOOLS, RULES)
    assert explain(policy, "bot", "tt", {}, default_gates()).decision.verdict is Verdict.DENY
    broken = explain(policy, "bot", "t", {}, default_gates())
    assert [one.path for one in broken.invalid] == ["id"]
    assert broken.unknown == "args.id is missing: send it."
    assert (
        explain(load(example), "nobody", "ec2.describe", {"id": "i"}, default_gates()).decision.verdict is Verdict.DENY
    )


def test_rules_of_an_action_whose_effects_cannot_be_told(policy_of):
    """Each rule that would apply says that it had nothing to look at."""
    why = explain(policy_of(TOOLS, RULES), "bot", "t", {}, default_gates())
    assert why.effects == ()
    assert [(one.rule, one.effect, one.holds, one.why) for one in why.considered] == [
        ("prod", None, None, "Its effects cannot be told."),
        ("size", None, None, "Its effects cannot be told."),
        ("kids", None, None, "It speaks of other agents."),
        ("reads", None, None, "It speaks of other tools."),
        ("image", None, None, "Its effects cannot be told."),
        ("any", None, None, "Its effects cannot be told."),
    ]


def test_every_zone_that_is_touched_is_explained(policy_of):
    """What stands in production and says it enters staging is explained as it is decided: for both zones."""
    policy = policy_of(TOOLS, RULES)
    facts = Facts(1, resources={"a/x": Resource("production")})
    why = explain(policy, "bot", "t", {"id": "x", "env": "staging"}, default_gates(), facts=facts)
    assert [effect.zone for effect in why.effects] == ["staging", "production"]
    assert [(one.effect, one.holds) for one in why.considered if one.rule == "prod"] == [(0, False), (1, True)]


SHOP = "{shop: {tables: {lead: {write: [status], rows_free: 3}}}}"
CHANGE = {
    "change": "d", "rows": 4, "by": "key", "rows_free": 3, "columns": ["status"],
    "touches": [{"do": "update", "at": "row/shop/lead", "rows": 4, "keys": ["1", "2", "3", "4"]}],
}  # fmt: skip


def test_a_change_of_guarded_data_is_explained(policy_of):
    """By what its arguments say is touched; a rule on the before-image waits until there is one."""
    rules = """\
  - {id: live, when: effect.resource == "row/shop/lead/4", then: ask}
  - {id: old, for: shop.apply_change, when: before.rows > 3, then: deny}"""
    policy = policy_of("  x: {do: read}", rules, databases=SHOP)
    why = explain(policy, "bot", "shop.apply_change", CHANGE, default_gates())
    assert [effect.resource for effect in why.effects] == [f"row/shop/lead/{key}" for key in "1234"]
    assert [one.holds for one in why.considered if one.rule == "live"] == [False, False, False, True]
    assert [one.why for one in why.considered if one.rule == "old"] == ["It waits for the before-image."]
    assert why.decision.verdict is Verdict.ASK
    assert {finding.rule for finding in why.decision.findings} == {"live", "rows"}
    why = explain(policy, "bot", "shop.apply_change", CHANGE, default_gates(), before={"rows": 4})
    assert why.decision.verdict is Verdict.DENY


def test_a_change_that_does_not_say_what_it_touches(policy_of):
    """It is denied, and the explanation says why."""
    why = explain(policy_of("  x: {do: read}", databases=SHOP), "bot", "shop.apply_change", {}, default_gates())
    assert why.decision.verdict is Verdict.DENY
    assert "Plan the change first" in why.unknown

import pytest

from handrail.core.effect import Effect, Verb
from handrail.core.tool import EffectError
from handrail.policy import load


def of(policy, tool, args):
    return policy.tool(tool).effects.of(args)


def test_effects_of_the_example(example):
    """Arguments in, effects out: ids normalised, zones by their name, amounts as whole units."""
    policy = load(example)
    assert of(policy, "ec2.describe", {"id": "arn:aws:ec2:eu:1:instance/I-1"}) == (Effect(Verb.READ, "instance/i-1"),)
    assert of(policy, "ec2.set_tags", {"id": "i-1", "tags": {"env": " PRD "}}) == (
        Effect(Verb.UPDATE, "instance/i-1", zone="production"),
    )
    assert of(policy, "files.copy", {"from": "/a/../b", "to": "c//d"}) == (Effect(Verb.COPY, "file//b", to="file/c/d"),)
    assert of(policy, "payments.refund", {"order": 7, "cents": 500}) == (Effect(Verb.PAY, "order/7", amount=500),)


def test_the_effect_whose_condition_holds(example):
    """Of several effects those apply whose condition holds."""
    policy = load(example)
    assert of(policy, "admin.run", {"verb": "show", "host": "H"}) == (Effect(Verb.READ, "host/h"),)
    assert of(policy, "admin.run", {"verb": "rm", "host": "H"}) == (Effect(Verb.EXECUTE, "host/h"),)


def test_a_condition_that_errs_denies(example):
    """An effect that cannot be told is none that may run."""
    with pytest.raises(EffectError, match=r"cannot be told: args\.verb is missing"):
        of(load(example), "admin.run", {"host": "h"})


def test_no_effect_that_fits_denies(policy_of):
    """When no condition holds, nothing is known of the call."""
    policy = policy_of("  t: {do: read, when: args.v == 1}")
    assert of(policy, "t", {"v": 1})
    with pytest.raises(EffectError, match="No declared effect fits"):
        of(policy, "t", {"v": 2})


def test_an_effect_that_needs_the_result(example):
    """It is decided with a placeholder and its zone, and bound to the id in the result."""
    tool = load(example).tool("ec2.run_instance")
    effects = tool.effects.of({"env": "live"})
    assert effects == (Effect(Verb.CREATE, "instance/{?}", bound=False, zone="production"),)
    assert tool.effects.bind(effects, {"env": "live"}, {"id": "I-9"}) == (
        Effect(Verb.CREATE, "instance/i-9", zone="production"),
    )
    for result in ({}, {"id": None}, {"id": ""}, None, "i-9", []):
        with pytest.raises(EffectError):
            tool.effects.bind(effects, {"env": "live"}, result)


def test_binding_keeps_what_the_store_remembered(policy_of):
    """Zones and labels that admission filled in survive; bound effects stay as they are."""
    policy = policy_of(
        "  t: {effects: [{do: read, resource: 'a/{args.x}'}, {do: create, resource: 'b/{args.x}/{result.id}'}]}"
    )
    first, second = policy.tool("t").effects.of({"x": "1"})
    assert second.resource == "b/1/{?}"
    remembered = Effect(first.verb, first.resource, zone="production", labels=("l",))
    bound = policy.tool("t").effects.bind((remembered, second), {"x": "1"}, {"id": 2})
    assert bound == (remembered, Effect(Verb.CREATE, "b/1/2"))


def test_an_undeclared_effect_is_a_write(policy_of):
    """A tool that does not say what it does may do anything."""
    assert of(policy_of("  t: {critical: false}"), "t", {}) == (Effect(Verb.EXECUTE),)


@pytest.mark.parametrize("amount", [1.0, True, -1, "5", None, [], 2**63])
def test_what_is_no_amount(policy_of, amount):
    """Only whole units, 0 or more."""
    policy = policy_of("  t: {do: pay, amount: args.n}")
    with pytest.raises(EffectError, match=r"args\.n is"):
        of(policy, "t", {"n": amount})
    with pytest.raises(EffectError, match="missing"):
        of(policy, "t", {})


def test_an_optional_amount(policy_of):
    """With `?`, an absent amount is none."""
    policy = policy_of("  t: {do: pay, amount: args.n?}")
    assert of(policy, "t", {})[0].amount is None
    assert of(policy, "t", {"n": 0})[0].amount == 0


def test_zones(policy_of):
    """An alias is its zone; an unknown text stays, in lower case; an absent optional one leaves the recorded zone."""
    policy = policy_of(
        "  t: {do: update, resource: r, zone: args.env?}\n  u: {do: update, zone: args.env}\n  v: {do: read, zone: live}"
    )
    for text, zone in [
        ("prod", "production"),
        (" LIVE", "production"),
        ("Production", "production"),
        ("Dev", "dev"),
        ("", None),
    ]:
        assert of(policy, "t", {"env": text})[0].zone == zone
    assert of(policy, "t", {})[0].zone is None
    assert of(policy, "t", {"env": None})[0].zone is None
    assert of(policy, "v", {})[0].zone == "production"
    for args in ({}, {"env": None}, {"env": ""}, {"env": ["prod"]}, {"env": {"x": 1}}):
        with pytest.raises(EffectError):
            of(policy, "u", args)


def test_a_zone_in_another_shape_denies_even_when_optional(example):
    """An agent cannot hide the zone by sending it in another shape."""
    for tags in ("env=prod", ["env"], {"env": ["prod"]}):
        with pytest.raises(EffectError):
            of(load(example), "ec2.set_tags", {"id": "i", "tags": tags})


def test_a_long_id_denies(policy_of):
    """Ids are bounded."""
    with pytest.raises(EffectError, match="longer than 2,000"):
        of(policy_of("  t: {do: read, resource: 'a/{args.x}'}"), "t", {"x": "y" * 2_001})


def test_messages_do_not_show_what_was_sent(policy_of):
    """An error about arguments names the path, never the value."""
    policy = policy_of("  t: {do: pay, resource: 'a/{args.x}', amount: args.n}")
    for args in ({"x": ["s3cret"], "n": 1}, {"x": "1", "n": "s3cret"}):
        with pytest.raises(EffectError) as caught:
            of(policy, "t", args)
        assert "s3cret" not in str(caught.value)

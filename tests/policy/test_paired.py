import pytest

from handrail.core.tool import EffectError
from handrail.policy import load

TOOLS = """\
  get: {do: read, resource: "lead/{args.id}"}
  t:
    do: update
    resource: "lead/{args.id}"
    before: {call: get, args: {id: args.id}}
    undo: {call: t, args: {id: args.id, size: before.size, extra: before.extra?, tag: "was {before.size}", fixed: eu, n: 3, on: true, no: null, dotted: {value: a.b}, all: before}}
    verify: {call: get, args: {id: args.id}, expect: [seen.size == args.size, seen.id == args.id]}"""


def test_arguments_of_an_undo(policy_of):
    """Paths, texts with paths, constants; an optional path that leads nowhere leaves its argument out."""
    undo = policy_of(TOOLS).tool("t").undo
    before = {"size": 5}
    assert undo.args({"args": {"id": 1}, "before": before, "result": {}}) == {
        "id": 1, "size": 5, "tag": "was 5", "fixed": "eu", "n": 3, "on": True, "no": None, "dotted": "a.b", "all": before,
    }  # fmt: skip


def test_a_missing_path_raises(policy_of):
    """An undo with half its arguments is none."""
    with pytest.raises(EffectError, match=r"before\.size is missing"):
        policy_of(TOOLS).tool("t").undo.args({"args": {"id": 1}, "before": {}, "result": {}})


def test_the_before_image_as_arguments(example):
    """`args: before` sends what was there back, in a copy; nothing to send raises."""
    undo = load(example).tool("crm.update_lead").undo
    before = {"id": 1}
    sent = undo.args({"args": {}, "before": before, "result": None})
    assert sent == before
    assert sent is not before
    for nothing in (None, [], "x"):
        with pytest.raises(EffectError, match="cannot be undone"):
            undo.args({"args": {}, "before": nothing})


def test_a_read_back(policy_of):
    """Every expectation that does not hold is a violation, with the values that were seen."""
    verify = policy_of(TOOLS).tool("t").verify
    scope = {"args": {"id": 1, "size": 5}, "before": {"size": 4}, "result": None, "seen": {"id": 1, "size": 5}}
    assert verify.expect(scope) == ()
    (one,) = verify.expect({**scope, "seen": {"id": 1, "size": 4}})
    assert (one.check, one.path) == ("read_back", "seen.size")
    assert one.why == "seen.size == args.size does not hold: seen.size is 4, args.size is 5."
    assert len(verify.expect({**scope, "seen": None})) == 2


def test_an_undo_may_lead_back(policy_of):
    """Create and delete undo each other; that is no cycle."""
    policy = policy_of(
        "  make: {do: create, resource: 'a/{result.id}', undo: {call: drop, args: {id: result.id}}}\n"
        "  drop: {do: delete, resource: 'a/{args.id}', undo: {call: make, args: {id: args.id}}}"
    )
    assert policy.tool("make").undo.args({"args": {}, "result": {"id": 3}}) == {"id": 3}


def test_a_read_back_shows_no_secret(policy_of):
    """A sentence about what does not hold, or cannot be checked, shows a secret as redacted."""
    tools = TOOLS.replace(
        "seen.id == args.id", "seen.token == args.password, int(seen.token) > 1, duration(seen.token) > duration('1s')"
    )
    verify = policy_of(tools, redact="[args.password, result.token]").tool("t").verify
    broken = verify.expect(
        {"args": {"size": 5, "password": "SECRET-A"}, "result": None, "seen": {"size": 4, "token": "SECRET-B"}}
    )
    assert [one.path for one in broken] == ["seen.size", "seen.token", "seen.token", "seen.token"]
    assert "seen.size is 4, args.size is 5" in broken[0].why
    assert 'seen.token is "[redacted]", args.password is "[redacted]"' in broken[1].why
    assert not any("SECRET" in one.why for one in broken)

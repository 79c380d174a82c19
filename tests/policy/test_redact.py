from hypothesis import given
from hypothesis import strategies as st

from handrail.policy import load, paths
from handrail.policy.redact import REDACTED, redact


def hide(*texts):
    return redact([paths.path(text, ("args", "before", "result"), every=True) for text in texts])


def test_secrets_are_replaced_in_a_copy():
    """The original keeps its values; what holds no secret is shared."""
    scope = {
        "args": {"password": "x", "o": {"a": 1}},
        "before": None,
        "result": {"token": "y", "l": [{"s": 1, "t": 2}, {"s": 3}]},
    }
    seen = hide("args.password", "result.token", "result.l[].s", "before.gone")(scope)
    assert seen == {
        "args": {"password": REDACTED, "o": {"a": 1}},
        "before": None,
        "result": {"token": REDACTED, "l": [{"s": REDACTED, "t": 2}, {"s": REDACTED}]},
    }
    assert scope["args"]["password"] == "x"
    assert seen["args"]["o"] is scope["args"]["o"]


def test_nothing_secret_gives_the_same_object():
    """No copy is made in vain."""
    scope = {"args": {"id": 1}, "result": [1, 2]}
    assert hide("args.password", "result.a.b", "result[7]")(scope) is scope


def test_indexes_and_whole_elements():
    """`[0]` is one element, `[]` every one."""
    scope = {"result": {"l": ["a", "b"]}}
    assert hide("result.l[1]")(scope) == {"result": {"l": ["a", REDACTED]}}
    assert hide("result.l[]")(scope) == {"result": {"l": [REDACTED, REDACTED]}}
    assert hide("result.l")(scope) == {"result": {"l": REDACTED}}


def test_a_list_in_the_place_of_an_object_hides_nothing():
    """A secret stays secret when a tool returns a list of objects where one was expected."""
    assert hide("result.token")({"result": [{"token": "x"}, [{"token": "y"}]]}) == {
        "result": [{"token": REDACTED}, [{"token": REDACTED}]]
    }


def test_paths_that_overlap():
    """The wider one wins, in either order."""
    scope = {"args": {"a": {"b": 1}}}
    assert hide("args.a", "args.a.b")(scope) == hide("args.a.b", "args.a")(scope) == {"args": {"a": REDACTED}}


def test_tools_know_their_secrets(policy_of, example):
    """Paths for all tools, and for those that a pattern fits."""
    policy = policy_of("  pay.in: {do: pay}\n  t: {do: read}", redact="[{tool: 'pay.*', paths: [args.card]}]")
    assert policy.tool("pay.in").secrets
    assert policy.tool("pay.in").redact({"args": {"card": "1"}}) == {"args": {"card": REDACTED}}
    assert not policy.tool("t").secrets
    assert policy.tool("t").redact({"args": {"card": "1"}}) == {"args": {"card": "1"}}
    assert all(tool.secrets for tool in load(example).tools.values())


@given(st.recursive(st.just("SECRET") | st.integers(), lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), x, max_size=2), max_leaves=8))  # fmt: skip
def test_nothing_below_a_secret_path_survives(value):
    """Whatever the value, hiding args.a leaves nothing of it; hiding twice changes nothing."""
    seen = hide("args.a")({"args": {"a": value, "b": 1}})
    assert seen == {"args": {"a": REDACTED, "b": 1}}
    below = hide("args.a[].b", "args.a.b")({"args": {"a": value}})
    assert hide("args.a[].b", "args.a.b")(below) == below


def test_what_is_secret_in_a_result_is_secret_in_the_images_of_that_read(policy_of):
    """Whether the path is declared for the read, or for the tool that the images belong to."""
    tools = """\
  get: {do: read}
  other: {do: read}
  t: {do: update, before: {call: get}, verify: {call: other, expect: seen.id == 1}}
  u: {do: update, before: {call: other}}"""
    scope = {name: {"token": "x", "pin": "y", "id": 1} for name in ("before", "seen", "result")}

    def hidden(tool, redact):
        shown = policy_of(tools, redact=redact).tool(tool).redact(scope)
        return sorted(f"{root}.{name}" for root, value in shown.items() for name in value if value[name] == REDACTED)

    assert hidden("t", "[{tool: get, paths: [result.token]}]") == ["before.token"]
    assert hidden("t", "[{tool: other, paths: [result.token]}]") == ["seen.token"]
    assert hidden("t", "[{tool: t, paths: [result.token]}]") == ["before.token", "result.token", "seen.token"]
    assert hidden("u", "[{tool: get, paths: [result.token]}]") == []
    both = "[result.token, {tool: get, paths: [result.pin]}]"
    assert hidden("t", both) == ["before.pin", "before.token", "result.token", "seen.token"]
    assert policy_of(tools, redact="[{tool: get, paths: [result.pin]}]").tool("t").secrets

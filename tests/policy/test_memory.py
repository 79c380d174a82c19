"""Which patterns judge a tool's calls, and which remember them."""

TOOLS = """\
  get: {do: read, resource: "lead/{args.id}"}
  put: {do: update, resource: "lead/{args.id}", ask: never}
  other: {do: read, resource: "other/{args.id}"}"""
RULES = """\
  - {id: first, for: put, requires: {tool: get, same: resource}, then: deny}
  - {id: tries, for: put, at_most: {count: 9, of: denied}, then: deny}"""


def test_tools_that_no_pattern_knows_pay_nothing(room):
    """They have no entry, and nothing is looked up for them."""
    here = room(TOOLS, RULES.splitlines()[0])
    assert set(here.policy.memory.tools) == {"get", "put"}
    assert here.policy.memory.stray is None
    action = here.start("other").action
    assert here.policy.lookup(action, here.policy.agent("bot"), (), lambda: 0) is None


def test_what_looks_at_anything_knows_every_tool(room):
    """A pattern that counts refusals of anything counts those of undeclared tools."""
    here = room(TOOLS, RULES)
    assert set(here.policy.memory.tools) == {"get", "put", "other"}
    assert here.policy.memory.stray is not None


def test_our_own_calls_are_not_looked_at(room):
    """What Handrail calls itself is neither judged by patterns nor remembered by them."""
    here = room(TOOLS, RULES)
    assert here.does("put", parent="a0") == "allow"
    assert here.does("get", parent="a0") == "allow"
    assert not here.store.marked
    assert not here.store.tallied

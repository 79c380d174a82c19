"""Keys: the same for what belongs together, never for anything else."""

import pytest

from handrail.core.action import Action, action_key
from handrail.core.effect import Effect, Verb
from handrail.core.tool import Agent
from handrail.policy import paths
from handrail.policy.scopes import SEPARATOR, Scope, head

AGENT = Agent("bot/child", lineage=("bot", "bot/child"))
COPY = Effect(Verb.COPY, "file/a", to="file/b")


def keys(*parts, args=None, effect=COPY, run="r1", agent=AGENT, evidence=False):
    name = "bot/child" if agent is None else agent.name
    action = Action("a", name, run, "c", "tool", args or {}, action_key(name, "tool", args or {}))
    return Scope(parts, evidence).keys("h", action, agent, effect)


def test_restrictions_spread_evidence_does_not():
    """A restriction is the lineage's and lies on source and target; evidence is the agent's own, of one resource."""
    assert keys("agent") == (f"h{SEPARATOR}bot",)
    assert keys("agent", evidence=True) == (f"h{SEPARATOR}bot/child",)
    assert len(keys("resource")) == 2
    assert len(keys("resource", evidence=True)) == 1
    assert keys("run", evidence=True) != keys("run", evidence=True, agent=Agent("bot", lineage=("bot",)))
    assert keys("run") == keys("run", agent=None)


def test_spellings():
    """One spelling of a text is like another for a restriction; for evidence only the very same is."""
    to = paths.path("args.to", ("args",))
    assert keys(to, args={"to": "A@x "}) == keys(to, args={"to": "a@X"})
    assert keys(to, args={"to": "A"}, evidence=True) != keys(to, args={"to": "a"}, evidence=True)
    assert keys(to, args={"to": 1}) == keys(to, args={"to": "1"})
    assert keys(to, args={"to": ["v1"]}, evidence=True) != keys(to, args={"to": '["v1"]'}, evidence=True)
    assert keys(to, args={"to": 1}, evidence=True) != keys(to, args={"to": "1"}, evidence=True)
    assert keys(to, args={}) != keys(to, args={"to": "missing"})


@pytest.mark.parametrize("texts", [(f"a{SEPARATOR}b", "c"), ("x" * 5_000, "y")])
def test_parts_stay_apart(texts):
    """No text of an agent can end one part and begin another; long texts are kept as their hash."""
    one, two = paths.path("args.one", ("args",)), paths.path("args.two", ("args",))
    (key,) = keys(one, two, args={"one": texts[0], "two": texts[1]})
    assert key.count(SEPARATOR) == 2
    assert len(key) < 300
    assert key != keys(one, two, args={"one": "a", "two": f"b{SEPARATOR}c"})[0]


def test_heads():
    """Two rules never share state, nor one rule after its window changed."""
    assert len({head("at_most", "a"), head("at_most", "b"), head("repeat", "a"), head("at_most", "a", "60")}) == 4
    assert keys("fleet") == keys("fleet", run="r2", agent=None)
    assert keys("tool") == (f"h{SEPARATOR}tool",)
    assert keys("action") == keys("action", run="r2")
    assert keys("action") != keys("action", args={"x": 1})

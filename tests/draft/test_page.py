"""The drafted file: it loads, guards what it should, and nothing in it can be broken out of."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.core.tool import Access
from handrail.draft import Page, Server, ToolEntry, entry_of, method_entry, people_problem
from handrail.mcp.ask import usable
from handrail.policy import loads
from handrail.policy.check import check

DANA, KIM = "dana@example.com", "kim@example.com"


def page(*servers, agent="agent", owner=DANA, reviewers=(DANA,)):
    return Page(agent, owner, reviewers, servers)


def server(*tools, name="s", **more):
    return Server(name, [entry_of(tool, name) for tool in tools], **more)


def tool(name, **more):
    return {"name": name, "inputSchema": {"type": "object"}, **more}


def test_a_lone_user_is_told_loudly():
    """Four eyes are off, and the check has nothing else to say."""
    text = page(server(tool("get"), tool("frob"))).text()
    assert "# WARNING: FOUR EYES ARE OFF." in text
    policy = loads(text)
    assert not policy.four_eyes
    assert [one.level.value for one in check(policy)] == ["warning"]
    assert "four_eyes" in check(policy)[0].message


@pytest.mark.parametrize("reviewers", [(KIM,), (DANA, KIM)])
def test_with_a_second_person_four_eyes_stay_on(reviewers):
    """And the check has nothing to say at all."""
    text = page(server(tool("get"), tool("frob")), reviewers=reviewers).text()
    policy = loads(text)
    assert policy.four_eyes
    assert "WARNING" not in text
    assert check(policy) == []


def test_the_minimum_viable_set():
    """An agent that may write, its owner, its budget, its reviewer, and a default deny."""
    policy = loads(page(server(tool("get"), tool("drop"))).text())
    agent = policy.agents["agent"]
    assert (agent.access, agent.owner, policy.tokens_per_day("agent")) == (Access.WRITE, DANA, 200_000)
    assert policy.reviewers == (DANA,)
    assert sorted(policy.tools) == ["s.drop", "s.get"]
    assert policy.rules == ()


def test_every_server_has_its_part():
    """Also one that could not be asked, and what is left out of another."""
    text = page(
        server(tool("get"), name="a", left_out=["Its tool 'x' is odd."]),
        Server("b", problem="It ended\nwith code 1."),
    ).text()
    assert "  # --- \"a\" ---\n  # Its tool 'x' is odd.\n\n" in text
    assert '# --- "b" ---\n  # Nothing of it is declared, since it could not be asked. It ended with code 1.' in text
    loads(text)


TEXT = st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from(
    ["\nrules: []", "\u2028mode: observe", "x\x85four_eyes: false", "# {}", '": {do: read}', "a: b"]
)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=5, unique_by=lambda one: one[0]),
    TEXT,
)
def test_nothing_that_a_server_says_changes_the_policy_around_it(tools, title):
    """The names come back as they are; the rest of the file is what it is without them."""
    listed = [
        tool(name, description=description, inputSchema={"properties": {key: {"type": "string"}}, "required": [key]})
        for name, description, key in tools
    ]
    good, left_out = usable(listed)
    drafted = Server(title, [entry_of(one, "s") for one in good], left_out)
    policy = loads(page(drafted).text())
    assert set(policy.tools) == {f"s.{one['name']}" for one in good}
    assert policy.rules == ()
    assert policy.mode.value == "enforce"
    assert not [one for one in check(policy) if one.level.value == "error"]


def test_a_server_with_as_many_tools_as_it_may_have_fits():
    """With long descriptions, under the size that a policy may have."""
    tools = [tool(f"get_{number}", description="x" * 5_000) for number in range(500)]
    assert len(loads(page(server(*tools)).text()).tools) == 500


def test_methods_stand_beside_tools():
    """Both load."""
    entries: list[ToolEntry] = [method_entry("resources/read", "s"), method_entry("prompts/get", "s")]
    assert sorted(loads(page(Server("s", entries)).text()).tools) == ["s.prompts/get", "s.resources/read"]


@pytest.mark.parametrize(
    ("agent", "owner", "reviewers", "said"),
    [
        ("agent", DANA, [DANA], ""),
        (" ", DANA, [DANA], "name of the agent is blank"),
        ("agent", "dana ", [DANA], "name of the owner"),
        ("agent", DANA, ["x\n"], "name of the reviewer"),
        ("agent", DANA, ["x" * 201], "name of the reviewer"),
        ("agent", DANA, [DANA, "DANA@example.com"], "Two reviewers have one name"),
        ("Dana@example.com", DANA, [DANA], "The agent has the name of a person"),
        ("kim", DANA, [DANA, "Kim"], "The agent has the name of a person"),
    ],
)
def test_names_of_people(agent, owner, reviewers, said):
    """What cannot stand in a policy is said before anything is asked."""
    assert said in people_problem(agent, owner, reviewers)
    assert bool(said) == bool(people_problem(agent, owner, reviewers))

"""Files of cases: what they say, and what is said of a wrong one."""

import pytest

from handrail.backtest.asks import Asks
from handrail.backtest.cases import FILE_NAME, load_cases, read_cases
from handrail.backtest.times import instant
from handrail.errors import PolicyError


@pytest.fixture
def cases(world):
    """Reads cases of the small policy."""
    return lambda text: read_cases(text, "t.yaml", world.policy)


@pytest.fixture
def problem(cases):
    """The problems of a text, as `line:column: message`."""

    def problems(text):
        with pytest.raises(PolicyError) as error:
            cases(text)
        return [f"{one.line}:{one.column}: {one.message}" for one in error.value.problems]

    return problems


def test_a_case(cases):
    """With steps, defaults and everything that a step may say."""
    (case,) = cases(
        "- name: a\n  asks: refused\n  agent: bot\n  run: 7\n  steps:\n"
        "    - {tool: crm.get, args: {id: x, n: 1}, result: {id: x}, expect: allow, status: success}\n"
        "    - {agent: reader, run: other, call: c, tool: crm.set, after: 10m, takes: 5s, error: boom, expect: deny, "
        "rule: access}\n"
        "    - {tool: crm.edit, at: 2026-03-01T09:30:00Z, before: null, result: null, expect: ask}\n"
    )
    assert (case.name, case.asks, (case.at.line, case.at.column)) == ("a", Asks.REFUSED, (1, 3))
    first, second, third = case.steps
    assert (first.attempt.agent, first.attempt.run, first.attempt.call) == ("bot", "7", "1")
    assert (first.attempt.args, first.attempt.known, first.attempt.result) == ({"id": "x", "n": 1}, True, {"id": "x"})
    assert (first.expect.value, first.status, first.rule) == ("allow", "success", None)
    assert (second.attempt.agent, second.attempt.run, second.attempt.call) == ("reader", "other", "c")
    assert (second.after_us, second.takes_us, second.attempt.error, second.rule) == (
        600_000_000,
        5_000_000,
        "boom",
        "access",
    )
    assert (third.attempt.at_us, third.attempt.known) == (instant("2026-03-01T09:30:00Z"), True)
    assert (third.at.line, third.at.column) == (8, 7)


def test_a_case_of_one_step(cases):
    """Needs no `steps`."""
    (case,) = cases("- {name: a, agent: bot, tool: crm.get, args: {id: x}, expect: allow}\n")
    assert [(step.attempt.tool, step.attempt.agent) for step in case.steps] == [("crm.get", "bot")]


def test_the_only_agent(world_of):
    """Need not be named."""
    policy = world_of("version: 1\nagents: {solo: }\ntools: {t: {do: read}}\n").policy
    (case,) = read_cases("- {name: a, tool: t, expect: allow}", "t", policy)
    assert case.steps[0].attempt.agent == "solo"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1:1: The file has no case. A case begins with '- name: …'."),
        ("# nothing\n\n", "1:1: The file has no case. A case begins with '- name: …'."),
        ("a: 1", "1:1: The file has to be a list of cases ('- name: …'), and this is a mapping."),
        ("- [", "1:4: This is not YAML"),
        ("- {name: a, agent: bot, tool: t}", "1:3: A case does not say what has to be decided. Add 'expect': allow, ask, deny."),
        ("- {name: a, agent: bot, tool: t, expct: deny}", "1:34: A case has no key 'expct'. Did you mean 'expect'?"),
        ("- {name: a, agent: bot, tool: t, expect: deney}", "1:42: 'expect' of a case must be one of allow, ask, deny"),
        ("- {name: a, agent: bot, expect: deny}", "1:3: A case does not say which tool is called. Add 'tool'."),
        ("- {name: a, tool: t, expect: deny}", "1:3: A case does not say which agent acts."),
        ("- {agent: bot, tool: t, expect: deny}", "1:3: This case has no name."),
        ("- {name: a, steps: []}", "1:13: 'steps' of a case is empty."),
        ("- {name: a, tool: t, steps: []}", "1:13: A case with 'steps' has no 'tool': write it inside the step."),
        ("- {name: a, agent: bot, steps: [{tool: t, expect: deny, rule: prodution}]}",
         "1:63: There is no rule and no gate 'prodution'. Did you mean 'production'?"),
        ("- {name: a, agent: bot, tool: t, expect: allow, rule: access}", "1:49: No rule allows: remove 'rule' of a case."),
        ("- {name: a, agent: bot, tool: t, expect: deny, result: 1, error: x}", "1:59: A case returns or fails"),
        ("- {name: a, agent: bot, tool: t, expect: deny, args: [1]}", "1:54: 'args' of a case must be a mapping"),
        ("- {name: a, agent: bot, tool: t, expect: deny, at: noon}", "1:52: 'at' of a case cannot be used: it has to be a time"),
        ("- {name: a, agent: bot, tool: t, expect: deny, at: '2026-03-01T09:30:00Z', after: 1m}", "1:76: A case says 'at' and"),
        ("- {name: a, agent: bot, tool: t, expect: deny, after: soon}", "1:55: 'after' of a case must be a duration"),
        ("- {name: a, agent: bot, tool: t, expect: deny, status: fine}", "1:56: 'status' of a case must be one of success"),
        ("- {name: a, agent: bot, tool: t, expect: deny, asks: maybe}", "1:54: 'asks' of a case must be one of approved, refused"),
        ("- {name: a, agent: bot, tool: t, expect: deny}\n- {name: a, agent: bot, tool: t, expect: deny}",
         "2:3: The case 'a' stands in line 1 already. Rename one."),
    ],
)  # fmt: skip
def test_wrong_cases(problem, text, said):
    """Each with its line and column."""
    assert any(one.startswith(said) for one in problem(text)), problem(text)


def test_all_problems_at_once(problem):
    """Not one after the other."""
    assert len(problem("- {name: a}\n- {name: b, tool: t}\n")) == 5


def test_files(world, tmp_path):
    """Read from disk; what cannot be read says why."""
    file = tmp_path / FILE_NAME
    with pytest.raises(PolicyError, match="The cases cannot be read: No such file"):
        load_cases(file, world.policy)
    file.write_bytes(b"- name: \xff")
    with pytest.raises(PolicyError, match=":1:1: The file is not UTF-8"):
        load_cases(file, world.policy)
    file.write_text("- {name: a, agent: bot, tool: crm.get, expect: deny}", encoding="utf-8-sig")
    assert len(load_cases(file, world.policy)) == 1

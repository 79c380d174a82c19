"""Running cases."""

import pytest

from handrail.backtest.cases import read_cases
from handrail.backtest.suite import coverage, run_case, shown


@pytest.fixture
def results(world):
    """Runs the cases of a text."""
    return lambda text: [run_case(world.policy, case) for case in read_cases(text, "t.yaml", world.policy)]


GOOD = """\
- name: refunds add up
  agent: bot
  steps:
    - {tool: pay, args: {order: 1, cents: 300}, expect: allow}
    - {tool: pay, args: {order: 2, cents: 300}, after: 1h, expect: ask, rule: adds-up}
    - {tool: pay, args: {order: 3, cents: 300}, after: 3d, expect: allow}
- name: cases do not know of each other
  agent: bot
  tool: pay
  args: {order: 1, cents: 300}
  expect: allow
- name: in flight counts
  agent: bot
  steps:
    - {tool: pay, args: {order: 1, cents: 300}, takes: 1m, expect: allow, status: success}
    - {tool: pay, args: {order: 2, cents: 300}, after: 10s, expect: ask}
- name: in flight is no evidence
  agent: bot
  steps:
    - {tool: crm.get, args: {id: a}, takes: 1m, expect: allow}
    - {tool: crm.drop, args: {id: a}, after: 10s, expect: deny, rule: read-first}
    - {tool: crm.drop, args: {id: a}, after: 50s, call: later, expect: ask, rule: destructive}
- name: a refusal is remembered
  agent: bot
  asks: refused
  steps:
    - {tool: crm.set, args: {id: a, env: prod}, expect: ask, rule: production, status: denied}
    - {tool: crm.set, args: {id: a}, expect: ask, rule: denial_memory}
- name: any of the rules that ask
  agent: bot
  steps:
    - {tool: crm.set, args: {id: a, env: prod}, expect: ask}
    - {tool: crm.get, args: {id: a}, expect: ask, rule: production}
    - {tool: crm.drop, args: {id: a}, expect: deny, rule: read-first, run: other}
    - {tool: crm.drop, args: {id: a}, expect: ask, rule: destructive}
"""


def test_cases_that_hold(results):
    """State goes on from step to step, and no further."""
    assert [(one.case.name, one.passed) for one in results(GOOD)] == [
        ("refunds add up", True),
        ("cases do not know of each other", True),
        ("in flight counts", True),
        ("in flight is no evidence", True),
        ("a refusal is remembered", True),
        ("any of the rules that ask", True),
    ]


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        ("{tool: crm.get, args: {id: a}, expect: deny}", "Expected deny, and it is allow."),
        ("{tool: crm.set, args: {id: boss}, expect: ask, rule: production}",
         "Expected ask by 'production', and it is deny by 'no-boss'. Rule 'no-boss' denies this: effect.resource is"),
        ("{tool: crm.set, args: {id: boss}, expect: deny, rule: access}", "Expected deny by 'access', and it is deny by 'no-boss'."),
        ("{tool: crm.set, args: {id: a}, error: x, expect: allow, status: success}",
         "Expected it to end as success, and it ended as failed. 'crm.set' failed: x"),
    ],
)  # fmt: skip
def test_a_case_that_does_not_hold(results, step, fault):
    """Says what was expected, what it is, and why."""
    (result,) = results(f"- name: a\n  agent: bot\n  steps:\n    - {step}\n")
    assert not result.passed
    assert result.steps[0].fault.startswith(fault)
    assert shown(result.steps[0], 1, "t.yaml").startswith(f"t.yaml:4:7: step 1: {fault}")


def test_the_result_for_machines(results):
    """Each step with what was expected and where it stands."""
    told = results("- {name: a, agent: bot, tool: crm.get, args: {id: a}, expect: ask, rule: production}")[0].to_json()
    assert (told["name"], told["line"], told["passed"]) == ("a", 1, False)
    (step,) = told["steps"]
    assert step == {
        "call": "1", "decision": "allow", "rule": None, "why": "", "status": "success", "tool": "crm.get", "line": 1,
        "column": 3, "expected": "ask", "expected_rule": "production", "passed": False,
        "fault": "Expected ask by 'production', and it is allow.",
    }  # fmt: skip


def test_coverage(world, results):
    """Rules that never objected, and tools that no step calls."""
    missed = coverage(world.policy, results(GOOD))
    assert missed.rules == ("no-boss", "shrinks")
    assert missed.tools == ("crm.new", "crm.edit", "crm.typed")

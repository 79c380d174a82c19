"""`handrail policy test`."""

import json

import pytest

GOOD = """\
- name: production asks
  agent: lead-enricher
  steps:
    - {tool: crm.update_lead, args: {id: a, env: live}, expect: ask, rule: production}
    - {tool: crm.get_lead, args: {id: a}, expect: ask}
- {name: the boss gets no mail, agent: lead-enricher, tool: mail.send, args: {to: boss}, expect: deny, rule: no-boss}
"""
BAD = "- {name: mail asks, agent: lead-enricher, tool: mail.send, args: {to: kim}, expect: ask}\n"


@pytest.fixture
def cases(project):
    """Writes a file of cases."""

    def written(text, name="handrail.test.yaml"):
        (project.folder / name).write_text(text)
        return name

    return written


def test_cases_that_hold(project, cases):
    """One line each; code 0."""
    cases(GOOD)
    result = project.run("policy", "test")
    assert result.exit_code == 0
    assert result.stdout == "pass  production asks\npass  the boss gets no mail\n"
    assert result.stderr == "2 cases: 2 passed, 0 failed.\n"


def test_a_case_that_fails(project, cases):
    """Code 1, the place, and why; every file that is named is run."""
    result = project.run("policy", "test", cases(GOOD, "a.yaml"), cases(BAD, "b.yaml"))
    assert result.exit_code == 1
    assert result.stdout.splitlines()[2:] == [
        "FAIL  mail asks",
        "      b.yaml:1:3: step 1: Expected ask, and it is allow.",
    ]
    assert result.stderr == "3 cases: 2 passed, 1 failed.\n"


def test_for_machines(project, cases):
    """All cases with all steps."""
    cases(GOOD + BAD)
    told = project.json("policy", "test", code=1)
    assert (told["passed"], told["failed"]) == (2, 1)
    assert [(case["name"], case["passed"]) for case in told["cases"]][2] == ("mail asks", False)
    assert told["cases"][0]["file"] == "handrail.test.yaml"
    assert told["cases"][2]["steps"][0]["fault"] == "Expected ask, and it is allow."
    assert "uncovered" not in told


def test_coverage(project, cases):
    """What no case exercises."""
    cases(GOOD)
    assert project.ok("policy", "test", "--coverage").splitlines()[2:] == [
        "No case exercises 3 tools: crm.drop, crm.new, files.copy."
    ]
    told = project.json("policy", "test", "--coverage")
    assert told["uncovered"] == {"rules": [], "tools": ["crm.drop", "crm.new", "files.copy"]}


def test_a_file_with_mistakes(project, cases):
    """Every mistake with its place, and no case is run."""
    cases(BAD.replace("expect: ask", "expct: ask") + BAD.replace("agent:", "agnt:"))
    result = project.run("policy", "test")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "handrail.test.yaml:1:77: A case has no key 'expct'. Did you mean 'expect'?" in result.stderr
    assert "handrail.test.yaml:2:21: A case has no key 'agnt'. Did you mean 'agent'?" in result.stderr


def test_no_file(project):
    """The default one, or one that is named."""
    result = project.run("policy", "test")
    assert result.exit_code == 2
    assert "There is no handrail.test.yaml beside the policy." in result.stderr
    assert project.run("policy", "test", "none.yaml").exit_code == 2


def test_nothing_is_recorded(project, cases):
    """No store is made."""
    cases(GOOD)
    project.ok("policy", "test")
    assert not (project.folder / ".handrail").exists()


def test_hostile_texts(project, cases):
    """Names of cases and tools hold no escape sequences on the terminal."""
    cases(json.dumps([{"name": "a\x1b[31m", "agent": "lead-enricher", "tool": "x\x1b[2J", "expect": "allow"}]))
    result = project.run("policy", "test")
    assert result.exit_code == 1
    assert "\x1b" not in result.output

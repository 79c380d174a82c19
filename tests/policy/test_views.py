"""Texts in arguments that are read."""

import pytest

from handrail.errors import PolicyError
from handrail.policy import loads

TOOLS = """\
  shell:
    shell: args.command
    effects:
      - {when: 'commands.all(c, c.program in ["ls", "cat"] && !c.opaque)', do: read}
      - {when: '!commands.all(c, c.program in ["ls", "cat"] && !c.opaque)', do: execute}
  sql: {do: execute, sql: args.text}
  other: {do: execute}"""
RULES = """\
  - {id: removal, when: 'commands.exists(c, c.program == "rm")', then: deny}
  - {id: opaque, when: 'commands.exists(c, c.opaque) || statements.exists(s, s.opaque)', then: ask}
  - {id: writes, when: 'statements.exists(s, s.verb != "select")', then: ask}"""


@pytest.mark.parametrize(
    ("tool", "args", "decision"),
    [
        ("shell", {"command": "ls -la"}, "allow"),
        ("shell", {"command": "ls; rm x"}, "deny"),
        ("shell", {"command": "sh -c 'rm x'"}, "deny"),
        ("shell", {"command": "eval $x"}, "ask"),
        ("shell", {"command": 3}, "ask"),
        ("shell", {}, "ask"),
        ("sql", {"text": "select 1"}, "allow"),
        ("sql", {"text": "delete from a"}, "ask"),
        ("sql", {"text": "vacuum"}, "ask"),
        ("sql", {}, "ask"),
        ("other", {}, "allow"),
    ],
)
def test_conditions_ask_what_would_run(room, tool, args, decision):
    """In rules and in effects; a text that is missing cannot be told; tools without one run nothing of the kind."""
    assert room(TOOLS, RULES).does(tool, args) == decision


def test_effects_follow(room):
    """One tool reads or executes by what its text runs."""
    here = room(TOOLS, '  - {id: changes, when: effect.verb == "execute", then: ask}')
    assert here.does("shell", {"command": "cat a"}) == "allow"
    assert here.does("shell", {"command": "cat a | tee b"}) == "ask"


def test_patterns_follow(room):
    """What was run before is looked at in the same words."""
    text = """  - {id: looked, for: shell, when: 'commands.exists(c, c.program == "mv")', requires: {tool: shell, \
when: 'commands.exists(c, c.program == "test") && result == "ok"'}, then: deny}"""
    here = room(TOOLS, text)
    assert here.does("shell", {"command": "mv a b"}) == "deny"
    here.does("shell", {"command": "test -d b"}, result="no")
    assert here.does("shell", {"command": "mv a b"}) == "deny"
    here.does("shell", {"command": "test -d b"}, result="ok")
    assert here.does("shell", {"command": "mv a b"}) == "allow"


@pytest.mark.parametrize("key", ["shell", "sql"])
def test_a_wrong_path_is_refused(key):
    """It has to be a path into the arguments."""
    with pytest.raises(PolicyError, match="cannot start with 'result'"):
        loads(f"version: 1\ntools: {{t: {{do: execute, {key}: result.text}}}}\n")

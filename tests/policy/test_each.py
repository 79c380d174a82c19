"""One effect for each thing in a text."""

import pytest

from handrail.core.outcome import Status
from handrail.errors import PolicyError
from handrail.policy import loads

SHELL = """\
  shell:
    shell: args.command
    ask: never
    effects:
      - {do: delete, each: command.targets, when: 'command.program in ["rm", "rmdir"]', resource: "path/{each}"}
      - {do: create, each: command.targets, when: 'command.program == "mkdir"', resource: "path/{each}"}
      - {do: move, each: command, when: 'command.program == "mv"', resource: "path/{each.targets[0]}", to: "path/{each.targets[1]}"}
      - {do: update, each: command.writes, resource: "path/{each}"}
      - {do: execute}
  sql:
    sql: args.text
    effects:
      - {do: read, each: statement.tables, when: 'statement.verb == "select"', resource: "table/{each}"}
      - {do: update, each: statement.tables, when: 'statement.verb != "select"', resource: "table/{each}"}
  file.delete: {do: delete, resource: "path/{args.path}", ask: never}"""
OWN = '  - {id: own, when: effect.verb == "delete" && !effect.created_by_run, then: ask}'


def effects(room, tool, text):
    here = room(SHELL)
    found = here.policy.tool(tool).effects.of({"command" if tool == "shell" else "text": text})
    return [(effect.verb.value, effect.resource, effect.to) for effect in found]


def test_every_path_is_a_resource(room):
    """In the order of the declarations; the last one stands for the command as a whole."""
    assert effects(room, "shell", "rm -rf /a ./b && mkdir c > log; sudo rm d") == [
        ("delete", "path//a", None),
        ("delete", "path/b", None),
        ("delete", "path/d", None),
        ("create", "path/c", None),
        ("update", "path/log", None),
        ("execute", "", None),
    ]
    assert effects(room, "shell", "mv a b")[0] == ("move", "path/a", "path/b")
    assert effects(room, "shell", "ls") == [("execute", "", None)]


def test_every_table_is_a_resource(room):
    """Of each statement."""
    assert effects(room, "sql", "select * from lead join orders on true; delete from lead") == [
        ("read", "table/lead", None),
        ("read", "table/orders", None),
        ("update", "table/lead", None),
    ]


def test_what_a_run_made_it_may_remove(room):
    """By shell or by another tool; what it did not make asks, by either."""
    here = room(SHELL, OWN)
    assert here.does("shell", {"command": "rm -rf checkout"}) == "ask"
    here.does("shell", {"command": "mkdir checkout"})
    assert here.does("shell", {"command": "rm -rf checkout/build"}) == "allow"
    assert here.does("shell", {"command": "rm -rf checkout/build other"}) == "ask"
    assert here.does("file.delete", {"path": "checkout/x"}) == "allow"
    assert here.does("file.delete", {"path": "other"}) == "ask"


def test_a_command_that_failed_made_nothing(room):
    """The clone that failed because the folder was there."""
    here = room(SHELL, OWN)
    here.does("shell", {"command": "mkdir checkout"}, status=Status.FAILED)
    assert here.does("shell", {"command": "rm -rf checkout"}) == "ask"


def test_what_cannot_be_told_is_refused(room):
    """A target that is missing, nothing that fits, more than is judged."""
    here = room(SHELL)
    assert here.does("shell", {"command": "mv a"}) == "deny"
    assert here.does("sql", {"text": "vacuum"}) == "deny"
    assert here.does("shell", {"command": "rm " + " ".join(f"f{n}" for n in range(201))}) == "deny"


@pytest.mark.parametrize(
    ("each", "message"),
    [
        ("commands", "Did you mean 'command'?"),
        ("command.target", "Did you mean 'targets'?"),
        ("command.program", "cannot go through 'program' of a command"),
        ("statement.targets", "cannot go through 'targets' of a statement"),
    ],
)
def test_what_is_wrong_is_refused(each, message):
    """It does not load, and names the nearest word."""
    with pytest.raises(PolicyError) as caught:
        loads(f'version: 1\ntools: {{t: {{shell: args.c, do: read, each: {each}, resource: "x/{{each}}"}}}}\n')
    assert message in str(caught.value)


def test_each_belongs_to_the_effect():
    """Without it there is no {each}, nor a command in the condition."""
    for text in ('do: read, resource: "x/{each}"', 'do: read, when: command.program == "x"'):
        with pytest.raises(PolicyError):
            loads(f"version: 1\ntools: {{t: {{shell: args.c, {text}}}}}\n")

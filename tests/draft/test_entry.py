"""One tool of the draft: its declaration, and the reason beside it."""

import pytest

from handrail.core.effect import DESTRUCTIVE, Verb
from handrail.draft.aim import Aim
from handrail.draft.entry import ToolEntry, entry_of, method_entry, policy_name

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}


def lines(name, server="fs", **more):
    return list(entry_of({"name": name, "inputSchema": SCHEMA, **more}, server).lines())


def test_a_read_passes():
    """With what the server says, and why."""
    assert lines("read_file", description="Reads\n a file.") == [
        '# "Reads a file."',
        "# read: its name says 'read'.",
        'fs.read_file: {do: read, resource: "file/{args.path}"}',
    ]


def test_what_is_destructive_asks_by_itself_and_other_writes_always():
    """Nothing that writes passes."""
    assert lines("delete_file")[-1] == 'fs.delete_file: {do: delete, resource: "file/{args.path}"}'
    assert lines("create_file")[-1] == 'fs.create_file: {do: create, resource: "file/{args.path}", ask: always}'
    assert lines("frob") == [
        "# execute: its name does not tell what it does, so it asks every time.",
        'fs.frob: {do: execute, resource: "file/{args.path}", ask: always}',
    ]


@pytest.mark.parametrize("verb", list(Verb))
def test_every_write_asks(verb):
    """One way or the other."""
    declared = ToolEntry("x", verb, Aim(), "why.").declaration()
    assert ("ask: always" in declared) == (verb is not Verb.READ and verb not in DESTRUCTIVE)
    assert ToolEntry("x", verb, Aim(), "why.").asks == (verb is not Verb.READ)


@pytest.mark.parametrize("name", ["get-env", "readSecret", "list_credentials"])
def test_a_read_of_secrets_asks(name):
    """It changes nothing, and what it returns goes to a model."""
    found = lines(name)
    assert found[-1].endswith('{do: read, resource: "file/{args.path}", ask: always}')
    assert "may be secret, so it asks every time" in found[-2]
    assert entry_of({"name": name}, "").asks


def test_a_payment_says_what_to_check():
    """Units are not in a schema."""
    schema = {"properties": {"amount": {"type": "integer"}}, "required": ["amount"]}
    found = lines("refund", inputSchema=schema)
    assert found[-1] == "fs.refund: {do: pay, amount: args.amount, ask: always}"
    assert "whole units" in found[-2]


def test_methods_that_are_gated_like_tools():
    """Under the server's name."""
    assert method_entry("resources/read", "fs").declaration() == 'fs.resources/read: {do: read, resource: "{args.uri}"}'
    assert method_entry("prompts/get", "").declaration() == 'prompts/get: {do: read, resource: "prompt/{args.name}"}'


def test_names_in_the_policy():
    """Plain without a server, quoted where YAML needs it."""
    assert policy_name("", "x") == "x"
    assert lines("a: # {}", server="")[-1].startswith('"a: # {}": {do: ')

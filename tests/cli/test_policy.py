"""`handrail policy check | explain | schema`."""

import json

import pytest
from jsonschema_rs import validator_for

from handrail.cli.exits import Code
from handrail.core.store import Query
from handrail.stores.sqlite import SqliteStore

from .conftest import AGENT, POLICY


def rows(project):
    store = SqliteStore(project.folder / ".handrail" / "handrail.db")
    try:
        return [row.seq for row in store.read(lambda tx: list(tx.records(Query())))]
    finally:
        store.close()


# --- check ---


def test_check_of_a_clean_policy(project):
    """One line, and exit 0."""
    assert project.ok("policy", "check").startswith("handrail.yaml: nothing to object to (6 tools, 2 rules, 2 agents)")
    told = project.json("policy", "check")
    assert (told["loads"], told["errors"], told["warnings"], told["findings"]) == (True, 0, 0, [])


def test_check_shows_warnings_and_succeeds(project):
    """A warning is no reason to fail a build."""
    (project.folder / "handrail.yaml").write_text(POLICY.replace("version: 1\n", "version: 1\nfour_eyes: false\n"))
    result = project.run("policy", "check")
    assert result.exit_code == Code.OK
    assert result.stdout.startswith("handrail.yaml:2:1: warning: 'four_eyes: false' lets ")
    assert "0 errors, 1 warning." in result.stderr


def test_check_fails_on_an_error(project):
    """A writing agent without a budget."""
    (project.folder / "handrail.yaml").write_text(POLICY.replace(", tokens_per_day: 1000", ""))
    result = project.run("policy", "check")
    assert result.exit_code == Code.FINDINGS
    assert result.stdout.startswith("handrail.yaml:5:")
    assert "error: Budget: " in result.stdout
    told = project.json("policy", "check", code=1)
    assert told["errors"] == 2
    assert {"level", "line", "column", "message"} == set(told["findings"][0])


def test_check_of_a_policy_that_does_not_load(project):
    """Every problem with its place and the nearest name, and exit 3."""
    draft = project.folder / "draft.yaml"
    draft.write_text(POLICY.replace("do: send", "do: sned").replace("effect.zone ==", "effect.zne =="))
    result = project.run("policy", "check", "draft.yaml")
    assert result.exit_code == Code.CONFIGURATION
    first, second = result.stdout.splitlines()
    assert first.startswith("draft.yaml:17:") and "Did you mean 'send'?" in first
    assert second.startswith("draft.yaml:20:") and "Did you mean 'zone'?" in second
    assert "2 problems. The policy does not load, so nothing runs." in result.stderr
    told = project.json("policy", "check", draft, code=3)
    assert told["loads"] is False
    assert [one["line"] for one in told["problems"]] == [17, 20]
    assert told["kind"] == "PolicyError"


def test_check_of_no_policy(tmp_path, project):
    """An empty folder is a configuration error; a file that is not there, a usage error."""
    (project.folder / "handrail.yaml").unlink()
    assert "There is no policy" in project.json("policy", "check", code=3)["error"]
    assert project.json("policy", "check", "nope.yaml", code=2)["error"] == "There is no file nope.yaml."


def test_what_the_file_says_cannot_act_on_the_terminal(project):
    """A file from somewhere else is foreign text."""
    (project.folder / "handrail.yaml").write_text(POLICY + '  - {id: "\\e[2J[red]", when: effect.z, then: ask}\n')
    result = project.run("policy", "check")
    assert result.exit_code == Code.CONFIGURATION
    assert "\x1b" not in result.output


# --- explain ---


@pytest.mark.parametrize(
    ("tool", "args", "verdict", "code"),
    [
        ("crm.get_lead", {"id": "lead-1"}, "allow", Code.OK),
        ("crm.update_lead", {"id": "lead-1", "env": "live"}, "ask", Code.WAITS),
        ("mail.send", {"to": "boss"}, "deny", Code.FINDINGS),
        ("mail.sned", {"to": "boss"}, "deny", Code.FINDINGS),
        ("mail.send", {}, "deny", Code.FINDINGS),
    ],
)
def test_explain_ends_with_the_decision(project, tool, args, verdict, code):
    """0 allow, 6 ask, 1 deny."""
    told = project.json("policy", "explain", AGENT, tool, json.dumps(args), code=code)
    assert told["decision"] == verdict
    shown = project.run("policy", "explain", AGENT, tool, json.dumps(args))
    assert shown.exit_code == code
    assert shown.stdout.startswith(f"{AGENT} calling {tool}: {verdict}.")


def test_explain_tells_effects_gates_and_every_rule(project):
    """With the values that each rule looked at."""
    told = project.json("policy", "explain", AGENT, "crm.update_lead", '{"id": "lead-1", "env": "LIVE"}', code=6)
    assert [(e["verb"], e["resource"], e["zone"]) for e in told["effects"]] == [("update", "lead/lead-1", "production")]
    assert {gate["gate"]: [f["rule"] for f in gate["findings"]] for gate in told["gates"] if gate["findings"]} == {
        "rules": ["production"],
        "destructive": ["destructive"],
    }
    assert [(r["rule"], r["holds"], r["why"]) for r in told["rules"]] == [
        ("production", True, 'effect.zone is "production".'),
        ("no-boss", False, 'effect.resource is "lead/lead-1".'),
    ]
    assert "--before" in told["note"]
    with_image = project.json(
        "policy", "explain", AGENT, "crm.update_lead", '{"id": "lead-1"}', "--before", '{"a": 1}', code=6
    )
    assert with_image["note"] == ""


def test_explain_says_what_is_wrong_with_names_and_effects(project):
    """The nearest name, and why effects cannot be told."""
    shown = project.run("policy", "explain", "lead-enrich", "mail.sned", "{}").stdout
    assert "Did you mean 'lead-enricher'?" in shown
    assert "Did you mean 'mail.send'?" in shown
    assert "Its effects cannot be told: " in project.run("policy", "explain", AGENT, "mail.send", "{}").stdout


def test_explain_looks_into_the_store_and_writes_nothing(project):
    """Zones, refusals and stops that are remembered count; the journal stays as it is."""
    project.call("crm.new", id="lead-1", env="stage")
    project.call("mail.send", to="boss")
    before = rows(project)
    told = project.json("policy", "explain", AGENT, "crm.update_lead", '{"id": "lead-1"}', code=6)
    assert told["effects"][0]["zone"] == "staging"
    assert rows(project) == before
    project.ok("stop", AGENT, "--why", "test")
    told = project.json("policy", "explain", f"{AGENT}/worker", "crm.get_lead", '{"id": "lead-1"}', code=1)
    assert [g["gate"] for g in told["gates"] if g["findings"]] == ["stopped"]


def test_explain_makes_no_store(project):
    """Looking leaves no file."""
    project.ok("policy", "explain", AGENT, "crm.get_lead", '{"id": "lead-1"}')
    assert [path.name for path in project.folder.iterdir()] == ["handrail.yaml"]


def test_explain_with_a_zone(project):
    """An alias is its zone; an unknown one is said."""
    words = ["policy", "explain", AGENT, "crm.update_lead", '{"id": "lead-1"}', "--zone"]
    assert project.json(*words, "prod", code=6)["effects"][0]["zone"] == "production"
    result = project.run(*words, "prd")
    assert "The policy declares no zone 'prd'. Did you mean 'prod'?" in result.stderr


def test_explain_with_a_store_in_memory_and_in_observe_mode(project):
    """Nothing is remembered; and what would be decided is said to be only that."""
    text = POLICY.replace("version: 1\n", "version: 1\nmode: observe\nstore: 'memory:'\n")
    (project.folder / "handrail.yaml").write_text(text)
    told = project.json("policy", "explain", AGENT, "mail.send", '{"to": "boss"}', code=1)
    assert "In observe mode it would run anyway" in told["note"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "and this is a list"),
        ("null", "and this is null"),
        ("3", "and this is a number"),
        ("true", "and this is a truth value"),
        ('"x"', "and this is text"),
        ("", "is not JSON"),
        ("{id: 1}", "line 1, column 2"),
        ('{"a": {"b": 1, "b": 2}}', "the key 'b' stands twice"),
        ('{"\\u001b": 1, "\\u001b": 2}', "the key '\\x1b' stands twice"),
        ('{"a": NaN}', "NaN is not a JSON value"),
        ('{"a": -Infinity}', "-Infinity is not a JSON value"),
        ('{"a": 1e999}', "JSON cannot hold"),
        ('{"a": 99999999999999999999}', "beyond 64 bits"),
        ('{"a": ' + "9" * 5000 + "}", "beyond 64 bits"),
        ('{"a": "\\ud800"}', "lone surrogate"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 70 + "1" + "}" * 70, "nested deeper than 64"),
    ],
)
def test_arguments_that_are_no_json_object(project, text, said):
    """One clear sentence, exit 2."""
    result = project.run("policy", "explain", AGENT, "crm.get_lead", text)
    assert result.exit_code == Code.USAGE
    assert said in result.stderr
    assert result.stderr.startswith("ARGS_JSON ")
    assert result.stderr.count("\n") == 1


def test_what_agents_wrote_cannot_act_on_the_terminal(project):
    """Neither arguments nor names."""
    odd = "\x1b[2J[bold]\u202e"
    result = project.run("policy", "explain", odd, "mail.send", json.dumps({"to": odd}))
    assert "\x1b" not in result.output and "\u202e" not in result.output
    assert "[bold]" in result.stdout


# --- schema ---


def test_schema_fits_the_policy(project):
    """What editors are given accepts what loads, and refuses a typing error."""
    schema = json.loads(project.ok("policy", "schema"))
    assert schema == project.json("policy", "schema")
    fits = validator_for(schema).is_valid
    assert fits({"version": 1, "tools": {"a": {"do": "read"}}})
    assert not fits({"version": 1, "tools": {"a": {"od": "read"}}})


def test_nothing_of_this_is_journalled(project):
    """Of all these commands."""
    project.call("mail.send", to="kim")
    before = rows(project)
    for words in (["check"], ["schema"], ["explain", AGENT, "mail.send", '{"to": "kim"}']):
        project.ok("policy", *words)
    assert rows(project) == before

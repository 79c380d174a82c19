"""`handrail policy allow`."""

import json

import handrail

HOSTILE = 'x.get"\n\x1b[31m: {do: read}\nmode: observe'


def refused(project, tool, agent="lead-enricher", **args):
    """Have an agent call a tool of this name."""
    with handrail.open(project.folder / "handrail.yaml", alerts=False) as hr:

        def body(**kwargs: object) -> dict[str, object]:
            return {}

        if "id" in args:

            def body(id: str, size: int = 1) -> dict[str, object]:
                return {}

        guarded = hr.tool(tool)(body)
        with hr.run(agent=agent):
            try:
                return guarded(**args)
            except handrail.HandrailError as error:
                return error


def added(diff):
    return [line[1:] for line in diff.splitlines() if line.startswith("+") and not line.startswith("+++")]


def removed(diff):
    return [line for line in diff.splitlines() if line.startswith("-") and not line.startswith("---")]


def test_a_tool_that_is_not_declared(project):
    """Its verb from its name, its resource from the recorded arguments; shown, not written."""
    refused(project, "crm.archive_lead", id="lead-1", size=3)
    before = (project.folder / "handrail.yaml").read_text()
    result = project.run("policy", "allow", "crm.archive_lead")
    assert result.exit_code == 0
    (line,) = added(result.stdout)
    assert line == '  crm.archive_lead: {do: update, resource: "lead/{args.id}"}'
    assert removed(result.stdout) == []
    assert "Nothing was written." in result.stderr
    assert (project.folder / "handrail.yaml").read_text() == before


def test_applied(project):
    """It asks a person then, and the tools of before are as they were."""
    refused(project, "crm.archive_lead", id="lead-1")
    told = project.json("policy", "allow", "crm.archive_lead", "--apply")
    assert (told["tool"], told["declared"], told["applied"]) == ("crm.archive_lead", False, True)
    assert isinstance(refused(project, "crm.archive_lead", id="lead-1"), handrail.ReviewRequired)
    project.ok("policy", "check")
    text = (project.folder / "handrail.yaml").read_text()
    assert added(told["diff"])[0] in text.splitlines()


def test_what_may_write_asks(project):
    """Also where its name tells nothing."""
    for tool in ("mystery", "crm.send_mail", "bank.pay", "x.run_shell"):
        told = project.json("policy", "allow", tool)
        assert "ask: always" in added(told["diff"])[0], tool


def test_a_read_is_said_to_run_without_asking(project):
    """So that a person looks."""
    result = project.run("policy", "allow", "crm.list_leads")
    assert added(result.stdout) == ["  crm.list_leads: {do: read}"]
    assert "No call of it is recorded" in result.stderr
    assert "It would run without asking, because it seems to read only." in result.stderr


def test_a_hostile_name(project):
    """Is one quoted key, asks every time, changes nothing else, and is harmless on the terminal."""
    result = project.run("policy", "allow", HOSTILE)
    assert result.exit_code == 0
    assert "\x1b" not in result.output
    (line,) = added(result.stdout)
    assert line.endswith('": {do: execute, ask: always}')
    before = handrail_policy(project)
    project.ok("policy", "allow", HOSTILE, "--apply")
    after = handrail_policy(project)
    assert set(after.tools) - set(before.tools) == {HOSTILE}
    assert after.mode == before.mode == "enforce"


def handrail_policy(project):
    from handrail.policy import load

    return load(project.folder / "handrail.yaml")


def test_a_name_that_is_no_name(project):
    """Blanks around it would make it another tool's double."""
    result = project.run("policy", "allow", " crm.x ")
    assert result.exit_code == 3
    assert "blank or has blanks around it" in result.stderr


def test_a_rule_that_denies(project):
    """Is named with its line; nothing is proposed."""
    project.call("mail.send", to="boss")
    result = project.run("policy", "allow", "mail.send")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Rule 'no-boss' stands in line 21: narrow its 'when' or its 'for' there." in result.stderr


def test_access_that_is_too_low(project):
    """One line does it where the agent may do what is not critical; otherwise a person gives more access."""
    file = project.folder / "handrail.yaml"
    text = file.read_text().replace("lead-enricher: {access: write,", "lead-enricher: {access: write_noncritical,")
    file.write_text(text)
    project.call("crm.new", id="a")
    project.call("crm.update_lead", id="lead-1", company_size=2)
    flat = project.json("policy", "allow", "crm.new", code=1)
    assert flat["diff"] is None
    assert "would need more 'access'" in flat["notes"][1]
    assert "Add this to it yourself: critical: false" in flat["notes"][-1]
    block = project.json("policy", "allow", "crm.update_lead", "--apply")
    assert added(block["diff"]) == ["    critical: false"]
    assert removed(block["diff"]) == []
    assert file.read_text() == text.replace("args: before}\n", "args: before}\n    critical: false\n")


def test_what_is_allowed_by_now(project):
    """Or asks: nothing has to change."""
    project.call("mail.send", to="boss")
    file = project.folder / "handrail.yaml"
    text = file.read_text()
    file.write_text(text.replace("then: deny", "then: ask"))
    assert "It is not refused now, it asks a person" in project.run("policy", "allow", "mail.send").stderr
    file.write_text(text.replace("email/boss", "email/else"))
    assert "The policy would let this call run now" in project.run("policy", "allow", "mail.send").stderr


def test_no_refusal(project):
    """Is said, with what to do."""
    result = project.run("policy", "allow", "crm.get_lead")
    assert result.exit_code == 1
    assert "no refusal of it is recorded" in result.stderr
    assert "handrail policy explain AGENT TOOL ARGS_JSON" in result.stderr


def test_what_the_policy_did_not_refuse(project):
    """A stop is lifted elsewhere."""
    project.ok("stop", "lead-enricher", "--why", "enough", "--by", "kim")
    project.call("crm.get_lead", id="lead-1")
    assert "The policy did not refuse it:" in project.run("policy", "allow", "crm.get_lead").stderr


def test_secrets(project):
    """Are not in the journal, so the call cannot be decided again."""
    file = project.folder / "handrail.yaml"
    file.write_text(file.read_text() + "redact: [args.to]\n")
    project.call("mail.send", to="boss")
    assert "secret in part" in project.run("policy", "allow", "mail.send").stderr


def test_a_store_in_memory(project):
    """Has nothing to tell; the draft is made from the name."""
    file = project.folder / "handrail.yaml"
    file.write_text(file.read_text() + "store: 'memory:'\n")
    assert added(project.ok("policy", "allow", "crm.list_leads")) == ["  crm.list_leads: {do: read}"]


def test_arguments_that_differ(project):
    """Only what every recorded call had can name the resource."""
    refused(project, "crm.touch_lead", id="a")
    refused(project, "crm.touch_lead", name="b")
    told = project.json("policy", "allow", "crm.touch_lead")
    assert "resource" not in added(told["diff"])[0]
    assert json.dumps(told["notes"]).count("names a resource") == 1

"""Reviewing: list, show, approve, deny, clear, grants, revoke."""

import handrail

KIM, DANA = "kim@example.com", "dana@example.com"


def test_nothing_waits(project):
    """Said on stderr; stdout stays empty."""
    result = project.run("review", "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "Nothing waits for a person." in result.stderr


def test_list_shows_what_waits(staffed):
    """With our sentence; decided ones only with --all."""
    ticket = staffed.hold()
    assert "lead-enricher wants to update lead/lead-1 in zone production with crm.update_lead." in staffed.ok(
        "review", "list"
    )
    assert [t["ticket"] for t in staffed.json("review", "list")["tickets"]] == [ticket]
    staffed.decide("review", "deny", ticket)
    assert staffed.json("review", "list")["tickets"] == []
    (told,) = staffed.json("review", "list", "--all")["tickets"]
    assert (told["state"], told["by"]) == ("denied", KIM)
    assert "denied" in staffed.ok("review", "list", "--all")


def test_show_prints_its_parts_in_order(staffed):
    """Sentence, rule, change, chains, past, standing, and last the agent's own words."""
    staffed.call("crm.get_lead", id="lead-1", run="run-0")
    staffed.call("mail.send", to="boss")
    ticket = staffed.hold(note="Dear reviewer,\nkim approved this already.")
    told = staffed.ok("review", "show", ticket)
    parts = [
        "lead-enricher wants to update lead/lead-1 in zone production with crm.update_lead.",
        "rules/production:",
        "effect.zone = production",
        "What would change",
        "What this run did before (run run-1)",
        "What other runs did to lead/lead-1",
        "Decisions before about lead-enricher and crm.update_lead",
        "Who may decide",
        "UNTRUSTED",
        "| kim approved this already.",
    ]
    places = [told.index(part) for part in parts]
    assert places == sorted(places)
    assert told.index("Dear reviewer") > told.index("UNTRUSTED")
    change = [line.split() for line in told.splitlines() if "company_size" in line]
    assert change == [["*", "company_size", "12", "->", "40"]]
    denied = next(line for line in told.splitlines() if "mail.send" in line)
    assert "denied" in denied and "rule" in denied
    assert "kim@example.com may decide." in told
    assert "dana@example.com owns the agent, and four_eyes asks for somebody else." in told
    assert "Yes, with crm.update_lead." in told


def test_show_as_json_has_the_same_parts(staffed):
    """In the same order; keys that scripts may rely on."""
    ticket = staffed.hold(note="three words here")
    told = staffed.json("review", "show", ticket)
    keys = ["sentence", "genuine", "tripped", "change", "undo", "chains", "past", "standings", "untrusted_words"]
    assert [key for key in told if key in keys] == keys
    assert told["ticket"] == ticket
    assert told["genuine"] is True
    assert told["untrusted_words"] == [{"where": "args.note", "text": "three words here"}]


def test_a_ticket_is_found_in_any_case_or_not_found(staffed):
    """With the nearest id."""
    ticket = staffed.hold()
    assert staffed.ok("review", "show", ticket.lower())
    result = staffed.run("review", "show", ticket[:-1] + "!")
    assert result.exit_code == 4
    assert f"Did you mean '{ticket}'" in result.stderr


def test_approving_runs_nothing_and_lets_the_same_call_run_once(staffed):
    """And says so."""
    ticket = staffed.hold()
    result = staffed.decide("review", "approve", ticket, "--note", "fine")
    assert result.exit_code == 0
    assert "It may run once, exactly as planned, until" in result.stdout
    assert "the agent must make the same call again" in result.stdout
    assert "(30 min)" in result.stdout
    assert staffed.leads["lead-1"]["company_size"] == 12
    assert staffed.call("crm.update_lead", id="lead-1", company_size=40, env="live") == {"id": "lead-1"}
    assert staffed.json("review", "show", ticket)["state"] == "spent"
    again = staffed.decide("review", "approve", ticket)
    assert (again.exit_code, again.stdout) == (1, "")
    assert f"Ticket {ticket} is already spent by {KIM}" in again.stderr


def test_a_denial_sticks_until_it_is_cleared(staffed):
    """To the resource."""
    ticket = staffed.hold()
    assert "From now on" in staffed.decide("review", "deny", ticket, "--note", "not this one").stdout
    assert isinstance(staffed.call("crm.update_lead", id="lead-1", company_size=40, env="live"), handrail.Denied)
    cleared = staffed.decide("review", "clear", " Lead/lead-1 ", "--json")
    assert '"resource": "lead/lead-1", "refusals": 1' in cleared.stdout
    assert "No refusal" in staffed.decide("review", "clear", "lead/lead-1").stdout
    misused = staffed.decide("review", "clear", "lead/lead-1", "--rule", "production")
    assert misused.exit_code == 2
    assert "Name a resource (kind/name), or a rule with --rule" in misused.stderr
    assert "There is no rule 'productio'" in staffed.decide("review", "clear", "--rule", "productio").stderr
    assert "Nothing was stopped" in staffed.decide("review", "clear", "--rule", "production").stdout


def test_a_wrong_secret_decides_nothing_and_is_not_repeated(staffed):
    """In no message."""
    ticket = staffed.hold()
    result = staffed.run("review", "approve", ticket, "--as", KIM, "--secret-stdin", input="hunter2hunter2\n")
    assert result.exit_code == 1
    assert "not the secret of kim@example.com" in result.stderr
    assert "hunter2" not in result.output
    assert staffed.json("review", "show", ticket)["state"] == "pending"


def test_who_may_not_decide_is_told_before_a_secret_is_asked_for(staffed):
    """The owner under four eyes, strangers, and those without a secret."""
    ticket = staffed.hold()
    for name, said in ((DANA, "owns the agent"), ("kim@exmple.com", "Did you mean 'kim@example.com'?")):
        result = staffed.run("review", "approve", ticket, "--as", name, "--secret-stdin", input="")
        assert result.exit_code == 1
        assert said in result.stderr


def test_who_decides_has_to_be_said_when_there_are_several(staffed):
    """They are listed."""
    ticket = staffed.hold()
    result = staffed.run("review", "approve", ticket, "--secret-stdin", input="x\n")
    assert result.exit_code == 2
    assert "dana@example.com, kim@example.com" in result.stderr


def test_the_only_reviewer_need_not_be_named(project):
    """But needs a secret."""
    policy = project.folder / "handrail.yaml"
    policy.write_text(policy.read_text().replace("[dana@example.com, kim@example.com]", "[kim@example.com]"))
    ticket = project.hold()
    result = project.run("review", "approve", ticket, "--secret-stdin", input="x\n")
    assert result.exit_code == 1
    assert "handrail reviewer add kim@example.com" in result.stderr
    project.ok("reviewer", "add", KIM, "--secret-stdin", input="kim's secret\n")
    assert project.run("review", "approve", ticket, "--secret-stdin", input="kim's secret\n").exit_code == 0


def test_without_reviewers_nobody_decides(project):
    """A configuration error."""
    policy = project.folder / "handrail.yaml"
    policy.write_text(policy.read_text().replace("[dana@example.com, kim@example.com]", "[]"))
    ticket = project.hold()
    assert project.json("review", "approve", ticket, code=3)["kind"] == "ConfigurationError"
    assert "no reviewers" in project.ok("review", "show", ticket)


def test_remembering_grants_what_it_prints(staffed):
    """The pattern, the uses, the end; listed, used, and revocable."""
    ticket = staffed.hold()
    result = staffed.decide(
        "review", "approve", ticket, "--remember", "--uses", "3", "--hours", "2", "--pattern", "args.company_size=4?"
    )
    assert "3 further uses until" in result.stdout
    assert "args.company_size like 4?" in result.stdout
    assert "args.id like lead-1" in result.stdout
    (grant,) = staffed.json("review", "grants")["grants"]
    assert grant["live"] is True
    assert grant["pattern"]["company_size"] == "4?"
    assert staffed.call("crm.update_lead", id="lead-1", company_size=41, env="live") == {"id": "lead-1"}
    assert "1/3" in staffed.ok("review", "grants")
    assert "after 1 use of 3" in staffed.decide("review", "revoke", grant["grant"]).stdout
    assert "approved in advance" in staffed.run("review", "grants").stderr
    assert "revoked" in staffed.ok("review", "grants", "--all")
    assert staffed.decide("review", "revoke", "G-NOPE").exit_code == 4


def test_what_needs_no_secret_is_checked_before_one_is_asked_for(project):
    """Also before "has no secret yet" of somebody who may not decide anyway."""
    ticket = project.hold()
    assert "owns the agent" in project.run("review", "approve", ticket, "--as", DANA, "--secret-stdin").stderr
    assert "has no secret yet" in project.run("review", "deny", ticket, "--as", KIM, "--secret-stdin").stderr
    project.enroll()
    held = project.call("crm.drop", id="lead-1").ticket
    for words, said in (
        ([held, "--remember"], "cannot be undone"),
        ([ticket, "--remember", "--pattern", "compny_size=*"], "Did you mean 'company_size'?"),
        ([ticket, "--remember", "--uses", "99"], "1 to 20 uses"),
    ):
        result = project.run("review", "approve", *words, "--as", KIM, "--secret-stdin", input="")
        assert result.exit_code == 1
        assert said in result.stderr


def test_of_a_read_nothing_is_to_be_undone(staffed):
    """So it is not asked."""
    policy = staffed.folder / "handrail.yaml"
    policy.write_text(policy.read_text().replace("crm.get_lead: {do: read,", "crm.get_lead: {ask: always, do: read,"))
    told = staffed.ok("review", "show", staffed.call("crm.get_lead", id="lead-1").ticket)
    assert "It only reads" in told
    assert "undone?" not in told


def test_what_belongs_to_remember_needs_it(staffed):
    """Said before anything is decided."""
    ticket = staffed.hold()
    for words in (["--uses", "2"], ["--hours", "1"], ["--pattern", "id=*"]):
        assert staffed.decide("review", "approve", ticket, *words).exit_code == 2
    assert staffed.decide("review", "approve", ticket, "--remember", "--pattern", "id").exit_code == 2
    assert staffed.decide("review", "approve", ticket, "--remember", "--uses", "99").exit_code == 1
    assert staffed.json("review", "show", ticket)["state"] == "pending"


def test_show_says_what_cannot_be_undone_and_what_would_go(staffed):
    """A delete shows the before-image going."""
    held = staffed.call("crm.drop", id="lead-1")
    told = staffed.ok("review", "show", held.ticket)
    assert "(gone)" in told
    assert "Acme" in told
    assert "cannot be taken back" in told


def test_show_warns_of_a_ticket_that_was_changed_in_the_store(staffed):
    """A forged view cannot be approved, and must not be believed."""
    import sqlite3

    ticket = staffed.hold()
    with sqlite3.connect(staffed.folder / ".handrail" / "handrail.db") as store:
        store.execute("UPDATE tickets SET document = replace(document, '\"company_size\":40', '\"company_size\":13')")
    result = staffed.run("review", "show", ticket)
    assert "WARNING" in result.stderr
    assert staffed.json("review", "show", ticket)["genuine"] is False
    assert staffed.decide("review", "approve", ticket).exit_code == 1


def test_an_argument_that_is_null_is_not_shown_as_a_change():
    """It may be a default that the agent left out."""
    from handrail.cli.review.show import _fields
    from handrail.review.replay import Change, FieldChange

    _, (row,) = _fields(Change(True, (FieldChange("name", "Acme", "null", False, null=True),)))
    assert [text.plain for text in row] == ["? ", "name", "Acme", "(null) sent as null or left out"]

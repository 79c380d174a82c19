"""reviewer, stop, start, store, alert."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

import handrail


@pytest.fixture
def hook():
    """A receiver of alerts on this machine; `taken` is what it got."""
    taken = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    server.taken = taken
    server.url = f"http://127.0.0.1:{server.server_port}/secret-path"
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def alerting(project, url):
    with (project.folder / "handrail.yaml").open("a") as file:
        file.write(f"alerts: ['{url}']\n")


def test_reviewers_are_enrolled_and_listed(project):
    """Who can decide, and who not yet."""
    told = project.json("reviewer", "list")
    assert [(r["reviewer"], r["enrolled"]) for r in told["reviewers"]] == [
        ("dana@example.com", False),
        ("kim@example.com", False),
    ]
    added = project.json("reviewer", "add", "kim@example.com", "--secret-stdin", input="kim's secret\n")
    assert added["reviewer"] == "kim@example.com"
    assert len(added["public_key"]) == 64
    assert "has no secret yet" in project.ok("reviewer", "list")
    assert "can decide" in project.ok("reviewer", "list")


def test_a_secret_is_replaced_only_with_the_old_one(staffed):
    """Two lines of stdin: the old, the new."""
    words = ["reviewer", "add", "kim@example.com", "--secret-stdin"]
    assert "--replace" in staffed.run(*words, input="another secret\n").stderr
    assert staffed.run(*words, "--replace", input="wrong\nanother secret\n").exit_code == 1
    assert staffed.run(*words, "--replace", input="kim's secret\nanother secret\n").exit_code == 0
    ticket = staffed.hold()
    assert staffed.decide("review", "approve", ticket).exit_code == 1
    assert staffed.run(
        "review", "approve", ticket, "--as", "kim@example.com", "--secret-stdin", input="another secret\n"
    ).exit_code == 0  # fmt: skip


@pytest.mark.parametrize(
    ("words", "input", "code", "said"),
    [
        (["kim@exmple.com"], "long enough\n", 4, "Did you mean 'kim@example.com'?"),
        (["kim@example.com"], "short\n", 1, "at least 8 characters"),
        (["kim@example.com"], "", 2, "No secret was given"),
        (["kim@example.com", "--replace"], "a\nb\n", 2, "none to replace"),
    ],
)
def test_what_is_wrong_with_a_new_reviewer(project, words, input, code, said):
    """One sentence, and no secret in it."""
    result = project.run("reviewer", "add", *words, "--secret-stdin", input=input)
    assert result.exit_code == code
    assert said in result.stderr
    assert not input.strip() or input.strip() not in result.output


def test_a_reviewer_whom_the_policy_no_longer_names(staffed):
    """Is listed, and cannot decide."""
    policy = staffed.folder / "handrail.yaml"
    policy.write_text(policy.read_text().replace("[dana@example.com, kim@example.com]", "[kim@example.com]"))
    assert "dana@example.com  not in the policy any more" in staffed.ok("reviewer", "list")


def test_an_enrolment_is_alerted(project, hook):
    """Whoever enrolls can approve, so somebody should know."""
    alerting(project, hook.url)
    project.enroll()
    assert [alert["fields"]["reviewer"] for alert in hook.taken] == ["dana@example.com", "kim@example.com"]
    assert "secret'" not in json.dumps(hook.taken)


def test_stop_and_start(project, hook):
    """In every process, alerted, journalled, with the system user's name by default."""
    alerting(project, hook.url)
    assert "Start it again: handrail start lead-enricher" in project.ok(
        "stop", "lead-enricher", "--why", "too many mails"
    )
    assert [alert["kind"] for alert in hook.taken] == ["stopped"]
    killed = project.call("mail.send", to="x")
    assert isinstance(killed, handrail.Killed)
    assert "too many mails. " in str(killed)
    told = project.json("start", "lead-enricher", "--by", "kim")
    assert told == {"agent": "lead-enricher", "started": True, "by": "kim", "still_stopped_by": []}
    assert project.call("mail.send", to="x") == {}
    assert "was not stopped" in project.ok("start", "lead-enricher")
    lines = [json.loads(line) for line in project.ok("log", "--json").splitlines()]
    assert [row["reason"] for row in lines if row["kind"] == "event"] == ["stop", "start"]


def test_starting_a_child_of_a_stopped_agent_says_what_still_holds_it(project):
    """An ancestor's stop holds for all that work for it."""
    project.ok("stop", "lead-enricher", "--why", "x")
    project.ok("stop", "lead-enricher/worker", "--why", "x")
    assert "its ancestor lead-enricher is stopped" in project.ok("start", "lead-enricher/worker")
    assert isinstance(project.call("mail.send", to="x", agent="lead-enricher/worker"), handrail.Killed)


def test_starting_an_unknown_agent_is_not_found(project):
    """With the nearest name; and no store is made."""
    told = project.json("start", "lead-enrichr", code=4)
    assert "Did you mean 'lead-enricher'?" in told["error"]
    assert not (project.folder / ".handrail").exists()


@pytest.mark.parametrize(
    ("name", "near"), [("lead-enrichr", "lead-enricher"), ("Lead-Enricher ", "lead-enricher"), ("rogue", None)]
)
def test_an_undeclared_agent_can_be_stopped(project, name, near):
    """Exactly the given name, since such an agent may run in observe mode; the nearest name is told."""
    policy = project.folder / "handrail.yaml"
    policy.write_text("mode: observe\n" + policy.read_text().replace("mode: enforce\n", ""))
    assert project.call("mail.send", to="x", agent=name) == {}
    stopped = project.run("stop", name, "--why", "x")
    assert stopped.exit_code == 0
    assert f"does not declare the agent '{name}'. Exactly this name was stopped" in stopped.stderr
    assert ("Did you mean" in stopped.stderr) is (near is not None)
    assert near is None or f"Did you mean '{near}'?" in stopped.stderr
    assert isinstance(project.call("mail.send", to="x", agent=name), handrail.Killed)
    assert project.call("mail.send", to="x") == {}
    started = project.run("start", name)
    assert started.exit_code == 0
    assert f"does not declare the agent '{name}'. Exactly this name was started" in started.stderr
    assert project.call("mail.send", to="x", agent=name) == {}
    assert project.run("start", name).exit_code == 4


def test_a_stop_needs_a_reason(project):
    """Agents and people are told it."""
    assert project.run("stop", "lead-enricher", "--why", " ").exit_code == 2
    assert project.run("stop", "lead-enricher").exit_code == 2


def test_a_stop_needs_a_name(project):
    """An empty variable in a script stops nobody, so it must not succeed."""
    assert project.run("stop", " ", "--why", "x").exit_code == 2


def test_an_agent_that_left_the_policy_can_still_be_started(project):
    """Its stop is in the store."""
    project.ok("stop", "lead-enricher/worker", "--why", "x")
    policy = project.folder / "handrail.yaml"
    kept = [line for line in policy.read_text().splitlines() if "/worker" not in line]
    policy.write_text("\n".join(kept))
    assert "started again" in project.ok("start", "lead-enricher/worker")


def test_a_backup_opens_as_a_store(project):
    """And never overwrites."""
    project.call("crm.get_lead", id="lead-1")
    told = project.json("store", "backup", "copy.db")
    assert told["bytes"] == (project.folder / "copy.db").stat().st_size
    assert project.json("log", "verify", "--store", "sqlite:///copy.db")["rows"] == 3
    assert project.json("store", "backup", "copy.db", code=3)["kind"] == "StoreError"
    refused = project.run("store", "backup", "more/copy.db")
    assert (refused.exit_code, (project.folder / "more").exists()) == (2, False)
    printed = project.ok("store", "backup", "copy2.db")
    assert "Wrote copy2.db" in printed
    assert f"handrail log --store sqlite:///{project.folder}/copy2.db" in printed


def test_without_a_store_there_is_nothing_to_copy(project):
    """And a path is not an address."""
    assert "so there is nothing to copy" in project.json("store", "backup", "copy.db", code=3)["error"]
    told = project.json("log", "--store", "/tmp/b.db", code=3)
    assert "Write: sqlite:////tmp/b.db" in told["error"]


def test_a_test_alert_says_who_got_it(project, hook):
    """The URL's path is a secret and is not shown."""
    alerting(project, hook.url)
    printed = project.ok("alert", "test")
    assert "ok" in printed
    assert "secret-path" not in printed
    assert [alert["kind"] for alert in hook.taken] == ["test"]
    assert project.json("alert", "test")["deliveries"][0]["ok"] is True


def test_an_alert_that_does_not_arrive_is_a_finding(project):
    """And a policy without alerts a configuration error."""
    assert project.json("alert", "test", code=3)["kind"] == "ConfigurationError"
    alerting(project, "http://127.0.0.1:9/x")
    assert project.json("alert", "test", code=1)["deliveries"][0]["ok"] is False
    assert "FAILED" in project.run("alert", "test").stdout
    result = project.run("stop", "lead-enricher", "--why", "x")
    assert result.exit_code == 0
    assert "The alert did not reach" in result.stderr
    assert '"reason": "alert_failed"' in project.ok("log", "--json")

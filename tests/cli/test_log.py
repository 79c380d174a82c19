"""The journal: reading, following, verifying, resolving, pruning."""

import json
import sqlite3

import pytest

import handrail
from handrail.cli.exits import UsageError
from handrail.cli.log.list import Wanted, following
from handrail.cli.log.prune import moment_before
from handrail.core.outcome import Status
from handrail.core.record import Record, RecordKind
from handrail.core.store import Query
from handrail.stores.memory import MemoryStore


def rows(project, *args):
    return [json.loads(line) for line in project.ok("log", *args, "--json").splitlines()]


def test_an_empty_journal(project):
    """Says so, and prints nothing."""
    result = project.run("log")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "The journal is empty." in result.stderr


def test_rows_come_oldest_first_and_can_be_filtered(project):
    """The newest are kept by --limit; anchors are not shown."""
    project.call("crm.get_lead", id="lead-1")
    project.call("mail.send", to="boss", run="run-2")
    told = rows(project)
    assert [row["tool"] for row in told] == ["crm.get_lead", "crm.get_lead", "mail.send"]
    assert [row["status"] for row in told] == [None, "success", "denied"]
    assert {row["kind"] for row in told} == {"attempt", "outcome"}
    assert [row["run"] for row in rows(project, "--run", "run-2")] == ["run-2"]
    assert [row["tool"] for row in rows(project, "--status", "denied")] == ["mail.send"]
    assert len(rows(project, "--tool", "crm.get_lead", "--agent", "lead-enricher")) == 2
    assert [row["tool"] for row in rows(project, "--limit", "1")] == ["mail.send"]
    assert "No row matches." in project.run("log", "--run", "run-9").stderr


def test_each_row_is_one_line_when_piped(project):
    """So that grep works, however long the values are."""
    project.call("mail.send", to="x" * 300)
    printed = project.ok("log").splitlines()
    assert len(printed) == 3
    assert "begun" in printed[1]
    assert "success" in printed[2]


def test_show_tells_everything_about_one_action(project):
    """Sentences and values; what stood in a row before is not repeated."""
    project.call("crm.get_lead", id="lead-1")
    action = rows(project)[-1]["action"]
    told = project.ok("log", "show", action)
    assert "effects: read lead/lead-1" in told
    assert 'args.id: "lead-1"' in told
    assert "result.company_size: 12" in told
    assert [row["kind"] for row in project.json("log", "show", action)["rows"]] == ["attempt", "outcome"]


def test_an_unknown_action_is_not_found(project):
    """With the nearest recent id."""
    project.call("crm.get_lead", id="lead-1")
    action = rows(project)[-1]["action"]
    told = project.json("log", "show", action[:-1], code=4)
    assert action in told["error"]
    assert project.run("log", "show", "").exit_code == 4


def test_following_yields_what_comes():
    """Each row once, in order, however many come between two looks."""
    store = MemoryStore()
    waits = []

    def add(count):
        for _ in range(count):
            store.transact(lambda tx: tx.append(Record(RecordKind.EVENT, run="r", reason="x")))

    def sleep(seconds):
        waits.append(seconds)
        add(3 if len(waits) == 2 else 0)
        if len(waits) == 4:
            raise KeyboardInterrupt

    add(2)
    seen = []
    with pytest.raises(KeyboardInterrupt):
        for new in following(store, Query(run="r", newest_first=True, limit=1), 1, sleep):
            seen += [row.seq for row in new]
    assert seen == [2, 3, 4, 5]
    assert waits == [0.5] * 4


def test_verify_finds_a_changed_row(project):
    """Exit code 1, and which row it is."""
    project.call("crm.get_lead", id="lead-1")
    assert "The journal is whole: 3 rows in 1 chain." in project.ok("log", "verify")
    assert project.json("log", "verify") == {"whole": True, "rows": 3, "chains": 1, "pruned": 0, "faults": []}
    with sqlite3.connect(project.folder / ".handrail" / "handrail.db") as store:
        store.execute("UPDATE journal SET tool = 'other' WHERE seq = 2")
    result = project.run("log", "verify")
    assert result.exit_code == 1
    assert "NOT whole: 1 fault" in result.stdout
    assert len(project.json("log", "verify", code=1)["faults"]) == 1


def test_pruning_removes_contents_and_still_verifies(project):
    """And is itself journalled."""
    project.call("crm.get_lead", id="lead-1")
    action = rows(project)[-1]["action"]
    assert project.json("log", "prune", "--before", "1d")["rows"] == 0
    counted = project.json("log", "prune", "--before", "0d", "--dry-run")
    assert counted["rows"] >= 3
    assert "--yes" in project.json("log", "prune", "--before", "0d", code=2)["error"]
    assert "its body was removed" not in project.ok("log", "show", action)
    assert project.json("log", "prune", "--before", "0d", "--yes")["rows"] >= 3
    assert "its body was removed" in project.ok("log", "show", action)
    assert project.json("log", "verify")["whole"] is True
    assert rows(project)[-1]["reason"] == "prune"


@pytest.mark.parametrize("said", ["90", "x", "2026-13-01", "3000-01-01", "-1d", "9999999d"])
def test_what_is_no_age_is_a_usage_error(said):
    """And so is the future."""
    with pytest.raises(UsageError, match="--before"):
        moment_before(said, 1_700_000_000_000_000)


def test_ages_and_dates():
    """In UTC where no zone is said; never before the epoch."""
    now_us = 1_700_000_000_000_000
    assert moment_before("90d", now_us) == now_us - 90 * 86_400_000_000
    assert moment_before("2w", now_us) == moment_before("14d", now_us)
    assert moment_before("12h", now_us) == moment_before("720m", now_us)
    assert moment_before("1970-01-02", now_us) == 86_400_000_000
    assert moment_before("1970-01-02T01:00:00+01:00", now_us) == 86_400_000_000
    assert moment_before("999999w", now_us) == 0


def test_an_action_in_doubt_is_resolved_by_a_person(staffed):
    """As failed: the same action, and the same call, may run again."""
    action = staffed.die()
    assert isinstance(staffed.call("crm.new", id="lead-9", run="run-e"), handrail.ReviewRequired)
    result = staffed.decide("log", "resolve", action, "--outcome", "failed", "--note", "it is not there")
    assert result.exit_code == 0, result.output
    assert "may run again" in result.stdout
    last = rows(staffed)[-1]
    assert (last["kind"], last["status"], last["reason"]) == ("outcome", "failed", "in_doubt")
    assert (last["body"]["by"], last["body"]["note"]) == ("kim@example.com", "it is not there")
    assert staffed.call("crm.new", id="lead-9", run="run-e") == {"id": "lead-9"}
    assert staffed.call("crm.new", id="lead-9", run="run-d", call="c") == {"id": "lead-9"}
    assert staffed.decide("log", "resolve", action, "--outcome", "failed").exit_code == 1


def test_typed_as_messages_print_it_it_says_what_to_type_next(staffed):
    """`handrail log resolve ID`, as doctor and refusals have it."""
    action = staffed.die()
    result = staffed.run("log", "resolve", action)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"\n  handrail log resolve {action} --outcome success --as NAME " in result.stderr
    assert f"\n  handrail log resolve {action} --outcome failed --as NAME " in result.stderr
    assert staffed.run("log", "resolve", "no-such").exit_code == 4


def test_resolved_as_success_the_same_call_does_not_run_again(staffed):
    """The same action under another call may."""
    action = staffed.die()
    told = staffed.decide("log", "resolve", action, "--outcome", "success", "--json")
    assert json.loads(told.stdout) == {
        "action": action,
        "status": "success",
        "by": "kim@example.com",
        "note": None,
    }
    again = staffed.call("crm.new", id="lead-9", run="run-d", call="c", env="stage")
    assert isinstance(again, handrail.ResultNotKept)
    assert staffed.call("crm.new", id="lead-9", run="run-f") == {"id": "lead-9"}


def test_a_success_that_a_person_found_is_remembered_of_the_resource(staffed):
    """The zone that it entered, as a settlement does."""
    script_id = "lead-1"
    ticket = staffed.hold()
    staffed.decide("review", "approve", ticket)
    action = _die_updating(staffed, script_id)
    assert staffed.decide("log", "resolve", action, "--outcome", "success").exit_code == 0
    # no zone is said now, but the lead is known to stand in production
    held = staffed.call("mail.send", to="x")
    assert held == {}
    with sqlite3.connect(staffed.folder / ".handrail" / "handrail.db") as store:
        assert store.execute("SELECT zone FROM resources WHERE id = 'lead/lead-1'").fetchone() == ("production",)


def _die_updating(project, id):
    import subprocess
    import sys

    script = (
        "import handrail, os\n"
        "hr = handrail.open(alerts=False)\n"
        "@hr.tool('crm.get_lead')\n"
        "def get(id: str) -> dict: return {'id': 'lead-1', 'company_size': 12, 'name': 'Acme'}\n"
        "@hr.tool('crm.update_lead')\n"
        "def update(id: str, company_size: int, note: str = '', env: str = 'stage') -> dict: os._exit(9)\n"
        f"with hr.run('lead-enricher', id='run-u') as run, run.call('c'): update({id!r}, 40, env='live')\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=project.folder, check=False, timeout=60)
    assert ended.returncode == 9
    return rows(project, "--run", "run-u")[-1]["action"]


def test_a_resource_that_could_not_be_told_is_resolved_too(staffed):
    """The call then has its outcome."""
    assert isinstance(staffed.call("crm.new", id="lost", run="run-l", call="c"), handrail.ReviewRequired)
    action = rows(staffed, "--run", "run-l")[-1]["action"]
    assert staffed.decide("log", "resolve", action, "--outcome", "success").exit_code == 0
    assert isinstance(staffed.call("crm.new", id="lost", run="run-l", call="c"), handrail.ResultNotKept)
    assert staffed.decide("log", "resolve", action, "--outcome", "success").exit_code == 1


def test_what_is_not_in_doubt_is_not_resolved(staffed):
    """A success, a refusal, what still runs, and a wrong secret."""
    staffed.call("crm.get_lead", id="lead-1")
    result = staffed.decide("log", "resolve", rows(staffed)[-1]["action"], "--outcome", "failed")
    assert result.exit_code == 1
    assert "it ended as success" in result.stderr
    staffed.call("mail.send", to="boss")
    result = staffed.decide("log", "resolve", rows(staffed)[-1]["action"], "--outcome", "failed")
    assert "it never began to run" in result.stderr
    action = staffed.die()
    words = ["log", "resolve", action, "--outcome", "failed", "--as", "kim@example.com", "--secret-stdin"]
    assert staffed.run(*words, input="not kim's\n").exit_code == 1
    assert staffed.decide("log", "resolve", action, "--outcome", "failed").exit_code == 0


def test_what_still_runs_is_not_resolved(staffed):
    """Its process lives."""
    with handrail.open(staffed.folder / "handrail.yaml", alerts=False) as hr:

        @hr.tool("crm.new")
        def new(id: str, env: str = "stage") -> dict[str, object]:
            action = handrail.current().action
            result = staffed.decide("log", "resolve", action, "--outcome", "failed")
            return {"id": "x", "code": result.exit_code, "said": result.stderr}

        with hr.run("lead-enricher"):
            told = new("lead-5")
    assert told["code"] == 1
    assert "still running" in told["said"]


def test_begun_is_a_status_that_can_be_asked_for(project):
    """Of the other statuses there is each."""
    project.call("crm.get_lead", id="lead-1")
    assert [(row["kind"], row["status"]) for row in rows(project, "--status", "begun")] == [("attempt", None)]
    assert [status.value for status in Wanted] == ["begun", *(status.value for status in Status)]

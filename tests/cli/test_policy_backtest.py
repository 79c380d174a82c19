"""`handrail policy backtest`."""

import io
import json
import sys

import pytest

LINE = {"agent": "lead-enricher", "run": "r", "call": "1", "tool": "crm.get_lead", "args": {"id": "a"}}


@pytest.fixture
def trace(project):
    """Writes a trace; each line is what differs from the usual one."""

    def written(*lines):
        file = project.folder / "t.jsonl"
        file.write_text("".join(json.dumps({**LINE, "call": str(n), **line}) + "\n" for n, line in enumerate(lines)))
        return file

    return written


def told(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_one_line_for_each(project, trace):
    """In their order, with exactly these keys; no store is made or needed."""
    trace({}, {"tool": "mail.send", "args": {"to": "boss"}}, {"tool": "crm.drop"})
    result = project.run("policy", "backtest", "--trace", "t.jsonl", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert told(result) == [
        {"call": "0", "decision": "allow", "rule": None, "why": "", "status": "success"},
        {"call": "1", "decision": "deny", "rule": "no-boss", "status": "denied",
         "why": "Rule 'no-boss' denies this: effect.resource is \"email/boss\"."},
        {"call": "2", "decision": "ask", "rule": "destructive", "status": "success",
         "why": "'crm.drop' would delete lead/a, and what is destructive needs a person."},
    ]  # fmt: skip
    assert not (project.folder / ".handrail").exists()


def test_answers_of_people(project, trace):
    """Refused, they are remembered."""
    trace({"tool": "crm.drop"}, {"tool": "crm.drop"})
    result = project.run("policy", "backtest", "--trace", "t.jsonl", "--asks", "refused", "--json")
    assert [(line["decision"], line["status"]) for line in told(result)] == [("ask", "denied")] * 2
    wrong = project.run("policy", "backtest", "--trace", "t.jsonl", "--asks", "perhaps")
    assert wrong.exit_code == 2


def test_for_people(project, trace):
    """Counts, and the first examples of each rule."""
    trace({}, {"tool": "mail.send", "args": {"to": "boss"}}, {"error": "\x1b[31m"}, {"tool": "crm.\x1b[2Jx"})
    result = project.run("policy", "backtest", "--trace", "t.jsonl")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "4 actions: 2 allowed, 0 asked, 2 denied. Whatever asked counts as approved."
    assert lines[1] == "Ended as: 2 denied, 1 success, 1 retry."
    assert any(line.split()[:3] == ["deny", "no-boss", "1"] for line in lines)
    assert "\x1b" not in result.stdout


def test_an_empty_trace(project):
    """Is said."""
    (project.folder / "t.jsonl").write_text("")
    assert project.ok("policy", "backtest", "--trace", "t.jsonl") == "The trace has no action.\n"
    assert project.ok("policy", "backtest", "--trace", "t.jsonl", "--json") == ""


def test_a_broken_line(project, trace):
    """Ends it with code 2 and the place; what came before was told."""
    file = trace({}, {})
    file.write_text(file.read_text() + '{"agent": "x", "call": "3", "args": {}}\n' + json.dumps(LINE) + "\n")
    result = project.run("policy", "backtest", "--trace", "t.jsonl", "--json")
    assert result.exit_code == 2
    *lines, error = told(result)
    assert [line["call"] for line in lines] == ["0", "1"]
    assert error["error"] == "t.jsonl:3: 'run', 'tool' are missing. A line needs agent, run, call, tool, args."
    people = project.run("policy", "backtest", "--trace", "t.jsonl")
    assert (people.exit_code, people.stdout) == (2, "")
    assert people.stderr.startswith("t.jsonl:3: 'run', 'tool' are missing")


def test_no_file(project):
    """Or a folder."""
    for name in ("none.jsonl", "."):
        result = project.run("policy", "backtest", "--trace", name)
        assert result.exit_code == 2
        assert result.stderr == f"--trace: {name} is not a file.\n"


def test_stdin(project, monkeypatch):
    """With `-`."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(LINE).encode())))
    result = project.run("policy", "backtest", "--trace", "-", "--json", input=json.dumps(LINE) + "\n")
    assert [line["call"] for line in told(result)] == ["1"]


def test_what_one_should_know(project, trace):
    """Times that go back, and keys that mean nothing, are told on stderr."""
    trace({"at": "2026-03-01T09:30:00Z", "note": 1}, {"at": "2026-03-01T09:29:00Z", "note": 1})
    result = project.run("policy", "backtest", "--trace", "t.jsonl", "--json")
    assert len(told(result)) == 2
    assert result.stderr.splitlines() == [
        "t.jsonl:1: 'note' is no key of a trace and is not looked at.",
        "1 action had an earlier time than the one before; the clock does not go back.",
    ]


def test_another_policy(project, trace):
    """Is what one backtests."""
    trace({})
    (project.folder / "new.yaml").write_text(
        (project.folder / "handrail.yaml").read_text().replace("crm.get_lead", "crm.got")
    )
    result = project.run("policy", "backtest", "--trace", "t.jsonl", "--json", "--policy", "new.yaml")
    assert told(result)[0]["rule"] == "allowlist"


def test_the_journal(project):
    """What was recorded, decided by the policy of today: only what differs, or everything with what it was."""
    project.call("crm.get_lead", id="lead-1")
    project.call("mail.send", to="kim")
    project.call("mail.send", to="boss")
    same = project.ok("policy", "backtest")
    assert same == "3 attempts replayed: 3 decided as before, 0 otherwise.\n"
    file = project.folder / "handrail.yaml"
    file.write_text(file.read_text().replace("email/boss", "email/kim"))
    lines = project.ok("policy", "backtest").splitlines()
    assert lines[0] == "3 attempts replayed: 1 decided as before, 2 otherwise."
    assert sorted(line.split()[:2] for line in lines[3:]) == [["allow", "deny"], ["deny", "allow"]]
    told = [json.loads(line) for line in project.ok("policy", "backtest", "--json").splitlines()]
    assert [(line["was"], line["decision"], line["rule"]) for line in told] == [
        ("allow", "allow", None), ("allow", "deny", "no-boss"), ("deny", "allow", None)
    ]  # fmt: skip


def test_what_is_left_out_of_the_journal(project):
    """Is counted on stderr."""
    project.call("crm.get_lead", id="lead-1")
    project.ok("stop", "lead-enricher", "--why", "enough", "--by", "kim")
    project.call("crm.get_lead", id="lead-1")
    result = project.run("policy", "backtest")
    assert result.stdout.startswith("1 attempt replayed")
    assert result.stderr.startswith("1 attempt not replayed: it was refused for something that is not in the policy")


def test_an_empty_journal(project):
    """No store yet."""
    result = project.run("policy", "backtest")
    assert (result.exit_code, result.stdout) == (0, "0 attempts replayed: 0 decided as before, 0 otherwise.\n")
    assert "Nothing is recorded yet" in result.stderr

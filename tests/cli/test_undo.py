"""`handrail undo`: a person takes back what agents did, through the MCP server whose tools did it."""

import contextlib
import json
import sqlite3
import sys
import time

import pytest

import handrail
from handrail.cli.exits import UsageError
from handrail.core.record import Record, RecordKind
from handrail.core.store import Query

KIM, DANA = "kim@example.com", "dana@example.com"
POLICY = """\
version: 1
four_eyes: true
reviewers: [dana@example.com, kim@example.com]
agents: {bot: {access: write, owner: dana@example.com, tokens_per_day: 1000}}
tools:
  crm.get: {do: read, resource: "lead/{args.id}"}
  crm.set:
    do: update
    resource: "lead/{args.id}"
    ask: never
    before: {call: crm.get, args: {id: args.id}}
    undo: {call: crm.set, args: {id: args.id, size: before.size}}
  crm.note: {do: create, resource: "note/{args.id}"}
"""
SERVER = """\
import json, sys
from pathlib import Path
FILE = Path("crm.json")
TOOLS = [
    {"name": "get", "inputSchema": {"type": "object", "properties": {"id": {"type": "string"}}}},
    {"name": "set", "inputSchema": {"type": "object", "properties": {"id": {"type": "string"}, "size": {"type": "integer"}}}},
]
def call(name, args):
    leads = json.loads(FILE.read_text())
    lead = leads[args["id"]]
    if name == "set":
        if Path("fail").exists():
            Path("fail").unlink()
            raise ValueError("no \\x1b[31mservice")
        lead["size"] = args["size"]
        FILE.write_text(json.dumps(leads))
    return lead
for line in sys.stdin:
    message = json.loads(line)
    method, id = message.get("method"), message.get("id")
    if id is None:
        continue
    if method == "initialize":
        result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "crm", "version": "1"}}
    elif method == "tools/list":
        result = {"tools": TOOLS}
    else:
        try:
            found = call(message["params"]["name"], message["params"]["arguments"])
            result = {"content": [], "structuredContent": found}
        except Exception as error:
            result = {"content": [{"type": "text", "text": str(error)}], "isError": True}
    print(json.dumps({"jsonrpc": "2.0", "id": id, "result": result}), flush=True)
"""


class Office:
    """The project, with a CRM in a file that guarded functions and an MCP server write."""

    def __init__(self, project):
        self.project = project
        self.file = project.folder / "crm.json"
        self.file.write_text(json.dumps({id: {"id": id, "size": 10} for id in "123"}))
        (project.folder / "handrail.yaml").write_text(POLICY)
        (project.folder / "server.py").write_text(SERVER)
        self.enroll(KIM)
        self.server = ("--server", "crm", "--", sys.executable, "server.py")

    def enroll(self, name):
        secret = f"{name.partition('@')[0]}'s secret\n"
        self.project.ok("reviewer", "add", name, "--secret-stdin", input=secret)

    def leads(self):
        return json.loads(self.file.read_text())

    def sizes(self):
        return [lead["size"] for lead in self.leads().values()]

    def write(self, id, size):
        leads = self.leads()
        leads[id]["size"] = size
        self.file.write_text(json.dumps(leads))

    def did(self, *calls, run="R1"):
        """Make calls as the agent, in a program."""
        with handrail.open(self.project.folder / "handrail.yaml", alerts=False) as hr:

            @hr.tool("crm.get")
            def get(id: str) -> dict[str, object]:
                return self.leads()[id]

            @hr.tool("crm.set")
            def set(id: str, size: int) -> dict[str, object]:
                self.write(id, size)
                return {}

            @hr.tool("crm.note")
            def note(id: str) -> str:
                return "ok"

            tools = {"get": get, "set": set, "note": note}
            with hr.run(agent="bot", id=run):
                for name, *args in calls:
                    tools[name](*args)

    def undo(self, *words, by=KIM, secret=None, server=True):
        """Undo as a person, through the server."""
        secret = secret or f"{by.partition('@')[0]}'s secret"
        who = ("--as", by, "--secret-stdin")
        return self.project.run("undo", *words, *who, *(self.server if server else ()), input=secret + "\n")

    def store(self):
        from handrail.stores import connect

        return connect("sqlite:///.handrail/handrail.db", self.project.folder)


@pytest.fixture
def office(project):
    return Office(project)


def fates(result):
    return [(one["tool"], one["fate"]) for one in json.loads(result.stdout)["actions"]]


def test_a_run_is_taken_back(office):
    """What cannot be undone is listed, and the command ends with 1."""
    office.did(("set", "1", 11), ("set", "2", 21), ("set", "1", 12), ("note", "7"))
    office.write("2", 99)
    result = office.undo("--run", "R1")
    assert result.exit_code == 1
    assert office.sizes() == [10, 99, 10]
    lines = [line.split()[-1] for line in result.stdout.splitlines()[1:5]]
    assert lines == ["impossible", "undone", "conflict", "undone"]
    assert "Somebody changed it since, so it was left as it is. Settle it by hand." in result.stdout
    assert "The policy names no 'undo' for 'crm.note'." in result.stdout
    assert "2 of 4 actions undone." in result.stderr
    assert "2 not undone: see above." in result.stderr


def test_when_all_is_undone_it_ends_with_0(office):
    """Also the second time, when nothing is left to do and nobody is asked for a secret."""
    office.did(("set", "1", 11))
    assert office.undo("--run", "R1").exit_code == 0
    again = office.project.run("undo", "--run", "R1", *office.server)
    assert (again.exit_code, again.stderr) == (0, "0 of 1 action undone, 1 had been before.\n")


def test_a_dry_run_changes_nothing(office):
    """It needs no secret; what a later action covers is told as such."""
    office.did(("set", "1", 11), ("set", "1", 12), ("note", "7"))
    before = office.leads()
    result = office.project.run("undo", "--run", "R1", "--dry-run", "--json", *office.server)
    assert fates(result) == [("crm.note", "impossible"), ("crm.set", "ready"), ("crm.set", "ready_after")]
    assert json.loads(result.stdout)["dry_run"] is True
    assert office.leads() == before
    store = office.store()
    written = store.read(lambda tx: list(tx.records(Query(agent="handrail:undo", kinds=(RecordKind.ATTEMPT,)))))
    assert {row.record.tool for row in written} == {"crm.get"}
    assert store.read(lambda tx: tx.tickets()) == ()
    store.close()
    said = office.project.run("undo", "--run", "R1", "--dry-run", *office.server)
    assert "2 of 3 actions can be undone. Nothing was changed." in said.stderr
    assert said.exit_code == 1


def test_one_action_by_its_id_or_how_it_begins(office):
    """And the undo of an undo brings it back."""
    office.did(("set", "1", 11), ("set", "2", 21))
    told = office.project.run("undo", "--run", "R1", "--dry-run", "--json", *office.server)
    first = json.loads(told.stdout)["actions"][1]["action"]
    assert office.undo(first[:-1]).exit_code == 0
    assert office.sizes() == [10, 21, 10]
    store = office.store()
    (event,) = store.read(lambda tx: list(tx.records(Query(run="R1", kinds=(RecordKind.EVENT,)))))
    store.close()
    assert office.undo(event.record.body["by"]).exit_code == 0
    assert office.sizes() == [11, 21, 10]
    assert event.record.body["by"] in office.project.ok("log", "--run", "R1")


def test_a_wrong_secret_undoes_nothing(office):
    """It is told before anything is done, and repeated in no message."""
    office.did(("set", "1", 11))
    result = office.undo("--run", "R1", secret="hunter2hunter2")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "not the secret of kim@example.com" in result.stderr
    assert "hunter2" not in result.output
    assert office.sizes()[0] == 11


def test_who_is_no_reviewer_undoes_nothing(office):
    """Nor do several at once; the owner of the agent may."""
    office.did(("set", "1", 11))
    for words, said in ((("--as", "bob"), "is not a reviewer"), ((), "Say who you are: --as NAME")):
        result = office.project.run("undo", "--run", "R1", *words, "--secret-stdin", *office.server, input="x\n")
        assert result.exit_code in (1, 2)
        assert said in result.stderr
    assert office.sizes()[0] == 11
    office.enroll(DANA)
    assert office.undo("--run", "R1", by=DANA).exit_code == 0
    assert office.sizes()[0] == 10


def test_after_a_stop_a_person_can_undo(office):
    """The agent stays stopped."""
    office.did(("set", "1", 11))
    office.project.ok("stop", "bot", "--why", "it ran wild")
    assert office.undo("--run", "R1").exit_code == 0
    assert office.sizes()[0] == 10


def test_in_observe_mode_too(office):
    """A reviewer signs all the same."""
    policy = office.project.folder / "handrail.yaml"
    policy.write_text(POLICY.replace("version: 1", "version: 1\nmode: observe"))
    office.did(("set", "1", 11))
    assert office.undo("--run", "R1").exit_code == 0
    assert office.sizes()[0] == 10
    store = office.store()
    assert [ticket.by for ticket in store.read(lambda tx: tx.tickets())] == [KIM]
    store.close()


def test_an_undo_that_fails_is_told_and_the_others_are_undone(office):
    """What a server says cannot act on the terminal."""
    office.did(("set", "1", 11), ("set", "2", 21))
    (office.project.folder / "fail").touch()
    result = office.undo("--run", "R1")
    assert result.exit_code == 1
    assert office.sizes() == [10, 21, 10]
    assert "no \\x1b[31mservice" in result.stdout
    assert "\x1b" not in result.output
    assert "1 of 2 actions undone." in result.stderr
    assert office.undo("--run", "R1").exit_code == 0


def test_hostile_names_are_safe_to_print(office):
    """Effects, tools and reasons."""
    office.did(("set", "1", 11))
    store = office.store()
    effects = [{"verb": "update", "resource": "lead/\x1b[2J\u202e"}]
    body = {"effects": effects, "args": {}}
    row = Record(RecordKind.ATTEMPT, "a\x1b[1m", "R1", "bot", "t\x1b]0;x\x07", "", "", "", body)
    store.transact(lambda tx: tx.append(row))
    why = {"why": "\x1b[31mred"}
    store.transact(
        lambda tx: tx.append(
            row._replace(kind=RecordKind.OUTCOME, status="failed_validation", reason="checks", body=why)
        )
    )
    store.close()
    result = office.undo("--run", "R1")
    assert not {"\x1b", "\u202e", "\x07"} & set(result.output)
    assert "\\x1b[2J\\u202e" in result.stdout
    assert result.exit_code == 1


def test_without_the_server_it_says_how_to_name_it(office):
    """And nothing is undone."""
    office.did(("set", "1", 11), ("set", "2", 21))
    result = office.undo("--run", "R1", server=False)
    assert result.exit_code == 1
    assert result.stdout.count("handrail undo … -- COMMAND") == 1
    assert office.sizes() == [11, 21, 10]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "What is to be undone?"),
        (("--run", "R9"), 4, "The journal knows no run R9."),
        (("nope",), 4, "knows no action nope"),
        (("ab" * 32,), 4, "No place that can be reached from here knows a change"),
        (("shop/ab",), 3, "names no place that can be reached"),
        (("nope", "--server", "crm"), 2, "Its command goes to the end"),
        (("--run", "R1", "--", "/nonexistent/server"), 3, "The MCP server cannot be used. It cannot be started"),
        (("--run", "R1", "--", sys.executable, "-c", "pass"), 3, "It ended with code 0"),
    ],
)
def test_what_is_wrong_is_told(office, words, code, said):
    """With what to do."""
    office.did(("set", "1", 11))
    result = office.project.run("undo", *words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr


def test_a_run_that_only_read(office):
    """Has nothing to undo."""
    office.did(("get", "1"))
    result = office.undo("--run", "R1")
    assert (result.exit_code, result.stderr) == (0, "Nothing was changed, so there is nothing to undo.\n")
    assert office.undo("--run", "R1", "--json").stdout == '{"dry_run": false, "actions": []}\n'


def test_json_lists_each_action_once(office):
    """With what became of it."""
    office.did(("set", "1", 11), ("note", "7"))
    result = office.undo("--run", "R1", "--json")
    assert result.exit_code == 1
    note, set = json.loads(result.stdout)["actions"]
    assert (set["tool"], set["fate"], set["effects"], set["agent"]) == ("crm.set", "undone", ["update lead/1"], "bot")
    assert note["why"] == "The policy names no 'undo' for 'crm.note'."


def test_unchecked_undoes_what_nobody_can_tell(office):
    """And says so."""
    policy = office.project.folder / "handrail.yaml"
    office.did(("set", "1", 11))
    office.did(("set", "2", 21), run="R2")
    for row in ("    before: {call: crm.get, args: {id: args.id}}\n",):
        policy.write_text(policy.read_text().replace(row, "").replace("size: before.size", "size: {value: 1}"))
    result = office.undo("--run", "R1")
    assert result.exit_code == 1
    assert "--unchecked" in result.stdout
    result = office.undo("--run", "R1", "--unchecked")
    assert result.exit_code == 0
    assert "Nobody could tell whether it was changed since." in result.stdout
    assert office.sizes()[0] == 1


def test_what_was_done_is_told_when_it_is_cut_off(office, monkeypatch):
    """Ctrl-C ends the undo, not the report."""
    office.did(("set", "1", 11), ("set", "2", 21))
    from handrail.review import decide

    signed = []
    real = decide.approve

    def approve(*args, **options):
        if signed:
            raise KeyboardInterrupt
        signed.append(args)
        return real(*args, **options)

    monkeypatch.setattr(decide, "approve", approve)
    result = office.undo("--run", "R1")
    assert result.exit_code == 130
    assert "1 of 2 actions undone." in result.stderr
    assert "It was cut off: 1 not looked at any more. Run the same again." in result.stderr
    assert office.sizes() == [11, 10, 10]


def test_many_actions_are_quick(office):
    """A secret is derived once, and no action looks at all of the others."""
    office.did(*[("set", "1", size) for size in range(100, 160)])
    begun = time.monotonic()
    assert office.undo("--run", "R1").exit_code == 0
    assert time.monotonic() - begun < 20
    assert office.sizes()[0] == 10


class Shop:
    """A project with a guarded database and a change of one row."""

    def __init__(self, project):
        self.project = project
        self.write("CREATE TABLE lead (id INTEGER PRIMARY KEY, status TEXT)", "INSERT INTO lead VALUES (1, 'a')")
        (project.folder / "handrail.yaml").write_text(
            "version: 1\nreviewers: [kim@example.com]\n"
            "agents: {bot: {access: write, owner: dana, tokens_per_day: 1000}}\n"
            "databases: {shop: {url: 'sqlite:///shop.db', tables: {lead: {write: [status], rows_free: 5}}}}\n"
        )
        project.ok("data", "install", "--apply")
        project.ok("reviewer", "add", KIM, "--secret-stdin", input="kim's secret\n")
        with handrail.open(project.folder / "handrail.yaml", alerts=False) as hr, hr.run(agent="bot", id="R1"):
            shop = hr.database("shop")
            self.change = shop.apply(shop.update("lead", [1], {"status": "b"})).change

    def write(self, *statements):
        with contextlib.closing(sqlite3.connect(self.project.folder / "shop.db")) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    def look(self, *words):
        result = self.project.run("undo", *words, "--dry-run", "--json")
        return json.loads(result.stdout)["actions"]


@pytest.fixture
def shop(project):
    return Shop(project)


def test_however_often_a_person_looks_the_undo_goes_on(shop):
    """Retries are counted for agents: five looks at a conflict open no ticket, and once it is gone it is undone."""
    shop.write("UPDATE lead SET status = 'c'")
    for _ in range(5):
        assert [one["fate"] for one in shop.look("--run", "R1")] == ["conflict"]
    shop.write("UPDATE lead SET status = 'b'")
    assert shop.project.json("review", "list")["tickets"] == []
    shop.project.ok("undo", "--run", "R1", "--secret-stdin", input="kim's secret\n")


def test_a_digest_tells_when_and_what(shop):
    """From the journal; a beginning with its place does, too; and without the journal's from the receipt."""
    for said in (shop.change, f"shop/{shop.change}", f"shop/{shop.change[:10]}", shop.change[:10]):
        (one,) = shop.look(said)
        assert (one["fate"], one["effects"], one["run"]) == ("ready", ["update row/shop/lead/1"], "R1")
        assert one["at"] is not None
    (one,) = shop.look(f"shop/{shop.change}", "--store", "sqlite:///other.db")
    assert (one["fate"], one["effects"], one["run"]) == ("ready", ["update row/shop/lead (1 row)"], "")
    assert one["at"] is not None


def test_without_its_history_a_change_was_not_never_made(shop):
    """It is told how to have them."""
    shop.write("ALTER TABLE handrail_change RENAME TO elsewhere")
    (one,) = shop.look("--run", "R1")
    assert one["fate"] == "failed"
    assert one["why"].endswith("Install them: handrail data install")


@pytest.mark.parametrize(
    "words",
    [
        ("abcdefgh", "--run", "R1"),
        ("abcdefgh", "--run", "R1", "--", "true"),
        ("abcdefgh", "true"),
        ("a", "b", "--", "c"),
    ],
)
def test_one_thing_is_undone_and_a_server_comes_after_the_dashes(project, words):
    """A word beside --run is never taken for a program."""
    result = project.run("undo", *words)
    assert result.exit_code == 2
    assert "Name one thing to undo" in result.stderr


def test_dashes_that_are_the_value_of_an_option_begin_no_command(shop):
    """The note may be anything."""
    assert shop.project.run("undo", "--run", "R1", "--dry-run", "--note", "--").exit_code == 0
    assert shop.project.run("undo", "x", "--note", "--", "y").exit_code == 2
    assert shop.project.run("undo", "--run", "R1", "--dry-run", "--", "no-such-program").exit_code == 3


@pytest.mark.parametrize("as_json", [False, True])
def test_what_is_signed_is_shown_before_the_secret_is_asked_for(shop, monkeypatch, as_json):
    """On the terminal; with --json beside it, on stderr."""
    seen = []

    def ask(prompt, *, stdin):
        seen.append(prompt)
        raise UsageError("stop")

    monkeypatch.setattr("handrail.cli.people.ask_secret", ask)
    result = shop.project.run("undo", shop.change, *(["--json"] if as_json else []))
    assert seen
    assert "update row/shop/lead/1" in (result.stderr if as_json else result.stdout)

"""`handrail doctor`: each check succeeds on a sound project, and has a test in which it does not."""

import json
import os
import re
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.stores.postgres.server import server

from handrail.cli.exits import Code
from handrail.core.facts import Latch
from handrail.core.policy import Mode
from handrail.core.record import Record, RecordKind
from handrail.core.store import Query
from handrail.doctor import CHECKS, examine, journal, open_place
from handrail.doctor.canary import TOOL
from handrail.doctor.disk import FREE_BYTES_MIN
from handrail.doctor.exam import DAY_US
from handrail.doctor.tools import ATTEMPTS_MAX
from handrail.gates import Allowlist, default_gates
from handrail.policy import load
from handrail.stores.memory import MemoryStore
from handrail.stores.sqlite import SqliteStore

from .conftest import AGENT, POLICY

PAGE = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")
ROOT = os.geteuid() == 0
NOBODY = 65_534


def write(project, old="version: 1\n", new="version: 1\n"):
    assert old in POLICY
    (project.folder / "handrail.yaml").write_text(POLICY.replace(old, new))


@contextmanager
def opened(project, **options):
    store = SqliteStore(project.folder / ".handrail" / "handrail.db", **options)
    try:
        yield store
    finally:
        store.close()


def append(project, *records, **options):
    with opened(project, **options) as store:
        store.transact(lambda tx: [tx.append(record) for record in records])


def found(project, **options):
    """Examine the project without the command line; return findings by check."""
    file = project.folder / "handrail.yaml"
    policy = load(file)
    place = open_place(policy.store, project.folder)
    try:
        options = {"now_us": time.time_ns() // 1_000, **options}
        return {one.check: one for one in examine(policy, file, place, **options)}
    finally:
        if place.store is not None:
            place.store.close()


def level(project, check, **options):
    return found(project, **options)[check].level


def used(project):
    """Have every declared tool pass through."""
    for tool, args in (
        ("crm.get_lead", {"id": "lead-1"}),
        ("crm.update_lead", {"id": "lead-1", "company_size": 1}),
        ("crm.drop", {"id": "lead-1"}),
        ("crm.new", {"id": "lead-2"}),
        ("mail.send", {"to": "kim"}),
        ("files.copy", {"src": "a", "dst": "b"}),
    ):
        project.call(tool, **args)


# --- the command ---


def test_a_sound_project_has_no_errors(staffed, monkeypatch):
    """Every check is made, in the order of the list."""
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    monkeypatch.setattr(os, "supports_effective_ids", {os.access})
    write(staffed, new="version: 1\nalerts: [https://hooks.example.com/x]\n")
    used(staffed)
    told = staffed.json("doctor")
    assert [one["check"] for one in told["checks"]] == [check.name for check in CHECKS]
    assert {one["check"]: one["message"] for one in told["checks"] if one["level"] != "ok"} == {}
    assert (told["ok"], told["errors"], told["warnings"], told["policy"]) == (True, 0, 0, "handrail.yaml")
    assert told["store"] == f"sqlite:///{staffed.folder}/.handrail/handrail.db"
    assert "All is well." in staffed.ok("doctor")
    assert "All is well." in staffed.ok("doctor", "--full")


def test_without_a_policy(project):
    """What is missing, what to do, and exit 3; nothing is left behind."""
    (project.folder / "handrail.yaml").unlink()
    result = project.run("doctor")
    assert result.exit_code == Code.CONFIGURATION
    assert "There is no policy here" in result.stdout
    assert "What to do: Write a handrail.yaml" in result.stdout
    told = project.json("doctor", code=3)
    assert (told["ok"], told["policy"], told["store"]) == (False, None, None)
    assert list(project.folder.iterdir()) == []


def test_with_a_broken_policy(project):
    """Every problem with its place, and exit 3."""
    write(project, "do: send", "do: sned")
    told = project.json("doctor", code=3)
    (one,) = told["checks"]
    assert (one["check"], one["level"]) == ("policy", "error")
    assert one["items"][0].startswith("handrail.yaml:17:")
    assert "Did you mean 'send'?" in one["items"][0]


def test_with_a_policy_that_was_named_and_is_not_there(project):
    """The command line is wrong."""
    assert project.run("doctor", "--policy", "nope.yaml").exit_code == Code.USAGE


def test_with_an_error_in_pyproject(project):
    """Its own sentence, not "there is no policy"."""
    (project.folder / "handrail.yaml").unlink()
    (project.folder / "pyproject.toml").write_text('[tool.handrail]\npolcy = "x"\n')
    assert project.json("doctor", code=3)["kind"] == "ConfigurationError"


def test_before_the_first_run(project):
    """No store yet is no fault; looking makes none, and the canary flies all the same."""
    told = project.json("doctor")
    checks = {one["check"]: one for one in told["checks"]}
    assert "There is no store yet" in checks["store"]["message"]
    assert checks["canary"]["level"] == "ok"
    assert [path.name for path in project.folder.iterdir()] == ["handrail.yaml"]


def test_errors_and_warnings_end_with_1_and_0(project):
    """Warnings alone are no failure."""
    assert project.run("doctor").exit_code == Code.OK
    project.die()
    assert project.run("doctor").exit_code == Code.FINDINGS


def test_piped_output_has_one_line_for_each_check(project):
    """So that grep shows whole findings."""
    lines = project.ok("doctor").splitlines()
    assert [line.split()[1] for line in lines[: len(CHECKS)]] == [check.name for check in CHECKS]
    assert all(line.split()[0] in {"ok", "warning", "error"} for line in lines[: len(CHECKS)])


def test_at_a_terminal_it_fits_80_columns(project, monkeypatch):
    """Sentences wrap; items and what to do have their own lines."""
    from handrail.cli import doctor, output

    printed = []

    class Terminal:
        encoding = "utf-8"

        def isatty(self):
            return True

        def write(self, text):
            printed.append(text)

        def flush(self):
            pass

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(doctor.sys, "stdout", terminal)
    monkeypatch.setattr(output.sys, "stdout", terminal)
    findings = found(project)
    doctor._show(tuple(findings.values()))
    lines = re.sub(r"\x1b\[[0-9;]*m", "", "".join(printed)).splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.strip() == "crm.update_lead" for line in lines)
    assert any(line.strip().startswith("What to do: Guard each") for line in lines)


def test_a_check_that_fails_is_an_error_and_the_others_go_on(project):
    """A journal row of a kind that nobody knows."""
    project.call("mail.send", to="kim")
    with sqlite3.connect(project.folder / ".handrail" / "handrail.db") as connection:
        connection.execute("UPDATE journal SET kind = 'odd\x1b[2J'")
    connection.close()
    checks = found(project)
    assert checks["journal"].level == "error"
    assert "could not be checked: " in checks["journal"].message
    assert "\x1b" not in project.run("doctor").output
    assert checks["four_eyes"].level == "ok"


def test_what_agents_wrote_cannot_act_on_the_terminal(project):
    """Names and reasons from the store are foreign text."""
    odd = "\x1b[2J[red]\u202e"
    project.call("mail.send", to="kim")
    with opened(project) as store:
        store.transact(lambda tx: tx.put_latch(Latch(odd, odd, odd, tx.now_us)))
    for told in (project.ok("doctor"), project.ok("doctor", "--json")):
        assert "\x1b" not in told and "\u202e" not in told
    assert "[red]" in project.ok("doctor")


# --- policy, four_eyes ---


def test_policy_with_advice(project):
    """Errors of the lint are errors here, warnings warnings."""
    write(project, ", tokens_per_day: 1000", "")
    finding = found(project)["policy"]
    assert (finding.level, len(finding.items)) == ("error", 2)
    assert "2 errors and 0 warnings" in finding.message
    assert project.run("doctor").exit_code == Code.FINDINGS
    write(project, new="version: 1\nfour_eyes: false\n")
    assert level(project, "policy") == "warning"


def test_four_eyes(project):
    """False is said."""
    assert level(project, "four_eyes") == "ok"
    write(project, new="version: 1\nfour_eyes: false\n")
    assert level(project, "four_eyes") == "warning"


# --- store, disk ---


def test_store_that_is_a_folder(project):
    """It cannot be opened: exit 3; what needs no store is still checked."""
    (project.folder / ".handrail" / "handrail.db").mkdir(parents=True)
    told = project.json("doctor", code=3)
    checks = {one["check"]: one for one in told["checks"]}
    assert "Is a directory" in checks["store"]["message"]
    assert "handrail doctor" not in checks["store"]["message"]
    assert set(checks) == {check.name for check in CHECKS if not check.needs_store}


def test_store_of_a_newer_version(project):
    """It is left as it is."""
    project.call("mail.send", to="kim")
    with sqlite3.connect(project.folder / ".handrail" / "handrail.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    told = project.json("doctor", code=3)
    store = next(one for one in told["checks"] if one["check"] == "store")
    assert "version 99" in store["message"]
    assert "newer Handrail" in store["todo"]


def test_store_that_is_damaged(project):
    """Not a database."""
    (project.folder / ".handrail").mkdir()
    (project.folder / ".handrail" / "handrail.db").write_text("x" * 10_000)
    store = found(project)["store"]
    assert store.level == "error"
    assert "not a database" in store.message


def test_store_that_cannot_be_made(project):
    """A file stands where its folder should be."""
    (project.folder / ".handrail").write_text("")
    store = found(project)["store"]
    assert store.level == "error"
    assert "is not a folder" in store.message


@pytest.mark.skipif(not ROOT, reason="only root can become somebody else")
def test_store_in_a_folder_of_somebody_else(project):
    """Said as what it is, not as a store that does not exist yet."""
    project.call("mail.send", to="kim")
    policy, file = load(project.folder / "handrail.yaml"), project.folder / "handrail.yaml"
    open_up(project.folder)
    os.seteuid(NOBODY)
    try:
        checks = {one.check: one for one in examine(policy, file, open_place(policy.store, project.folder), 0)}
    finally:
        os.seteuid(0)
    assert checks["store"].level == "error"
    assert "system user that runs the guarded tools" in checks["store"].todo
    assert checks["files"].level == "ok"


def test_store_that_was_named_and_is_not_there(project):
    """Nothing is made in its place."""
    told = project.json("doctor", "--store", "sqlite:///nope.db", code=3)
    assert "--store names a store that does not exist" in json.dumps(told)
    assert not (project.folder / "nope.db").exists()


def test_store_with_an_address_that_is_not_known(project):
    """Its secrets are not shown."""
    result = project.run("doctor", "--store", "postgresql://user:hush@db/x")
    assert result.exit_code == Code.CONFIGURATION
    assert "hush" not in result.output
    assert "hush" not in json.dumps(project.json("doctor", "--store", "postgresql://user:hush@db/x", code=3))


def test_store_in_memory(project):
    """A warning: nothing is remembered."""
    write(project, new="version: 1\nstore: 'memory:'\n")
    checks = found(project)
    assert checks["store"].level == "warning"
    assert checks["canary"].level == "ok"


def test_disk(project):
    """Less than 100 MB is an error."""
    assert level(project, "disk", free=lambda folder: FREE_BYTES_MIN) == "ok"
    assert level(project, "disk", free=lambda folder: FREE_BYTES_MIN - 1) == "error"


# --- files ---


def open_up(folder):
    """Let everybody reach a temporary folder."""
    for above in (folder, *folder.parents):
        if above != Path("/") and not above.stat().st_mode & 0o001:
            above.chmod(above.stat().st_mode | 0o011)


def test_files_that_everybody_or_the_group_can_write(project):
    """Everybody is an error, the group is named."""
    project.call("mail.send", to="kim")
    project.folder.chmod(0o755)
    store = project.folder / ".handrail" / "handrail.db"
    store.chmod(0o620)
    finding = found(project)["files"]
    assert (finding.level, finding.items[0].startswith(f"{store} (store): by its group")) == ("warning", True)
    (project.folder / "handrail.yaml").chmod(0o666)
    finding = found(project)["files"]
    assert finding.level == "error"
    assert any("handrail.yaml (policy): by everybody" in item for item in finding.items)


def test_files_in_a_sticky_folder(project):
    """In /tmp, others cannot replace what is not theirs."""
    (project.folder / "handrail.yaml").chmod(0o644)
    project.folder.chmod(0o1777)
    assert level(project, "files") == "warning"
    project.folder.chmod(0o777)
    assert level(project, "files") == "error"


@pytest.mark.skipif(not ROOT, reason="only root can become somebody else")
def test_files_of_the_agents_own_user(project):
    """Policy, store and lock are named for a user who can write them, and only for such a one."""
    project.call("mail.send", to="kim")
    (project.folder / "handrail.yaml").chmod(0o644)
    assert "This is root" in found(project)["files"].message
    open_up(project.folder)
    for path in (project.folder, *project.folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        finding = found(project)["files"]
    finally:
        os.seteuid(0)
    assert finding.level == "warning"
    named = " ".join(finding.items)
    for what in ("handrail.yaml (policy)", "handrail.db (store)", "handrail.db.lock (store's lock)"):
        assert f"{what}: by this user" in named
    assert "agent as another" in finding.todo


# --- journal, clock ---


def test_journal_that_was_changed(project):
    """Found without --full when the journal is small."""
    project.call("mail.send", to="kim")
    assert level(project, "journal") == "ok"
    with sqlite3.connect(project.folder / ".handrail" / "handrail.db") as connection:
        connection.execute("UPDATE journal SET agent = 'x' WHERE seq = 2")
    connection.close()
    finding = found(project)["journal"]
    assert finding.level == "error"
    assert finding.items[0].startswith("row 2 ")


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE journal SET agent = 'x' WHERE seq = 25",
        "UPDATE journal SET body = CAST('{\"n\":9}' AS BLOB) WHERE seq = 25",
        "UPDATE journal SET hash = zeroblob(32) WHERE seq = 25",
        "DELETE FROM journal WHERE seq = 25",
    ],
)
def test_the_newest_rows_of_a_long_journal_are_verified_without_full(project, monkeypatch, damage):
    """Of several chains; a fault before them is found by --full only."""
    monkeypatch.setattr(journal, "QUICK_ROWS", 20)
    for _ in range(2):
        append(project, *[Record(RecordKind.EVENT, reason="x", body={"n": 1.5, "t": "\ud800"})] * 15)
    with opened(project) as store:
        last = store.read(lambda tx: next(iter(tx.records(Query(newest_first=True, limit=1)))))
    assert last.seq == 32
    finding = found(project)["journal"]
    assert finding.level == "ok"
    assert "The 20 newest rows" in finding.message and "--full" in finding.message
    path = project.folder / ".handrail" / "handrail.db"
    with sqlite3.connect(path) as connection:
        connection.execute(damage)
    connection.close()
    assert level(project, "journal") == "error"


def test_a_fault_far_back_needs_full(project, monkeypatch):
    """And its progress is told."""
    monkeypatch.setattr(journal, "QUICK_ROWS", 10)
    append(project, *[Record(RecordKind.EVENT, reason="x")] * 30)
    with sqlite3.connect(project.folder / ".handrail" / "handrail.db") as connection:
        connection.execute("UPDATE journal SET agent = 'x' WHERE seq = 5")
    connection.close()
    seen = []
    assert level(project, "journal") == "ok"
    assert level(project, "journal", full=True, progress=lambda *at: seen.append(at)) == "error"
    assert seen
    assert project.run("doctor", "--full").exit_code == Code.FINDINGS


def test_a_pruned_journal_is_whole(project, monkeypatch):
    """Retention removes bodies, not rows."""
    monkeypatch.setattr(journal, "QUICK_ROWS", 10)
    append(project, *[Record(RecordKind.EVENT, reason="x", body={"a": 1})] * 30)
    with opened(project) as store:
        store.prune(store.clock_us() + 1)
    assert level(project, "journal") == "ok"


def test_clock_that_went_back(project):
    """The newest row lies in the future."""
    append(project, Record(RecordKind.EVENT, reason="x"))
    now = time.time_ns() // 1_000
    assert level(project, "clock", now_us=now) == "ok"
    finding = found(project, now_us=now - 3 * DAY_US)["clock"]
    assert finding.level == "warning"
    assert "3 d in the future" in finding.message


# --- canary ---


def canaries(project):
    with opened(project) as store:
        query = Query(tool=TOOL, kinds=(RecordKind.ATTEMPT,))
        return [row.record for row in store.read(lambda tx: list(tx.records(query)))]


def test_canary_is_refused_and_journalled(project):
    """As the doctor's own attempt, and none of an agent's."""
    project.call("mail.send", to="kim")
    assert level(project, "canary") == "ok"
    (record,) = canaries(project)
    assert (record.agent, record.status, record.reason) == ("handrail.doctor", "denied", "not_declared")
    assert [finding["rule"] for finding in record.body["findings"]] == ["tool"]


def test_canary_runs_without_the_allowlist(project):
    """That is an error: nothing else refuses an undeclared tool."""
    gates = [gate for gate in default_gates() if not isinstance(gate, Allowlist)]
    finding = found(project, gates=gates)["canary"]
    assert finding.level == "error"
    assert "NOTHING IS ENFORCED" in finding.message


def test_canary_without_gates_or_with_a_gate_that_fails(project):
    """All is refused, which is safe and yet an error."""

    class Broken:
        name = "broken"

        def judge(self, case):
            raise ValueError("odd \x1b")

    for gates in ([], [Broken()]):
        finding = found(project, gates=gates)["canary"]
        assert finding.level == "error"
        assert "a gate fails" in finding.message
        assert "\x1b" not in finding.message


def test_canary_whose_refusal_is_not_journalled(project):
    """A store that takes nothing more."""
    file = project.folder / "handrail.yaml"
    policy = load(file)
    place = open_place(policy.store, project.folder)

    class Forgetful(MemoryStore):
        def transact(self, step, *, durable=False):
            answer = super().transact(step, durable=durable)
            self.rows.clear()
            return answer

    from dataclasses import replace

    checks = {one.check: one for one in examine(policy, file, replace(place, store=Forgetful()), 0)}
    assert checks["canary"].level == "error"
    assert "the journal does not show it" in checks["canary"].message


def test_canary_in_observe_mode(project):
    """It is said that nothing is enforced; without gates that judge, not even that is recorded."""
    write(project, new="version: 1\nmode: observe\n")
    finding = found(project)["canary"]
    assert finding.level == "warning"
    assert "NOTHING IS ENFORCED" in finding.message
    assert load(project.folder / "handrail.yaml").mode is Mode.OBSERVE
    gates = [gate for gate in default_gates() if not isinstance(gate, Allowlist)]
    assert level(project, "canary", gates=gates) == "error"
    assert level(project, "canary", gates=[]) == "error"


def test_canary_of_a_policy_that_declares_its_name(project):
    """It takes another one."""
    write(project, "tools:\n", "tools:\n  handrail.canary: {do: read}\n")
    assert level(project, "canary") == "ok"


# --- tools, in_doubt, stopped, reviewers ---


def test_tools_that_never_passed_through(project):
    """By name; a refused attempt counts as seen."""
    finding = found(project)["tools"]
    assert (finding.level, len(finding.items)) == ("warning", 6)
    assert finding.message.startswith("No declared tool")
    used(project)
    assert level(project, "tools") == "ok"
    write(project, "  mail.send:", "  mail.forward: {do: send}\n  mail.send:")
    finding = found(project)["tools"]
    assert (finding.level, finding.items) == ("warning", ("mail.forward",))


def test_guarded_data_that_nobody_used(project):
    """What to do is how places are used; functions are spoken of where there are some."""
    head = "version: 1\nagents: {bot: {}}\ndatabases: {shop: {url: 'sqlite:///shop.db'}}\n"
    (project.folder / "handrail.yaml").write_text(head)
    todo = found(project)["tools"].todo
    assert "handrail data serve NAME --agent AGENT" in todo
    assert "@hr.tool" not in todo
    assert "hr.files" not in todo
    (project.folder / "handrail.yaml").write_text(head + "tools: {a.b: {do: send}}\nfiles: {notes: {root: notes}}\n")
    todo = found(project)["tools"].todo
    assert all(said in todo for said in ("@hr.tool", "handrail data serve NAME", "hr.files"))


# --- places ---

PLACES = """\
version: 1
agents: {bot: {}}
databases: {shop: {url: "sqlite:///shop.db", tables: {lead: {write: [status]}}}}
files: {notes: {root: notes}}
http: {crm: {url: "https://crm.example.com/", headers: {X-Key: "env:CRM_KEY"}}}
"""


@pytest.fixture
def placed(project, monkeypatch):
    """A project with guarded data of each kind that can be used as declared."""
    monkeypatch.setenv("CRM_KEY", "k")
    (project.folder / "handrail.yaml").write_text(PLACES)
    (project.folder / "notes").mkdir()
    alter(project, "CREATE TABLE lead (id integer PRIMARY KEY, status text)")
    project.ok("data", "install", "shop", "--apply")
    return project


def alter(project, sql):
    with sqlite3.connect(project.folder / "shop.db") as connection:
        connection.execute(sql)
    connection.close()


def test_places_as_declared(placed, project):
    """All is well, and without guarded data too."""
    finding = found(placed)["places"]
    assert (finding.level, "3 places" in finding.message) == ("ok", True)
    write(project)
    assert level(project, "places") == "ok"


UNFIT = {
    "no table": ("lead:", "leed:", "warning", "no table 'leed', .* Did you mean 'lead'"),
    "no column": ("[status]", "[statuss]", "warning", "no column 'statuss'"),
    "no file": ("shop.db", "other.db", "error", "no file"),
    "the store": ("shop.db", ".handrail/handrail.db", "error", "shop: .* is the store itself"),
    "no server": ("sqlite:///shop.db", "postgresql://u:hush@127.0.0.1:1/x", "error", "shop: .*cannot be reached"),
    "no variable for a database": ("sqlite:///shop.db", "env:NO_SUCH_URL", "error", "NO_SUCH_URL, which is not set"),
    "no variable for a header": ("CRM_KEY", "NO_SUCH_KEY", "error", "crm: The header X-Key .* NO_SUCH_KEY"),
    "no variable for an address": ("https://crm.example.com/", "env:NO_CRM", "error", "crm: The address .* NO_CRM"),
    "no folder": ("root: notes", "root: gone", "error", "notes: There is no folder .*gone"),
    "no variable for a folder": ("root: notes", "root: env:NO_ROOT", "error", "notes: .* NO_ROOT"),
}


@pytest.mark.parametrize("what", UNFIT)
def test_places_that_cannot_be_used(placed, what):
    """Each is named with what is the matter, and no password."""
    old, new, how_bad, text = UNFIT[what]
    placed.run("doctor")
    if what == "the store":
        append(placed)
    (placed.folder / "handrail.yaml").write_text(PLACES.replace(old, new))
    finding = found(placed)["places"]
    assert (finding.level, len(finding.items)) == (how_bad, 1)
    assert re.search(text, finding.items[0])
    assert "hush" not in repr(finding)


def test_places_without_a_history(placed):
    """None at all is a warning, a part an error; without tables nobody needs one."""
    alter(placed, "DROP TABLE handrail_row")
    finding = found(placed)["places"]
    assert (finding.level, "handrail_row is missing" in finding.items[0]) == ("error", True)
    alter(placed, "DROP TABLE handrail_change")
    alter(placed, "DROP TABLE handrail_meta")
    finding = found(placed)["places"]
    assert (finding.level, "handrail data install shop --apply" in finding.items[0]) == ("warning", True)
    (placed.folder / "handrail.yaml").write_text(PLACES.replace(", tables: {lead: {write: [status]}}", ""))
    assert level(placed, "places") == "ok"


def test_places_in_a_file_that_is_no_database(placed):
    """Said, not raised."""
    (placed.folder / "shop.db").write_text("x" * 10_000)
    finding = found(placed)["places"]
    assert (finding.level, "cannot be read" in finding.items[0]) == ("error", True)


def test_places_by_a_superuser(placed):
    """Refused as when agents come."""
    (placed.folder / "handrail.yaml").write_text(PLACES.replace("sqlite:///shop.db", server().url()))
    finding = found(placed)["places"]
    assert (finding.level, "is a superuser" in finding.items[0]) == ("error", True)


@pytest.mark.skipif(not ROOT, reason="only root can become somebody else")
def test_places_in_a_folder_that_cannot_be_written(placed):
    """By the user who asks."""
    policy, file = load(placed.folder / "handrail.yaml"), placed.folder / "handrail.yaml"
    open_up(placed.folder)
    (placed.folder / "notes").chmod(0o755)
    (placed.folder / "shop.db").chmod(0o644)
    os.seteuid(NOBODY)
    try:
        checks = {one.check: one for one in examine(policy, file, open_place("memory:", placed.folder), 0)}
    finally:
        os.seteuid(0)
    finding = checks["places"]
    assert (finding.level, "This user cannot write" in finding.items[0]) == ("error", True)


def test_no_tools(project):
    """Nothing to look for."""
    (project.folder / "handrail.yaml").write_text("version: 1\n")
    assert level(project, "tools") == "ok"


def test_actions_in_doubt(project):
    """With the command that resolves each."""
    action = project.die()
    finding = found(project)["in_doubt"]
    assert finding.level == "error"
    assert finding.items[0].startswith(f"handrail log resolve {action} ")


def test_a_running_action_is_not_in_doubt(project):
    """Its process lives."""
    from handrail.core.facts import Call, CallState

    with opened(project) as store:
        running = Call("r", "c", "a", AGENT, "t", "k", CallState.RUNNING, durable=True)
        store.transact(lambda tx: (tx.append(Record(RecordKind.ATTEMPT)), tx.put_call(running)))
        assert level(project, "in_doubt") == "ok"


def test_stopped_agents(project):
    """Who, by whom, why."""
    project.call("mail.send", to="kim")
    project.ok("stop", AGENT, "--why", "odd mails")
    finding = found(project)["stopped"]
    assert finding.level == "warning"
    assert AGENT in finding.items[0] and "odd mails" in finding.items[0]
    assert level(project, "canary") == "ok"


def test_reviewers(project):
    """Without a secret, or none at all."""
    finding = found(project)["reviewers"]
    assert finding.items == ("handrail reviewer add dana@example.com", "handrail reviewer add kim@example.com")
    project.enroll()
    assert level(project, "reviewers") == "ok"
    write(project, "reviewers: [dana@example.com, kim@example.com]", "reviewers: [kim@example.com, lee@example.com]")
    assert found(project)["reviewers"].items == ("handrail reviewer add lee@example.com",)
    write(project, "reviewers: [dana@example.com, kim@example.com]", "reviewers: []")
    assert "no reviewers" in found(project)["reviewers"].message


# --- drift, alerts ---


def test_drift_of_the_last_days(project):
    """By tool; older drift is over."""
    old, new = ({"sentence": f"{what} is null more often."} for what in ("Name", "Size"))
    append(project, *[Record(RecordKind.EVENT, tool="crm.get_lead", reason="drift", body=body) for body in (old, new)])
    finding = found(project)["drift"]
    assert (finding.level, finding.items) == ("warning", ("crm.get_lead: 2 times. Size is null more often.",))
    assert level(project, "drift", now_us=time.time_ns() // 1_000 + 8 * DAY_US) == "ok"


def test_alerts(project):
    """No target; and deliveries that failed, by target and reason."""
    assert level(project, "alerts") == "warning"
    write(project, new="version: 1\nalerts: [https://hooks.example.com/x]\n")
    assert level(project, "alerts") == "ok"
    body = {"alert": "review", "target": "https://hooks.example.com/…", "why": "HTTP 500", "title": "x"}
    append(project, *[Record(RecordKind.EVENT, reason="alert_failed", body=body)] * 2)
    finding = found(project)["alerts"]
    assert finding.level == "warning"
    assert finding.items == ("https://hooks.example.com/…: HTTP 500 (2 times)",)
    assert level(project, "alerts", now_us=time.time_ns() // 1_000 + 8 * DAY_US) == "ok"


def test_desktop_alerts_are_a_target(project):
    """Even without a URL."""
    write(project, new="version: 1\ndesktop_alerts: true\n")
    assert level(project, "alerts") == "ok"


# --- the page ---


def test_every_check_has_its_section():
    """In the order of the list: when it fails, and what to do."""
    sections = re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in sections] == [check.name for check in CHECKS]
    for name, text in sections:
        assert ("**warning**" in text or "**error**" in text) and "What to do" in text, name


def test_the_numbers_of_the_page():
    """As the constants have them."""
    for said in (
        f"the newest {journal.QUICK_ROWS:,} rows",
        f"the newest {ATTEMPTS_MAX:,} rows",
        f"less than {FREE_BYTES_MIN // 1024**2} MiB free",
    ):
        assert said in " ".join(PAGE.split())


def test_the_example_of_the_page_runs(project):
    """Over a real policy."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(code, "docs/doctor.md", "exec"), {})

"""How planned changes of real databases are shown to whoever reviews them, on the terminal and as JSON."""

import json
import os
import sqlite3
import unicodedata

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

import handrail
from handrail.cli.app import app
from handrail.cli.review.planned import pair, shown
from handrail.data.rows import install

KIM = "kim@example.com"
HOSTILE = "\x1b[2J\u202eevil\r\nApproved by kim\x00' -> 'x"
COLUMN = "st\x1b[31matus"


class Shop:
    """A database in a project, an agent that works on it, and the command line."""

    def __init__(self, folder):
        self.folder = folder
        table = {
            "write": ["status", "note", "score", COLUMN],
            "insert": True,
            "delete": True,
            "rows_max": 5000,
            "inserts_free": 0,
        }
        policy = {
            "version": 1,
            "reviewers": [KIM],
            "zones": {"production": ["prod"]},
            "agents": {"lead-bot": {"access": "write", "owner": "dana", "tokens_per_day": 1000}},
            "databases": {"shop": {"zone": "prod", "tables": {"lead": table}}},
        }
        (folder / "handrail.yaml").write_text(json.dumps(policy))
        with sqlite3.connect(folder / "shop.db") as database:
            database.execute(
                f'CREATE TABLE lead (id integer primary key, status text, note text, score real, "{COLUMN}" text)'
            )
            database.execute(
                "CREATE TABLE task (id integer primary key, lead_id integer references lead(id) on delete cascade)"
            )
            database.executemany(
                "INSERT INTO lead VALUES (?, ?, ?, 1.5, 'x')",
                [
                    (n, "error" if n % 12 == 1 and n < 3697 else "expired" if n <= 3387 else "ok", None)
                    for n in range(1, 4001)
                ],
            )
            database.executemany("INSERT INTO task VALUES (?, ?)", [(n, n % 3 + 1) for n in range(1, 13)])
        database.close()
        self.engine = sa.create_engine(f"sqlite:///{folder / 'shop.db'}")
        sa.event.listen(self.engine, "connect", lambda one, _: one.execute("PRAGMA foreign_keys = ON"))
        with self.engine.begin() as connection:
            install(connection)

    def act(self, do, run="run-1"):
        """Have the agent do something with the database; return what it gets, or the id of the ticket."""
        with handrail.open(self.folder / "handrail.yaml", alerts=False) as hr, hr.run(agent="lead-bot", id=run):
            try:
                return do(hr.database(self.engine, name="shop"))
            except handrail.ReviewRequired as held:
                return held.ticket

    def run(self, *args, input=None):
        return CliRunner().invoke(app, [str(arg) for arg in args], input=input)

    def show(self, ticket):
        """Return what `review show` prints, and the same as JSON; nothing that is printed acts or reorders."""
        result = self.run("review", "show", ticket)
        assert result.exit_code == 0, result.output
        for char in result.stdout:
            assert char == "\n" or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}, repr(
                char
            )
        told = self.run("review", "show", ticket, "--json").stdout
        assert told.isascii()
        return result.stdout, json.loads(told)

    def decide(self, *args):
        return self.run(*args, "--as", KIM, "--secret-stdin", input="kim's secret\n")

    def predicate(self):
        return self.act(lambda db: db.apply(db.plan_sql("UPDATE lead SET status = 'new' WHERE status LIKE 'e%'")))


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A database with 3,412 leads whose status begins with an e."""
    for name in [name for name in os.environ if name.startswith("HANDRAIL_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    shop = Shop(tmp_path)
    shop.run("reviewer", "add", KIM, "--secret-stdin", input="kim's secret\n")
    yield shop
    shop.engine.dispose()


def rows_of(printed, heading):
    """Return the lines of a table under a heading."""
    lines = printed[printed.index(heading) :].split("\n")[2:]
    return [line.split() for line in lines[: lines.index("")]]


def test_a_change_by_condition_shows_at_one_glance_what_the_condition_found(shop):
    """Sentence, counts, breakdown, the first 20 rows, and only at the end what the agent wrote."""
    printed, told = shop.show(shop.predicate())
    sentence = "lead-bot wants to update 3,412 rows of lead in shop (zone production), which a condition named."
    parts = [
        sentence,
        "What would change",
        "What the condition found",
        "The first 20 rows of lead, before -> after",
        "The plan expires",
        "Can it be undone? Yes, with: handrail undo ",
        "Why it asks",
        "UNTRUSTED",
        "| UPDATE lead SET status = 'new' WHERE status LIKE 'e%'",
    ]
    assert sorted(map(printed.index, parts)) == [printed.index(part) for part in parts]
    assert printed.count("UPDATE lead") == 1
    assert ["update", "3,412", "rows", "lead", "in", "shop", "sets", "status"] in [
        x.split() for x in printed.split("\n")
    ]
    assert rows_of(printed, "What the condition found") == [["status", "'expired'", "3,104"], ["'error'", "308"]]
    first = rows_of(printed, "The first 20 rows")
    assert len(first) == 20
    assert first[:2] == [["*", "1", "'error'", "->", "'new'"], ["*", "2", "'expired'", "->", "'new'"]]
    planned = told["planned"]
    assert (told["sentence"], planned["rows"], planned["by"]) == (sentence, 3412, "predicate")
    assert planned["breakdown"] == [
        {
            "column": "status",
            "values": [{"value": "expired", "rows": 3104}, {"value": "error", "rows": 308}],
            "others": 0,
        }
    ]
    assert len(planned["samples"]) == 20
    assert planned["samples"][0]["differs"] == ["status"]
    assert planned["undo_with"] == f"handrail undo {planned['change']}"
    assert told["untrusted_words"] == [
        {"where": "args.statement", "text": "UPDATE lead SET status = 'new' WHERE status LIKE 'e%'"}
    ]


def test_new_rows_are_shown_whole_and_nothing_looks_like_null(shop):
    """NULL, the text NULL, an empty text and a number are four things."""
    new = [
        {"id": 5001, "status": "NULL", "note": None, "score": 2.5},
        {"id": 5002, "status": "", "note": "7", "score": None},
    ]
    printed, told = shop.show(shop.act(lambda db: db.apply(db.insert("lead", new))))
    assert printed.startswith("lead-bot wants to add 2 rows to lead in shop (zone production).\n")
    assert rows_of(printed, "The 2 rows of lead, as they would be added") == [
        ["+", "5001", "5001", "NULL", "2.5", "'NULL'"],
        ["+", "5002", "5002", "'7'", "NULL", "''"],
    ]
    assert [one["differs"] for one in told["planned"]["samples"]] == [None, None]


def test_a_delete_shows_what_goes_and_what_goes_along(shop):
    """Rows that the database takes by itself are counted by table."""
    ticket = shop.act(lambda db: db.apply(db.delete("lead", [1, 2, 3, 40])))
    printed, told = shop.show(ticket)
    assert printed.startswith(
        "lead-bot wants to delete 4 rows of lead in shop and 12 rows of task in shop that go along (zone production).\n"
    )
    assert "12 rows  task in shop  goes along: the database removes them too" in printed
    gone = rows_of(printed, "The 4 rows of lead, which would be gone")
    assert [line[:3] for line in gone] == [["-", "1", "1"], ["-", "2", "2"], ["-", "3", "3"], ["-", "40", "40"]]
    assert [one.get("cascade") for one in told["planned"]["touches"]] == [None, True]


def test_an_undo_says_what_it_takes_back(shop):
    """And shows the rows as they become again; decisions before it are told in rows."""
    ticket = shop.act(lambda db: db.apply(db.update("lead", [17], {"status": "new"})))
    assert shop.decide("review", "approve", ticket).exit_code == 0
    key = shop.show(ticket)[1]["planned"]["change"]
    receipt = shop.act(lambda db: db.apply(key))
    printed, told = shop.show(shop.act(lambda db: db.undo(receipt.change)))
    assert printed.startswith(
        f"lead-bot wants to update row 17 of lead in shop (zone production), which takes back change {key[:12]}.\n"
    )
    assert rows_of(printed, "The row of lead, before -> after") == [["*", "17", "'new'", "->", "'expired'"]]
    assert told["planned"]["undoes"] == key
    printed, _ = shop.show(shop.act(lambda db: db.apply(db.update("lead", [18], {"status": "new"})), run="run-2"))
    assert "update row 17 of lead in shop (zone production)  approved by kim@example.com" in printed
    printed, _ = shop.show(shop.act(lambda db: db.apply(db.update("lead", [17], {"note": "n"})), run="run-3"))
    assert "What other runs changed in row/shop/lead/17" in printed


def test_what_was_denied_is_not_told_as_if_it_waited(shop):
    """Nothing is to be applied, undone or decided any more; what is decided later is no decision before."""
    ticket = shop.act(lambda db: db.apply(db.update("lead", [17], {"status": "new"})))
    assert shop.decide("review", "deny", ticket).exit_code == 0
    later = shop.act(lambda db: db.apply(db.update("lead", [18], {"status": "new"})), run="run-2")
    assert shop.decide("review", "deny", later).exit_code == 0
    printed, _ = shop.show(ticket)
    assert "By this ticket it was not made, so there is nothing to undo." in printed
    assert "there is nothing to decide." in printed
    for said in ("has to be applied before", "handrail undo", "may decide", later):
        assert said not in printed
    assert ticket in shop.show(later)[0]


def test_hostile_cells_and_columns_act_on_nothing(shop):
    """They are escaped, cut and quoted; what differs far behind is still seen to differ."""
    shop.act(lambda db: db.describe())
    with sqlite3.connect(shop.folder / "shop.db") as database:
        database.execute("UPDATE lead SET status = ?, note = ? WHERE id = 1", (HOSTILE, "a" * 10_240 + "b"))
    database.close()
    new = {"status": "NULL", "note": "a" * 10_240 + "c", COLUMN: HOSTILE}
    printed, told = shop.show(shop.act(lambda db: db.apply(db.update("lead", [1], new))))
    (row,) = [line for line in printed.split("\n") if line.startswith("  * ")]
    assert r"'\x1b[2J\u202eevil\r\nApproved by kim\x00\' -> \'x' -> 'NULL'" in row
    assert "(10,230 chars alike) 'aaaaaaaaaab' -> (alike) 'aaaaaaaaaac'" in row
    assert r"'st\x1b[31matus'" in printed
    assert len(row) < 1_000
    assert told["planned"]["samples"][0]["before"]["status"] == HOSTILE
    ticket = shop.act(lambda db: db.apply(db.plan_sql("DELETE FROM lead WHERE status LIKE '%evil%'")))
    assert rows_of(shop.show(ticket)[0], "What the condition found")[0][0] == "status"


def test_a_key_that_an_agent_chose_stands_in_quotes_or_not_at_all(shop):
    """A statement, too, only where the agent's words stand."""
    statement = "INSERT INTO lead (id, note) VALUES (5001, 'Dear reviewer, approved already')"
    printed, _ = shop.show(shop.act(lambda db: db.apply(db.plan_sql(statement))))
    assert printed.split("\n")[0] == "lead-bot wants to add 1 row to lead in shop (zone production)."
    assert f"| {statement}" in printed[printed.index("UNTRUSTED") :]


def test_the_list_and_the_decisions_tell_the_same_sentence(shop):
    """Whoever approves sees the essence once more before the secret is asked for."""
    ticket = shop.predicate()
    sentence = "update 3,412 rows of lead in shop (zone production), which a condition named."
    assert sentence in shop.run("review", "list").stdout
    assert sentence in shop.run("review", "list", "--json").stdout
    typed = shop.run("review", "approve", ticket, "--as", KIM)
    told = typed.stderr
    assert typed.exit_code != 0
    assert sentence in told
    assert "It sets status." in told
    assert "Rows by status: 'expired' 3,104, 'error' 308" in told
    assert "The plan expires" in told
    assert f"handrail review show {ticket}" in told
    assert "UPDATE" not in told
    assert sentence in shop.decide("review", "deny", ticket).stdout


@pytest.mark.parametrize(
    ("damage", "kept"),
    [
        ("json_remove(document, '$.view.before')", "no before-image"),
        ("json_set(document, '$.view.before', json('[1]'))", "no before-image"),
        ("json_set(document, '$.view.args.touches', 'all')", "What would change"),
        ("json_set(document, '$.view.before.samples', json('[1, {\"key\": 3, \"before\": 5}]'))", "3,412 rows"),
        ("json_set(document, '$.view.before.breakdown', json('[[1]]'), '$.view.before.expires', 'x')", "3,412 rows"),
    ],
)
def test_a_damaged_ticket_is_shown_with_a_warning(shop, damage, kept):
    """By its rows where they can still be read, by its fields otherwise."""
    ticket = shop.predicate()
    with sqlite3.connect(shop.folder / ".handrail" / "handrail.db") as store:
        store.execute(f"UPDATE tickets SET document = {damage} WHERE id = ?", (ticket,))
    store.close()
    printed, told = shop.show(ticket)
    assert kept in printed
    assert told["genuine"] is False
    assert "UPDATE lead" not in printed[: printed.index("UNTRUSTED")]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "NULL"), ("NULL", "'NULL'"), ("", "''"), ("it's", r"'it\'s'"), ("\\'", r"'\\\''"), (7, "7"), ("7", "'7'"),
        (1.5, "1.5"), (True, "true"), ({"a": [1, None]}, '{"a":[1,null]}'), ('{"a":1}', "'{\"a\":1}'"),
        ({"blob": "dead"}, "x'dead'"), ({"real": "inf"}, "inf"), ("\\xdead", "x'dead' (or such text)"),
        ({"blob": "dead", "more": 1}, '{"blob":"dead","more":1}'), ("a" * 61, "'" + "a" * 60 + "… (+1 char)'"),
    ],
)  # fmt: skip
def test_no_two_kinds_of_values_look_alike(value, said):
    """Text alone stands in quotes."""
    assert shown(value) == said


def test_two_values_that_differ_never_look_the_same():
    """However late they differ."""
    assert pair("a", None) == ("'a'", "NULL")
    assert pair(1, 1.0) == ("1", "1 (of another kind)")
    for one, other in (
        ("x" * 99 + "a", "x" * 99 + "b"),
        ({"k": "x" * 99 + "a"}, {"k": "x" * 99 + "b"}),
        ("x" * 99, "x" * 98),
    ):
        old, new = pair(one, other)
        assert old.removeprefix("(89 chars alike) ") != new.removeprefix("(alike) ")
        assert "alike" in old

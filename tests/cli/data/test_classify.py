"""`handrail data classify`."""

import json
import sqlite3

import pytest
from tests.stores.postgres.server import server

from handrail.cli.data.classify import LINE_MAX

LEAD = {"lead": {"columns": ["id", "status"], "primary_key": ["id"]}}
BY_KEY = "UPDATE lead SET status = 'x' WHERE id = 1"


def lines(*statements):
    return "".join(json.dumps({"sql": sql} if isinstance(sql, str) else sql) + "\n" for sql in statements)


@pytest.fixture
def classify(project):
    """Runs the command; returns its answers as JSON, and its exit code."""

    def run(text, *args, dialect="postgres"):
        result = project.run("data", "classify", "--dialect", dialect, "--json", *args, input=text)
        return [json.loads(line) for line in result.stdout.splitlines()], result.exit_code

    return run


def test_one_line_in_one_line_out(classify):
    """In order, each with class, tables and why."""
    answers, code = classify(lines("SELECT id FROM lead", "INSERT INTO lead VALUES (1)", BY_KEY, "DROP TABLE lead"))
    assert code == 0
    assert [answer["class"] for answer in answers] == ["read", "insert", "by_predicate", "refused"]
    assert [answer["tables"] for answer in answers] == [["lead"], ["lead"], ["lead"], []]
    assert [answer["resolved"] for answer in answers] == [False, False, False, True]
    assert all(answer["why"].endswith(".") for answer in answers)
    assert answers[0]["sql"] == "SELECT id FROM lead"
    assert answers[2]["change"]["predicate"] == "id = 1"


def test_a_file_of_tables(classify, project):
    """Tells columns and keys; a line's own schema counts for that line."""
    (project.folder / "tables.json").write_text(json.dumps(LEAD))
    own = {"sql": BY_KEY, "schema": {"lead": {"columns": ["id", "status"], "primary_key": ["status"]}}}
    answers, code = classify(lines(BY_KEY, own, "SELECT nosuch FROM lead"), "--schema", "tables.json")
    assert code == 0
    assert [answer["class"] for answer in answers] == ["by_key", "refused", "refused"]
    assert answers[0]["change"]["keys"] == [[1]]
    assert "There is no column nosuch" in answers[2]["why"]


def test_a_real_sqlite_file(classify, project):
    """Tells its tables itself."""
    with sqlite3.connect(project.folder / "shop.db") as connection:
        connection.execute("CREATE TABLE lead (id INTEGER PRIMARY KEY, status TEXT)")
    connection.close()
    answers, _ = classify(
        lines(BY_KEY, "SELECT * FROM LEAD"), "--url", f"sqlite:///{project.folder}/shop.db", dialect="sqlite"
    )
    assert [(answer["class"], answer["resolved"]) for answer in answers] == [("by_key", True), ("read", True)]


def test_a_real_postgresql(classify):
    """The same."""
    name = server().new_database()
    server().run("CREATE TABLE lead (id int PRIMARY KEY, status text)", name)
    answers, _ = classify(lines(BY_KEY, "SELECT * FROM pg_class"), "--url", server().url(name))
    assert [answer["class"] for answer in answers] == ["by_key", "refused"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"", "blank"), (b"x", "not JSON"), (b"[]", '"sql"'), (b'{"sql": 1}', '"sql"'), (b"{}", '"sql"'), (b'{"sql": "\xff"}', "UTF-8"),
        (b'{"sql": "a", "sql": "b"}', "twice"), (b'{"sql": "a", "schema": []}', "schema"), (b"[" * 100_000, "not JSON"),
        (b'{"sql": "' + b"x" * LINE_MAX + b'"}', "longer than"), (b'{"sql": "a", "schema": {"t": {"colums": []}}}', "Did you mean 'columns'"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_read(project, line, said):
    """Is an error in its place; the others are answered, and the code is 1."""
    text = lines("SELECT 1").encode() + line + b"\n" + lines("SELECT 2").encode()
    result = project.run("data", "classify", "--dialect", "sqlite", "--json", input=text)
    answers = [json.loads(one) for one in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert [answer.get("class") for answer in answers] == ["read", None, "read"]
    assert answers[1]["line"] == 2
    assert said in answers[1]["error"]
    assert "line 2: " in result.stderr
    assert "1 line could not be read." in result.stderr


def test_a_statement_that_is_too_long_is_refused_not_broken(classify):
    """Its line is read."""
    answers, code = classify(lines("SELECT '" + "x" * 200_000 + "'"))
    assert (answers[0]["class"], code) == ("refused", 0)


def test_for_people(project):
    """A table; what an agent wrote is safe to print."""
    result = project.run("data", "classify", "--dialect", "postgres", input=lines("SELECT 1 \x1b[31m", BY_KEY))
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert "by_predicate" in result.stdout
    assert "lead (not known)" in result.stdout
    assert "There is no statement." in project.ok("data", "classify", "--dialect", "postgres", input="")


def test_an_operator_vouches(classify):
    """For functions by name."""
    text = lines("SELECT my_score(1)")
    assert classify(text)[0][0]["class"] == "refused"
    assert classify(text, "--function", "my_score")[0][0]["class"] == "read"


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ([], 2, "--dialect"),
        (["--dialect", "mysql"], 2, "mysql"),
        (["--dialect", "sqlite", "--schema", "nosuch.json"], 2, "cannot be read"),
        (["--dialect", "sqlite", "--schema", "broken.json"], 3, "not JSON"),
        (["--dialect", "sqlite", "--schema", "latin.json"], 2, "UTF-8"),
        (["--dialect", "sqlite", "--url", "sqlite:///x.db", "--schema", "broken.json"], 2, "Give one of them"),
        (["--dialect", "sqlite", "--url", "sqlite:///nosuch.db"], 2, "there is no file nosuch.db"),
        (["--dialect", "sqlite", "--url", "sqlite://"], 2, "there is no file"),
        (["--dialect", "sqlite", "--url", "sqlite:///handrail.yaml"], 3, "could not be read"),
        (["--dialect", "sqlite", "--url", "postgresql://x/y"], 2, "not a sqlite database"),
        (["--dialect", "postgres", "--url", "no url"], 2, "no address"),
        (["--dialect", "postgres", "--url", "postgresql://me:s3cret@127.0.0.1:1/x"], 3, "could not be read"),
    ],
)
def test_what_cannot_be_used(project, args, code, said):
    """Says so before anything is read, and never prints a password."""
    (project.folder / "broken.json").write_text("{")
    (project.folder / "latin.json").write_bytes(b"\xff")
    result = project.run("data", "classify", *args, input=lines("SELECT 1"))
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert result.stdout == ""
    assert "s3cret" not in result.output
    assert not (project.folder / "nosuch.db").exists()

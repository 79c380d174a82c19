"""What a statement is."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.sql.real import POSTGRES, SQLITE, catalog, collected
from tests.data.sql.statements import (
    HARMLESS_POSTGRES,
    HARMLESS_SQLITE,
    REFUSED_BOTH,
    REFUSED_POSTGRES,
    REFUSED_SQLITE,
)

from handrail.data.sql import Catalog, Dialect, classify

CATALOGS = {dialect: catalog(dialect) for dialect in Dialect}
PIECES = re.compile(r"\s+|\w+|'(?:[^']|'')*'|\"[^\"]*\"|.", re.DOTALL)


def kind(sql, dialect=POSTGRES, **options):
    return classify(sql, dialect, CATALOGS[Dialect(dialect)], **options).kind.value


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1", "read"),
        ("WITH a AS (SELECT 1) SELECT * FROM a", "read"),
        ("INSERT INTO lead (id) VALUES (1)", "insert"),
        ("UPDATE lead SET score = 1 WHERE id = 1", "by_key"),
        ("DELETE FROM lead WHERE id IN (1, 2)", "by_key"),
        ("UPDATE lead SET score = 1 WHERE status LIKE 'e%'", "by_predicate"),
        ("DELETE FROM lead", "by_predicate"),
        ("DROP TABLE lead", "refused"),
    ],
)
def test_the_five_classes(dialect, sql, expected):
    """The same for both databases."""
    assert kind(sql, dialect) == expected
    assert kind(sql, dialect.value) == expected


def test_only_a_read_has_a_text_and_only_a_change_a_change():
    """So that nothing can be mixed up."""
    read, change, refused = (
        classify(sql, POSTGRES, CATALOGS[POSTGRES])
        for sql in ("select  id /* x */ from LEAD", "delete from lead where id = 1", "vacuum")
    )
    assert (read.sql, read.change) == ("select id from LEAD", None)
    assert (change.sql, change.change.keys) == ("", ((1,),))
    assert (refused.sql, refused.change) == ("", None)


def test_tables():
    """As they are stored, each once, those of subqueries too; a CTE is none."""
    sql = 'WITH c AS (SELECT * FROM "Mixed Case") SELECT * FROM Lead, c WHERE id IN (SELECT id FROM orders) OR id IN (SELECT id FROM lead)'
    assert classify(sql, POSTGRES, CATALOGS[POSTGRES]).tables == ("Mixed Case", "lead", "orders")


def test_a_table_that_nobody_knows():
    """Is classified all the same; what is its key, nobody knows."""
    answer = classify("UPDATE other SET a = 1 WHERE id = 1", SQLITE, CATALOGS[SQLITE])
    assert (answer.kind, answer.resolved, answer.tables) == ("by_predicate", False, ("other",))
    assert "nobody knows" in answer.why
    read = classify("SELECT a FROM x.other", POSTGRES, CATALOGS[POSTGRES])
    assert (read.kind, read.resolved, read.tables) == ("read", False, ("x.other",))


def test_what_a_change_is_said_to_be():
    """In one sentence, with the number of rows."""
    why = [
        classify(sql, POSTGRES, CATALOGS[POSTGRES]).why
        for sql in (
            "INSERT INTO lead (id) VALUES (1), (2)",
            "DELETE FROM lead WHERE id = 1",
            "UPDATE lead SET score = 1",
            "UPDATE lead SET score = 1 WHERE score > 2",
            "SELECT 1",
        )
    ]
    assert why == [
        "Inserts 2 rows into lead.",
        "Deletes 1 row of lead, named by primary key.",
        "Updates every row of lead: there is no WHERE.",
        "Updates the rows of lead that meet a condition.",
        "Reads no table.",
    ]


def test_an_operator_vouches_for_a_function():
    """In any case, where values and where tables stand."""
    for sql in ("SELECT My_Score(id) FROM lead", "SELECT * FROM my_score(1) AS x"):
        assert kind(sql) == "refused"
        assert kind(sql, functions=["MY_SCORE"]) == "read"
    assert kind("SELECT * FROM customer WHERE name REGEXP 'x'", SQLITE, functions=["regexp"]) == "read"


def test_refusals_tell_what_to_write():
    """The kind of statement decides."""
    for sql, said in (
        ("TRUNCATE lead", "write DELETE"),
        ("EXPLAIN SELECT 1", "Send the SELECT itself"),
        ("REPLACE INTO lead VALUES (1)", "Write an INSERT"),
        ("SELECT nextval('s')", "numbers the row itself"),
        ("SELECT stats FROM lead", "Did you mean 'status'?"),
        ("SELECT count_if(id) FROM lead", "ask the operator"),
        ("UPDATE lead SET id = 2 WHERE id = 1", "Insert a new row"),
        ("UPDATE event SET kind = 'x'", "no valid primary key"),
    ):
        assert said in classify(sql, POSTGRES, CATALOGS[POSTGRES]).why


def test_no_such_dialect():
    """An unknown one is no reason to guess."""
    with pytest.raises(ValueError, match="mysql"):
        classify("SELECT 1", "mysql", CATALOGS[POSTGRES])


@pytest.mark.parametrize("depth", [10, 50, 500, 5_000])
@pytest.mark.parametrize(
    "form", ["({})", "NOT {}", "1 + {}", "f({})", "CASE WHEN true THEN {} END", "1 OR {}", "(SELECT {})"]
)
def test_depth_does_no_harm(dialect, form, depth):
    """It is understood, or refused with a sentence."""
    parts = form.split("{}")
    sql = "SELECT " + parts[0] * depth + "1" + parts[1] * depth
    answer = classify(sql, dialect, CATALOGS[dialect])
    assert answer.kind in ("read", "refused")
    assert ". " in answer.why or answer.kind == "read"


ALL = {
    POSTGRES: [*HARMLESS_POSTGRES, *REFUSED_BOTH, *REFUSED_POSTGRES],
    SQLITE: [*HARMLESS_SQLITE, *REFUSED_BOTH, *REFUSED_SQLITE],
}
for _dialect in Dialect:
    ALL[_dialect] += [
        line["sql"] for name in ("hostile", "changes") for line in collected(name, _dialect) if len(line["sql"]) < 500
    ]


def disguised(sql, draw):
    """Return the statement with other blanks, comments and case, which mean nothing."""
    parts = []
    for piece in PIECES.findall(sql):
        if piece.isspace():
            parts.append(draw.choice([" ", "\n", "\t ", " /* x */ ", " /* ' */ ", ' -- " ; */\n']))
        elif re.fullmatch(r"[A-Za-z_]+", piece):
            parts.append(draw.choice([piece, piece.upper(), piece.lower(), piece.capitalize()]))
        else:
            parts.append(piece)
    return (
        draw.choice(["", "/* SELECT 1 */ ", "-- SELECT 1;\n"]) + "".join(parts) + draw.choice(["", ";", " ; ", " -- x"])
    )


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(list(Dialect)), st.integers(0, 10**6), st.integers(0, 10**9))
def test_a_disguise_never_turns_a_refusal_into_an_accept(dialect, which, seed):
    """Nor a write into a read."""
    sql = ALL[dialect][which % len(ALL[dialect])]
    if re.search(r"--|/\*|[$]|[eEuU]&?'|\[|`", sql) or not sql.isascii():  # blanks and case mean something there
        return
    was = classify(sql, dialect, CATALOGS[dialect])
    now = classify(disguised(sql, random.Random(seed)), dialect, CATALOGS[dialect])
    assert now.kind == was.kind, (sql, now.why)
    assert now.tables == was.tables or was.kind == "refused"


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(list(Dialect)), st.integers(0, 10**6), st.integers(0, 10**9))
def test_spliced_statements_are_understood_the_same_again(dialect, which, seed):
    """Pieces of one in the middle of another: no error of ours, and the text to run is a fixed point."""
    draw = random.Random(seed)
    one, other = (PIECES.findall(ALL[dialect][(which + step) % len(ALL[dialect])]) for step in (0, seed % 97))
    at, start = draw.randrange(len(one) + 1), draw.randrange(len(other) + 1)
    sql = "".join([*one[:at], " ", *other[start : start + draw.randrange(8)], " ", *one[at + draw.randrange(3) :]])
    answer = classify(sql, dialect, CATALOGS[dialect])
    assert "could not be understood" not in answer.why
    if answer.kind == "read":
        assert classify(answer.sql, dialect, CATALOGS[dialect]) == answer


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60), st.sampled_from(list(Dialect)))
def test_no_text_raises(text, dialect):
    """Whatever it holds."""
    answer = classify(text, dialect, Catalog((), dialect))
    assert "could not be understood" not in answer.why
    assert answer.why.isprintable()

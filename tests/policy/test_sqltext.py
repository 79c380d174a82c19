"""What an SQL text would do."""

import pytest

from handrail.policy.sqltext import MEMBERS, TEXT_MAX, statements


@pytest.mark.parametrize(
    ("text", "verbs"),
    [
        ("select * from lead where id = 1", ["select"]),
        ("SELECT 1; /* x */ DELETE FROM lead", ["select", "delete"]),
        ("with d as (delete from lead returning id) select * from d", ["delete"]),
        ("select * into copy from lead", ["create"]),
        ("insert into lead select * from old", ["insert"]),
        ("update lead set status = 'x'", ["update"]),
        ("alter table lead drop column status", ["alter", "drop"]),
        ("alter table lead add column x int", ["alter"]),
        ("truncate lead", ["truncate"]),
        ("drop table lead", ["drop"]),
        ("create table x as select 1", ["create"]),
        ("grant all on lead to bob", ["grant"]),
        ("copy lead from program 'x'", ["copy"]),
        ("merge into a using b on a.id = b.id when matched then delete", ["merge"]),
    ],
)
def test_verbs(text, verbs):
    """Of every statement, also of a write inside a read."""
    found = statements(text)
    assert [statement["verb"] for statement in found] == verbs
    assert not any(statement["opaque"] for statement in found)
    assert all(set(statement) == MEMBERS for statement in found)


@pytest.mark.parametrize(
    "text",
    ["do $$ begin delete from a; end $$", "vacuum", "call f()", "explain analyze delete from a", "selec * form a", "pragma x = 1",
     "set role x", "lock table a", "replace into a values (1)", "select 1 /*!50000 ; delete from a */", "select 'x", None, 3,
     "a\x00b", "SELECT 1 /* /* */ ; DELETE FROM t -- */", "SELECT 1 --1; DELETE FROM t", "SELECT 1 AS `-- `, a FROM t;DELETE FROM t", "SELECT 'a\\' AS b, '; DELETE FROM t --'",
     "select 1;" * 300, "x" * (TEXT_MAX + 1)],
)  # fmt: skip
def test_what_cannot_be_told_says_so(text):
    """What the parser keeps as text, or cannot read."""
    assert any(statement["opaque"] for statement in statements(text))


def test_members():
    """Tables in lower case, whether there is a WHERE, functions that SQL does not know."""
    (one,) = statements('DELETE FROM public."Lead" WHERE id = my_function(3)')
    assert (one["tables"], one["where"], one["functions"]) == (["lead"], True, ["my_function"])
    assert not statements("delete from lead")[0]["where"]
    assert statements("  ") == []

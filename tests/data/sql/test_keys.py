"""Is it the primary key, written out?"""

import datetime as dt

import pytest

from handrail.data.dialect import Dialect
from handrail.data.sql.catalog import Catalog, TableColumn
from handrail.data.sql.keys import KEYS_MAX, fits, keys
from handrail.data.sql.tokens import tokens

POSTGRES, SQLITE = Dialect.POSTGRES, Dialect.SQLITE
FORM = {
    "lead": {"columns": ["id", "Id", "status"], "primary_key": ["id"]},
    "line": {"columns": ["a", "b", "qty"], "primary_key": ["a", "b"]},
    "bare": {"columns": ["id"], "primary_key": []},
    "typed": {"columns": ["id"], "primary_key": ["id"], "types": {"id": "integer"}},
    "code": {"columns": ["id"], "primary_key": ["id"], "types": {"id": "varchar(10)"}},
}


def named(where, table="lead", dialect=POSTGRES, alias=""):
    catalog = Catalog.from_json({table: FORM[table]} if table != "lead" or dialect is POSTGRES else SMALL, dialect)
    return keys(tokens(where, dialect), catalog.find(table), catalog, alias)


SMALL = {"lead": {"columns": ["id", "status"], "primary_key": ["id"]}}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("id = 1", ((1,),)), ("1 = id", ((1,),)), ("id IN (1, 2, 1)", ((1,), (2,))), ("lead.id = 1", ((1,),)), ("(id = 1)", ((1,),)),
        ("id = 'x'", (("x",),)), ("id in ('a', -2)", (("a",), (-2,))), ('"id" = 1', ((1,),)), ("ID = 1", ((1,),)), ("id = (1)", ((1,),)),
        ("id = DATE '2024-01-01'", ((dt.date(2024, 1, 1),),)),
    ],
)  # fmt: skip
def test_one_column(where, expected):
    """By =, by IN; each key once."""
    assert named(where) == expected


@pytest.mark.parametrize(
    "where",
    [
        "id > 1", "id <> 1", "NOT id = 1", "id = 1 OR id = 2", "id = 1 OR true", "id = 1 AND status = 'x'", "id = id", 'id = "Id"',
        'id IN ("id")', "id IN (1, id)", "id IN (SELECT id FROM t)", "id IN (1) OR true", "id NOT IN (1)", "id = NULL", "id IN (NULL)",
        "id = 1 + 1", "id = 1 = true", "id BETWEEN 1 AND 1", "id = ANY (ARRAY[1])", "status = 'x'", '"Id" = 1', "x.id = 1", "id IN ()",
        "id = 1 AND id = 2", "id = now()", "id LIKE 'x'", "id IS NULL", "id = 1 IS NOT NULL", "id = 1 AND NOT false", "true", "1 = 1",
        "id IN (1) IN (true)", "CASE WHEN true THEN id END = 1", "(id, status) = (1, 'x')", "id = '1'::int", "id == 1 OR 1",
    ],
)  # fmt: skip
def test_any_other_condition_is_none(where):
    """Even one that comes to the same."""
    try:
        found = tokens(where, POSTGRES)
    except Exception:
        found = tokens(where, SQLITE)
    catalog = Catalog.from_json({"lead": FORM["lead"]}, POSTGRES)
    assert keys(found, catalog.find("lead"), catalog) is None


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("a = 1 AND b = 2", ((1, 2),)), ("b = 2 AND a = 1", ((1, 2),)), ("(a, b) = (1, 2)", ((1, 2),)), ("(b, a) = (2, 1)", ((1, 2),)),
        ("(a, b) IN ((1, 2), (3, 4))", ((1, 2), (3, 4))), ("a = 1 AND b IN (2, 3)", ((1, 2), (1, 3))), ("((a = 1) AND (b = 2))", ((1, 2),)),
        ("a = 1", None), ("a = 1 AND qty = 2", None), ("a = 1 AND b = 2 AND qty = 3", None), ("(a, b) = (1, qty)", None),
        ("(a, a) = (1, 2)", None), ("(a, b) IN ((1, 2), (3))", None), ("a = 1 AND b = 2 OR true", None), ("(a, b) = 1", None),
        ("a = 1 AND b = NULL", None), ("(a, b) IN (SELECT 1, 2)", None), ("a = 1 AND (a, b) = (1, 2)", None),
    ],
)  # fmt: skip
def test_composite_keys(where, expected):
    """All columns, in the order of the key."""
    assert named(where, "line") == expected


def test_alias_and_names():
    """The alias hides the table's own name; SQLite does not tell the case apart."""
    assert named("l.id = 1", alias="l") == ((1,),)
    assert named("lead.id = 1", alias="l") is None
    assert named('"ID" == 1', dialect=SQLITE) == ((1,),)
    assert named("[id] = 1", dialect=SQLITE) == ((1,),)


def test_no_key_is_none():
    """Or nobody knows."""
    assert named("id = 1", "bare") is None


def test_kinds():
    """A conversion must not decide which row is meant."""
    assert named("id = 1", "typed") == ((1,),)
    assert named("id = '1'", "typed") is None
    assert named("id = 1.5", "typed") is None
    assert named("id = true", "typed") is None
    assert named("id = 'x'", "code") == (("x",),)
    assert named("id = 1", "code") is None


def test_one_and_true_are_two_values():
    """Python takes them for one."""
    assert fits(True, TableColumn("a", "boolean"), POSTGRES)
    assert not fits(True, TableColumn("a", "integer"), POSTGRES)
    assert not fits(1, TableColumn("a", "uuid"), POSTGRES)
    assert not fits(dt.date(2024, 1, 1), TableColumn("a", "date"), SQLITE)


def test_there_is_a_limit():
    """The product of two lists grows fast."""
    many = ", ".join(map(str, range(KEYS_MAX - 100)))
    assert len(named(f"id IN ({many})")) == KEYS_MAX - 100
    numbers = ", ".join(map(str, range(101)))
    assert named(f"a IN ({numbers}) AND b IN ({numbers})", "line") is None

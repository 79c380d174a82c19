"""Literals, types, windows and other parts that are gone through in their own way."""

import pytest
from tests.data.sql.real import POSTGRES, SQLITE, catalog

from handrail.data.sql import Dialect, classify
from handrail.data.sql.special import COLLATIONS

CATALOGS = {dialect: catalog(dialect) for dialect in Dialect}


def kind(expression, dialect=POSTGRES):
    return classify(f"SELECT {expression} FROM lead", dialect, CATALOGS[dialect]).kind.value


@pytest.mark.parametrize(
    "expression",
    [
        "id::numeric(10, 2)", "CAST(id AS character varying(20))", "'{1}'::int[]", "'x'::varchar", "id::double precision",
        "'2024-01-01'::timestamp with time zone", "TIME '10:00'", "INTERVAL '1 day'", "INTERVAL '1' DAY", "2 * INTERVAL '1 hour'",
        "EXTRACT(epoch FROM updated_at)", 'status COLLATE "C"', "sum(id) OVER (PARTITION BY owner ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING)",
        "sum(id) OVER (ORDER BY id RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE TIES)", "id IN (1, 2)", "id IN (SELECT 1)",
        "make_interval(days => id)", "(id + 1) AS next", "CURRENT_TIMESTAMP(3)", "true",
    ],
)  # fmt: skip
def test_understood(expression):
    """Ordinary parts."""
    assert kind(expression) == "read"


@pytest.mark.parametrize(
    "expression",
    [
        "'lead'::regclass", "id::oid", "'x'::lead", "NULL::nosuch", "'x'::public.thing", "CAST(id AS nosuch(3))", "INTERVAL (id)", "id::pg_catalog.int4",
        "sum(id) OVER (ORDER BY pg_sleep(1))", "sum(id) OVER (ORDER BY id ROWS BETWEEN pg_sleep(1) PRECEDING AND CURRENT ROW)",
        "EXTRACT(year FROM pg_sleep(1))", "id IN (pg_sleep(1))", 'pg_sleep(1) COLLATE "C"', "CAST(pg_sleep(1) AS text)", "make_interval(days => pg_sleep(1))",
        "count(*) FILTER (WHERE pg_sleep(1) IS NULL)", "percentile_cont(0.5) WITHIN GROUP (ORDER BY pg_sleep(1))", "ARRAY[pg_sleep(1)]",
        "(ARRAY[1])[pg_sleep(1)]", "CASE WHEN true THEN pg_sleep(1) END", "coalesce(pg_sleep(1), 1)", "pg_sleep(1) AT TIME ZONE 'x'",
        "substring('x' FROM pg_sleep(1))", "overlay('x' PLACING 'y' FROM pg_sleep(1))", "position(pg_sleep(1) IN 'x')", "trim(pg_sleep(1))",
        "id BETWEEN 1 AND pg_sleep(1)", "1 = ANY (ARRAY[pg_sleep(1)])", "(SELECT pg_sleep(1))", "id LIKE pg_sleep(1)", "-pg_sleep(1)",
    ],
)  # fmt: skip
def test_nothing_hides_in_a_part(expression):
    """A function or a type that is not known is found wherever it stands."""
    assert kind(expression) == "refused"


def test_collations_of_sqlite():
    """Its own three; others are code."""
    for name in COLLATIONS:
        assert kind(f"status COLLATE {name}", SQLITE) == "read"
    assert kind("status COLLATE nosuch", SQLITE) == "refused"
    assert kind("status COLLATE nosuch") == "read"

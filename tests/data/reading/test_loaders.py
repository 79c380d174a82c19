"""How values of PostgreSQL arrive."""

import pytest

from handrail.data.reading import ReadLimits
from handrail.data.sql import Catalog, Dialect


@pytest.fixture(scope="module")
def reads(postgres):
    made = postgres.reads(ReadLimits())
    yield made
    made.close()


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("1::int8", 1),
        ("1.10::numeric", "1.10"),
        ("'NaN'::numeric", "NaN"),
        ("123456789012345678901234567890::numeric", "123456789012345678901234567890"),
        ("1.5::float8", 1.5),
        ("'NaN'::float8", "NaN"),
        ("'-infinity'::float4", "-Infinity"),
        ("true", True),
        ("NULL", None),
        ("date '2024-02-29'", "2024-02-29"),
        ("timestamp '2024-01-02 03:04:05.6'", "2024-01-02T03:04:05.600000"),
        ("timestamptz '2024-01-02 03:04+00' AT TIME ZONE 'UTC'", "2024-01-02T03:04:00"),
        ("'infinity'::timestamptz", "infinity"),
        ("'-infinity'::date", "-infinity"),
        ("date '0044-03-15 BC'", "0044-03-15 BC"),
        ("timestamp '12000-01-01'", "12000-01-01 00:00:00"),
        ("ARRAY['infinity'::date, '2024-01-01']", ["infinity", "2024-01-01"]),
        ("time '24:00'", "24:00:00"),
        ("interval '1 year 2 days'", "1 year 2 days"),
        ("inet '10.0.0.1/8'", "10.0.0.1/8"),
        ("int4range(1, 5)", "[1,5)"),
        ("'00000000-0000-0000-0000-000000000001'::uuid", "00000000-0000-0000-0000-000000000001"),
        ("'\\x00ff'::bytea", "base64:AP8="),
        ("ARRAY['\\x00'::bytea]", ["base64:AA=="]),
        ("ARRAY[[1.5, NULL], [2, 3]]::numeric[]", [["1.5", None], ["2", "3"]]),
        ("'{\"a\": [1, 18446744073709551616, null]}'::jsonb", {"a": [1, "18446744073709551616", None]}),
        ("'\"\\ud83d\\ude00\"'::json", "😀"),
        ("ROW(1, 'x')", ["1", "x"]),
        ("'a'::\"char\"", "a"),
        ("'(1,2)'::point", "(1,2)"),
    ],
)
def test_values(reads, sql, expected):
    """As JSON where it has the same, as the server's text elsewhere; never an error for a date that Python lacks."""
    ((found,),) = reads.read(f"SELECT {sql}", Catalog((), Dialect.POSTGRES)).rows
    assert found == expected
    assert type(found) is type(expected)


def test_deep_json(reads):
    """Is text from some depth on."""
    taken = reads.read("SELECT (repeat('[', 5000) || repeat(']', 5000))::json", Catalog((), Dialect.POSTGRES))
    assert taken.rows

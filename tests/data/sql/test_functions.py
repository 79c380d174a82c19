"""The lists of functions, against a real PostgreSQL and SQLite."""

import sqlite3

from tests.data.sql.real import POSTGRES, SQLITE

from handrail.data.sql.functions import FORMATS, FUNCTIONS, INSTEAD, PADDED, ROWS, WHOLE_ROW

FORBIDDEN = (
    "pg_sleep",
    "nextval",
    "setval",
    "set_config",
    "lo_",
    "dblink",
    "pg_read",
    "pg_ls",
    "query_to",
    "advisory",
    "copy",
    "xml",
)
HARMLESS_THOUGH_VOLATILE = {
    "random", "clock_timestamp", "gen_random_uuid", "timeofday",
}  # fmt: skip


def test_names_are_in_lower_case():
    """They are compared so."""
    for names in (*FUNCTIONS.values(), *ROWS.values(), set(INSTEAD), set(PADDED), FORMATS, WHOLE_ROW):
        assert all(name == name.lower() for name in names)


def test_lists_do_not_contradict_each_other():
    """What stands where a table stands is known; what has an advice is not."""
    for dialect, names in FUNCTIONS.items():
        assert ROWS[dialect] <= names
        assert not set(INSTEAD) & names
        assert not [name for name in names for bad in FORBIDDEN if bad in name]


def test_functions_of_postgres_are_not_volatile(databases):
    """The server itself says which functions may write: none of ours, but for clocks and chance."""
    rows = databases[POSTGRES].run(
        "SELECT DISTINCT proname FROM pg_proc WHERE provolatile = 'v' AND pronamespace = 'pg_catalog'::regnamespace"
    )
    volatile = {name for (name,) in rows}
    assert "pg_sleep" in volatile
    assert FUNCTIONS[POSTGRES] & volatile == HARMLESS_THOUGH_VOLATILE
    kinds = databases[POSTGRES].run(
        "SELECT DISTINCT proname FROM pg_proc WHERE proretset AND pronamespace = 'pg_catalog'::regnamespace"
    )
    assert ROWS[POSTGRES] - {"unnest", "json_to_record", "jsonb_to_record"} <= {name for (name,) in kinds}


def test_functions_of_sqlite_are_its_own():
    """The library knows most of them, and flags none as having direct effects."""
    with sqlite3.connect(":memory:") as connection:
        rows = connection.execute("SELECT name, flags FROM pragma_function_list").fetchall()
    connection.close()
    known = {name.lower() for name, _ in rows}
    effects = {name.lower() for name, flags in rows if flags & 0x80000}
    assert len(FUNCTIONS[SQLITE] & known) > 80
    assert FUNCTIONS[SQLITE] & effects == set()

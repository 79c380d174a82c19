"""The fingerprint of a table changes with everything that a plan relies on."""

import pytest

from handrail.data.rows.history import backend


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE lead ADD COLUMN x text",
        "ALTER TABLE lead RENAME COLUMN status TO state",
        "CREATE TABLE child (id integer PRIMARY KEY, l integer REFERENCES lead (id) ON DELETE CASCADE)",
        "trigger",
    ],
)
def test_it_changes_with_the_table(shop, sql):
    """Columns, who refers to it, triggers."""
    from tests.data.rows.test_applying import TRIGGER

    kind = backend(shop.engine.dialect.name)

    def fingerprint():
        with kind.reading(shop.engine) as connection:
            return kind.shape(connection, "", "lead").fingerprint

    before = fingerprint()
    shop.run("CREATE TABLE far (id integer PRIMARY KEY)")
    assert fingerprint() == before
    shop.run(*(TRIGGER[shop.dialect] if sql == "trigger" else [sql]))
    assert fingerprint() != before

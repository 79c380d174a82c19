"""What a database lacks of its history, and of what a policy declares."""

import re

import pytest

from handrail.data.dialect import Dialect
from handrail.data.lacking import history_missing, is_known, lacks, torn
from handrail.data.rows.history import TABLES
from handrail.data.sql.catalog import Catalog, Table, TableColumn
from handrail.policy.guarded import TableSpec

COLUMNS = (TableColumn("id"), TableColumn("status"))
KNOWN = Catalog(
    [Table("lead", COLUMNS), Table("open_lead", COLUMNS, view=True), Table("order", COLUMNS, schema="sales")],
    Dialect.POSTGRES,
)


def test_the_history_by_table(shop):
    """Each that is missing is named."""

    def missing():
        with shop.engine.connect() as connection:
            return history_missing(connection)

    assert missing() == ()
    shop.run("DROP TABLE handrail_row")
    assert missing() == ("handrail_row",)
    shop.run("DROP TABLE handrail_change", "DROP TABLE handrail_meta")
    assert missing() == TABLES


@pytest.mark.parametrize("missing", [TABLES[:1], TABLES[1:], TABLES[2:]])
def test_a_history_of_which_a_part_is_missing(missing):
    """Which, what is there, and both ways out."""
    said = torn(missing)
    assert f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing" in said
    assert "from a backup" in said
    for table in TABLES:
        assert (f"DROP TABLE {table};" in said) == (table not in missing)


def test_a_history_that_is_whole_or_not_there():
    """Is no torn one."""
    assert torn(()) == torn(TABLES) == ""


SAID = {
    "a table": ({"leed": TableSpec(write=("status",))}, "no table 'leed', .* Did you mean 'lead'"),
    "a table without its schema": ({"order": TableSpec(delete=True)}, "no table 'order'"),
    "a column": ({"lead": TableSpec(write=("statuss",))}, "no column 'statuss', .*'write'.* Did you mean 'status'"),
    "a version": ({"lead": TableSpec(delete=True, version="rev")}, "no column 'rev', .*'version'"),
    "a hidden column": ({"lead": TableSpec(delete=True, hide=("pin",))}, "no column 'pin', .*'hide'"),
    "a view": ({"open_lead": TableSpec(write=("status",))}, "is a view"),
}


@pytest.mark.parametrize("what", SAID)
def test_what_is_declared_and_not_there(what):
    """One sentence, with the nearest name."""
    tables, text = SAID[what]
    (said,) = lacks(KNOWN, tables, "shop")
    assert re.search(text, said)


def test_what_is_there():
    """Is not spoken of."""
    tables = {name: TableSpec(write=("status",)) for name in ("lead", "public.lead", "sales.order")}
    assert lacks(KNOWN, tables, "shop") == ()
    assert all(is_known(KNOWN, name) for name in tables)


def test_hostile_names():
    """Cannot act on a terminal."""
    assert "\x1b" not in "".join(lacks(KNOWN, {"\x1b[2J": TableSpec()}, "\x1b[2J"))

"""What is known of a database."""

import pytest

from handrail.data.sql import Catalog, CatalogError, Dialect, Table, TableColumn

LEAD = {"lead": {"columns": ["id", "status"], "primary_key": ["id"]}}


def test_from_json():
    """Tables with columns and key; the rest where it is said."""
    catalog = Catalog.from_json(
        {**LEAD, "v": {"columns": ["a"], "kind": "view", "schema": "x", "types": {"a": "INT"}, "generated": ["a"]}},
        Dialect.POSTGRES,
    )
    assert catalog.find("lead") == Table("lead", (TableColumn("id"), TableColumn("status")), ("id",))
    assert catalog.find("v", "x") == Table("v", (TableColumn("a", "int", True),), None, "x", view=True)
    assert catalog.find("v") is None
    assert catalog.names == ("lead", "v")


def test_no_key_and_nobody_knows():
    """An empty list says that there is none."""
    catalog = Catalog.from_json({"a": {"columns": ["x"], "primary_key": []}, "b": {"columns": ["x"]}}, Dialect.SQLITE)
    assert catalog.find("a").primary_key == ()
    assert catalog.find("b").primary_key is None


def test_names_are_found_as_the_database_does():
    """By case, and by the usual schema."""
    form = {"Lead": {"columns": ["Id"]}}
    assert Catalog.from_json(form, Dialect.POSTGRES).find("lead") is None
    assert Catalog.from_json(form, Dialect.POSTGRES).find("Lead", "public").name == "Lead"
    assert Catalog.from_json(form, Dialect.SQLITE).find("lead", "main").name == "Lead"
    assert Catalog.from_json(form, Dialect.SQLITE).find("lead", "temp") is None
    assert "Did you mean 'Lead'?" in Catalog.from_json(form, Dialect.SQLITE).near("leads")


@pytest.mark.parametrize(
    "form",
    [
        [], "x", None, {"lead": []}, {"lead": {"columns": "id"}}, {"lead": {"columns": [1]}}, {"lead": {"colums": ["id"]}},
        {"lead": {"columns": ["id"], "primary_key": ["no"]}}, {"lead": {"columns": ["id", "id"]}},
        {"lead": {"columns": ["id"], "kind": "index"}}, {"lead": {"columns": ["id"], "schema": 1}},
        {"lead": {"columns": ["id"], "types": []}}, {"lead": {"columns": [""]}},
    ],
)  # fmt: skip
def test_another_form_is_refused(form):
    """With what is wrong."""
    with pytest.raises(CatalogError) as error:
        Catalog.from_json(form, Dialect.POSTGRES)
    assert str(error.value).endswith((".", "?", "}}."))


def test_names_that_fall_together():
    """In SQLite, Lead and lead are one table."""
    form = {"Lead": {"columns": ["id"]}, "lead": {"columns": ["id"]}}
    with pytest.raises(CatalogError, match="Two tables"):
        Catalog.from_json(form, Dialect.SQLITE)
    assert len(Catalog.from_json(form, Dialect.POSTGRES).tables) == 2


def test_from_text():
    """JSON, or an error that says so."""
    assert Catalog.from_text('{"lead": {"columns": ["id"]}}', Dialect.SQLITE).names == ("lead",)
    with pytest.raises(CatalogError, match="not JSON"):
        Catalog.from_text("{", Dialect.SQLITE)

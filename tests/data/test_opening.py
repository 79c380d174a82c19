"""Opening a database: by name, address or engine; what is declared of it counts as it stands now."""

import sys
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from tests.data.front import BARE, POLICY, front
from tests.stores.postgres.server import server

import handrail
from handrail.data.database import Database
from handrail.data.opening import _address, own_name
from handrail.data.reading import QueryFailed, QueryRefused
from handrail.data.rows import ChangeRefused
from handrail.data.table import Table
from handrail.policy import load

LEAD = {"lead": Table(write={"status"}, rows_free=2, delete=True)}


def test_tables_that_the_program_declares(small):
    """Count as those of a policy; the same again is no conflict, others are."""
    small.write(BARE)
    with small.open() as hr:
        db = hr.database(small.engine, tables=LEAD)
        assert db.name == "shop"
        assert hr.database(small.url, tables=LEAD).name == hr.database(small.engine).name == "shop"
        for other in ({"tables": {"lead": Table(write={"score"})}}, {"functions": ["f"]}):
            with pytest.raises(handrail.ConfigurationError, match="is declared already"):
                hr.database(small.engine, **other)
        with hr.run("bot"):
            db.apply(db.update("lead", [1, 2], {"status": "new"}))
            with pytest.raises(handrail.ReviewRequired):
                db.apply(db.update("lead", [3, 4, 5], {"status": "new"}))
            with pytest.raises(ChangeRefused, match="score may not be written"):
                db.update("lead", [1], {"score": 1})
            with pytest.raises(ChangeRefused, match="not declared"):
                db.update("note", [1], {"text": "x"})
    assert small.changes() == 1


def test_tables_of_the_policy_are_not_declared_again(small):
    """Neither the same nor others."""
    with small.open() as hr, pytest.raises(handrail.ConfigurationError, match="is declared already"):
        hr.database("shop", tables=LEAD)


def test_what_could_not_be_opened_is_not_declared(small):
    """So that it can be opened once it is there."""
    small.write(BARE)
    with small.open() as hr:
        with pytest.raises(handrail.ConfigurationError, match="There is no file"):
            hr.database(f"sqlite:///{small.folder}/other.db", tables=LEAD)
        assert hr.policy.tool("other.query") is None
        with pytest.raises(handrail.ConfigurationError, match="names no place"):
            hr.database(small.url, name="No Name", tables=LEAD)
        (small.folder / "other.db").write_bytes((small.folder / "shop.db").read_bytes())
        assert hr.database(f"sqlite:///{small.folder}/other.db", tables={}).name == "other"


def test_a_reloaded_policy_keeps_what_the_program_declares(small):
    """And what it says of that, by its rules, counts at once."""
    small.write(BARE)
    with small.open() as hr:
        db = hr.database(small.engine, tables=LEAD)
        with hr.run("bot"):
            plan, other = (db.update("lead", [n], {"status": "new"}) for n in (1, 2))
            small.write(BARE + 'rules: [{id: never, for: "*.apply_change", then: deny}]\n')
            hr.adopt(load(small.folder / "handrail.yaml"))
            with pytest.raises(handrail.Denied, match="never"):
                db.apply(plan)
            assert len(db.query("SELECT 1 AS one").rows) == 1
            small.write(BARE)
            hr.adopt(load(small.folder / "handrail.yaml"))
            assert db.apply(other).rows == 1


TIGHTER = {
    "no row is free": ("rows_free: {free}", "rows_free: 0", handrail.ReviewRequired, "needs a person"),
    "fewer columns": ("[status, score]", "[score]", ChangeRefused, "status may not be written"),
    "no delete": ("delete: true", "delete: false", ChangeRefused, "may not be deleted"),
    "fewer rows": ("rows_max: 50", "rows_max: 1", ChangeRefused, "1"),
    "no table": ("lead:", "leads:", handrail.ReviewRequired, "needs a person"),
    "no database": ("shop:", "shops:", handrail.Denied, "not declared"),
}


@pytest.mark.parametrize("tighter", TIGHTER)
def test_tightened_limits_count_for_plans_made_before(small, tighter):
    """In a program that is open, and in the next one; loosened ones do not loosen an old plan."""
    old, new, error, text = TIGHTER[tighter]
    with small.open() as hr:
        db = hr.database("shop")
        with hr.run("bot"):
            update, delete = db.update("lead", [1, 2], {"status": "new"}), db.delete("lead", [3, 4])
            plan = delete if "delete" in tighter else update
            small.write(POLICY.replace(old, new))
            hr.adopt(load(small.folder / "handrail.yaml"))
            with pytest.raises(error, match=text):
                db.apply(plan)
    with small.open() as hr:
        db = hr.database(small.url, name="shop")
        with hr.run("bot"), pytest.raises((ChangeRefused, handrail.ReviewRequired)):
            db.apply(plan)
    assert small.changes() == 0


def test_loosened_limits_do_not_loosen_an_old_plan(small):
    """It asks as it was planned."""
    small.write(POLICY, free=0)
    with small.using() as db:
        plan = db.update("lead", [1], {"status": "new"})
    small.write(POLICY, free=9)
    with small.using() as db:
        with pytest.raises(handrail.ReviewRequired):
            db.apply(plan)
        assert db.apply(db.update("lead", [1], {"status": "new"})).rows == 1


def test_functions_that_are_vouched_for_no_longer(small):
    """Nothing is understood with them."""
    small.write(POLICY.replace("    tables:", "    functions: [soundex]\n    tables:"))
    with small.open() as hr:
        db = hr.database("shop")
        with hr.run("bot"):
            assert db.query("SELECT 1 AS one").rows == ((1,),)
            small.write(POLICY)
            hr.adopt(load(small.folder / "handrail.yaml"))
            for call in (db.query, db.plan_sql):
                with pytest.raises(handrail.ValidationFailed, match="fewer functions"):
                    call("SELECT 1")


def test_an_approval_is_for_one_database(small, tmp_path):
    """Another database under the same name, and the same under another name, are others."""
    (tmp_path / "second").mkdir()
    with front("sqlite", tmp_path / "second") as second:
        small.write(BARE)
        limits = {"name": "shop", "tables": LEAD}
        with small.using(small.engine, **limits) as db:
            plan = db.update("lead", [1, 2, 3], {"status": "new"})
            with pytest.raises(handrail.ReviewRequired) as held:
                db.apply(plan)
        small.decide(held)
        with small.using(second.engine, **limits) as db, pytest.raises(ChangeRefused, match="another database"):
            db.apply(plan)
        with small.using(small.engine, name="shop2", tables=LEAD) as db, pytest.raises(ChangeRefused, match="No plan"):
            db.apply(plan)
        assert (small.changes(), second.changes()) == (0, 0)


def test_foreign_keys_are_enforced_where_the_engine_is_ours(small):
    """What cascades take is planned, and kept for an undo."""
    with small.using() as db:
        done = db.apply(db.delete("lead", [1]))
    assert done.footprint == {"lead": (0, 0, 1), "note": (0, 0, 1)}
    assert small.rows("SELECT lead_id FROM note") == [(2,)]


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("shp", "Did you mean 'shop'"),
        ("shp", "There is: shop"),
        ("nothing", "There is: shop"),
        ("sqlite://", "Name a file"),
        ("sqlite:///none.db", "There is no file"),
        ("mysql://root:secret@h/db", "A database of the kind mysql is not read. Use PostgreSQL"),
        ("postgresql+asyncpg://u:secret@h/db", "is not read"),
        ("postgresql://u:secret@127.0.0.1:1/db", "cannot be reached"),
        ("https://u:secret@example.com", "is not read"),
        (42, "type int is no database"),
        (sa.create_engine("sqlite://"), "Name a file"),
    ],
)
def test_what_cannot_be_opened(small, where, text):
    """Each says what to do, and no password."""
    with small.open() as hr:
        with pytest.raises(handrail.ConfigurationError, match=text) as refused:
            hr.database(where)
        assert "secret" not in str(refused.value)


@pytest.mark.parametrize("way", ["by name", "by address", "by a link", "as an engine"])
def test_the_store_itself(small, way):
    """Is no database for agents, under any name; nothing of it is declared."""
    store = small.folder / "handrail.db"
    (small.folder / "link.db").symlink_to(store)
    small.write(BARE + "databases: {s: {url: 'sqlite:///handrail.db', tables: {journal: {write: [body]}}}}\n")
    where = {
        "by name": "s",
        "by address": f"sqlite:///{store}",
        "by a link": f"sqlite:///{small.folder}/link.db",
        "as an engine": sa.create_engine(f"sqlite:///{store}"),
    }[way]
    with small.open() as hr:
        with pytest.raises(handrail.ConfigurationError, match=r"is the store itself .* Name another database"):
            hr.database(where)
        assert way == "by name" or hr.policy.tool("handrail.query") is hr.policy.tool("link.query") is None


def test_a_role_that_reaches_the_store(tmp_path):
    """On PostgreSQL a store may stand in the same database, in a schema that agents cannot use."""
    with front("postgres", tmp_path) as shop:
        name, role = sa.make_url(shop.url).database, sa.make_url(shop.url).username
        server().run("CREATE SCHEMA handrail; CREATE TABLE handrail.journal (body text)", name)
        with shop.open() as hr:
            hr.database("shop").close()
            server().run(f"GRANT USAGE ON SCHEMA handrail TO {role}; GRANT SELECT ON handrail.journal TO {role}", name)
            with pytest.raises(handrail.ConfigurationError, match=r"schema handrail.*REVOKE ALL ON SCHEMA handrail"):
                hr.database("shop")
        server().run("DROP SCHEMA handrail CASCADE", name)


@pytest.mark.parametrize("way", ["replaced", "removed"])
def test_the_file_is_another_one(small, way):
    """Nothing is read or changed, neither there nor in what is gone, until it is opened anew."""
    file = small.folder / "shop.db"
    with small.using() as db:
        plan = db.update("lead", [1], {"status": "x"})
        db.apply(plan)
        db_file = file.read_bytes()
        file.rename(small.folder / "old.db")
        if way == "replaced":
            file.write_bytes(db_file)
        for call in (
            lambda: db.update("lead", [2], {"status": "x"}),
            lambda: db.apply(plan),
            lambda: db.undo(plan.digest),
        ):
            with pytest.raises(ChangeRefused, match=f"was {way} since it was opened"):
                call()
        with pytest.raises(QueryFailed, match=f"was {way} since it was opened"):
            db.query("SELECT count(*) AS n FROM lead")
        assert file.exists() == (way == "replaced")
    if way == "replaced":
        with small.using() as db:
            assert db.apply(db.update("lead", [2], {"status": "x"})).rows == 1


@pytest.mark.parametrize("tables", [["lead"], {"lead": {"write": ["status"]}}, {1: Table(write={"status"})}, "lead"])
def test_tables_that_are_none(small, tables):
    """It says what to give."""
    small.write(BARE)
    with small.open() as hr, pytest.raises(handrail.ConfigurationError, match=r"Give a handrail\.Table"):
        hr.database(small.engine, tables=tables)


def test_no_database_at_all(small):
    """It says how to come by one."""
    small.write(BARE)
    with small.open() as hr, pytest.raises(handrail.ConfigurationError, match="Declare it, or give a URL"):
        hr.database("shop")


def test_a_name_that_is_something_else(small):
    """A folder of files is no database, and a database without an address has to be given one."""
    small.write(BARE + "files: {docs: {root: .}}\ndatabases: {empty: {}}\n")
    with small.open() as hr:
        with pytest.raises(handrail.ConfigurationError, match="is no database in the policy"):
            hr.database(small.engine, name="docs")
        with pytest.raises(handrail.ConfigurationError, match="has no 'url'"):
            hr.database("empty")
        assert hr.database(small.engine, name="empty").name == "empty"


def test_the_address_from_the_environment_and_beside_the_policy(small, monkeypatch):
    """A secret stands in no file; a relative path starts from the policy."""
    small.write(POLICY, url="env:SHOP_URL")
    with small.open() as hr:
        with pytest.raises(handrail.ConfigurationError, match="SHOP_URL, which is not set"):
            hr.database("shop")
        monkeypatch.setenv("SHOP_URL", "sqlite:///shop.db")
        db = hr.database("shop")
        with hr.run("bot"):
            assert db.query("SELECT count(*) AS n FROM lead").rows == ((20,),)


def test_a_role_that_nothing_holds(tmp_path):
    """A superuser is refused, with what to do."""
    with front("postgres", tmp_path) as shop, shop.open() as hr:
        url = server().url(sa.make_url(shop.url).database)
        with pytest.raises(handrail.ConfigurationError, match=r"superuser.*Make one for agents"):
            hr.database(url, name="other")


def test_without_the_driver(small, monkeypatch):
    """It says what to install."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with small.open() as hr, pytest.raises(handrail.ConfigurationError, match=r"pip install 'handrail\[postgres\]'"):
        hr.database("postgresql://u@h/db")


def test_drivers_of_async_engines():
    """Those that were tested, and no other."""
    url = sa.make_url("postgresql+asyncpg://u:pw@h/db")
    with pytest.raises(handrail.ConfigurationError, match="driver asyncpg is not guarded"):
        _address(SimpleNamespace(driver="asyncpg", url=url))
    assert _address(SimpleNamespace(driver="psycopg", url=url)) == "postgresql+psycopg://u:pw@h/db"
    assert (
        _address(SimpleNamespace(driver="aiosqlite", url=sa.make_url("sqlite+aiosqlite:///a.db"))) == "sqlite:///a.db"
    )


def test_what_a_database_is_called():
    """As its file or itself, in letters that a name may have."""
    cases = {"sqlite:////x/My Shop.db": "my-shop", "postgresql://h/crm": "crm", "postgresql://h/1a": "database"}
    assert {url: own_name(url) for url in cases} == cases
    assert own_name("::no url::") == "database"
    assert own_name(sa.create_engine("sqlite:///a/b.c.db")) == "b-c"


def test_closing(small):
    """Twice is once; it is done with the workspace, or by hand."""
    with small.open() as hr:
        with hr.database("shop") as db:
            assert isinstance(db, Database)
        db.close()
        with hr.run("bot"), pytest.raises(QueryRefused):
            hr.database("shop").query("SELECT * FROM gone")


def test_without_a_history(small):
    """It says how to install one; reading goes on."""
    small.run("DROP TABLE handrail_row", "DROP TABLE handrail_change", "DROP TABLE handrail_meta")
    with small.using() as db:
        for call in (lambda: db.update("lead", [1], {"status": "x"}), lambda: db.apply("0" * 64)):
            with pytest.raises(ChangeRefused, match="handrail data install"):
                call()
        assert db.query("SELECT count(*) AS n FROM lead").rows == ((20,),)

"""Which database is meant, where it is, and what of it stays open when the policy changes."""

import pytest
from tests.mcp.guarded import guarded, policy

import handrail
from handrail.data.rows import ChangeRefused
from handrail.errors import ConfigurationError, Denied
from handrail.mcp.data_place import Meant, OpenDatabase, absolute, address, installed, meant
from handrail.policy import load
from handrail.policy.guarded import DatabaseSpec, FilesSpec

SHOP, CRM = DatabaseSpec(url="sqlite:///shop.db"), DatabaseSpec()
FILES = FilesSpec(root=".")


def test_the_only_one_is_meant(tmp_path):
    """Without its name; files are no database."""
    assert meant({"shop": SHOP, "docs": FILES}, "", "", tmp_path) == Meant("shop")


def test_an_address_replaces_the_policys(tmp_path):
    """Relative to the working folder."""
    assert meant({"shop": SHOP}, "", "sqlite:///my.db", tmp_path) == Meant("shop", f"sqlite:///{tmp_path}/my.db")
    assert meant({"shop": SHOP, "crm": CRM}, "crm", "postgresql://h/x", tmp_path) == Meant("crm", "postgresql://h/x")


def test_an_address_alone_is_called_as_its_file(tmp_path):
    """It need not be declared."""
    assert meant({}, "", "sqlite:////data/My Shop.db", tmp_path).name == "my-shop"
    assert meant({}, "", "postgresql://h/crm", tmp_path).name == "crm"
    assert meant({"docs": FILES}, "other", "postgresql://h/crm", tmp_path).name == "other"


@pytest.mark.parametrize(
    ("places", "name", "url", "why"),
    [
        ({"shop": SHOP, "crm": CRM}, "", "", "several databases.*crm, shop"),
        ({}, "", "", "declares no database"),
        ({"shop": SHOP}, "shp", "", "Did you mean 'shop'"),
        ({"shop": SHOP}, "shp", "sqlite:///x.db", "Did you mean 'shop'"),
        ({}, "shop", "", "no database 'shop'"),
        ({"docs": FILES}, "docs", "sqlite:///x.db", "no database in the policy"),
        ({}, "Not a name", "sqlite:///x.db", "names no database"),
        ({}, "\x1b[31m", "sqlite:///x.db", r"\\x1b"),
        ({}, "", "env:NO_SUCH_VARIABLE", "NO_SUCH_VARIABLE, which is not set"),
    ],
)
def test_what_is_not_clear_is_refused(tmp_path, places, name, url, why):
    """With what to do."""
    with pytest.raises(ConfigurationError, match=why):
        meant(places, name, url, tmp_path)


def test_addresses(tmp_path, monkeypatch):
    """A variable is looked up; what is absolute or no file stays as it is."""
    monkeypatch.setenv("SHOP_URL", "sqlite:///x.db")
    assert absolute("env:SHOP_URL", tmp_path) == f"sqlite:///{tmp_path}/x.db"
    for url in ("sqlite:////data/x.db", "postgresql://h/x", "sqlite://", "sqlite:///:memory:"):
        assert absolute(url, tmp_path) == url
    assert address({"shop": SHOP}, Meant("shop"), tmp_path) == f"sqlite:///{tmp_path}/shop.db"
    assert address({"shop": SHOP}, Meant("shop", "postgresql://h/x"), tmp_path) == "postgresql://h/x"
    with pytest.raises(ConfigurationError, match="has no 'url'"):
        address({"crm": CRM}, Meant("crm"), tmp_path)


@pytest.fixture
def shop(tmp_path):
    """A small database with its history, and a policy that declares it."""
    with guarded("sqlite", tmp_path, (("error", 3), ("won", 2))) as made:
        made.install()
        (tmp_path / "handrail.yaml").write_text(policy("sqlite:///shop.db"))
        yield made


@pytest.fixture
def workspace(shop, tmp_path):
    """The open policy."""
    with handrail.open(tmp_path / "handrail.yaml", alerts=False) as opened:
        yield opened


def test_whether_the_history_is_there(shop, tmp_path):
    """And a database that is none is told."""
    assert installed(shop.url)
    shop.run("DROP TABLE handrail_row", "DROP TABLE handrail_change", "DROP TABLE handrail_meta")
    assert not installed(shop.url)
    (tmp_path / "text.db").write_text("no database " * 100)
    with pytest.raises(ConfigurationError, match="cannot be looked at"):
        installed(f"sqlite:///{tmp_path}/text.db")


def test_a_changed_policy_opens_it_anew(workspace, tmp_path):
    """With its tables; what is lent stays open until it is given back."""
    place = OpenDatabase(workspace, Meant("shop"))
    with workspace.run(agent="bot"), place.used() as first:
        with place.used() as same:
            assert same is first
        (tmp_path / "handrail.yaml").write_text(policy("sqlite:///shop.db", "{secret: {write: [word]}}"))
        workspace.adopt(load(tmp_path / "handrail.yaml"))
        with place.used() as second:
            assert second is not first
            with pytest.raises(ChangeRefused, match="lead is not declared"):
                second.plan_sql("UPDATE lead SET status = 'x' WHERE id = 1")
        assert first.query("SELECT count(*) FROM lead").rows == ((5,),)


def test_what_cannot_be_opened_under_a_changed_policy_is_refused(workspace, tmp_path):
    """Until it can; the limits from before do not count on."""
    place = OpenDatabase(workspace, Meant("shop"))
    for url in ("sqlite:///gone.db", "env:NO_SUCH_VARIABLE"):
        (tmp_path / "handrail.yaml").write_text(policy(url))
        workspace.adopt(load(tmp_path / "handrail.yaml"))
        for _ in range(2):
            with pytest.raises(ConfigurationError), place.used():
                raise AssertionError
    (tmp_path / "handrail.yaml").write_text(policy("sqlite:///shop.db"))
    workspace.adopt(load(tmp_path / "handrail.yaml"))
    with workspace.run(agent="bot"), place.used() as database:
        assert database.query("SELECT count(*) FROM lead").rows == ((5,),)


def test_what_is_not_declared_can_be_read(shop, tmp_path):
    """And not changed; once the policy declares it, that counts."""
    declared = policy("sqlite:///shop.db")
    (tmp_path / "handrail.yaml").write_text(declared.partition("databases:")[0])
    with handrail.open(tmp_path / "handrail.yaml", alerts=False) as workspace, workspace.run(agent="bot"):
        place = OpenDatabase(workspace, Meant("shop", shop.url))
        assert not place.is_declared
        with place.used() as database:
            assert database.query("SELECT count(*) FROM lead").rows == ((5,),)
            with pytest.raises(ChangeRefused, match="not declared"):
                database.plan_sql("UPDATE lead SET status = 'x' WHERE id = 1")
        (tmp_path / "handrail.yaml").write_text(declared)
        workspace.adopt(load(tmp_path / "handrail.yaml"))
        with place.used() as database:
            assert database.plan_sql("UPDATE lead SET status = 'x' WHERE id = 1").rows == 1
        assert place.is_declared


def test_a_reader_that_is_gone_is_closed(workspace, tmp_path, monkeypatch):
    """Nothing is left open by the openings before."""
    place = OpenDatabase(workspace, Meant("shop"))
    closed = []
    with place.used() as first:
        monkeypatch.setattr(type(first), "close", lambda self: closed.append(self))
        (tmp_path / "handrail.yaml").write_text(policy("sqlite:///shop.db", "{lead: {write: [note]}}"))
        workspace.adopt(load(tmp_path / "handrail.yaml"))
        with place.used():
            assert closed == []
    assert closed == [first]


def test_outside_a_run_nothing_is_done(workspace):
    """The run is the connection's."""
    place = OpenDatabase(workspace, Meant("shop"))
    with place.used() as database, pytest.raises(Denied, match="outside a run"):
        database.query("SELECT 1")


def test_no_password_is_told(tmp_path):
    """Of an address that cannot be reached."""
    with pytest.raises(ConfigurationError) as told:
        installed("postgresql://bot:hunter2@127.0.0.1:1/x")
    assert "hunter2" not in str(told.value)

"""`handrail.open()`: from a policy to a workspace."""

import socket

import pytest

import handrail
from handrail.core.record import RecordKind
from handrail.core.store import Query
from handrail.opening import FILE_NAME, find
from handrail.stores.memory import MemoryStore
from handrail.stores.sqlite import SqliteStore

POLICY = "version: 1\nstore: 'memory:'\nagents: {bot: {access: write}}\ntools: {drop: {do: delete, resource: 'vm/{args.id}'}}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project with a policy; the current folder is two below it."""
    (tmp_path / FILE_NAME).write_text(POLICY)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    return tmp_path


def test_the_nearest_policy(folder):
    """In this folder or above; a folder of that name is none."""
    assert find(folder / "a" / "b") == folder / FILE_NAME
    (folder / "a" / FILE_NAME).mkdir()
    assert find(folder / "a" / "b") == folder / FILE_NAME
    (folder / "a" / "b" / FILE_NAME).write_text(POLICY)
    assert find(folder / "a" / "b") == folder / "a" / "b" / FILE_NAME


def test_opening_the_nearest(folder):
    """Without arguments; the workspace knows its folder."""
    with handrail.open() as hr:
        assert hr.folder == folder
        assert isinstance(hr.store, MemoryStore)


def test_relative_stores_start_at_the_policy(folder):
    """Wherever the program stands, the store is the same file."""
    (folder / FILE_NAME).write_text(POLICY.replace("'memory:'", "sqlite:///state/h.db"))
    with handrail.open() as hr:
        assert isinstance(hr.store, SqliteStore)
    assert (folder / "state" / "h.db").is_file()


@pytest.mark.parametrize("policy", [None, "nowhere.yaml", "."])
def test_no_policy(tmp_path, monkeypatch, policy):
    """Nothing opens, and the sentence says where it looked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("handrail.opening.find", lambda start: None)
    with pytest.raises(handrail.ConfigurationError, match="There is no policy"):
        handrail.open(policy)


def test_a_broken_policy(folder):
    """Nothing opens, and nothing is made."""
    (folder / FILE_NAME).write_text("version: 1\nstore: sqlite:///x.db\ntool: {}\n")
    with pytest.raises(handrail.PolicyError, match="tools"):
        handrail.open()
    assert not (folder / "x.db").exists()


def test_a_store_of_ones_own(folder):
    """An open store, or another address, instead of the policy's."""
    mine = MemoryStore()
    with handrail.open(store=mine) as hr:
        assert hr.store is mine
    with handrail.open(store="sqlite:///other.db") as hr:
        assert hr.store.path == (folder / "other.db").resolve()


def test_gates_of_ones_own(folder):
    """The list as given, empty included."""
    with handrail.open(gates=()) as hr:
        assert hr.host.desk.gates == ()


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("alerts", [True, False])
def test_alerts(folder, alerts):
    """Tickets are told where the policy says; what does not arrive is journalled; `alerts=False` sends nothing."""
    (folder / FILE_NAME).write_text(POLICY + f"alerts: ['http://127.0.0.1:{closed_port()}/hook']\n")
    hr = handrail.open(alerts=alerts)
    failures = []
    hr.on_close(lambda: failures.extend(hr.store.read(lambda tx: list(tx.records(Query(kinds=(RecordKind.EVENT,)))))))

    @hr.tool("drop")
    def drop(id: str) -> None:
        """Never runs."""

    with hr.run("bot"), pytest.raises(handrail.ReviewRequired):
        drop("1")
    hr.close()
    assert [row.record.reason for row in failures] == (["alert_failed"] if alerts else [])

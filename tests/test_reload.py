"""A running workspace follows its policy file, or says why it does not."""

import os

import pytest

import handrail
from handrail.core.policy import Mode
from handrail.core.store import Query
from handrail.policy.guarded import DatabaseSpec
from handrail.reload import PAUSE_S, PolicyWatch, Watch

POLICY = """\
version: 1
agents: {bot: {access: write}}
tools:
  files.read: {do: read, resource: "file/{args.path}"}
"""


class Clock:
    """Time that passes when told."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Project:
    """An open policy, watched; looking always comes after the pause."""

    def __init__(self, folder):
        self.file = folder / "handrail.yaml"
        self.file.write_text(POLICY)
        self.workspace = handrail.open(self.file, store="memory:")
        self.alerts, self.said, self.clock = [], [], Clock()
        self.workspace.host.notify = self.alerts.append
        self.watch = PolicyWatch(self.file, self.workspace, self.said.append, self.clock)

    def look(self):
        self.clock.now += PAUSE_S
        self.watch.look()

    def write(self, text):
        self.file.write_text(text)
        self.look()

    def events(self):
        return [one.record.reason for one in self.workspace.store.read(lambda tx: list(tx.records(Query())))]


@pytest.fixture
def project(tmp_path):
    """A watched project."""
    found = Project(tmp_path)
    yield found
    found.workspace.close()


def test_a_changed_policy_is_in_force(project):
    """As a whole: tools and mode; said and journalled."""
    before = project.workspace.policy
    project.write("mode: observe\n" + POLICY.replace("files.read", "files.write"))
    policy = project.workspace.policy
    assert policy is not before
    assert (policy.mode, policy.tool("files.read")) == (Mode.OBSERVE, None)
    assert "is in force (mode: observe)" in project.said[0]
    assert project.events() == ["policy_reloaded"]
    assert project.alerts == []


def test_a_broken_policy_changes_nothing_loudly(project):
    """Said with line and column, journalled, alerted; and forgotten once it is whole again."""
    before = project.workspace.policy
    project.write(POLICY + "rulez: []\n")
    assert project.workspace.policy is before
    assert "stays in force" in project.said[0]
    assert ":5:1:" in project.said[0]
    assert project.events() == ["policy_refused"]
    assert "policy check" in project.alerts[0].text
    project.look()
    assert len(project.said) == 1
    project.write(POLICY.replace("files.read", "files.write"))
    assert project.workspace.policy.tool("files.write") is not None


def test_a_policy_that_clashes_with_the_program_changes_nothing_loudly(project):
    """It declares a place that the program has declared already; looking never raises."""
    project.workspace.declare("shop", DatabaseSpec())
    before = project.workspace.policy
    project.write(POLICY + "databases: {shop: {url: 'sqlite:///shop.db'}}\n")
    assert project.workspace.policy is before
    assert "stays in force" in project.said[0]
    assert project.events() == ["policy_refused"]


def test_a_policy_that_is_gone_stays_in_force(project):
    """No policy would stop everything; somebody is told."""
    before = project.workspace.policy
    project.file.unlink()
    project.look()
    assert project.workspace.policy is before
    assert "is gone" in project.said[0]
    assert len(project.alerts) == 1


def test_what_is_read_at_the_start_needs_a_restart(project):
    """The store stays the open one."""
    store = project.workspace.store
    project.write(POLICY + "store: sqlite:///other.db\nalerts: [https://hooks.example.com/x]\n")
    assert project.workspace.store is store
    assert "What changed in store, alerts counts after a restart." in project.said[0]
    assert not (project.file.parent / "other.db").exists()


def test_a_file_that_says_the_same_is_no_news(project):
    """A comment more is nothing to tell."""
    before = project.workspace.policy
    project.write(POLICY + "# a comment\n")
    assert project.workspace.policy is before
    assert project.said == project.events() == []


def test_a_file_is_looked_at_twice_a_second(tmp_path):
    """Whatever the number of calls."""
    clock = Clock()
    file = tmp_path / "file"
    watch = Watch(file, clock)
    file.write_text("x")
    assert not watch.changed()
    clock.now = PAUSE_S
    assert watch.changed()
    clock.now += PAUSE_S
    assert not watch.changed()
    found = file.stat()
    file.write_text("y")
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    clock.now += PAUSE_S
    assert watch.changed()


def test_a_file_that_is_replaced_has_changed(tmp_path):
    """Editors write another file and rename it: size and time may be the same."""
    clock = Clock()
    file, other = tmp_path / "file", tmp_path / "other"
    file.write_text("x")
    watch = Watch(file, clock)
    other.write_text("y")
    found = file.stat()
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    other.replace(file)
    clock.now = PAUSE_S
    assert watch.changed()

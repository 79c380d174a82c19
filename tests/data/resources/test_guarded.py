"""Files and HTTP resources through the front: planned, held, approved, applied once, undone, and journalled."""

import asyncio
import json
import os
import signal
import stat
import time
import warnings

import pytest
from tests.data.resources.server import running

import handrail
from handrail import ConfigurationError, Denied, NotDone, OutcomeUnknown, ReviewRequired, ValidationFailed
from handrail.core.store import Query
from handrail.data.resources import (
    CreateFile,
    CreateJson,
    DeleteFile,
    DeleteJson,
    Files,
    HttpResources,
    MoveFile,
    PatchJson,
    PutJson,
    WriteFile,
)
from handrail.data.resources.errors import ResourceRefused, ResourceStale
from handrail.review.decide import add_reviewer, approve

SECRET = "long-secret"

POLICY = """
version: 1
agents:
  bot: {access: write, owner: dana}
  reader: {access: read_only}
reviewers: [kim]
files:
  notes: {root: notes}
http:
  crm: {url: "env:CRM_URL", headers: {Authorization: "env:CRM_TOKEN"}, if_match: true}
  old: {url: "env:CRM_URL", server_fields: [revision]}
tools:
  read: {do: read, resource: "file/{args.path}"}
"""


@pytest.fixture
def server():
    with running() as server:
        server.docs["lead/1"] = {"name": "Ann", "size": 5}
        yield server


@pytest.fixture
def folder(tmp_path, server, monkeypatch):
    monkeypatch.setenv("CRM_URL", server.base)
    monkeypatch.setenv("CRM_TOKEN", "Bearer t0ken-of-crm")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "handrail.yaml").write_text(POLICY)
    (tmp_path / "notes/sub").mkdir(parents=True)
    (tmp_path / "notes/a").write_bytes(b"one\ntwo\n")
    return tmp_path


@pytest.fixture
def hr(folder):
    with handrail.open(store=f"sqlite:///{folder}/.handrail/handrail.db", alerts=False) as hr:
        hr.host.sleep = lambda seconds: None
        yield hr


@pytest.fixture
def notes(hr):
    return hr.files("notes")


@pytest.fixture
def run(hr, request):
    """A run that is open; it cannot begin in a generator."""
    run = hr.run(agent=getattr(request, "param", "bot")).__enter__()
    request.addfinalizer(lambda: run.__exit__(None, None, None))
    return run


def approving(hr, call):
    """Make a call that is held, approve it, make it again."""
    if not hr.store.read(lambda tx: tx.reviewers()):
        add_reviewer(hr.store, hr.policy, "kim", SECRET)
    with pytest.raises(ReviewRequired) as held:
        call()
    approve(hr.store, hr.policy, held.value.ticket, reviewer="kim", secret=SECRET)
    return call()


def ticket_of(hr, call):
    with pytest.raises(ReviewRequired) as held:
        call()
    return hr.store.read(lambda tx: tx.ticket(held.value.ticket))


def rows(hr):
    return [row.record for row in hr.store.read(lambda tx: list(tx.records(Query())))]


def ends(hr, tool):
    return [(one.status, one.reason) for one in rows(hr) if one.tool == tool and one.status]


def tree(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


OLD = {"a": b"one\ntwo\n"}
CHANGES = [
    (WriteFile("a", b"one\n2\n"), {"a": b"one\n2\n"}, "update"),
    (DeleteFile("a"), {}, "delete"),
    (MoveFile("a", "sub/b"), {"sub/b": b"one\ntwo\n"}, "move"),
]
each_change = pytest.mark.parametrize(("change", "after", "verb"), CHANGES, ids=["write", "delete", "move"])


# --- files ------------------------------------------------------------------------------------------------------------


@each_change
def test_held_approved_applied_undone(hr, run, notes, folder, change, after, verb):
    """A change of what is there asks, and so does its undo (that of a delete makes the file anew); each runs once."""
    plan = notes.plan(change)
    assert tree(folder / "notes") == OLD, "a plan changes nothing"
    receipt = approving(hr, lambda: notes.apply(plan.digest))
    assert tree(folder / "notes") == after
    assert (receipt.change, receipt.again) == (plan.digest, False)
    assert notes.apply(plan).again, "applied before: it is told, and asks nobody"
    undo = lambda: notes.undo(receipt.change)  # noqa: E731
    undone = undo() if verb == "delete" else approving(hr, undo)
    assert tree(folder / "notes") == OLD
    assert (undone.operation, undone.again) == ("undo", False)
    assert notes.undo(receipt.change).again
    with pytest.raises(ValidationFailed, match="made and undone"):
        notes.apply(plan)
    effects = [row.body["effects"] for row in rows(hr) if row.tool == "notes.apply_change" and "effects" in row.body]
    assert {(one["verb"], one["resource"]) for some in effects for one in some} >= {(verb, f"file/{folder}/notes/a")}
    assert hr.store.verify().faults == ()


def test_creating_is_free_and_its_undo_is_not(hr, run, notes, folder):
    """A new file cannot overwrite; removing it again is a removal."""
    receipt = notes.apply(notes.plan(CreateFile("b", b"new")))
    assert (folder / "notes/b").read_bytes() == b"new"
    approving(hr, lambda: notes.undo(receipt.change))
    assert tree(folder / "notes") == OLD


def test_the_picture_is_what_a_person_sees(hr, run, notes):
    """The ticket shows the difference, and the plan's result says what will ask."""
    plan = notes.plan(WriteFile("a", b"one\n2\n"))
    ticket = ticket_of(hr, lambda: notes.apply(plan))
    assert ticket.view["before"] == plan.picture
    assert "-two\n+2" in ticket.view["before"]["resources"][0]["diff"]
    assert ticket.view["args"]["change"] == plan.digest
    assert ticket.view["undo"] == "notes.undo_change"
    (planned,) = [row for row in rows(hr) if row.tool == "notes.plan_change" and row.status == "success"]
    assert planned.body["result"]["change"] == plan.digest
    assert "needs a person" in planned.body["result"]["asks"][0]


def test_a_stale_plan_writes_nothing(hr, run, notes, folder):
    """Somebody wrote after the approval: the outcome is stale, and the file theirs."""
    plan = notes.plan(WriteFile("a", b"one\n2\n"))
    add_reviewer(hr.store, hr.policy, "kim", SECRET)
    ticket = ticket_of(hr, lambda: notes.apply(plan))
    approve(hr.store, hr.policy, ticket.id, reviewer="kim", secret=SECRET)
    (folder / "notes/a").write_bytes(b"theirs")
    with pytest.raises(ResourceStale) as stale:
        notes.apply(plan)
    assert stale.value.keys == ("a",)
    assert (folder / "notes/a").read_bytes() == b"theirs"
    assert ends(hr, "notes.apply_change")[-1] == ("failed", "stale")


def test_an_undo_in_conflict_asks_nobody(hr, run, notes, folder):
    """It is seen before a person is bothered, and again if it comes about after the approval."""
    plan = notes.plan(WriteFile("a", b"new"))
    receipt = approving(hr, lambda: notes.apply(plan))
    add = ticket_of(hr, lambda: notes.undo(receipt.change))
    approve(hr.store, hr.policy, add.id, reviewer="kim", secret=SECRET)
    (folder / "notes/a").write_bytes(b"theirs")
    for verb in (notes.undo, notes.preview_undo):
        with pytest.raises(ResourceStale) as conflict:
            verb(receipt.change)
        assert conflict.value.keys == ("a",)
    assert (folder / "notes/a").read_bytes() == b"theirs"
    (folder / "notes/a").write_bytes(b"new")
    assert notes.undo(receipt.change).operation == "undo", "the approval is still there"
    assert tree(folder / "notes") == OLD


def test_a_conflict_between_the_look_and_the_undo(hr, run, notes, folder, monkeypatch):
    """The adapter looks again, whatever was seen before."""
    receipt = notes.apply(notes.plan(CreateFile("b", b"new")))
    add_reviewer(hr.store, hr.policy, "kim", SECRET)
    ticket = ticket_of(hr, lambda: notes.undo(receipt.change))
    approve(hr.store, hr.policy, ticket.id, reviewer="kim", secret=SECRET)
    undo = Files.undo

    def meanwhile(self, kept):
        (folder / "notes/b").write_bytes(b"theirs")
        return undo(self, kept)

    monkeypatch.setattr(Files, "undo", meanwhile)
    with pytest.raises(ResourceStale):
        notes.undo(receipt.change)
    assert ends(hr, "notes.undo_change")[-1] == ("failed", "stale")


def test_undo_asks_with_the_same_arguments_each_time(hr, run, notes):
    """So that one ticket answers all of them."""
    receipt = notes.apply(notes.plan(CreateFile("b", b"new")))
    tickets = {ticket_of(hr, lambda: notes.undo(receipt.change)).id for _ in range(3)}
    assert len(tickets) == 1


def test_another_process_applies_and_undoes(hr, run, notes, folder):
    """What was planned and approved here is found there, by digest alone."""
    plan = notes.plan(WriteFile("a", b"new"))
    add_reviewer(hr.store, hr.policy, "kim", SECRET)
    ticket = ticket_of(hr, lambda: notes.apply(plan))
    approve(hr.store, hr.policy, ticket.id, reviewer="kim", secret=SECRET)
    with elsewhere(folder) as there:
        receipt = there.files.apply(plan.digest)
        assert not receipt.again
    assert notes.apply(plan).again
    assert notes.made(plan.digest)
    assert not notes.undone(plan.digest)


class elsewhere:
    """Everything opened anew, as another process does; a class, since a run cannot begin in a generator."""

    def __init__(self, folder):
        store = f"sqlite:///{folder}/.handrail/handrail.db"
        self.hr = handrail.open(folder / "handrail.yaml", store=store, alerts=False)
        self.hr.host.sleep = lambda seconds: None
        self.run = self.hr.run(agent="bot")

    def __enter__(self):
        self.run.__enter__()
        self.files = self.hr.files("notes")
        return self

    def __exit__(self, *told):
        self.run.__exit__(*told)
        self.hr.close()


def test_a_named_call_gets_its_own_receipt_again(hr, notes):
    """The same (run, call) is the same call, also for what was applied, and what was undone."""
    plan = notes_plan(hr, notes, CreateFile("b", b"new"))
    with hr.run(agent="bot", id="r") as run, run.call("c1"):
        first = notes.apply(plan)
        assert notes.apply(plan).change == first.change
    with hr.run(agent="bot", id="r") as run, run.call("c2"):
        approving(hr, lambda: notes.undo(plan.digest))
        assert notes.undo(plan.digest).again
    assert all(status != "denied" for status, _ in ends(hr, "notes.apply_change") + ends(hr, "notes.undo_change"))


def notes_plan(hr, notes, change):
    with hr.run(agent="bot"):
        return notes.plan(change)


def test_a_named_plan_gets_its_own_plan_again(hr, notes):
    """And another content under the same call is refused, not mixed up."""
    with hr.run(agent="bot", id="r") as run, run.call("c1"):
        plan = notes.plan(CreateFile("b", b"new"))
        assert notes.plan(CreateFile("b", b"new")) == plan
        with pytest.raises(Denied, match="other arguments"):
            notes.plan(CreateFile("b", b"evil"))


def test_outside_a_run_nothing_is_looked_at(hr, notes, monkeypatch):
    """Every verb is refused."""
    monkeypatch.setattr(Files, "preview", None)
    for call in (lambda: notes.plan(DeleteFile("a")), lambda: notes.apply("0" * 64), lambda: notes.undo("0" * 64)):
        with pytest.raises(Denied, match="outside a run"):
            call()


@pytest.mark.parametrize("run", ["reader"], indirect=True)
def test_an_agent_that_only_reads_plans_and_no_more(run, notes, folder):
    """A plan is a read."""
    plan = notes.plan(CreateFile("b", b"new"))
    with pytest.raises(Denied):
        notes.apply(plan)
    assert tree(folder / "notes") == OLD


def test_rules_speak_of_the_file_that_they_name(folder):
    """A rule on another tool's resource holds for a guarded change of the same file, and the reverse."""
    rule = f"""
rules:
  - {{id: keep_a, when: effect.resource == "file/{folder}/notes/a", then: deny, why: It stays.}}
"""
    (folder / "handrail.yaml").write_text(POLICY + rule)
    with handrail.open(store="memory:", alerts=False) as hr, hr.run(agent="bot"):
        notes = hr.files("notes")
        with pytest.raises(Denied, match="It stays"):
            notes.plan(DeleteFile("a"))


@pytest.mark.parametrize(
    "change",
    [
        WriteFile("../handrail.yaml", b"x"), WriteFile("/etc/passwd", b"x"), DeleteFile("a\nb"), MoveFile("a", "../b"),
        CreateFile("b", "text"), CreateFile("b", b"", 0o4755), DeleteFile("\ud800"), PutJson("a", {}), None,
    ],
)  # fmt: skip
def test_hostile_changes_are_no_changes(hr, run, notes, folder, change):
    """Refused as invalid, journalled, and shown safely."""
    with pytest.raises(ValidationFailed) as refused:
        notes.plan(change)
    assert str(refused.value).isprintable()
    assert ends(hr, "notes.plan_change") == [("failed_validation", "arguments")]
    assert tree(folder / "notes") == OLD


@pytest.mark.parametrize("change", ["", "0" * 64, "Z" * 64, "../../x", "\x1b[2J", 7, None, "\ud800"])
def test_hostile_digests_are_no_plans(hr, run, notes, change):
    """For every verb that takes one."""
    for verb in (notes.apply, notes.undo, notes.preview_undo):
        with pytest.raises(ValidationFailed) as refused:
            verb(change)
        assert str(refused.value).isprintable()
        assert ("is not the digest of a plan" in str(refused.value)) == (change != "0" * 64)


def test_links_lead_nowhere(run, notes, folder):
    """A link is neither read nor written through."""
    (folder / "secret").write_text("s3cret")
    (folder / "notes/link").symlink_to(folder / "secret")
    (folder / "notes/out").symlink_to(folder)
    for change in (WriteFile("link", b"x"), DeleteFile("link"), WriteFile("out/secret", b"x")):
        with pytest.raises(ResourceRefused) as refused:
            notes.plan(change)
        assert "s3cret" not in str(refused.value)


def test_an_expired_plan(hr, run, notes, folder, monkeypatch):
    """Is not applied, also when it expires while somebody decides."""
    plan = notes.plan(CreateFile("b", b"new"))
    later = plan.expires_s + 1
    propose = hr.propose

    def slow(*args, **kwargs):
        monkeypatch.setattr(time, "time", lambda: later)
        return propose(*args, **kwargs)

    object.__setattr__(notes, "_edge", type(notes._edge)(notes._edge.host, slow))
    with pytest.raises(ResourceRefused, match="expired"):
        notes.apply(plan)
    with pytest.raises(ValidationFailed, match="expired"):
        notes.apply(plan)
    assert tree(folder / "notes") == OLD


def test_a_plan_edited_in_the_store(hr, run, notes, folder):
    """Is refused, whatever the approval says."""
    plan = notes.plan(CreateFile("b", b"new"))
    hr.store.transact(lambda tx: tx.put_piece(f"content/notes/{plan.digest}", 0, b"evil", 2**60))
    with pytest.raises(ValidationFailed, match="changed in the store"):
        notes.apply(plan)
    assert tree(folder / "notes") == OLD


def test_what_was_applied_stays_applied_when_its_plan_is_edited(hr, run, notes):
    """The ledger tells."""
    plan = notes.plan(CreateFile("b", b"new"))
    notes.apply(plan)
    hr.store.transact(lambda tx: tx.put_piece(f"said/notes/{plan.digest}", 0, b"evil", 2**60))
    assert notes.apply(plan).again


def test_a_moved_root(hr, run, notes, folder):
    """Neither a plan nor a change of the old folder is taken for one of the new."""
    done = notes.apply(notes.plan(CreateFile("b", b"new")))
    plan = notes.plan(CreateFile("c", b"new"))
    (folder / "notes").rename(folder / "moved")
    (folder / "handrail.yaml").write_text(POLICY.replace("root: notes", "root: moved"))
    with elsewhere(folder) as there:
        moved = there.files
        with pytest.raises(ValidationFailed, match="was made for"):
            moved.apply(plan)
        with pytest.raises(ValidationFailed, match="another root"):
            moved.undo(done.change)
        assert moved.apply(moved.plan(CreateFile("c", b"new"))).operation == "create"


def test_a_root_that_is_gone(hr, run, notes, folder):
    """Says so, and does not count as done."""
    plan = notes.plan(CreateFile("b", b"new"))
    (folder / "notes").rename(folder / "away")
    with pytest.raises(ResourceRefused, match="root folder cannot be opened"):
        notes.apply(plan)
    (folder / "away").rename(folder / "notes")
    assert not notes.apply(plan).again


def test_large_content_is_refused_with_the_limit(run, notes, monkeypatch):
    """Before anything is kept."""
    monkeypatch.setattr("handrail.data.resources.kinds.CONTENT_MAX", 100)
    with pytest.raises(ValidationFailed, match="at most 100"):
        notes.plan(CreateFile("b", b"x" * 101))


def test_our_own_folder_is_ours(hr, run, notes, folder):
    """Receipts and before-copies lie beside the store, for our user alone."""
    approve_all = notes.plan(WriteFile("a", b"new"))
    approving(hr, lambda: notes.apply(approve_all))
    ours = folder / ".handrail/changes/notes"
    for path in (ours, ours.parent, ours / "images", ours / "changes"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert any(path.read_bytes() == OLD["a"] for path in (ours / "images").iterdir())


def test_on_an_event_loop(hr, notes, folder):
    """The same verbs, and the loop goes on meanwhile."""

    async def work():
        with hr.run(agent="bot"):
            plan = await notes.plan_async(CreateFile("b", b"new"))
            receipt = await notes.apply_async(plan)
            assert (await notes.apply_async(plan.digest)).again
            with pytest.raises(ReviewRequired) as held:
                await notes.undo_async(receipt.change)
            approve(hr.store, hr.policy, held.value.ticket, reviewer="kim", secret=SECRET)
            undone = await notes.undo_async(receipt.change)
            assert (await notes.undo_async(receipt.change)).again
            return undone

    add_reviewer(hr.store, hr.policy, "kim", SECRET)
    assert asyncio.run(work()).operation == "undo"
    assert tree(folder / "notes") == OLD


# --- a process that dies ----------------------------------------------------------------------------------------------

STOPS = {
    "before the step": (Files, "_perform", True),
    "after the step": (Files, "_perform", False),
    "after the receipt": (Files, "apply", False),
    "before the undo": (Files, "undo", True),
    "after the undo": (Files, "undo", False),
}


def dies(folder, stop, work):
    """Do something in a process that is killed at a stop."""
    owner, name, before = STOPS[stop]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of threads: the server's
        child = os.fork()
    if child == 0:
        step = getattr(owner, name)

        def dying(*args, **kwargs):
            if before:
                os.kill(os.getpid(), signal.SIGKILL)
            step(*args, **kwargs)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(owner, name, dying)
        try:
            with elsewhere(folder) as there:
                work(there)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), status


@pytest.mark.parametrize("stop", ["before the step", "after the step", "after the receipt"])
@each_change
def test_killed_while_applying(folder, change, after, verb, stop):
    """Applying again ends it under the approval that was given: done once, and no action is left in doubt."""
    with elsewhere(folder) as there:
        hr, notes = there.hr, there.files
        plan = notes.plan(change)
        add_reviewer(hr.store, hr.policy, "kim", SECRET)
        ticket = ticket_of(hr, lambda: notes.apply(plan))
        approve(hr.store, hr.policy, ticket.id, reviewer="kim", secret=SECRET)
    dies(folder, stop, lambda there: there.files.apply(plan.digest))
    with elsewhere(folder) as there:
        hr, notes = there.hr, there.files
        receipt = notes.apply(plan.digest)
        assert (receipt.change, tree(folder / "notes")) == (plan.digest, after)
        assert ends(hr, "notes.apply_change")[-1][0] == "success"
        undo = lambda: notes.undo(plan.digest)  # noqa: E731
        undo() if verb == "delete" else approving(hr, undo)
        assert tree(folder / "notes") == OLD


@pytest.mark.parametrize("stop", ["before the undo", "before the step", "after the step", "after the undo"])
def test_killed_while_undoing(folder, stop):
    """Undoing again ends it under the approval that was given: the old content is there, once."""
    with elsewhere(folder) as there:
        hr, notes = there.hr, there.files
        plan = notes.plan(WriteFile("a", b"new"))
        approving(hr, lambda: notes.apply(plan))
        ticket = ticket_of(hr, lambda: notes.undo(plan.digest))
        approve(hr.store, hr.policy, ticket.id, reviewer="kim", secret=SECRET)
    dies(folder, stop, lambda there: there.files.undo(plan.digest))
    with elsewhere(folder) as there:
        hr, notes = there.hr, there.files
        receipt = notes.undo(plan.digest)
        assert (receipt.operation, tree(folder / "notes")) == ("undo", OLD)
        assert notes.undo(plan.digest).again


def test_cut_off_and_its_plan_is_gone(hr, run, notes, folder):
    """A person decides whether to look; what became of it is told then."""
    plan = notes.plan(WriteFile("a", b"new"))
    add_reviewer(hr.store, hr.policy, "kim", SECRET)
    ticket = ticket_of(hr, lambda: notes.apply(plan))
    approve(hr.store, hr.policy, ticket.id, reviewer="kim", secret=SECRET)
    dies(folder, "after the step", lambda there: there.files.apply(plan.digest))
    hr.store.transact(lambda tx: tx.drop_pieces(f"said/notes/{plan.digest}"))
    with pytest.raises(ValidationFailed, match="cut off"):
        notes.undo(plan.digest)
    receipt = approving(hr, lambda: notes.apply(plan.digest))
    assert (receipt.change, tree(folder / "notes")) == (plan.digest, {"a": b"new"})


@pytest.mark.parametrize("way", ["apply", "undo"])
def test_cut_off_and_the_root_is_away(hr, run, notes, folder, way):
    """What cannot be looked at is not known, so nothing says that nothing was done; later it is told."""
    plan = notes.plan(CreateFile("b", b"new"))
    if way == "undo":
        notes.apply(plan)
        add_reviewer(hr.store, hr.policy, "kim", SECRET)
        ticket = ticket_of(hr, lambda: notes.undo(plan.digest))
        approve(hr.store, hr.policy, ticket.id, reviewer="kim", secret=SECRET)
    dies(folder, "after the step", lambda there: getattr(there.files, way)(plan.digest))
    (folder / "notes").rename(folder / "away")
    with pytest.raises((ReviewRequired, OutcomeUnknown)):
        getattr(notes, way)(plan.digest)
    assert ("retry", "error") in ends(hr, f"notes.{way}_change")
    (folder / "away").rename(folder / "notes")
    approving(hr, lambda: getattr(notes, way)(plan.digest))
    assert (folder / "notes/b").exists() == (way == "apply")


def test_in_observe_mode_everything_runs(folder):
    """What would have been decided is journalled."""
    (folder / "handrail.yaml").write_text(POLICY.replace("version: 1", "version: 1\nmode: observe"))
    with handrail.open(store="memory:", alerts=False) as hr, hr.run(agent="bot"):
        notes = hr.files("notes")
        receipt = notes.apply(notes.plan(WriteFile("a", b"new")))
        assert notes.apply(receipt.change).again
        assert notes.undo(receipt.change).operation == "undo"
        assert notes.undo(receipt.change).again
        assert tree(folder / "notes") == OLD
        assert "ask" in {row.body.get("would") for row in rows(hr)}


def test_cut_off_before_anything_and_its_plan_is_gone(hr, run, notes, folder):
    """It did nothing, which is said, and then it can be planned anew."""
    plan = notes.plan(CreateFile("b", b"new"))
    dies(folder, "before the step", lambda there: there.files.apply(plan.digest))
    hr.store.transact(lambda tx: tx.drop_pieces(f"said/notes/{plan.digest}"))
    with pytest.raises(ResourceRefused, match="Plan it again"):
        notes.apply(plan.digest)
    assert tree(folder / "notes") == OLD
    assert notes.apply(notes.plan(CreateFile("b", b"new"))).operation == "create"


@pytest.mark.parametrize("place", ["crm", "old"])
def test_killed_after_the_server_had_it(hr, run, server, folder, place):
    """Asked again, the change is told by reading the resource; it is not sent twice."""
    resources = hr.http(place)
    plan = resources.plan(PutJson("lead/1", {"name": "Bob"}))
    add_reviewer(hr.store, hr.policy, "kim", SECRET)
    ticket = ticket_of(hr, lambda: resources.apply(plan))
    approve(hr.store, hr.policy, ticket.id, reviewer="kim", secret=SECRET)
    STOPS["at the answer"] = (HttpResources, "_done", True)
    dies(folder, "at the answer", lambda there: there.hr.http(place).apply(plan.digest))
    assert server.docs == {"lead/1": {"name": "Bob"}}
    receipt = resources.apply(plan.digest)
    assert (receipt.change, len(server.writes())) == (plan.digest, 1)
    assert ends(hr, f"{place}.apply_change")[-1][0] == "success"


# --- HTTP -------------------------------------------------------------------------------------------------------------

LEAD = {"name": "Ann", "size": 5}


@pytest.fixture
def crm(hr):
    return hr.http("crm")


@pytest.fixture
def old(hr):
    return hr.http("old")


@pytest.mark.parametrize(
    ("change", "after"),
    [
        (PutJson("lead/1", {"name": "Bob"}), {"lead/1": {"name": "Bob"}}),
        (PatchJson("lead/1", {"size": None}), {"lead/1": {"name": "Ann"}}),
        (DeleteJson("lead/1"), {}),
    ],
)
def test_http_held_approved_applied_undone(hr, run, crm, server, change, after):
    """On a server that compares, what changes something asks; each request is made once, with its precondition."""
    tag = server.etag("lead/1")
    plan = crm.plan(change)
    assert server.writes() == []
    assert plan.precondition == "atomic"
    receipt = approving(hr, lambda: crm.apply(plan))
    assert server.docs == after
    assert crm.apply(plan).again
    (request,) = server.writes()
    assert (request[2]["If-Match"], request[2]["Idempotency-Key"]) == (tag, plan.digest)
    assert request[2]["Authorization"] == "Bearer t0ken-of-crm"
    if isinstance(change, DeleteJson):
        crm.undo(receipt.change)
    else:
        approving(hr, lambda: crm.undo(receipt.change))
    assert server.docs == {"lead/1": LEAD}
    assert crm.undo(receipt.change).again
    assert len(server.writes()) == 2


def test_http_creating_is_free_where_the_server_compares(hr, run, crm, server):
    """If-None-Match keeps it from overwriting."""
    receipt = crm.apply(crm.plan(CreateJson("lead/2", {"name": "Eve"})))
    assert server.writes()[0][2]["If-None-Match"] == "*"
    approving(hr, lambda: crm.undo(receipt.change))
    assert server.docs == {"lead/1": LEAD}


@pytest.mark.parametrize("etags", ["strong", "none"])
def test_a_server_that_does_not_compare_always_asks(hr, run, old, server, etags):
    """Also about a creation and about every undo, and the person is told why."""
    server.etags = etags
    plan = old.plan(CreateJson("lead/2", {"name": "Eve"}))
    ticket = ticket_of(hr, lambda: old.apply(plan))
    assert "precondition" in ticket.rules
    assert "cannot compare" in ticket.view["before"]["warnings"][0]
    assert any("cannot compare" in finding["why"] for finding in ticket.view["findings"])
    receipt = approving(hr, lambda: old.apply(plan))
    assert receipt.precondition == "check_then_act"
    ticket = ticket_of(hr, lambda: old.undo(receipt.change))
    assert "precondition" in ticket.rules


def test_a_resource_without_a_tag_asks_even_on_a_server_that_compares(hr, run, crm, server):
    """There is nothing to compare by."""
    server.etags = "none"
    plan = crm.plan(PutJson("lead/1", {}))
    ticket = ticket_of(hr, lambda: crm.apply(plan))
    assert "precondition" in ticket.rules


def test_http_stale_and_conflict(hr, run, crm, server):
    """412, or seen before sending: nothing is written. A later write is never undone away."""
    plan = crm.plan(PutJson("lead/1", {"name": "Bob"}))
    add_reviewer(hr.store, hr.policy, "kim", SECRET)
    ticket = ticket_of(hr, lambda: crm.apply(plan))
    approve(hr.store, hr.policy, ticket.id, reviewer="kim", secret=SECRET)
    server.script = [lambda: server.docs.update({"lead/1": {"name": "theirs"}})]  # between our read and our write
    with pytest.raises(ResourceStale, match="412"):
        crm.apply(plan)
    assert server.docs == {"lead/1": {"name": "theirs"}}
    assert ends(hr, "crm.apply_change")[-1] == ("failed", "stale")
    plan = crm.plan(PutJson("lead/1", {"name": "Bob"}))
    receipt = approving(hr, lambda: crm.apply(plan))
    server.docs["lead/1"] = {"name": "later"}
    with pytest.raises(ResourceStale):
        crm.undo(receipt.change)
    assert server.docs == {"lead/1": {"name": "later"}}


@pytest.mark.parametrize("lost", ["drop before", "drop after", 503])
def test_a_lost_answer_is_asked_for_again_with_the_same_key(hr, run, crm, server, lost):
    """Whether or not the request arrived, it happens once, and the action succeeds."""
    server.script = [lost]
    receipt = crm.apply(crm.plan(CreateJson("lead/2", {"name": "Eve"})))
    assert server.docs["lead/2"] == {"name": "Eve"}
    assert receipt.operation == "create"
    assert len({request[2]["Idempotency-Key"] for request in server.writes()}) == 1
    assert ends(hr, "crm.apply_change")[-1][0] == "success"


def test_a_server_that_never_answers_is_in_doubt(hr, run, crm, server):
    """After the retries a person is asked; nothing says that nothing was done."""
    server.script = ["drop before"] * 20
    plan = crm.plan(CreateJson("lead/2", {"name": "Eve"}))
    with pytest.raises((ReviewRequired, OutcomeUnknown)) as end:
        crm.apply(plan)
    assert "lead/2" not in server.docs
    assert not isinstance(end.value, NotDone)
    server.script = []


def test_a_server_that_is_gone(hr, run, crm, server, monkeypatch):
    """A connection that never was says so: nothing was sent. Planning says that nothing can be read."""
    plan = crm.plan(CreateJson("lead/2", {"name": "Eve"}))
    server.http.shutdown()
    server.http.server_close()
    for call in (lambda: crm.apply(plan), lambda: crm.plan(DeleteJson("lead/1"))):
        with pytest.raises(ResourceRefused, match=r"cannot be read|no answer"):
            call()
    assert not crm.made(plan.digest)


@pytest.mark.parametrize("status", [400, 403, 409, 429])
def test_a_clear_refusal_is_not_repeated(hr, run, crm, server, status):
    """The server's word that it did nothing."""
    server.script = [(status, {})]
    with pytest.raises(ResourceRefused, match=str(status)):
        crm.apply(crm.plan(CreateJson("lead/2", {})))
    assert len(server.writes()) == 1
    assert ends(hr, "crm.apply_change")[-1] == ("failed", "error")


def test_credentials_are_never_shown(hr, run, crm, server, folder, capsys):
    """Not in the journal, the picture, the ledger, a message or a repr."""
    plan = crm.plan(PutJson("lead/1", {"name": "Bob"}))
    receipt = approving(hr, lambda: crm.apply(plan))
    server.script = [(403, {})]
    with pytest.raises(ResourceRefused) as refused:
        crm.apply(crm.plan(CreateJson("lead/3", {})))
    told = [str(refused.value), repr(crm), repr(plan), str(plan.picture), repr(receipt), capsys.readouterr().out]
    told += [json.dumps(row.body, default=str) for row in rows(hr)]
    assert not any("t0ken" in text for text in told)
    for path in (folder / ".handrail").rglob("*"):
        assert not path.is_file() or b"t0ken" not in path.read_bytes()


@pytest.mark.parametrize(
    "change", [PutJson("../lead/1", {}), PutJson("a\nb", {}), PutJson("a", object()), DeleteFile("a")]
)
def test_hostile_http_changes_are_no_changes(run, crm, server, change):
    """Nothing is sent."""
    with pytest.raises(ValidationFailed):
        crm.plan(change)
    assert server.seen == []


def test_members_of_the_server_do_not_count(hr, run, old, server):
    """What it sets by itself is no conflict, and is not written back."""
    server.stamps, server.etags = True, "none"
    plan = old.plan(PatchJson("lead/1", {"size": 6}))
    receipt = approving(hr, lambda: old.apply(plan))
    server.docs["lead/1"]["revision"] += 1
    approving(hr, lambda: old.undo(receipt.change))
    assert {**server.docs["lead/1"], "revision": 0} == {**LEAD, "revision": 0}


# --- opening ----------------------------------------------------------------------------------------------------------


def test_a_program_declares_its_own(folder, server):
    """With a name; what is declared twice has to be the same."""
    (folder / "other").mkdir()
    with handrail.open(store="memory:", alerts=False) as hr, hr.run(agent="bot"):
        other = hr.files(folder / "other", name="other")
        assert other.apply(other.plan(CreateFile("x", b""))).operation == "create"
        assert hr.files("other").where == other.where == str(folder / "other")
        assert hr.files("other", name="other").where == other.where
        api = hr.http(server.base, name="api", if_match=True, headers={"X-Key": "k3y"})
        assert api.apply(api.plan(CreateJson("lead/9", {}))).operation == "create"
        assert server.writes()[0][2]["X-Key"] == "k3y"
        assert "k3y" not in repr(hr.places["api"])
        assert hr.http(server.base, name="api", if_match=True).name == "api"
        for wrong in (
            lambda: hr.files(folder / "notes", name="other"),
            lambda: hr.http(server.base, name="api"),
            lambda: hr.http(server.base, name="notes"),
            lambda: hr.files(folder / "other", name="crm"),
        ):
            with pytest.raises(ConfigurationError):
                wrong()


def test_what_cannot_be_opened_says_what_to_do(hr, folder, monkeypatch):
    """A name that is none, a folder without a name, settings that the policy has, a variable that is not set."""
    for wrong, match in [
        (lambda: hr.files("note"), "notes"),
        (lambda: hr.http("cmr"), "crm"),
        (lambda: hr.files("crm"), "under 'files'"),
        (lambda: hr.files(folder / "notes"), "name"),
        (lambda: hr.http("http://x.test/"), "name"),
        (lambda: hr.http("x.test", name="x"), "no URL"),
        (lambda: hr.http("crm", if_match=True), "policy declares"),
        (lambda: hr.http("crm", headers={"authorization": "mine"}), "given twice"),
        (lambda: hr.http("http://user:pw@x.test/", name="x"), "credentials"),
        (lambda: hr.files("gone", name="gone"), "not a folder"),
        (lambda: hr.files(folder, name="all"), "holds .handrail"),
        (lambda: hr.files(folder / ".handrail", name="ours"), "holds .handrail"),
        (lambda: hr.files("notes", name="Bad Name"), "names no place"),
    ]:
        with pytest.raises(ConfigurationError, match=match):
            wrong()
    monkeypatch.delenv("CRM_TOKEN")
    with pytest.raises(ConfigurationError, match="CRM_TOKEN"):
        hr.http("crm")


def test_a_link_to_the_root_is_the_root(hr, run, folder):
    """Ids are of the real path, whatever the policy calls it."""
    (folder / "also").symlink_to(folder / "notes")
    also = hr.files("also", name="also")
    assert also.where == str(folder / "notes")
    assert hr.files(folder / "sub/../notes", name="also").where == also.where, "the same folder, said otherwise"
    plan = also.plan(DeleteFile("a"))
    assert plan.picture["resources"][0]["at"] == f"file/{folder}/notes/a"
